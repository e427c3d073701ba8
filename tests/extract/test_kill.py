"""Real signals to real task processes, with the state that is in the output folder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from tests.simulated import END, START, data_files, extract, lines
from tests.support import StateStore, run_task, task_context

pytestmark = pytest.mark.slow(reason="it kills processes")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def victim(tmp_path):
    """Starts a task process, and always ends it."""
    processes = []

    def start(output: Path, **arguments) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.extract.victim", str(output), json.dumps(arguments)]
        with (tmp_path / "victim.log").open("wb") as log:
            processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], process: subprocess.Popen | None = None) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, "the task process has ended by itself"
        time.sleep(0.02)


def next_try(output: Path) -> None:
    run_task(extract(output), task_context(try_number=2, max_tries=3))


def complete(output: Path, instance) -> bool:
    left_behind = [path for path in (output / "_marketo").rglob("*") if path.is_file() and "manifest" not in str(path)]
    rows = lines(output)
    assert [path.name for path in left_behind] == ["schema.json"]
    return len(rows) == len(set(rows)) == instance.activities(START, END)


def test_a_task_killed_during_a_download_publishes_nothing_and_the_next_try_everything(marketo, tmp_path, victim):
    instance = marketo()
    output = tmp_path / "lake"
    instance.fail("bulk_export_activities.get_file", truncate=100_000)
    instance.fail("bulk_export_activities.get_file", delay=60)
    process = victim(output, deferrable=False)
    until(lambda: instance.calls("get_file") == 2, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert data_files(output) == []
    assert list(output.rglob("staging")), "it was killed with half a file"

    next_try(output)
    assert complete(output, instance)
    assert (instance.calls("create_job"), instance.calls("enqueue_job")) == (3, 3)


def test_a_task_killed_while_it_waited_is_continued_with_its_own_jobs(marketo, tmp_path, victim):
    instance = marketo(job_seconds=1200)
    output = tmp_path / "lake"
    process = victim(output, deferrable=False)
    until(lambda: instance.calls("enqueue_job") == 2 and instance.calls("get_jobs") >= 1, process)
    process.send_signal(signal.SIGKILL)
    process.wait()

    next_try(output)
    assert complete(output, instance)
    assert (instance.calls("create_job"), instance.calls("enqueue_job")) == (3, 3)


def test_a_task_that_is_told_to_end_while_it_waits(marketo, tmp_path, victim):
    instance = marketo(job_seconds=1_000_000)
    with pytest.raises(TaskDeferred):
        extract(tmp_path / "another").execute(task_context(StateStore()))
    process = victim(tmp_path / "lake", deferrable=False)
    until(lambda: instance.calls("enqueue_job") == 4 and instance.calls("get_jobs") >= 1, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) != 0
    assert "the task was killed" in (tmp_path / "victim.log").read_text()
    assert [job["status"] for job in instance.jobs()] == ["Processing", "Processing", "Cancelled", "Cancelled"]


def test_a_task_that_is_told_to_end_during_a_download(marketo, tmp_path, victim):
    """The call that the signal interrupts holds the only lease of the task."""
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", job="stuck", skip=1, times=None)
    instance.fail("bulk_export_activities.get_file", delay=60)
    process = victim(tmp_path / "lake", deferrable=False)
    until(lambda: instance.calls("get_file") == 1 and instance.calls("enqueue_job") == 3, process)
    process.send_signal(signal.SIGTERM)
    until(lambda: instance.statuses() == {"Completed": 1, "Cancelled": 2}, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert data_files(tmp_path / "lake") == []
