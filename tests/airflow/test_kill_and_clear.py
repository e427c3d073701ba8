"""
Export jobs whose task is cleared, marked failed or killed: the next try adopts the job, or the job is cancelled.

At no time are two jobs active for one window, and no active job remains at the end.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from airflow.triggers.base import BaseTrigger

from airflow_provider_marketo.simulator import ManualClock, Simulator
from tests.export_jobs import ExportJobsOfTest
from tools.real_airflow import DagRun, RealAirflow

TASK = "extract"
TRIGGERS_HEAR_OF_A_KILL = hasattr(BaseTrigger, "on_kill")
"""True from Airflow 3.3 on."""


class Jobs(ExportJobsOfTest):
    """The export jobs that one test creates: at most one is active."""

    def watch(self) -> None:
        """Check, while a test waits, that at most one job is active."""
        assert self.states()["active"] <= 1, "two jobs for the same window"

    def work(self) -> None:
        """Check the number of active jobs, and let Marketo work on its queue for ten minutes."""
        self.watch()
        super().work()


@pytest.fixture
def jobs(held: Simulator, held_clock: ManualClock) -> Iterator[Jobs]:
    held_clock.advance(120)
    jobs = Jobs(held, held_clock)
    yield jobs
    assert jobs.states()["active"] == 0, "a job is still active after the test"


def started(airflow: RealAirflow, dag_id: str, jobs: Jobs) -> DagRun:
    """Start a run and wait until its task waits for the job, in a worker or in the triggerer."""
    run = airflow.trigger(dag_id)
    if dag_id == "held_deferred":
        run.wait_for(TASK, "deferred", until=lambda: any("starting" in message for message in run.log(TASK)))
    else:
        run.wait_for(TASK, "running", until=lambda: any("in Marketo's queue" in message for message in run.log(TASK)))
    assert jobs.states()["active"] == 1
    return run


def rows_of(run: DagRun, lake: Path) -> int:
    """Count the rows in the files of a run."""
    (output,) = (lake / run.dag_id).glob(run.run_id.replace(":", ""))
    return sum(len(file.read_text().splitlines()) - 1 for file in output.glob("*.csv"))


def finish(run: DagRun, jobs: Jobs) -> Counter[str]:
    """Let Marketo finish its work, wait until the task succeeds, and count the jobs by state."""
    run.wait_for(TASK, "success", watch=jobs.work)
    return jobs.states()


def test_a_deferred_task_that_is_cleared(airflow: RealAirflow, jobs: Jobs, lake: Path) -> None:
    run = started(airflow, "held_deferred", jobs)
    run.clear(TASK)
    run.wait_for(TASK, "deferred", try_number=2, watch=jobs.watch)
    assert finish(run, jobs)["Completed"] == 1
    assert rows_of(run, lake) > 0


def test_a_deferred_task_that_is_marked_failed_and_cleared_later(airflow: RealAirflow, jobs: Jobs, lake: Path) -> None:
    run = started(airflow, "held_deferred", jobs)
    run.mark(TASK, "failed")
    if TRIGGERS_HEAR_OF_A_KILL:
        run.wait_for(TASK, "failed", until=lambda: jobs.states()["active"] == 0)
        assert jobs.states()["Cancelled"] == 1
    run.clear(TASK)
    run.wait_for(TASK, "deferred", watch=jobs.watch)
    assert finish(run, jobs)["Completed"] == 1
    assert rows_of(run, lake) > 0


def test_a_running_task_that_is_killed(airflow: RealAirflow, jobs: Jobs, lake: Path) -> None:
    run = started(airflow, "held_waiting", jobs)
    os.kill(run.task(TASK)["pid"], signal.SIGKILL)
    run.wait_for(TASK, "running", try_number=2, watch=jobs.watch)
    assert finish(run, jobs) == {"Completed": 1}, "the second try did not adopt the first try's job"
    assert rows_of(run, lake) > 0


def test_a_running_task_whose_supervisor_is_killed(airflow: RealAirflow, jobs: Jobs, lake: Path) -> None:
    # The task's own process keeps running while the next try starts.
    run = started(airflow, "held_waiting", jobs)
    psutil.Process(run.task(TASK)["pid"]).parent().kill()
    run.wait_for(TASK, "running", try_number=2, watch=jobs.watch)
    assert finish(run, jobs)["Completed"] == 1
    assert rows_of(run, lake) > 0


def test_a_running_task_that_is_cleared(airflow: RealAirflow, jobs: Jobs, lake: Path) -> None:
    run = started(airflow, "held_waiting", jobs)
    run.clear(TASK)
    run.wait_for(TASK, "running", try_number=2, watch=jobs.watch)
    assert finish(run, jobs)["Completed"] == 1
    assert rows_of(run, lake) > 0


def test_a_running_task_that_is_marked_failed(airflow: RealAirflow, jobs: Jobs, lake: Path) -> None:
    run = started(airflow, "held_waiting", jobs)
    run.mark(TASK, "failed")
    run.wait_for(TASK, "failed", until=lambda: jobs.states()["active"] == 0)
    assert jobs.states()["Cancelled"] == 1
