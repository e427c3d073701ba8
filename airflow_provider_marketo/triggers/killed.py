"""The end of a trigger whose task no longer waits: a person cleared or ended the deferred task (Airflow 3.3)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo import airflow_compat

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from airflow.triggers.base import BaseTrigger

WAITS = ("deferred", "running")
"""States of a task that waits, or has continued: the trigger only moves to another triggerer."""


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """
    Finish some work, however often it is cancelled: Airflow cancels a trigger once a second until it has ended.

    :param work: the work.
    """
    doing = asyncio.create_task(work)
    while not doing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(doing)


def task_of(trigger: BaseTrigger) -> Any:
    """Return the task instance that a trigger waits for; None in ``dag.test()``, where there is no other try."""
    return getattr(trigger, "task_instance", None)


def state_of(task: Any) -> str | None:
    """
    Return the state of a task instance; None if it was deleted.

    :param task: what :func:`task_of` returned.
    """
    states = airflow_compat.RuntimeTaskInstance.get_task_states(
        dag_id=task.dag_id, task_ids=[task.task_id], run_ids=[task.run_id], map_index=task.map_index
    )
    found: str | None = next((state for run in states.values() for state in run.values()), None)
    return found
