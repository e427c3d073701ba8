"""A simulated instance for tests of the code above the client. Their conftest imports the fixture."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.simulator import Settings, Simulator
from tests.seed import DATES

FAST = 1200.0
"""Simulated seconds in a second. A job takes 25 ms, and states are refreshed every 50 ms."""

POLL = 0.05

START, END = "2026-01-01", "2026-03-12"


class Hasty(SystemClock):
    """The client's clock for an instance whose time is fast: it sends failed calls again soon."""

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 100)


class Marketo(Simulator):
    """A simulator that an Airflow connection points to, with the queries that tests need."""

    def jobs(self) -> list[dict[str, Any]]:
        """Return all export jobs as they are now, in the order of their creation."""
        with self.instance.lock:
            return [job.record(self.clock.now()) for job in self.instance.exports.all()]

    def statuses(self) -> dict[str, int]:
        """Return the number of export jobs by status."""
        return dict(Counter(job["status"] for job in self.jobs()))

    def activities(self, start: str, end: str) -> int:
        """Return the number of activities from a day to another; the second day is not included."""
        return sum(1 for _ in self.instance.store.activities.between(_second(start), _second(end) - 1))

    def leads(self, date_field: str, start: str, end: str) -> int:
        """Return the number of leads that were created or updated from a day to the first second of another."""
        leads = self.instance.store.leads
        found = leads.created_between if date_field == "createdAt" else leads.updated_between
        return sum(len(rows) if isinstance(rows, range) else 1 for rows in found(_second(start), _second(end)))

    def calls(self, action: str) -> int:
        """Return how many times an operation of bulk exports was called, for all objects together."""
        counted = self.report().calls.items()
        return sum(count for name, count in counted if name.startswith("bulk_export_") and name.endswith(f".{action}"))


def _second(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp())


@pytest.fixture
def marketo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Marketo]]:
    """Return a function that starts an instance and points ``marketo_default`` to it."""
    monkeypatch.setattr("airflow_provider_marketo.client.client.SystemClock", Hasty)
    with ExitStack() as stack:

        def start(extra: dict[str, Any] | None = None, **settings: Any) -> Marketo:
            given = {"leads": 500, "activities": 2000, "time_scale": FAST, **DATES} | settings
            instance = stack.enter_context(Marketo(Settings(**given)))
            connection = {
                "conn_type": "marketo",
                "host": instance.url,
                "login": instance.client_id,
                "password": instance.client_secret,
                "extra": {"poll_interval": 0.1} | (extra or {}),
            }
            monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
            return instance

        yield start


def extract(output: Path, **arguments: Any) -> MarketoBulkExtractOperator:
    """Return an operator that extracts 70 days of activities in three windows, unless arguments differ."""
    given = {"object_type": "activities", "start": START, "end": END, "deferrable": True, "poll_interval": POLL}
    given |= {"file_format": "csv", "output_path": str(output)} | arguments
    return MarketoBulkExtractOperator(task_id="a_task", **given)


def data_files(output: Path) -> list[str]:
    """Return the names of the files that readers of the data see."""
    names = (path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
    return sorted(name for name in names if not name.startswith("_"))


def lines(output: Path) -> list[str]:
    """Return the rows of all csv files, without headers."""
    return [line for name in data_files(output) for line in (output / name).read_text("utf-8").split("\n")[1:] if line]
