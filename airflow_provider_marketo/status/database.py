"""Queries of Airflow's database that are cheap for a web server: by key, by prefix, and of unfinished tasks only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from airflow_provider_marketo.airflow_compat import (
    AssetEvent,
    AssetModel,
    Connection,
    Pool,
    TaskInstance,
    Variable,
    XComModel,
    asset_state_rows,
    task_state_rows,
)
from airflow_provider_marketo.hooks.work import EXPORT_IDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

UNFINISHED = ("scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule")
OCCUPYING = ("queued", "running")
"""States of tasks that take slots in their pool."""

_OURS = ("Marketo%", "SqlToMarketo%", "RangesOfRunOperator", "LoadSourceOperator", "%InRangeOperator")
"""Patterns of our operators' names. The last three are those of the warehouse group."""

_EXPORTS, _IMPORTS = "marketo_bulk_extract", "marketo_import"
"""Keys in the task state store under which tasks keep their jobs."""

_AT_A_TIME = 500
"""Keys in one query: SQLite takes no more than a thousand."""


def keys(session: Any, prefix: str) -> list[str]:
    """Return the keys of the Variables that begin with a text. Nothing is decrypted."""
    return list(session.scalars(select(Variable.key).where(Variable.key.startswith(prefix, autoescape=True))))


def texts(session: Any, names: Collection[str]) -> dict[str, str]:
    """Return the texts of Variables. That of a Variable that cannot be decrypted is empty."""
    found: dict[str, str] = {}
    wanted = sorted(names)
    for first in range(0, len(wanted), _AT_A_TIME):
        query = select(Variable).where(Variable.key.in_(wanted[first : first + _AT_A_TIME]))
        found |= {variable.key: variable.val or "" for variable in session.scalars(query)}
    return found


def values(session: Any, names: Collection[str]) -> dict[str, Any]:
    """Return the JSON objects in Variables. A Variable that holds none, or cannot be decrypted, is left out."""
    found = {name: json_object(text) for name, text in texts(session, names).items()}
    return {name: value for name, value in found.items() if value is not None}


def json_object(text: Any) -> dict[str, Any] | None:
    """Return the JSON object in a text; None if it holds none."""
    try:
        value = json.loads(text) if isinstance(text, (str, bytes)) else text
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def connection_ids(session: Any) -> list[str]:
    """Return the ids of the Marketo connections in the database. Columns only: nothing is decrypted."""
    query = select(Connection.conn_id).where(Connection.conn_type == "marketo").order_by(Connection.conn_id)
    return list(session.scalars(query))


def pools(session: Any) -> dict[str, dict[str, int]]:
    """Return the slots of each pool, and how many are taken."""
    taken = (
        select(TaskInstance.pool, func.sum(TaskInstance.pool_slots))
        .where(TaskInstance.state.in_(OCCUPYING))
        .group_by(TaskInstance.pool)
    )
    used: dict[str, int] = {name: int(slots or 0) for name, slots in session.execute(taken)}
    return {
        name: {"slots": slots, "taken": used.get(name, 0)}
        for name, slots in session.execute(select(Pool.pool, Pool.slots))
    }


def unfinished_tasks(session: Any) -> list[dict[str, Any]]:
    """Return the Marketo tasks that are not finished, with the jobs that Marketo holds for them."""
    columns = (
        TaskInstance.dag_id,
        TaskInstance.task_id,
        TaskInstance.run_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.pool,
        TaskInstance.start_date,
    )
    ours = or_(*(TaskInstance.operator.like(pattern) for pattern in _OURS))
    rows = session.execute(select(*columns).where(TaskInstance.state.in_(UNFINISHED), ours)).all()
    jobs = _jobs(session, {row.dag_id for row in rows})
    return [
        {
            "dag_id": row.dag_id,
            "task_id": row.task_id,
            "run_id": row.run_id,
            "map_index": row.map_index,
            "state": str(row.state),
            "pool": row.pool,
            "since": moment(row.start_date),
            "jobs": jobs.get((row.dag_id, row.task_id, row.run_id, row.map_index), []),
        }
        for row in rows
    ]


def _jobs(session: Any, dag_ids: Collection[str]) -> Mapping[tuple[str, str, str, int], list[str]]:
    if not dag_ids:
        return {}
    # Before Airflow 3.3 a deferred task names its export jobs in an XCom; since then every task keeps all of its jobs.
    query = select(XComModel.dag_id, XComModel.task_id, XComModel.run_id, XComModel.map_index, XComModel.value).where(
        XComModel.key == EXPORT_IDS, XComModel.dag_id.in_(sorted(dag_ids))
    )
    found = {(row.dag_id, row.task_id, row.run_id, row.map_index): _texts(row.value) for row in session.execute(query)}
    for dag_id, task_id, run_id, map_index, key, value in task_state_rows(session, dag_ids, (_EXPORTS, _IMPORTS)):
        found[dag_id, task_id, run_id, map_index] = _kept_jobs(key, json_object(value) or {})
    return found


def _kept_jobs(key: str, progress: Mapping[str, Any]) -> list[str]:
    """Return the ids of jobs in the progress of an extract or an import."""
    parts = progress.get("jobs" if key == _EXPORTS else "chunks")
    if not isinstance(parts, dict):
        return []
    if key == _EXPORTS:
        return sorted(map(str, parts.values()))
    chunks = (chunk for chunk in parts.values() if isinstance(chunk, dict) and chunk.get("state") == "queued")
    return sorted(str(chunk["batch_id"]) for chunk in chunks if chunk.get("batch_id"))


def _texts(value: Any) -> list[str]:
    """Return the ids in an XCom, which the database has as JSON or as the text of it."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return []
    return [str(each) for each in found] if isinstance(found, list) else []


def asset_events(session: Any) -> list[dict[str, Any]]:
    """Return the Airflow assets of Marketo with their latest event."""
    query = (
        select(AssetModel.uri, func.max(AssetEvent.timestamp))
        .outerjoin(AssetEvent, AssetEvent.asset_id == AssetModel.id)
        .where(AssetModel.uri.startswith("marketo://", autoescape=True))
        .group_by(AssetModel.uri)
        .order_by(AssetModel.uri)
    )
    return [{"uri": uri, "last_event": moment(latest)} for uri, latest in session.execute(query)]


def asset_positions(session: Any, prefix: str) -> Sequence[tuple[str, dict[str, Any]]]:
    """Return what the asset state store of Airflow 3.3 has under keys with a prefix. A reference is left out."""
    rows = ((key, json_object(value)) for key, value in asset_state_rows(session, prefix))
    return [(key, value) for key, value in rows if value is not None]


def moment(when: datetime | None) -> str | None:
    """Return a time of the database as ISO 8601."""
    return None if when is None else when.isoformat(timespec="seconds")
