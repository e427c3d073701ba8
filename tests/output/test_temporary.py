"""Temporary files of killed tasks are found, and those of running tasks are not."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import timedelta

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.temporary import find_leftovers


@pytest.mark.parametrize("store", ["disk", "bucket"])
def test_only_what_no_task_has_changed_for_a_while_is_found_and_removed(tmp_path, monkeypatch, store):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    attach("memory", fs=MemoryFileSystem())
    url = str(tmp_path / "out [1]") if store == "disk" else "memory://bucket/out"
    for owner in ("a killed task", "a running task"):
        with OutputFolder(url, owner=owner).staging().open("date=2026-01-01/rows.csv") as file:
            file.write(b"an address")
    OutputFolder(url).write("rows.csv", b"published")
    old = find_leftovers(url, older_than=timedelta(0))[0]
    two_days_ago = time.time() - 2 * 86_400
    for path in (*old.path.rglob("*"), old.path):
        os.utime(path, (two_days_ago, two_days_ago))
    assert [each.path for each in find_leftovers(url)] == [old.path]
    assert find_leftovers(url)[0].bytes == len(b"an address")
    old.remove()
    assert find_leftovers(url) == []
    assert len(find_leftovers(url, older_than=timedelta(0))) == 1
    assert OutputFolder(url).read("rows.csv") == b"published"
