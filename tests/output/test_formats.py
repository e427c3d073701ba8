"""The registry of formats: every format writes the same records, and every part of the provider knows it."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone
from typing import get_args

import pyarrow.parquet
import pytest

from airflow_provider_marketo.choices import AttributesForm, FileFormat
from airflow_provider_marketo.client.tabular.schema import BOOLEAN, DATETIME, INTEGER, STRING
from airflow_provider_marketo.output.formats import FORMATS

COLUMNS = {"id": INTEGER, "name": STRING, "has_draft": BOOLEAN, "created": DATETIME}
RECORDS = [
    {"id": 1, "name": 'Größe, "quoted"\nand broken', "has_draft": True, "created": "2026-01-31T12:00:00Z"},
    {"id": 2, "name": None, "has_draft": None, "created": None, "of no column": "left out"},
]


def written(name: str, records=RECORDS) -> bytes:
    file = io.BytesIO()
    assert FORMATS[name].write(file, COLUMNS, iter(records)) == len(records)
    return file.getvalue()


def test_the_registry_has_the_formats_that_authors_may_name():
    assert tuple(FORMATS) == get_args(FileFormat)
    for one in FORMATS.values():
        assert one.attributes in one.attribute_forms
        assert set(one.attribute_forms) <= set(get_args(AttributesForm))


def test_parquet_has_typed_columns():
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet")))
    assert [str(kind) for kind in table.schema.types] == ["int64", "string", "bool", "timestamp[us, tz=UTC]"]
    first, second = table.to_pylist()
    assert first == RECORDS[0] | {"created": datetime(2026, 1, 31, 12, tzinfo=timezone.utc)}
    assert second == {"id": 2, "name": None, "has_draft": None, "created": None}


def test_jsonl_has_an_object_per_line():
    found = [json.loads(line) for line in written("jsonl").decode("utf-8").splitlines()]
    assert found == [{name: record[name] for name in COLUMNS} for record in RECORDS]


def test_csv_has_a_header_and_quotes_what_needs_it():
    found = list(csv.DictReader(io.StringIO(written("csv").decode("utf-8"), newline="")))
    assert list(found[0]) == list(COLUMNS)
    assert [row["name"] for row in found] == [RECORDS[0]["name"], ""]


def test_no_records_are_a_file_without_rows():
    assert written("jsonl", []) == b""
    assert written("csv", []) == b"id,name,has_draft,created\r\n"
    assert pyarrow.parquet.read_table(io.BytesIO(written("parquet", []))).num_rows == 0


@pytest.mark.parametrize("name", list(FORMATS))
def test_files_have_the_formats_name_as_extension(name):
    assert FORMATS[name].file_name("leads") == f"leads.{name}"


def test_more_records_than_a_block_are_all_written():
    many = [{**RECORDS[0], "id": number} for number in range(25_000)]
    table = pyarrow.parquet.read_table(io.BytesIO(written("parquet", many)))
    assert table.column("id").to_pylist() == list(range(25_000))


def test_a_truth_in_a_column_of_texts_is_written_as_json_writes_it():
    file = io.BytesIO()
    FORMATS["parquet"].write(file, {"answer": STRING}, [{"answer": True}, {"answer": 7}])
    file.seek(0)
    assert pyarrow.parquet.read_table(file).column("answer").to_pylist() == ["true", "7"]


@pytest.mark.parametrize("name", list(FORMATS))
def test_half_of_a_surrogate_pair_is_replaced(name):
    content = written(name, [{**RECORDS[1], "name": "a\ud83db"}])
    if name == "parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(content)).column("name").to_pylist() == ["a\ufffdb"]
    else:
        assert "a\ufffdb" in content.decode("utf-8")
