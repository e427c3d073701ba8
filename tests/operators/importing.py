"""Helpers of the tests of imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.simulator.routes import HANDLERS
from tests import support
from tests.support import StateStore, run_task, task_context


class DeadError(BaseException):
    """The process was killed."""


class DyingStore(StateStore):
    """
    A state store whose process is killed at one of its writes.

    :param at: which write, from 1.
    :param written: whether that write still succeeds.
    """

    def __init__(self, at: int, *, written: bool) -> None:
        super().__init__()
        self.at = at
        self.written = written
        self.writes = 0

    def set(self, key: str, value: Any) -> None:
        self.writes += 1
        if self.writes == self.at and not self.written:
            raise DeadError
        super().set(key, value)
        if self.writes == self.at:
            raise DeadError

    def delete(self, key: str) -> None:
        self.writes += 1
        if self.writes == self.at and not self.written:
            raise DeadError
        super().delete(key)
        if self.writes == self.at:
            raise DeadError

    def survivor(self) -> StateStore:
        """Return the store that the next try finds."""
        store = StateStore()
        store.values = dict(self.values)
        return store


class Impatient(SystemClock):
    """A clock that does not sleep."""

    def sleep(self, seconds: float) -> None:
        return


@pytest.fixture
def governed(monkeypatch: pytest.MonkeyPatch) -> support.ManualClock:
    """Calls wait neither for the rate nor before they are sent again. Returns the clock of the governor."""
    clock = support.ManualClock()
    governor = LocalGovernor(parallel=10, rate_limit=100_000, clock=clock)
    monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: governor)
    monkeypatch.setattr("airflow_provider_marketo.client.client.SystemClock", Impatient)
    return clock


def run_import(operator: type, folder: Path, store: StateStore | None = None, **arguments: Any) -> dict[str, Any]:
    """Run an import to its end. Each deferral is followed by a new operator, as in Airflow."""
    given = {"rejects_path": str(folder / "rejects"), "deferrable": True, "poll_interval": 0.05} | arguments
    return dict(run_task(lambda: operator(task_id="a_task", **given), task_context(store or StateStore())))


def fails(operator: type, folder: Path, store: StateStore | None = None, **arguments: Any) -> tuple[str, Any]:
    """
    Run an import that fails for good.

    :return: the error's text, and the account that it left in XCom.
    """
    given = {"rejects_path": str(folder / "rejects"), "deferrable": True, "poll_interval": 0.05} | arguments
    context = task_context(store or StateStore())
    try:
        operator(task_id="a_task", **given)
    except MarketoInvalidRequestError as error:  # refused when the DAG is parsed
        return str(error), None
    with pytest.raises(AirflowFailException) as caught:
        run_task(lambda: operator(task_id="a_task", **given), context)
    return str(caught.value), context["ti"].xcoms.get("account")


def counts(result: dict[str, Any]) -> dict[str, int]:
    """Return the account without its zeros; check that it is complete."""
    names = ("accepted", "warned", "rejected", "superseded", "unknown", "submitted")
    assert sum(result[name] for name in names) == result["rows"]
    return {name: result[name] for name in names if result[name]}


def table(address: str) -> list[dict[str, Any]]:
    """A table of rejects; every line says what to do."""
    rows = [json.loads(line) for line in Path(address).read_text("utf-8").splitlines()]
    assert all(row["_marketo_message"] and row["_marketo_next_step"] for row in rows)
    return rows


def staged(folder: Path) -> list[str]:
    """The files that an import has left in its staging folder."""
    return sorted(path.name for path in (folder / "rejects/_marketo").rglob("*") if path.is_file())


def lead(simulator: Any, email: str) -> dict[str, Any]:
    """The one lead of an address."""
    leads = simulator.instance.store.leads
    (found,) = leads.find("email", [email])
    return dict(leads.get(found))


def token_expires_at(monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    """Marketo's token expires while it answers this operation for the first time."""
    answer = HANDLERS[operation]

    def expiring(instance: Any, request: Any) -> Any:
        monkeypatch.setitem(HANDLERS, operation, answer)
        instance.tokens.expire()
        return answer(instance, request)

    monkeypatch.setitem(HANDLERS, operation, expiring)
