"""A column that is exported to cut rows by it, and not written: every format leaves out the same, and nothing else."""

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
SCHEMA = TableSchema((Column("id", "integer"), Column("name", "string")), ("id",), "createdAt")

SECONDS = st.integers(min_value=-1, max_value=4)
NAMES = st.text(alphabet='ab ,"\n', min_size=1, max_size=5)


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
@given(rows=st.lists(st.tuples(SECONDS, NAMES), max_size=30))
def test_rows_are_cut_by_a_column_that_is_not_written(place, rows):
    def placed(helper, cells):
        return [*cells[:place], helper, *cells[place:]]

    moments = [START + timedelta(seconds=second) for second, _ in rows]
    data = line(placed("createdAt", ["id", "name"])) + b"".join(
        line(placed(f"{moment:%Y-%m-%dT%H:%M:%SZ}", [number, name]))
        for number, (moment, (_, name)) in enumerate(zip(moments, rows, strict=True))
    )
    inside = [(n, name) for n, (second, name) in enumerate(rows) if 0 <= second < 3]
    rules = Rules(SCHEMA, "leads", span=SPAN)
    found = list(
        csv.reader(io.StringIO(written(lambda out: CsvTransform(rules, None, out), data).decode(), newline=""))
    )
    assert found[:1] == ([["id", "name"]] if inside else [])
    assert [(int(number), name) for number, name in found[1:]] == inside
    text = written(lambda out: TypedTransform(rules, None, out, "jsonl"), data).decode()
    assert [json.loads(row) for row in text.splitlines()] == [{"id": n, "name": name} for n, name in inside]
