"""
Defer mapped sensors in Airflow's database, in the form in which another task of the same sensor has deferred itself.

``python -m benchmarks.deferring`` runs in Airflow's environment, and reads the secret of the connection and what each
task waits for from standard input. Thousands of tasks would take a busy machine an hour to defer; the triggerer sees no
difference.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.conditions.encryption import decrypt, encrypt
from airflow_provider_marketo.conditions.jobs import JobCondition
from airflow_provider_marketo.conditions.leads import LeadCondition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.conditions.condition import Condition

LIKE_THE_FIRST = (
    "start_date",
    "try_number",
    "hostname",
    "unixname",
    "queued_dttm",
    "scheduled_dttm",
    "trigger_timeout",
    "next_method",
    "next_kwargs",
)
"""Columns of a deferred task that do not depend on what it waits for."""


def defer(secret: str, waited_for: Mapping[str, Sequence[str]]) -> int:
    """
    Defer every task that has not begun; return how many.

    :param secret: the client secret, which is the key of the conditions.
    :param waited_for: what the mapped tasks wait for, by task id.
    """
    count = 0
    with create_session() as session:
        for task_id, wanted in waited_for.items():
            tasks = list(session.scalars(select(TaskInstance).where(TaskInstance.task_id == task_id)))
            first = next(each for each in tasks if each.state == TaskInstanceState.DEFERRED)
            row = session.get_one(Trigger, first.trigger_id)
            arguments = row.kwargs
            condition = decrypt(arguments["kind"], arguments["condition"], Secret(secret))
            for task in tasks:
                if task.state not in (None, TaskInstanceState.SCHEDULED):
                    continue
                own = _about(condition, wanted[task.map_index])
                changed = {"condition": encrypt(own, Secret(secret)), "about": own.describe()}
                trigger = Trigger(classpath=row.classpath, kwargs={**arguments, **changed})
                session.add(trigger)
                session.flush()
                for column in LIKE_THE_FIRST:
                    setattr(task, column, getattr(first, column))
                task.trigger_id = trigger.id
                task.state = TaskInstanceState.DEFERRED
                count += 1
    return count


def _about(condition: Condition, wanted: str) -> Condition:
    if isinstance(condition, LeadCondition):
        return replace(condition, lookup_values=(wanted,))
    if isinstance(condition, JobCondition):
        return replace(condition, export_id=wanted)
    raise TypeError(f"{condition.describe()} is of a kind that the benchmark does not use")


if __name__ == "__main__":
    facts: dict[str, Any] = json.load(sys.stdin)
    print(f"{defer(**facts)} tasks are deferred in the database", file=sys.stderr)
