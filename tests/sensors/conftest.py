"""Run a sensor in each mode, on a simulated instance that changes while the sensor waits."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.simulator import Settings, Simulator
from tests.seed import DATES
from tests.support import run_task, task_context

POKE = 0.05
CONNECTION = "AIRFLOW_CONN_MARKETO_DEFAULT"
MODES = ("poke", "reschedule", "deferrable")


class Instance(Simulator):
    """A simulator that an Airflow connection leads to."""

    def call(self, operation: str, **parameters: Any) -> Any:
        """Call an operation as another client of the instance."""
        return MarketoClient(self.url, self.client_id, self.client_secret).call(operation, **parameters)

    def calls(self, operation: str) -> int:
        """How many times an operation was called."""
        return self.report().calls.get(operation, 0)


@pytest.fixture
def marketo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Instance]]:
    """Start an instance with the given settings, and point ``marketo_default`` to it."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Instance:
            sim = stack.enter_context(Instance(Settings(**({"leads": 300, "limits": False, **DATES} | settings))))
            governor = LocalGovernor(rate_limit=10_000, parallel=10)
            monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: governor)
            connection = {
                "conn_type": "marketo",
                "host": sim.url,
                "login": sim.client_id,
                "password": sim.client_secret,
            }
            monkeypatch.setenv(CONNECTION, json.dumps(connection))
            return sim

        yield start


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes fields of ``marketo_default``."""
    return lambda **fields: monkeypatch.setenv(CONNECTION, json.dumps(json.loads(os.environ[CONNECTION]) | fields))


@pytest.fixture
def without_resending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not resend failed calls: that takes seconds."""
    monkeypatch.setattr("airflow_provider_marketo.client.retry._resends", lambda error: 0)


def waits(sensor: type, mode: str, happens: Callable[[], Any] = lambda: None, **arguments: Any) -> Any:
    """
    Run a sensor to its end.

    :param mode: one of :data:`MODES`.
    :param happens: called once, after the first poll of the sensor.
    """
    given = {"task_id": "a_task", "poke_interval": POKE, "timeout": 10} | arguments
    context = task_context()
    begun, rescheduled = datetime.now(timezone.utc), {}
    context["ti"].get_first_reschedule_date = lambda _: rescheduled.get("since")
    if mode == "deferrable":
        return run_task(sensor(deferrable=True, **given), context, lambda _: happens())
    task = sensor(mode=mode, **given)
    if mode == "poke":
        timer = threading.Timer(POKE * 3, happens)
        timer.start()
        try:
            return task.execute(context)
        finally:
            timer.join()
    for look in range(200):
        try:
            return task.execute(context)
        except AirflowRescheduleException:
            if look == 0:
                rescheduled["since"] = begun
                happens()
            time.sleep(POKE)
            task = sensor(mode=mode, **given)
    raise AssertionError("the condition never came true")
