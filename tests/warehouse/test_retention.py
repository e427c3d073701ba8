"""Files that are loaded and old are removed; nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_marketo.warehouse.retention import remove_all_loaded_files, remove_loaded_files
from tests.warehouse.published import published

WEEK = timedelta(days=7)
ROW = [(1, "secret@x.example", 5, "2026-01-05T00:00:00Z")]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "lake"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def clean(warehouse, folder: Path) -> int:
    return remove_loaded_files(f"file://{folder}", "wh", warehouse.schema, WEEK)


def test_what_is_loaded_goes_after_a_week_and_the_rest_stays(warehouse, folder):
    old = published(folder, ROW, name="old", as_of="2026-01-01T00:00:00Z")
    not_loaded = published(folder, ROW, name="not_loaded", as_of="2026-01-01T00:00:00Z")
    young = published(folder, ROW, name="young", as_of="2026-01-05T00:00:00Z")
    newest = published(folder, ROW, name="newest", as_of="2026-01-09T00:00:00Z")
    for manifest in (old, young, newest):
        warehouse.load(manifest)
    before = names(folder)
    assert clean(warehouse, folder) == 1
    gone = before - names(folder)
    assert gone == {"old.json", old.files[0].name}
    assert {not_loaded.files[0].name, young.files[0].name, newest.files[0].name} <= names(folder)
    assert clean(warehouse, folder) == 0
    result = warehouse.load(old)
    assert result["tables"]["old"]["repeated"], "a load that is cleared needs no files"


def test_what_was_extracted_again_and_is_not_loaded_yet_stays(warehouse, folder):
    warehouse.load(published(folder, ROW, name="old", as_of="2026-01-01T00:00:00Z"))
    again = published(folder, [*ROW, (2, None, None, None)], name="old", as_of="2026-01-02T00:00:00Z")
    warehouse.load(published(folder, ROW, name="newest", as_of="2026-01-19T00:00:00Z"))
    assert clean(warehouse, folder) == 0
    removed, left = remove_all_loaded_files(f"file://{folder}", "wh", warehouse.schema)
    assert (len(removed), left) == (1, [again.files[0].name])
    assert warehouse.load(again)["tables"]["old"]["inserted"] == 1


def test_a_file_that_a_newer_manifest_lists_stays(warehouse, folder):
    old = published(folder, ROW, name="old", as_of="2026-01-01T00:00:00Z")
    newer = replace(old, as_of="2026-01-10T00:00:00Z", manifest=old.manifest.replace("old.json", "newer.json"))
    (folder / "_marketo/manifests/newer.json").write_text(json.dumps(newer.to_dict()))
    warehouse.load(old)
    assert clean(warehouse, folder) == 0
    assert old.files[0].name in names(folder)
    assert "old.json" not in names(folder)


def test_the_next_load_removes_what_a_kill_between_two_files_has_left(warehouse, folder):
    old = published(folder, [*ROW, (2, None, None, None)], name="old", as_of="2026-01-01T00:00:00Z", files=2)
    warehouse.load(old)
    warehouse.load(published(folder, ROW, name="newest", as_of="2026-01-09T00:00:00Z"))
    (folder / old.files[0].name).unlink()
    assert clean(warehouse, folder) == 2
    assert "old.json" not in names(folder)
