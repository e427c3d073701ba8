"""Nothing outside of an output folder is read, written or deleted, whatever a name contains."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.names import contained

OUTSIDE = [
    "../x",
    "../../x",
    "a/../../x",
    "/etc/x",
    "..",
    ".",
    "",
    "a/./b",
    "..\\x",
    "a\\..\\x",
    "s3://b/x",
    "a\0b",
    "//x",
]
ACTIONS = ["read", "delete", "delete_tree", "read_json"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name, action):
    planted = tmp_path / "x"
    planted.write_text("a neighbour")
    folder = OutputFolder(str(tmp_path / "a" / "b"))
    with pytest.raises(MarketoInvalidRequestError, match="not the name of a file in the output folder"):
        getattr(folder, action)(name)
    assert planted.exists()


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_the_folder_is_not_written(tmp_path, name):
    folder = OutputFolder(str(tmp_path / "a" / "b"))
    with pytest.raises(MarketoInvalidRequestError):
        folder.write(name, b"data")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["a", "a/b.csv", "..a/b", "a..", ".hidden", "EU [test]/Q?x*", "date=2026-01-01/c.csv"])
def test_names_within_the_folder_are_as_they_are(tmp_path, name):
    folder = OutputFolder(str(tmp_path))
    folder.write(name, b"data")
    assert (tmp_path / name).read_bytes() == folder.read(name) == b"data"


@given(st.lists(st.sampled_from(["..", ".", "a", "", "/", "\\", "b"]), max_size=6).map("/".join))
def test_whatever_is_taken_stays_within(name):
    try:
        taken = contained(name)
    except MarketoInvalidRequestError:
        return
    depth = 0
    for part in taken.replace("\\", "/").split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        assert depth >= 0
    assert not taken.startswith(("/", "\\"))


def test_rows_that_wait_to_be_sent_are_for_this_user_only(tmp_path):
    folder = OutputFolder(str(tmp_path))
    folder.write("_marketo/runs/a_dag/a_task/a_run/-1/chunks/rows.csv", b"email\na@example.com\n")
    folder.write("published.csv", b"id\n1\n")

    def mode(name: str) -> int:
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    assert mode("_marketo/runs/a_dag/a_task/a_run/-1/chunks/rows.csv") == 0o600
    assert {mode(f"_marketo/runs/a_dag/a_task/a_run{inner}") for inner in ("", "/-1", "/-1/chunks")} == {0o700}
    assert mode("published.csv") & 0o044  # by the umask: others read it
    assert mode("_marketo/runs") & 0o055


@pytest.mark.parametrize("planted", ["file", "folder"])
def test_no_link_in_the_folder_leads_out_of_it(tmp_path, planted):
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "passwd").write_text("root:x:0:0")
    (tmp_path / "out" / "_marketo").mkdir(parents=True)
    folder = OutputFolder(str(tmp_path / "out"))
    link = tmp_path / "out" / "_marketo" / ("runs" if planted == "folder" else "passwd")
    link.symlink_to(outside if planted == "folder" else outside / "passwd")
    name = "_marketo/runs/passwd" if planted == "folder" else "_marketo/passwd"
    for act in (
        folder.read,
        folder.path,
        folder.modified,
        folder.delete,
        lambda name: folder.write(name, b"ours"),
        lambda name: folder.delete_tree(name.rpartition("/")[0] if planted == "folder" else name),
        lambda name: folder.names(name.rpartition("/")[0] if planted == "folder" else name),
    ):
        with pytest.raises(MarketoInvalidRequestError, match="a link that leads out of the folder"):
            act(name)
    assert [each.read_text() for each in outside.iterdir()] == ["root:x:0:0"]


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    OutputFolder(str(tmp_path / "out")).write("a.json", b"1")
    assert (tmp_path / "disk" / "a.json").read_bytes() == b"1"
