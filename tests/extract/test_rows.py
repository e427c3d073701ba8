"""Leads read by key, written like those of an export."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from types import SimpleNamespace

import pyarrow.parquet
import pytest

from airflow_provider_marketo.extract.rows import write_rows
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.manifest import read_manifest

FIELDS = ("id", "email", "leadScore", "createdAt", "unsubscribed")
DESCRIBE = [
    {"dataType": kind, "rest": {"name": name}}
    for name, kind in zip(FIELDS, ("integer", "email", "integer", "datetime", "boolean"), strict=True)
]
ROWS = [
    {"id": 5, "email": 'o"neil,@x.y', "leadScore": 7, "createdAt": "2026-01-01T00:00:00Z", "unsubscribed": False},
    {"id": 6, "email": "null", "leadScore": None},
]


class Instance:
    """The part of a client that these tests use."""

    def call(self, operation: str) -> SimpleNamespace:
        assert operation == "leads.describe"
        return SimpleNamespace(records=DESCRIBE)

    def marketo_time(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=timezone.utc)


def write(folder, rows, file_format):
    output = OutputFolder(str(folder))
    ids, manifest = write_rows(
        output, Instance(), FIELDS, rows, file_format=file_format, name="leads", run_folder="_marketo/runs/a/b/c/-1"
    )
    assert read_manifest(manifest.manifest) == manifest
    return ids, manifest


def test_types_come_from_describe(tmp_path):
    ids, manifest = write(tmp_path, ROWS, "parquet")
    table = pyarrow.parquet.read_table(tmp_path / "leads.parquet")
    assert [str(field.type) for field in table.schema] == ["int64", "string", "int64", "timestamp[us, tz=UTC]", "bool"]
    assert table.to_pylist()[1] == {**dict.fromkeys(FIELDS), "id": 6, "email": "null"}
    assert ids == [5, 6]
    assert [(file.name, file.rows) for file in manifest.files] == [("leads.parquet", 2)]


@pytest.mark.parametrize("file_format", ["parquet", "jsonl", "csv"])
def test_the_manifest_has_what_a_load_needs(tmp_path, file_format):
    _, manifest = write(tmp_path, ROWS, file_format)
    (dataset,) = manifest.datasets
    types = ["int64", "string", "int64", "timestamp[us, tz=UTC]", "bool"]
    assert [(column.name, column.type) for column in dataset.columns] == list(zip(FIELDS, types, strict=True))
    assert (dataset.name, dataset.key, dataset.kind, dataset.as_of) == (
        "leads",
        ("id",),
        "changes",
        "2026-01-02T00:00:00Z",
    )


def test_jsonl_and_csv_say_the_same(tmp_path):
    write(tmp_path / "typed", ROWS, "jsonl")
    write(tmp_path, ROWS, "csv")
    first = json.loads((tmp_path / "typed/leads.jsonl").read_text().split("\n")[0])
    assert first == ROWS[0]
    assert (tmp_path / "leads.csv").read_text() == (
        "id,email,leadScore,createdAt,unsubscribed\n"
        '5,"o""neil,@x.y",7,2026-01-01T00:00:00Z,false\n'
        '6,"null",null,null,null\n'
    )


def test_no_rows_make_no_file(tmp_path):
    ids, manifest = write(tmp_path, [], "jsonl")
    assert (ids, manifest.files) == ([], ())
    assert not (tmp_path / "leads.jsonl").exists()


def test_a_read_without_rows_removes_the_rows_of_the_read_before(tmp_path):
    write(tmp_path, ROWS, "csv")
    _, manifest = write(tmp_path, [], "csv")
    assert manifest.files == ()
    assert not (tmp_path / "leads.csv").exists()


def test_a_read_that_fails_keeps_the_published_rows(tmp_path):
    write(tmp_path, ROWS, "csv")
    before = (tmp_path / "leads.csv").read_bytes()

    def broken():
        yield ROWS[0]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        write(tmp_path, broken(), "csv")
    assert (tmp_path / "leads.csv").read_bytes() == before
