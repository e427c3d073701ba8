"""Cluster policies of the Airflow that the tests run."""

from __future__ import annotations

import os
from typing import Any

from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.simple import NullTimetable


def dag_policy(dag: Any) -> None:
    """Disable schedules by time, so that only tests and asset events start runs. Backfills need the intervals."""
    if "backfill" not in dag.tags and isinstance(dag.schedule, (str, CronDataIntervalTimetable)):
        dag.timetable = NullTimetable()


def task_policy(task: Any) -> None:
    """Shorten the interval between the pokes of sensors, which is a minute by default."""
    if hasattr(task, "poke_interval"):
        task.poke_interval = float(os.environ["TEST_POKE_INTERVAL"])
