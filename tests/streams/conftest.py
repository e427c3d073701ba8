"""A stream that is followed hour by hour, on an instance whose clock moves only when told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import Asset

from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.store.activities import Activity
from tests import support
from tests.seed import DATES

START = datetime(2026, 1, 10, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


class AssetStore(dict[str, Any]):
    """Airflow 3.3's asset state store, as a task with one outlet sees it."""

    def __getitem__(self, asset: Any) -> AssetStore:
        return self

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


class Stream:
    """
    An instance, an output, and runs of a stream between them.

    :param sim: the instance.
    :param output: folder of the files.
    :param state: Airflow's asset state store; None if the Airflow has no such store.
    """

    def __init__(self, sim: Simulator, output: Path, state: AssetStore | None) -> None:
        self.sim = sim
        self.clock: Any = sim.clock
        self.output = output
        self.state = state

    def run(
        self,
        run_id: str = "a run",
        *,
        operator: type = MarketoActivitiesOperator,
        interval: tuple[datetime, datetime] | None = None,
        outlet_events: Any = None,
        map_index: int = -1,
        **arguments: Any,
    ) -> dict[str, Any]:
        """Run one task instance."""
        given = {"output_path": str(self.output), "stream": "s", "file_format": "csv"} | arguments
        task = operator(task_id="a_task", **given)
        ti = SimpleNamespace(
            dag_id="a_dag",
            task_id="a_task",
            run_id=run_id,
            map_index=map_index,
            task=SimpleNamespace(outlets=[Asset("activities")]),
            try_number=1,
            max_tries=0,
        )
        context: dict[str, Any] = {"ti": ti, "outlet_events": outlet_events}
        if self.state is not None:
            context["asset_state_store"] = self.state
        if interval is not None:
            first, last = map(pendulum.instance, interval)  # as Airflow gives them
            context |= {"data_interval_start": first, "data_interval_end": last}
        return task.execute(context)

    def hour(self, number: int, **arguments: Any) -> dict[str, Any]:
        """Run for an hour, a minute after its end. The clock moves there unless it is later already."""
        start = START + number * HOUR
        due = start + HOUR + timedelta(minutes=1)
        self.clock.advance(max(0.0, (due - self.clock.now()).total_seconds()))
        return self.run(f"hour {number}", interval=(start, start + HOUR), **arguments)

    def happened(self, since: datetime, until: datetime) -> list[str]:
        """Return the keys of a span's activities, of the given types or those that a stream follows by default."""
        return [str(each.number) for each in self._log(since, until)]

    def _log(self, since: datetime, until: datetime) -> Iterator[Activity]:
        return self.sim.instance.store.activities.between(int(since.timestamp()), int(until.timestamp()) - 1)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of all files that the manifests list."""
        found = []
        for manifest in (self.output / "_marketo/manifests").glob("*.json"):
            for file in json.loads(manifest.read_text())["files"]:
                found += map(json.loads, (self.output / file["name"]).read_text("utf-8").splitlines())
        return found

    def published(self) -> list[str]:
        """Keys of the rows."""
        return sorted(row["marketoGUID"] for row in self.rows())

    def files(self) -> dict[str, bytes]:
        """Return the data files with their contents."""
        found = {str(path.relative_to(self.output)): path for path in self.output.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if not name.startswith("_")}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Airflow's Variables. A task can read and write them; a test needs this stand-in."""
    values: dict[str, str] = {}
    monkeypatch.setattr("airflow_provider_marketo.hooks.variables.read", values.get)
    monkeypatch.setattr("airflow_provider_marketo.hooks.variables.find", values.get)
    monkeypatch.setattr(
        "airflow_provider_marketo.airflow_compat.set_variable", lambda key, text, _: values.update({key: text})
    )
    return values


@pytest.fixture
def stream(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str]
) -> Iterator[Callable[..., Stream]]:
    """Starts an instance with the given settings and points ``marketo_default`` to it."""
    with ExitStack() as stack:

        def start(*, has_asset_store: bool = True, now: datetime = START, **settings: Any) -> Stream:
            given = {"leads": 300, "activities": 20_000, **DATES} | settings
            sim = stack.enter_context(Simulator(Settings(**given), clock=ManualClock(now)))
            connection = {
                "conn_type": "marketo",
                "host": sim.url,
                "login": sim.client_id,
                "password": sim.client_secret,
            }
            # The governor would hold calls back in real time.
            governor = LocalGovernor(parallel=10, clock=support.ManualClock())
            monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: governor)
            monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
            return Stream(sim, tmp_path / "output", AssetStore() if has_asset_store else None)

        yield start
