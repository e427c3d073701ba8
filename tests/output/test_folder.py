"""Files appear whole or not at all."""

from __future__ import annotations

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.output.folder import OutputFolder


def visible(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_staged_file_is_invisible_until_it_is_published(tmp_path):
    with OutputFolder(str(tmp_path / "out")).staging() as staging:
        with staging.open("date=2026-01-01/rows.csv") as file:
            file.write(b"id\n1\n")
        assert not (tmp_path / "out/date=2026-01-01").exists()
        staging.publish(["date=2026-01-01/rows.csv"])
        assert (tmp_path / "out/date=2026-01-01/rows.csv").read_bytes() == b"id\n1\n"


def test_what_was_not_published_leaves_nothing_behind(tmp_path):
    def work():
        with OutputFolder(str(tmp_path)).staging() as staging, staging.open("rows.csv") as file:
            file.write(b"half a ro")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        work()
    assert visible(tmp_path) == set()


def test_publishing_replaces_what_was_there(tmp_path):
    folder = OutputFolder(f"file://{tmp_path}")
    folder.write("rows.csv", b"old")
    folder.write("rows.csv", b"new")
    assert visible(tmp_path) == {"rows.csv"}
    assert folder.read("rows.csv") == b"new"


def test_json_documents_come_back_and_missing_ones_are_none(tmp_path):
    folder = OutputFolder(str(tmp_path))
    folder.write_json("a/b.json", {"rows": 1})
    assert folder.read_json("a/b.json") == {"rows": 1}
    assert folder.read_json("a/c.json") is None


def test_deleting_what_is_not_there_is_fine(tmp_path):
    folder = OutputFolder(str(tmp_path))
    folder.write("run/a.json", b"{}")
    folder.delete_tree("run")
    folder.delete_tree("run")
    folder.delete("run/a.json")
    assert visible(tmp_path) == set()


def test_a_folder_that_can_be_written_to_is_left_as_it_was(tmp_path):
    OutputFolder(str(tmp_path)).check_writable()
    assert visible(tmp_path) == set()


def test_a_folder_that_cannot_be_written_to_is_named_with_the_parameter(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(MarketoInvalidRequestError, match="output_path=") as caught:
        OutputFolder(str(tmp_path / "file" / "sub")).check_writable()
    assert caught.value.parameter == "output_path"


def test_an_unknown_file_system_says_what_to_install():
    with pytest.raises(MarketoInvalidRequestError, match=r"airflow-provider-marketo\[s3\]"):
        OutputFolder("webhdfs4://somewhere/out")


@pytest.fixture
def bucket():
    """An object store as far as fsspec is concerned: no renames, uploads that replace."""
    attach("memory", fs=MemoryFileSystem())
    return OutputFolder("memory://bucket/out")


def test_an_object_store_sees_a_file_when_it_is_uploaded_and_not_before(bucket):
    with bucket.staging("_marketo/runs/x/staging") as staging:
        with staging.open("date=2026-01-01/rows.csv") as file:
            file.write(b"id\n1\n")
        assert bucket.read("date=2026-01-01/rows.csv") is None
        staging.publish(["date=2026-01-01/rows.csv"])
    assert bucket.read("date=2026-01-01/rows.csv") == b"id\n1\n"
    bucket.delete("date=2026-01-01/rows.csv")
    assert bucket.read("date=2026-01-01/rows.csv") is None


def test_a_staged_file_can_be_continued_and_read_before_it_is_published(tmp_path):
    with OutputFolder(str(tmp_path)).staging() as staging:
        for part in (b"a", b"b"):
            with staging.open("x", "ab") as file:
                file.write(part)
        with staging.open("x", "rb") as file:
            assert file.read() == b"ab"


def test_staging_lies_in_the_folder_itself_so_that_publishing_is_a_rename(tmp_path):
    with OutputFolder(str(tmp_path)).staging("_marketo/runs/x/staging") as staging, staging.open("rows.csv") as file:
        file.write(b"x")
        assert [path.name for path in (tmp_path / "_marketo/runs/x/staging").rglob("rows.csv")] == ["rows.csv"]
