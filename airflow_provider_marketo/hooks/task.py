"""Facts about the running task."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import get_current_context


@dataclass(frozen=True)
class RunningTask:
    """
    The task that this process runs.

    :param dag_id: id of its DAG.
    :param task_id: its id in the DAG.
    :param pool: the pool that its author gave it; for a mapped task the scheduler may use another one.
    :param pool_slots: slots that it takes in the pool.
    :param max_calls: calls that its author allows it; None for no limit.
    """

    dag_id: str
    task_id: str
    pool: str
    pool_slots: int
    max_calls: int | None = None


def current_task() -> RunningTask | None:
    """Return the task that this process runs; None in a triggerer, a command or a script."""
    try:
        context = get_current_context()
    except RuntimeError:
        return None
    task = context["ti"].task
    return RunningTask(task.dag_id, task.task_id, task.pool, task.pool_slots, getattr(task, "max_calls", None))
