"""Old files that killed and failed tasks left behind are removed, and nothing else."""

from __future__ import annotations

import os
import tempfile
import time
from datetime import timedelta

import pytest

from airflow_provider_marketo.output.abandoned import remove_abandoned, temporary_folder
from airflow_provider_marketo.output.cleaning import remove_runs
from airflow_provider_marketo.output.folder import OutputFolder
from tests.support import task_context

DAY = 24 * 3600.0
OWNER = "0123456789abcdef"


def aged(path, days: float) -> None:
    """Set the times of a path and of everything below it to some days ago."""
    when = time.time() - days * DAY
    for each in [*path.rglob("*"), path]:
        os.utime(each, (when, when))


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    names = [f"marketo-{OWNER}-x", f"marketo-{OWNER}-new", "marketo-simulator-1", "of-others"]
    for name in names:
        (tmp_path / "tmp" / name / "date=2026-01-01").mkdir(parents=True)
        (tmp_path / "tmp" / name / "date=2026-01-01/rows.csv").write_text("an address")
        aged(tmp_path / "tmp" / name, 0 if name.endswith("new") else 8)
    return tmp_path / "tmp"


def left(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_old_temporary_folders_of_tasks_go(temporary):
    assert remove_abandoned(temporary_folder(), dry_run=True) == 1
    assert remove_abandoned(temporary_folder()) == 1
    assert left(temporary) == {f"marketo-{OWNER}-new", "marketo-simulator-1", "of-others"}


def test_a_folder_that_something_was_just_written_to_stays(temporary):
    (temporary / f"marketo-{OWNER}-x/date=2026-01-01/rows.csv").write_text("one more")
    assert remove_abandoned(temporary_folder()) == 0


def test_a_task_removes_what_killed_tries_of_other_tasks_have_left(tmp_path):
    staging = tmp_path / "_marketo/staging"
    for name, days in ((OWNER, 8), ("fedcba9876543210", 6)):
        (staging / name / "marketo-x").mkdir(parents=True)
        aged(staging / name, days)
    OutputFolder.for_task(str(tmp_path), task_context()["ti"])
    assert left(staging) == {"fedcba9876543210"}


def test_rows_of_old_runs_go_and_those_of_new_ones_stay(tmp_path):
    folder = OutputFolder(str(tmp_path))
    for run in ("old", "new"):
        folder.write(f"_marketo/runs/a_dag/a_task/{run}/-1/chunks/rows.csv", b"an address")
        folder.write(f"_marketo/runs/a_dag/a_task/{run}/-1/plan.json", b"{}")
    folder.write("_marketo/manifests/x.json", b"{}")
    folder.write("rows.csv", b"published")
    aged(tmp_path, 40)
    folder.write("_marketo/runs/a_dag/a_task/new/-1/plan.json", b"{}")
    assert remove_runs(folder, timedelta(days=30), dry_run=True) == 1
    assert remove_runs(folder, timedelta(days=30)) == 1
    assert folder.tree("_marketo/runs") == ["a_dag/a_task/new/-1/chunks/rows.csv", "a_dag/a_task/new/-1/plan.json"]
    assert {"rows.csv", "_marketo/manifests/x.json"} <= set(folder.tree(""))
