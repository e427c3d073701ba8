"""Where the temporary files of tests are."""

from __future__ import annotations

import tempfile
from collections import namedtuple

import pytest

from tests import in_memory

usage = namedtuple("usage", "total used free")


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """A folder with free space that stands in for the file system in memory."""
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/where/the/system/has/them")
    monkeypatch.setattr(in_memory, "MEMORY", tmp_path)
    monkeypatch.setattr(in_memory, "ROOM", 1)
    return tmp_path


def test_temporary_files_of_tests_are_in_memory(memory):
    in_memory.keep_temporary_files_in_memory()
    assert tempfile.gettempdir() == str(memory)


def test_a_developer_may_choose_another_place(memory, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    in_memory.keep_temporary_files_in_memory()
    assert tempfile.gettempdir() == "/where/the/system/has/them"


def test_without_room_in_memory_they_are_on_the_disk(memory, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(2, 2, 0))
    in_memory.keep_temporary_files_in_memory()
    assert tempfile.gettempdir() == "/where/the/system/has/them"


def test_without_a_file_system_in_memory_they_are_on_the_disk(memory, monkeypatch):
    monkeypatch.setattr(in_memory, "MEMORY", memory / "missing")
    in_memory.keep_temporary_files_in_memory()
    assert tempfile.gettempdir() == "/where/the/system/has/them"
