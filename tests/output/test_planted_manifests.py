"""A reader refuses a changed manifest in one sentence, and never leaves the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError, MarketoStateError
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset, ManifestFile, read_manifest
from airflow_provider_marketo.output.manifest import publish_manifest as publish

PLACE = f"{layout.MANIFESTS}/leads.json"
FILE = ManifestFile("leads.csv", 1, 1, "0" * 64)


def planted(folder: Path, **members: Any) -> str:
    """Write a manifest with other members; return its path."""
    manifest = Manifest("leads", str(folder), "csv", files=(FILE,), datasets=(ManifestDataset("leads"),))
    (folder / layout.MANIFESTS).mkdir(parents=True, exist_ok=True)
    (folder / PLACE).write_text(json.dumps(manifest.to_dict() | members))
    return str(folder / PLACE)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "s3://other/x", "..\\x", "a\0b", "", "file:///x"])
def test_a_manifest_lists_only_files_of_its_folder(tmp_path, name):
    path = planted(tmp_path, files=[{"name": name, "rows": 1, "bytes": 1, "sha256": "x"}])
    with pytest.raises(MarketoDataError, match="not the name of a file in its folder"):
        read_manifest(path)


@pytest.mark.parametrize("output", ["/etc", "s3://other/leads", "", "../elsewhere"])
def test_the_files_of_a_manifest_lie_in_the_folder_in_which_it_lies(tmp_path, output):
    found = read_manifest(planted(tmp_path, output=output))
    assert [path.path for path in found.paths] == [str(tmp_path / "leads.csv")]


@pytest.mark.parametrize(
    "members",
    [
        {"files": "leads.csv"},
        {"files": [1]},
        {"files": {"name": "x"}},
        {"datasets": "leads"},
        {"datasets": [{"name": "leads", "columns": "id"}]},
        {"datasets": [{"name": "leads", "kind": "\x1b[2Jfull"}]},
        {"kind": "everything"},
        {"as_of": "yesterday"},
        {"end": "2026-13-45"},
        {"datasets": [{"name": "leads", "as_of": "\x1b[31m"}]},
        {"rows": "many"},
    ],
)
def test_odd_members_are_refused_in_a_printable_sentence(tmp_path, members):
    with pytest.raises(MarketoDataError) as caught:
        read_manifest(planted(tmp_path, **members))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("files", [[1], ["x"], [{}], [None], 5])
def test_a_task_that_publishes_over_a_damaged_manifest_says_which(tmp_path, files):
    planted(tmp_path, files=files)
    with pytest.raises(MarketoStateError, match=PLACE):
        publish(OutputFolder(str(tmp_path)), Manifest("leads", str(tmp_path), "csv"), "leads", {})


@pytest.mark.parametrize("listed", ["link/victim", "deep/link/victim"])
def test_nothing_is_deleted_behind_a_link(tmp_path, listed):
    outside, folder = tmp_path / "outside", tmp_path / "lake"
    (folder / listed).parent.parent.mkdir(parents=True)
    outside.mkdir()
    (outside / "victim").touch()
    (folder / listed).parent.symlink_to(outside)
    with pytest.raises(MarketoInvalidRequestError, match="a link that leads out of the folder"):
        OutputFolder(str(folder)).delete(listed)
    assert (outside / "victim").exists()


def test_an_output_folder_may_be_a_link_itself(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "lake").symlink_to(tmp_path / "disk")
    folder = OutputFolder(str(tmp_path / "lake"))
    folder.write("a/b.csv", b"x")
    folder.delete("a/b.csv")
    assert folder.read("a/b.csv") is None
