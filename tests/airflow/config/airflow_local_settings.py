"""Settings of the Airflow that the tests run."""

from __future__ import annotations

import os
from typing import Any

from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.simple import NullTimetable


def dag_policy(dag: Any) -> None:
    """By the clock no run starts, or nights would come upon the tests; what asset events start, starts."""
    if isinstance(dag.schedule, (str, CronDataIntervalTimetable)):
        dag.timetable = NullTimetable()


def task_policy(task: Any) -> None:
    """Sensors look more often than once a minute."""
    if hasattr(task, "poke_interval"):
        task.poke_interval = float(os.environ["TEST_POKE_INTERVAL"])
