"""The calls of many deferred sensors in the one triggerer of a whole Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.conditions.leads import VALUES_PER_CALL
from airflow_provider_marketo.simulator import Settings, Simulator
from benchmarks.table import Row
from benchmarks.whole_airflow import (
    connection,
    deferred,
    idle_jobs,
    seconds_until,
    steadily,
    tasks_in,
    wait_until,
    whole_airflow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tools.real_airflow import RealAirflow

LEAD_SENSORS, JOB_SENSORS = 500, 1000
EXPORTS = ("leads", "activities")
LOOKED = 0.75
"""Part of the looks that a busy triggerer must take: after a late one the next look does not follow at once."""

FEW_JOBS = 50
"""Jobs that many sensors wait for. Marketo takes no more than ten in its queue; its list shows 300 in a call."""

LOOK_EVERY, MINUTES = 60.0, 5
STARTED_WITHIN = 1_800.0
"""Seconds in which a triggerer starts all triggers that were deferred. A busy machine takes minutes for thousands."""

_BEGUN = ("queued", "running", "restarting")
"""States of a task that has begun and has not deferred itself yet."""

LEADS, JOBS = "many_leads", "many_jobs"

SENSORS = f"""
from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_marketo.sensors.bulk_job import MarketoBulkJobSensor
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor

waits = {{{{"deferrable": True, "poke_interval": {{every}}, "timeout": timedelta(hours=3), "pool": "marketo"}}}}

with DAG("{LEADS}", schedule=None, max_active_tasks=64):
    MarketoLeadSensor.partial(task_id="lead", **waits).expand(lookup_values={{values}})

with DAG("{JOBS}", schedule=None, max_active_tasks=64):
    for object_type, ids in {{ids}}.items():
        sensor = MarketoBulkJobSensor.partial(task_id=object_type, object_type=object_type, **waits)
        sensor.expand(export_id=ids)
"""


def measure_sensors(
    database: str, folder: Path, leads: int = LEAD_SENSORS, jobs: int = JOB_SENSORS, by_tasks: int | None = None
) -> Iterator[Row]:
    """
    Defer many sensors into one triggerer; measure calls per minute and whether its loop was blocked.

    :param leads: number of lead sensors, each with a value of its own.
    :param jobs: number of export job sensors, half for leads and half for activities.
    :param by_tasks: how many sensors are deferred by tasks that run. The others get rows in Airflow's database as these
        tasks have left them. Default: all.
    """
    with Simulator(Settings(leads=1_000, activities=0, limits=False)) as simulator:
        client = MarketoClient(simulator.url, simulator.client_id, simulator.client_secret)
        made = {kind: idle_jobs(simulator, kind, FEW_JOBS) for kind in EXPORTS}
        ids = {kind: [made[kind][number % FEW_JOBS] for number in range(jobs // 2)] for kind in EXPORTS}
        values = [f"nobody.{number}@example.com" for number in range(leads)]
        calls_of_look = {"leads.get_by_filter_type": -(-leads // VALUES_PER_CALL)}
        calls_of_look |= {f"bulk_export_{kind}.get_jobs": min(jobs, 1) for kind in EXPORTS}
        settings = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": connection(simulator),
            "AIRFLOW__TRIGGERER__CAPACITY": str(leads + jobs),
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        dags = {"many": SENSORS.format(every=LOOK_EVERY, values=values, ids=ids)}
        with whole_airflow(folder, database, dags, settings) as airflow:
            airflow.wait_until_ready([LEADS, JOBS])
            begun = time.monotonic()
            airflow.trigger(LEADS)
            airflow.trigger(JOBS)
            if by_tasks is not None and by_tasks < leads + jobs:
                wait_until(lambda: steadily(lambda: deferred(airflow)) >= by_tasks, 1_800, every=1)
                _defer_rest(airflow, simulator.client_secret, {"lead": values, **ids})
            wait_until(lambda: steadily(lambda: deferred(airflow)) == leads + jobs, 3_600, every=5)
            took = time.monotonic() - begun
            _wait_for_whole_look(simulator, calls_of_look)
            looked = time.monotonic() - begun
            starved = _blocked(airflow)
            before, counted_from = Counter(simulator.report().calls), time.monotonic()
            time.sleep(MINUTES * 60)
            calls = Counter(simulator.report().calls) - before
            minutes = (time.monotonic() - counted_from) / 60
            still = deferred(airflow)
            client.call("leads.sync", input=[{"email": values[0]}])
            found = seconds_until(lambda: deferred(airflow) < still, LOOK_EVERY + 30)
            blocked = _blocked(airflow) - starved
    on = f"{leads + jobs} deferred sensors, one triggerer, {minutes:.0f} minutes"
    ramp = f"{leads + jobs} sensors, {'all' if by_tasks is None else by_tasks} by eight workers"
    yield Row("seconds until all are deferred", ramp, f"{took:.0f}", "", took, None)
    yield Row('warnings that the loop was "blocked" until then', ramp, str(starved), "", starved, None)
    yield Row("seconds until a look serves all of them", ramp, f"{looked:.0f}", "", looked, None)
    for operation, most in calls_of_look.items():
        yield Row(
            f"calls a minute, {operation}",
            on,
            f"{calls[operation]} calls",
            f"{most} a look",
            calls[operation] / minutes,
            most,
            at_most=True,
        )
        yield Row("the same, at least", on, f"{calls[operation]} calls", "", calls[operation] / minutes, LOOKED * most)
    others = sum(calls.values()) - sum(calls[operation] for operation in calls_of_look) - calls["identity.post_token"]
    yield Row("other calls", on, str(others), "none", others, 0, at_most=True)
    yield Row("deferred sensors after that", on, str(still), "all", still, leads + jobs)
    yield Row("seconds until a lead is found", on, f"{found:.0f}", "one look", found, LOOK_EVERY + 10, at_most=True)
    yield Row('warnings that the loop was "blocked"', on, str(blocked), "none", blocked, 0, at_most=True)


def _wait_for_whole_look(simulator: Simulator, calls_of_look: Mapping[str, int]) -> None:
    """Wait until the calls of a minute are those of a look that serves all sensors."""
    end = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < end:
        before = Counter(simulator.report().calls)
        time.sleep(LOOK_EVERY)
        calls = Counter(simulator.report().calls) - before
        if all(calls[operation] >= most for operation, most in calls_of_look.items()):
            return
    raise TimeoutError(f"no look served all sensors within {STARTED_WITHIN:.0f} seconds")


def _defer_rest(airflow: RealAirflow, secret: str, waited_for: Mapping[str, Sequence[str]]) -> None:
    """
    Let no further task start, and defer the tasks that have not begun, in the database.

    :param secret: the client secret, which is the key of the conditions.
    :param waited_for: what the mapped tasks wait for, by task id.
    """
    for dag_id in (LEADS, JOBS):
        airflow.api("PATCH", f"/api/v2/dags/{dag_id}", is_paused=True)
    wait_until(lambda: steadily(lambda: tasks_in(airflow, *_BEGUN)) == 0, 600, every=1)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.deferring"],
        input=json.dumps({"secret": secret, "waited_for": waited_for}),
        env=airflow.environment,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    for dag_id in (LEADS, JOBS):
        airflow.api("PATCH", f"/api/v2/dags/{dag_id}", is_paused=False)


def _blocked(airflow: RealAirflow) -> int:
    """Return Airflow's warnings that a trigger blocked its loop."""
    logs = Path(airflow.environment["AIRFLOW__LOGGING__BASE_LOG_FOLDER"])
    files = [airflow.log("triggerer"), *logs.rglob("*.log*")]
    return sum(file.read_text("utf-8", "replace").count("async thread was blocked") for file in files if file.is_file())
