"""Task instances in Airflow's database, as commands and the page read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from airflow_provider_marketo.airflow_compat import TaskInstance

if TYPE_CHECKING:
    from collections.abc import Iterable


_OURS = ("Marketo%", "SqlToMarketo%", "RangesOfRunOperator", "LoadSourceOperator", "%InRangeOperator")
"""Patterns of our operators' names. The last three are those of the warehouse group."""


def is_ours() -> Any:
    """Return the condition that a task instance is one of an operator or a sensor of this package."""
    return or_(*(TaskInstance.operator.like(pattern) for pattern in _OURS))


def states(session: Any, instances: Iterable[tuple[str, str, str, int]]) -> dict[tuple[str, str, str, int], str]:
    """Return the states of task instances, each named by DAG, task, run and map index, without deleted ones."""
    wanted = set(instances)
    if not wanted:
        return {}
    columns = (
        TaskInstance.dag_id,
        TaskInstance.task_id,
        TaskInstance.run_id,
        TaskInstance.map_index,
        TaskInstance.state,
    )
    query = select(*columns).where(
        TaskInstance.dag_id.in_({each[0] for each in wanted}), TaskInstance.run_id.in_({each[2] for each in wanted})
    )
    rows = {(row.dag_id, row.task_id, row.run_id, row.map_index): str(row.state) for row in session.execute(query)}
    return {each: rows[each] for each in wanted if each in rows}
