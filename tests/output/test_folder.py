"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from airflow.sdk.io import attach
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoInvalidRequestError,
    MarketoPackageMissingError,
    MarketoStorageError,
)
from airflow_provider_marketo.output import folder as folders
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


@pytest.mark.parametrize("place", ["{}/a\ud83d", "{}/\ude00/b", "s3://bucket/\ud83d", "file://{}/\udcff"])
def test_a_path_with_half_an_emoji_is_refused_by_name(place, tmp_path):
    with pytest.raises(MarketoInvalidRequestError, match=r"rejects_path=.*surrogates not allowed") as refused:
        OutputFolder(place.format(tmp_path), parameter="rejects_path")
    assert refused.value.parameter == "rejects_path"


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb", "end\n", "a\0b"])
@pytest.mark.parametrize("place", ["{}/", "file://{}/", "s3://bucket/"])
def test_a_name_that_would_lead_to_another_folder_is_refused(place, name, tmp_path):
    with pytest.raises(MarketoInvalidRequestError, match=r"evidence=.* has a line break, a tab or a NUL in it"):
        OutputFolder(place.format(tmp_path) + name, parameter="evidence")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["what?", "no#", "a?#b", "?"])
@pytest.mark.parametrize("place", ["{}/", "file://{}/", "s3://bucket/"])
def test_an_empty_query_of_a_url_is_refused(place, name, tmp_path):
    with pytest.raises(MarketoInvalidRequestError, match=r"ends in \? or #, or has \?# in it"):
        OutputFolder(place.format(tmp_path) + name)


@pytest.mark.parametrize("url", ["file://{}/a::b", "s3://bucket/a::b"])
def test_a_chain_of_file_systems_is_refused(url, tmp_path):
    with pytest.raises(MarketoInvalidRequestError, match="has :: in it, which chains file systems"):
        OutputFolder(url.format(tmp_path))


@pytest.mark.parametrize("scheme", ["abfs", "abfss", "az"])
def test_a_backslash_is_refused_where_it_is_a_slash(scheme):
    with pytest.raises(MarketoInvalidRequestError, match="has a backslash in it, which Azure reads as /"):
        OutputFolder(f"{scheme}://container/a\\b", parameter="output_path")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0\t\r\n"), min_size=1, max_size=60)


@given(NAMES.filter(lambda name: name not in (".", "..")))
@example("what?")
@example("a;b?c#d%20")
@example(" blanks ")
def test_the_last_part_of_a_path_is_literal_or_refused(name):
    with tempfile.TemporaryDirectory() as place:
        try:
            OutputFolder(f"{place}/{name}").write("k", b"data")
        except MarketoInvalidRequestError:
            assert re.search(r"[?#]$|\?#", name)
            return
        assert [found.relative_to(place).parts for found in Path(place).rglob("*") if found.is_file()] == [(name, "k")]


def test_a_disk_that_folds_case_is_known_by_a_name_that_is_there_in_capitals_too(tmp_path, monkeypatch):
    assert not OutputFolder(str(tmp_path)).folds_case
    make = tempfile.mkdtemp

    def folding(**given):
        made = Path(make(**given))
        made.with_name(made.name.upper()).mkdir()
        return str(made)

    monkeypatch.setattr(tempfile, "mkdtemp", folding)
    assert OutputFolder(str(tmp_path)).folds_case


def test_an_unknown_file_system_says_what_to_install():
    with pytest.raises(MarketoInvalidRequestError, match=r"airflow-provider-marketo\[s3\]"):
        OutputFolder("webhdfs4://somewhere/out")


@pytest.fixture
def bucket():
    """An object store as far as fsspec is concerned: no renames, uploads that replace."""
    attach("memory", fs=MemoryFileSystem())
    return OutputFolder("memory://bucket/out")


def test_an_object_store_sees_a_file_when_it_is_uploaded_and_not_before(bucket):
    with bucket.staging() as staging:
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
    with OutputFolder(str(tmp_path)).staging() as staging, staging.open("rows.csv") as file:
        file.write(b"x")
        assert [path.name for path in (tmp_path / "_marketo/staging").rglob("rows.csv")] == ["rows.csv"]


@pytest.mark.parametrize("name", ["EU [test]", "Q?x", "a*b", "h#x", "per%20cent", "{a,b}", "~x", "100%"])
def test_a_folders_name_is_literal(tmp_path, name):
    neighbour = OutputFolder(str(tmp_path / "EU t"))
    neighbour.write("rows.csv", b"of a neighbour")
    folder = OutputFolder(str(tmp_path / name))
    folder.check_writable()
    for each in ("rows.csv", "b/rows [1].csv", "b/c/rows?.csv"):
        folder.write(each, each.encode())
    assert folder.names("") == ["rows.csv"]
    assert folder.tree("") == ["b/c/rows?.csv", "b/rows [1].csv", "rows.csv"]
    assert folder.read("b/rows [1].csv") == b"b/rows [1].csv"
    folder.delete("rows.csv")
    folder.delete_tree("b/c")
    assert visible(tmp_path) == {f"{name}/b/rows [1].csv", "EU t/rows.csv"}
    assert folder.names("nowhere") == folder.tree("nowhere") == []


class Globbing(MemoryFileSystem):  # type: ignore[misc]
    """Like gcsfs and adlfs: methods for several files take patterns, so a name with ``*`` may match any file."""

    def _no_pattern(self, *_: object, **__: object) -> None:
        raise AssertionError("this would read a name as a pattern")

    glob = rm = mv = move = copy = get = put = expand_path = cat = _no_pattern


@pytest.mark.parametrize("name", ["EU [test]", "Q?x", "a*b", "{a,b}"])
def test_on_an_object_store_every_key_is_literal(name):
    attach("memory", fs=Globbing())
    neighbour = OutputFolder("memory://lake/EU t")
    neighbour.write("rows.csv", b"of a neighbour")
    folder = OutputFolder(f"memory://lake/{name}", owner="a task")
    folder.check_writable()
    for each in ("rows.csv", "b/rows [1].csv", "b/rows1.csv", "b/c/rows?.csv"):
        folder.write(each, each.encode())
    assert folder.names("") == ["rows.csv"]
    assert folder.tree("") == ["b/c/rows?.csv", "b/rows [1].csv", "b/rows1.csv", "rows.csv"]
    folder.delete("b/rows [1].csv")
    assert folder.read("b/rows [1].csv") is None
    folder.delete_tree("b/c")
    folder.remove_temporary()
    assert folder.modified("b/rows1.csv").tzinfo is not None
    assert folder.tree("") == ["b/rows1.csv", "rows.csv"]
    assert neighbour.tree("") == ["rows.csv"]


def test_a_store_that_cannot_be_reached_is_one_sentence(monkeypatch):
    connection = {
        "conn_type": "aws",
        "login": "key",
        "password": "a-secret",
        "extra": {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CLOSED", json.dumps(connection))
    folder = OutputFolder("s3://closed@bucket/leads")
    for ask in (lambda: folder.read("a.json"), lambda: folder.names("a"), lambda: folder.tree("a")):
        with pytest.raises(MarketoStorageError, match=r"^cannot use output_path=s3://closed@bucket/leads \(Endpoint"):
            ask()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC, errno.ETIMEDOUT])
def test_a_failure_of_the_storage_may_be_retried(tmp_path, monkeypatch, number):
    folder = OutputFolder(str(tmp_path))

    def broken(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", broken)
        with pytest.raises(MarketoStorageError, match="cannot write to output_path="):
            folder.check_writable()
    folder.check_writable()


WAYS = {
    "write": lambda folder: folder.write("a/b.json", b"{}"),
    "read": lambda folder: folder.read("kept.json"),
    "list": lambda folder: folder.names(""),
    "walk": lambda folder: folder.tree(""),
    "delete": lambda folder: folder.delete("kept.json"),
    "delete a folder": lambda folder: folder.delete_tree("kept"),
    "ask for the time": lambda folder: folder.modified("kept.json"),
    "stage": lambda folder: folder.staging(),
}
PLACES = [
    ("write", os, "replace"),
    ("write", os, "fsync"),
    ("write", tempfile, "mkdtemp"),
    ("stage", tempfile, "mkdtemp"),
    ("read", LocalFileSystem, "cat_file"),
    ("list", LocalFileSystem, "ls"),
    ("walk", LocalFileSystem, "find"),
    ("delete", LocalFileSystem, "rm_file"),
    ("delete a folder", shutil, "rmtree"),
    ("ask for the time", LocalFileSystem, "modified"),
]


@pytest.mark.parametrize(("way", "owner", "name"), PLACES, ids=lambda each: each if isinstance(each, str) else "")
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_whatever_fails_in_a_folder_is_one_sentence_with_its_parameter(tmp_path, monkeypatch, way, owner, name, number):
    folder = OutputFolder(str(tmp_path))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept.json").write_text("{}")

    def broken(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        with pytest.raises(MarketoError) as failed:
            WAYS[way](folder)
    is_permanent = number in (errno.EACCES, errno.EROFS)
    assert type(failed.value) is (MarketoInvalidRequestError if is_permanent else MarketoStorageError)
    what = "cannot write to" if way in ("write", "stage") else "cannot use"
    kind = "PermissionError" if number == errno.EACCES else "OSError"
    assert str(failed.value).startswith(f"{what} output_path={tmp_path} ({kind}: [Errno {number}]")
    if number in (errno.ENOSPC, errno.EDQUOT):
        assert str(failed.value).endswith("Make room there: then the task's next try can write.")


def test_a_folder_that_cannot_be_tidied_up_does_not_fail_what_is_done(tmp_path, monkeypatch, caplog):
    folder = OutputFolder(str(tmp_path))
    (tmp_path / "_marketo/runs").mkdir(parents=True)

    def broken(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "rmtree", broken)
    folder.tidy_up("_marketo/runs")
    assert "Could not tidy up _marketo/runs: cannot use output_path=" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        PermissionError("Access Denied"),
        FileNotFoundError("The specified bucket does not exist"),
        OSError(errno.EROFS, "Read-only file system"),
        type("HttpError", (Exception,), {"code": 403})("Forbidden"),
        type("ResourceNotFoundError", (Exception,), {})("The specified container does not exist"),
    ],
    ids=str,
)
def test_a_storage_that_says_permission_or_not_found_is_not_tried_again(tmp_path, monkeypatch, error):
    def refused(*_):
        raise error

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(MarketoInvalidRequestError):
        OutputFolder(str(tmp_path)).check_writable()


def left_behind(url: str, owner: str) -> None:
    """A try that is killed while it writes."""
    staging = OutputFolder(url, owner=owner).staging()
    with staging.open("date=2026-01-01/rows.csv") as file:
        file.write(b"an address")


@pytest.mark.parametrize("store", ["disk", "bucket"])
def test_the_next_try_removes_what_a_killed_try_has_left_and_nothing_of_others(tmp_path, monkeypatch, store):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    attach("memory", fs=MemoryFileSystem())
    url = str(tmp_path / "out") if store == "disk" else "memory://bucket/left"
    left_behind(url, "mine")
    left_behind(url, "another's")
    assert len(visible(tmp_path)) == 2
    OutputFolder(url, owner="mine").remove_temporary()
    assert len(visible(tmp_path)) == 1
    OutputFolder(url, owner="another's").remove_temporary()
    assert visible(tmp_path) == set()


def test_only_this_user_can_read_a_file_before_it_is_published(tmp_path):
    with OutputFolder(str(tmp_path)).staging() as staging:
        with staging.open("a/rows.csv") as file:
            path = Path(file.name)
        assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)] == [
            0o600,
            0o700,
            0o700,
        ]
        staging.publish(["a/rows.csv"])
    (tmp_path / "usual").touch()
    assert (tmp_path / "a/rows.csv").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_published_file_and_its_name_are_on_the_disk(tmp_path, monkeypatch):
    """After a power failure, a host has only synced content under synced names."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    renamed = os.replace

    def rename(old, new):
        synced.append("rename")
        renamed(old, new)

    monkeypatch.setattr(os, "replace", rename)
    OutputFolder(str(tmp_path / "out")).write("a/rows.csv", b"1")
    before = synced[: synced.index("rename")]
    assert any(name.endswith("/a/rows.csv") for name in before)
    assert {str(tmp_path), str(tmp_path / "out")} <= set(before), "the names of new folders"
    assert synced[synced.index("rename") + 1 :] == [str(tmp_path / "out/a")]


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("abfs", "azure")])
@pytest.mark.parametrize("error", [ImportError("no s3fs"), ValueError("No filesystem registered")])
def test_a_host_without_the_package_of_a_store_is_not_the_end_of_the_task(monkeypatch, scheme, extra, error):
    def missing(url):
        raise error

    monkeypatch.setattr(folders, "ObjectStoragePath", missing)
    with pytest.raises(MarketoPackageMissingError, match=rf"airflow-provider-marketo\[{extra}\]"):
        OutputFolder(f"{scheme}://bucket/prefix")


def test_a_write_for_which_there_is_no_room_names_the_folder_and_leaves_nothing(tmp_path):
    """The kernel's error of a write names no file."""
    folder = OutputFolder(str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=f"File too large: '{tmp_path}'"):
            folder.write("large", b"x" * 1001)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
