"""What the running task says of itself."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

_started_at = time.monotonic()


def _reset_start_time() -> None:
    global _started_at
    _started_at = time.monotonic()


os.register_at_fork(after_in_child=_reset_start_time)


def process_age() -> float:
    """Seconds since this process, which runs one task, began; less if it came to Marketo later."""
    return time.monotonic() - _started_at


@dataclass(frozen=True)
class RunningTask:
    """
    :param dag_id: of the DAG.
    :param task_id: in it.
    :param pool: that its author gave it; for a mapped task the scheduler may think otherwise.
    :param pool_slots: that it takes there.
    :param max_calls: calls that its author allows it, if the operator has the parameter.
    :param max_export_mb: megabytes of bulk export, likewise.
    """

    dag_id: str
    task_id: str
    pool: str
    pool_slots: int
    max_calls: int | None = None
    max_export_mb: float | None = None


def current_task() -> RunningTask | None:
    """The task that this process runs; None in a triggerer, a command or a script."""
    from airflow.sdk import get_current_context

    try:
        context = get_current_context()
    except RuntimeError:
        return None
    task = context["ti"].task
    budgets = {name: getattr(task, name, None) for name in ("max_calls", "max_export_mb")}
    return RunningTask(task.dag_id, task.task_id, task.pool, task.pool_slots, **budgets)
