"""SIGKILL at any step in the file system: the next try, or ``airflow marketo clean``, leaves nothing unfinished."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_marketo.cli.clean import clean
from tests.simulated import START, data_files, extract
from tests.support import run_task, task_context

STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"})
DAYS = {"start": START, "end": "2026-01-15", "window": "P7D", "deferrable": False}


def killed_at(step: int, output: Path, work: Callable[[], None]) -> bool:
    """
    Run some work in a process of its own, which SIGKILL ends at a step in a folder.

    :return: whether it was killed; otherwise the work has so few steps that it succeeded.
    """
    child = os.fork()
    if child == 0:
        left = [step]

        def audit(event: str, arguments: tuple[object, ...]) -> None:
            if event in STEPS and str(output) in str(arguments[0]):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def left_over(output: Path) -> list[str]:
    """Return the files that are neither data nor a record of data."""
    files = [path.relative_to(output) for path in output.rglob("*") if path.is_file()]
    records = [path for path in files if path.parts[0] == "_marketo" or path.parts[-1].startswith(".")]
    return [str(path) for path in records if path.parts[1] != "manifests" and path.name != "schema.json"]


def task(output: Path, file_format: str):
    return extract(output, file_format=file_format, **DAYS)


@pytest.mark.parametrize(
    ("step", "file_format"),
    [(1, "csv"), (16, "parquet"), (23, "csv"), (41, "parquet"), (52, "csv"), (63, "parquet"), (76, "csv"), (90, "csv")],
)
def test_the_next_try_leaves_nothing_unfinished(marketo, tmp_path, step, file_format):
    instance, output = marketo(), tmp_path / "lake"
    assert killed_at(step, output, lambda: run_task(task(output, file_format), task_context(max_tries=3)))
    manifest = run_task(task(output, file_format), task_context(try_number=2, max_tries=3))
    assert left_over(output) == []
    assert sorted(file["name"] for file in manifest["files"]) == sorted(data_files(output))
    assert manifest["rows"] == instance.activities(START, DAYS["end"])


@pytest.mark.parametrize("step", [28, 57])
def test_clean_leaves_nothing_unfinished_of_a_task_that_is_not_run_again(marketo, tmp_path, step, monkeypatch):
    marketo()
    output = tmp_path / "lake"
    assert killed_at(step, output, lambda: run_task(task(output, "csv"), task_context(max_tries=3)))
    monkeypatch.setattr("airflow_provider_marketo.cli.clean.use_metadata_database", lambda: None)
    clean(Namespace(folders=[str(output)], older_than_days=0, dry_run=False, subcommand="clean"))
    assert left_over(output) == []
