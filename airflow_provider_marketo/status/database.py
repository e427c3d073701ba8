"""
Queries of Airflow's database that are cheap for a web server: by key, by prefix, and of unfinished tasks only.

Each Variable is decrypted by itself, so only the Variables that are shown are read.
"""

from __future__ import annotations

import json
from functools import cached_property
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
from airflow_provider_marketo.at_most_once.entries import CLAIM
from airflow_provider_marketo.at_most_once.entries import PREFIX as ONCE
from airflow_provider_marketo.hooks.job_waits import EXPORT_IDS
from airflow_provider_marketo.hooks.task_states import is_ours, states

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

UNFINISHED = ("scheduled", "queued", "running", "restarting", "deferred", "up_for_retry", "up_for_reschedule")
OCCUPYING = ("queued", "running")
"""States of tasks that take slots in their pool."""

_EXPORTS, _IMPORTS = "marketo_bulk_extract", "marketo_import"
"""Keys in the task state store under which tasks keep their jobs."""


class Snapshot:
    """
    What Airflow's database knows, for one answer: each query runs at most once, when its facts are first needed.

    :param session: a session of Airflow's database.
    :param prefixes: prefixes of the keys of the Variables that are needed.
    :param names: keys of further Variables that are needed.
    """

    def __init__(self, session: Any, prefixes: Collection[str], names: Collection[str]) -> None:
        self._session = session
        self._prefixes = prefixes
        self._names = names

    def texts(self, prefix: str) -> dict[str, str]:
        """Return the texts of the Variables with a prefix, by key; a text that cannot be decrypted is empty."""
        return {key: text for key, text in self._texts.items() if key.startswith(prefix)}

    def values(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the JSON objects in the Variables with a prefix, by key. Other Variables are left out."""
        found = {key: json_object(text) for key, text in self.texts(prefix).items()}
        return {key: value for key, value in found.items() if value is not None}

    @cached_property
    def _texts(self) -> dict[str, str]:
        """
        All Variables that are needed, and the ledger's unsettled entries.

        There may be thousands of settled entries. Only an unsettled entry still has a claim.
        """
        entry_of_claim = func.substr(Variable.key, 1, func.length(Variable.key) - len(CLAIM))
        claimed = select(entry_of_claim).where(
            Variable.key.startswith(ONCE, autoescape=True), Variable.key.endswith(CLAIM, autoescape=True)
        )
        needed = or_(
            *(Variable.key.startswith(prefix, autoescape=True) for prefix in self._prefixes),
            Variable.key.in_(self._names),
            Variable.key.in_(claimed),
        )
        return {variable.key: variable.val or "" for variable in self._session.scalars(select(Variable).where(needed))}

    @cached_property
    def connection_ids(self) -> list[str]:
        """The ids of the Marketo connections in the database. Columns only: nothing is decrypted."""
        query = select(Connection.conn_id).where(Connection.conn_type == "marketo").order_by(Connection.conn_id)
        return list(self._session.scalars(query))

    @cached_property
    def pools(self) -> dict[str, dict[str, int]]:
        """The slots of each pool, and how many are taken."""
        taken = (
            select(TaskInstance.pool, func.sum(TaskInstance.pool_slots))
            .where(TaskInstance.state.in_(OCCUPYING))
            .group_by(TaskInstance.pool)
        )
        used: dict[str, int] = {name: int(slots or 0) for name, slots in self._session.execute(taken)}
        return {
            name: {"slots": slots, "taken": used.get(name, 0)}
            for name, slots in self._session.execute(select(Pool.pool, Pool.slots))
        }

    @cached_property
    def unfinished_tasks(self) -> list[dict[str, Any]]:
        """The Marketo tasks that are not finished, with the jobs that Marketo holds for them."""
        columns = (
            TaskInstance.dag_id,
            TaskInstance.task_id,
            TaskInstance.run_id,
            TaskInstance.map_index,
            TaskInstance.state,
            TaskInstance.pool,
            TaskInstance.start_date,
        )
        rows = self._session.execute(select(*columns).where(TaskInstance.state.in_(UNFINISHED), is_ours())).all()
        jobs = _jobs(self._session, {row.dag_id for row in rows})
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

    def states(self, instances: Iterable[tuple[str, str, str, int]]) -> dict[tuple[str, str, str, int], str]:
        """Return the states of task instances, each named by DAG, task, run and map index."""
        return states(self._session, instances)

    @cached_property
    def asset_events(self) -> list[dict[str, Any]]:
        """The Airflow assets of Marketo with their latest event."""
        query = (
            select(AssetModel.uri, func.max(AssetEvent.timestamp))
            .outerjoin(AssetEvent, AssetEvent.asset_id == AssetModel.id)
            .where(AssetModel.uri.startswith("marketo://", autoescape=True))
            .group_by(AssetModel.uri)
            .order_by(AssetModel.uri)
        )
        return [{"uri": uri, "last_event": moment(latest)} for uri, latest in self._session.execute(query)]

    def asset_positions(self, prefix: str) -> Sequence[tuple[str, dict[str, Any]]]:
        """Return the JSON objects in the asset state store of Airflow 3.3 under keys with a prefix."""
        rows = ((key, json_object(value)) for key, value in asset_state_rows(self._session, prefix))
        return [(key, value) for key, value in rows if value is not None]


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
    """Return the ids in an XCom, which the database stores as JSON or as JSON text."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return []
    return [str(each) for each in found] if isinstance(found, list) else []


def moment(when: datetime | None) -> str | None:
    """Return a time of the database as ISO 8601."""
    return None if when is None else when.isoformat(timespec="seconds")


def json_object(text: Any) -> dict[str, Any] | None:
    """Return the JSON object in a text; None if it is not a JSON object."""
    try:
        value = json.loads(text) if isinstance(text, (str, bytes)) else text
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
