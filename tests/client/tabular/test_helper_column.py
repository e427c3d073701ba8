"""Rows are cut by a column that is written, or is exported only for the cut: every format leaves out the same rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_marketo.client.tabular import cells, csvfile
from airflow_provider_marketo.client.tabular.csvfile import CsvTransform
from airflow_provider_marketo.client.tabular.records import Block, fields, line
from airflow_provider_marketo.client.tabular.schema import Column, TableSchema
from airflow_provider_marketo.client.tabular.tables import JsonLinesFiles
from airflow_provider_marketo.client.tabular.transform import Rules
from airflow_provider_marketo.client.tabular.typed import TypedTransform
from tests.properties import examples

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SPAN = (START, START + timedelta(seconds=3))
COLUMNS = (Column("id", "integer"), Column("name", "string"))
DATE = Column("createdAt", "datetime")

SECONDS = st.integers(min_value=-1, max_value=4)
SPELLINGS = st.sampled_from(["%Y-%m-%dT%H:%M:%SZ"] * 9 + ["%Y-%m-%dT%H:%M:%S+0000"])
NAMES = st.text(alphabet='ab ,"\n', min_size=1, max_size=5) | st.just("a\n2026-01-01T00:00:01Z,2")


class Memory(io.BytesIO):
    """A file whose content can be read after it is closed."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def written(transform, data: bytes, chunk: int = 64) -> bytes:
    files: list[Memory] = []

    def open_file(_: str, __: str = "wb") -> Memory:
        files.append(Memory())
        return files[-1]

    sink = transform(open_file)
    for start in range(0, len(data), chunk):
        sink.feed(data[start : start + chunk])
    sink.finish()
    return b"".join(file.kept for file in files)


@pytest.mark.parametrize("place", [0, 1, 2], ids=["first", "amid", "last"])
@pytest.mark.parametrize("is_written", [False, True], ids=["only read", "written"])
@given(rows=st.lists(st.tuples(SECONDS, SPELLINGS, NAMES), max_size=30))
def test_rows_are_cut_by_a_column_wherever_it_is(is_written, place, rows):
    def placed(date, cells):
        return [*cells[:place], date, *cells[place:]]

    cells = [
        placed((START + timedelta(seconds=second)).strftime(spelling), [str(number), name])
        for number, (second, spelling, name) in enumerate(rows)
    ]
    expected = [row for row, (second, _, _) in zip(cells, rows, strict=True) if 0 <= second < 3]
    columns = tuple(placed(DATE, COLUMNS)) if is_written else COLUMNS
    if not is_written:
        expected = [[*row[:place], *row[place + 1 :]] for row in expected]
    data = line(placed("createdAt", ["id", "name"])) + b"".join(map(line, cells))
    rules = Rules(TableSchema(columns, ("id",), "createdAt"), "leads", span=SPAN)
    found = list(
        csv.reader(io.StringIO(written(lambda out: CsvTransform(rules, None, out), data).decode(), newline=""))
    )
    assert found[:1] == ([[column.name for column in columns]] if expected else [])
    assert found[1:] == expected
    text = written(lambda out: TypedTransform(rules, None, out, JsonLinesFiles), data).decode()
    ours = [dict(zip((column.name for column in columns), row, strict=True)) for row in expected]
    assert [(row["id"], row["name"]) for row in map(json.loads, text.splitlines())] == [
        (int(row["id"]), row["name"]) for row in ours
    ]


IN_TIME, TOO_LATE = b"2026-01-01T00:00:01Z", b"2026-01-01T00:00:03Z"
DATES = st.sampled_from(
    [IN_TIME] * 12
    + [TOO_LATE, b"2026-01-01T00:00:00Z", b"2025-12-31T23:59:59Z"]
    + [b"null", b"", b"soon", b"2026-13-01T00:00:00Z", b"9999-12-31T23:59:59-08:00"]
    + [b"2026-01-01T00:00:02.999Z", b"2026-01-01T00:00:03+0000", b"2026-01-01T01:00:00+01:00"]
    + [b'"2026-01-01T00:00:01Z"', b'"2026-01-01T00:00:03Z"', b'"2026-01-01T00:00:01Z,"']
)
PIECES = st.sampled_from(
    [b"a", b" ", b",", b'""', b"\n", b"\r\n", b"\r", b"\0", b"\n" + IN_TIME + b",", b"\n" + TOO_LATE]
)
QUOTED = st.lists(PIECES, max_size=4).map(lambda pieces: b'"' + b"".join(pieces) + b'"')
UNQUOTED = st.sampled_from([b"null", b"", b"a", b"\0", b'5" or "6"', b'"b" c', b'"a"b,"'])
CELLS = st.one_of(QUOTED, QUOTED, st.sampled_from([b"null", b"", b"a", IN_TIME]), UNQUOTED)


def cut(data: bytes) -> list[bytes]:
    """Return the rows that must remain: each record is read by itself, and a record without a date remains."""
    kept = []
    for record in Block(data, 0, tolerant=True).records():
        date = fields(record)[0]
        moment = cells.read(date.text.decode(), "datetime")
        if not isinstance(moment, datetime) or SPAN[0] <= moment < SPAN[1]:
            kept.append(record[date.end + 1 :])
    return kept


@given(
    rows=st.lists(st.tuples(DATES, CELLS, CELLS), min_size=1, max_size=25),
    end=st.sampled_from([b"\n", b"\n", b"\r\n"]),
    last=st.booleans(),
    block=st.sampled_from([30, 100, 400, 1 << 20]),
)
@settings(max_examples=examples(150))
def test_blocks_of_records_are_cut_as_each_record_is(rows, end, last, block):
    data = end.join(b",".join(row) for row in rows) + (end if last else b"")
    whole = Block(data, 0, tolerant=True).records()
    assume(b"".join(whole).rstrip(b"\n") == data.rstrip(b"\n"))  # no quoted field is open at the end
    rules = Rules(TableSchema(COLUMNS, ("id",), "createdAt"), "leads", span=SPAN)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(csvfile, "BLOCK", block)
        found = written(lambda out: CsvTransform(rules, None, out), b"createdAt,id,name\n" + data, chunk=block)
    kept = cut(data)
    assert found == (b"id,name\n" + b"".join(kept) if kept else b"")
