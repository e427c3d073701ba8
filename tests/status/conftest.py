"""Fixtures for the facts on the page *Marketo*: a session of an empty database, and the rows that tasks leave in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import pytest
from airflow import settings
from airflow.models.dagrun import DagRun
from airflow.utils.types import DagRunType
from sqlalchemy import delete, insert, select

from airflow_provider_marketo.airflow_compat import (
    AssetEvent,
    AssetModel,
    Connection,
    Pool,
    TaskInstance,
    Variable,
    XComModel,
)
from airflow_provider_marketo.at_most_once.entries import CLAIM, SENDING, Entry
from airflow_provider_marketo.hooks.quota import Quota
from airflow_provider_marketo.hooks.usage_history import UsageDay, UsageHistory
from tests.cli.conftest import _database

__all__ = ["_database"]

NOW = datetime(2026, 1, 15, 18, tzinfo=timezone.utc)


@pytest.fixture
def session(_database: None) -> Iterator[Any]:
    """A session of the database, which is empty for this test. Nothing that the test writes is kept."""
    with settings.Session() as opened:
        for table in (TaskInstance, XComModel, DagRun, Connection, Variable, AssetEvent, AssetModel, Pool):
            opened.execute(delete(table))
        yield opened
        opened.rollback()


@pytest.fixture
def store(session: Any) -> Callable[..., None]:
    """Return a function that sets a Variable to a JSON object or a text."""

    def write(key: str, value: Any) -> None:
        Variable.set(key, value if isinstance(value, str) else json.dumps(value), session=session)
        session.flush()

    return write


@pytest.fixture
def add_task(session: Any) -> Callable[..., None]:
    """Return a function that adds a task instance in a state."""

    def add(
        dag_id: str, task_id: str, state: str, *, run_id: str = "a run", operator: str = "MarketoX", **more: Any
    ) -> None:
        if session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)) is None:
            facts = {"run_type": DagRunType.MANUAL, "state": "running", "run_after": NOW, "logical_date": NOW}
            session.execute(insert(DagRun).values(dag_id=dag_id, run_id=run_id, **facts))
        given = {"pool": "marketo", "map_index": -1, "pool_slots": 1, "start_date": NOW} | more
        facts = {"dag_id": dag_id, "task_id": task_id, "run_id": run_id, "state": state, "operator": operator}
        number = TaskInstance.id.type.python_type(str(uuid4()))  # a text before Airflow 3.2
        session.execute(insert(TaskInstance).values(id=number, try_number=1, max_tries=0, **facts, **given))
        session.flush()

    return add


def quota(**more: Any) -> dict[str, Any]:
    """Return what the quota's Variable holds, measured five minutes ago."""
    given = {
        "instance": "123-ABC-456", "day": "2026-01-15", "quota": 1000, "used": 400, "reserve": 100,
        "export_quota_bytes": 500_000_000, "exported_bytes": 120_000_000, "measured_at": "2026-01-15T17:55:00+00:00",
        "exports_measured_at": "2026-01-15T17:50:00+00:00", "resets_at": "2026-01-16T06:00:00+00:00",
    }  # fmt: skip
    return Quota(**given | more).to_dict()


def usage(days: int = 7, **more: Any) -> dict[str, Any]:
    """Return what the usage's Variable holds."""
    found = tuple(
        UsageDay(f"2026-01-{15 - back:02}", 400, 300, {"daily": 200, "hourly": 50}, {"user-1a2b3c4d": 100})
        for back in range(days)
    )
    given = {"instance": "123-ABC-456", "measured_at": "2026-01-15T17:30:00+00:00", "days": found, "pool": "marketo"}
    return UsageHistory(**given | {"coordination": "host", "reason": "x", "errors": {"606": 3}} | more).to_dict()


def entry(number: int = 1, **more: Any) -> tuple[str, str, str]:
    """Return the key of an entry in the ledger, its text, and the key of its claim."""
    given: dict[str, Any] = {
        "state": SENDING, "owner": "a process", "instance": "123-ABC-456", "operation": "campaigns.request",
        "what": f"campaign {number} for 10 leads", "dag_id": "send", "task_id": "trigger", "run_id": "a run",
        "map_index": -1, "generation": 0, "since": "2026-01-15T12:00:00+00:00", "reason": "the answer was lost",
    }  # fmt: skip
    key = f"marketo_once_{number:040}"
    return key, Entry(**given | more).to_json(), key + CLAIM
