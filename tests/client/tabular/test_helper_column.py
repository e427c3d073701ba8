"""Rows are cut by a column that is written, or is exported only for that: every format leaves out the same rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.tabular.csvfile import CsvTransform
from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.client.tabular.schema import Column, TableSchema
from airflow_provider_marketo.client.tabular.transform import Rules
from airflow_provider_marketo.client.tabular.typed import TypedTransform

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SPAN = (START, START + timedelta(seconds=3))
COLUMNS = (Column("id", "integer"), Column("name", "string"))
DATE = Column("createdAt", "datetime")

SECONDS = st.integers(min_value=-1, max_value=4)
SPELLINGS = st.sampled_from(["%Y-%m-%dT%H:%M:%SZ"] * 9 + ["%Y-%m-%dT%H:%M:%S+0000"])
NAMES = st.text(alphabet='ab ,"\n', min_size=1, max_size=5) | st.just("a\n2026-01-01T00:00:01Z,2")


class Memory(io.BytesIO):
    """A file whose content outlives it."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def written(transform, data: bytes) -> bytes:
    files: list[Memory] = []

    def open_file(_: str, __: str = "wb") -> Memory:
        files.append(Memory())
        return files[-1]

    sink = transform(open_file)
    for start in range(0, len(data), 64):
        sink.feed(data[start : start + 64])
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
    text = written(lambda out: TypedTransform(rules, None, out, "jsonl"), data).decode()
    ours = [dict(zip((column.name for column in columns), row, strict=True)) for row in expected]
    assert [(row["id"], row["name"]) for row in map(json.loads, text.splitlines())] == [
        (int(row["id"]), row["name"]) for row in ours
    ]
