"""A file that cannot be read is named, and no value of a row is shown or logged."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace

import pytest

from airflow_provider_marketo.client.errors import MarketoStorageError
from airflow_provider_marketo.output.manifest import DatasetColumn
from airflow_provider_marketo.warehouse.errors import MarketoLoadError
from tests.client.test_secrets import recorded
from tests.warehouse.published import published

MARK = "marked-value"
ROWS = [(1, f"{MARK}\x1b[2J\u202e@x.example", 5, "2026-01-05T00:00:00Z")]


def spoilt(folder, manifest, old: bytes, new: bytes):
    """Return the manifest with a file in which something is replaced, and its checksum."""
    path = folder / manifest.files[0].name
    path.write_bytes(path.read_bytes().replace(old, new))
    listed = replace(manifest.files[0], sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    return replace(manifest, files=(listed,))


@pytest.mark.parametrize(
    ("file_format", "old", "new"),
    [
        ("csv", b"\n", f"\n{MARK},,,,\n".encode()),
        ("jsonl", b"{", f'{{"{MARK}'.encode()),
        ("jsonl", b"{", f'["{MARK}"]\n{{'.encode()),
        ("jsonl", b"{", f'"{MARK}"\n{{'.encode()),
        ("parquet", b"PAR1", MARK.encode()[:4]),
    ],
)
def test_a_file_that_cannot_be_read(warehouse, tmp_path, caplog, file_format, old, new):
    caplog.set_level(logging.DEBUG)
    manifest = spoilt(tmp_path, published(tmp_path, ROWS, file_format=file_format), old, new)
    with pytest.raises(MarketoLoadError, match=f"leads_0.{file_format} cannot be read") as caught:
        warehouse.load(manifest)
    assert MARK not in caplog.text + str(caught.value)
    assert str(caught.value).isprintable()


def test_a_storage_that_fails_is_not_the_databases_fault(warehouse, tmp_path):
    manifest = published(tmp_path, ROWS)
    path = tmp_path / manifest.files[0].name
    path.unlink()
    path.mkdir()
    with pytest.raises(MarketoStorageError, match=r"^a file of the manifest cannot be read \(IsADirectoryError: "):
        warehouse.load(manifest)


def test_a_value_that_is_not_of_its_columns_type(warehouse, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    manifest = published(tmp_path, [(1, MARK, 5, None)])
    (dataset,) = manifest.datasets
    columns = tuple(replace(each, type="int64") if each.name == "email" else each for each in dataset.columns)
    with pytest.raises(MarketoLoadError, match=r"leads_0.parquet cannot be read as .*int64") as caught:
        warehouse.load(replace(manifest, datasets=(replace(dataset, columns=columns),)))
    assert MARK not in caplog.text + str(caught.value) + recorded(caught.value).partition("warehouse.load")[0]


def test_a_scope_that_is_not_of_its_columns_type(warehouse, tmp_path):
    manifest = published(tmp_path, ROWS, scope={"listId": (MARK,)})
    (dataset,) = manifest.datasets
    dataset = replace(dataset, columns=(*dataset.columns, DatasetColumn("listId", "int64")))
    with pytest.raises(MarketoLoadError, match="is not of type") as caught:
        warehouse.load(replace(manifest, datasets=(dataset,)))
    assert MARK not in str(caught.value)
