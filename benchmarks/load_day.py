"""
The memory of a triggerer, of a task and of the worker that supervises the task, over the work of a day.

A day is 1,440 polls of each poller, at four polls a second instead of one a minute: it takes six minutes or longer. In
the triggerer of a whole Airflow, 150 sensors wait for leads and export jobs, and a watcher waits for activities. A task
in ``poke`` mode polls as often. After each hour, which is 60 polls, all tokens expire, a form is filled, which starts a
run, and three further sensors find their leads and end.

The clock of the machine is not changed. What depends on hours of real time, such as the refresh of the quota Variable
every few minutes, happens as often as in a few minutes.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import psutil

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from benchmarks.table import Row
from benchmarks.whole_airflow import connection, deferred, idle_jobs, megabytes_of, steadily, wait_until, whole_airflow
from tools import services
from tools.databases import empty_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.real_airflow import DagRun, RealAirflow

HOURS, LOOKS = 24, 60
"""Simulated hours, and the polls of an hour."""

EVERY = 0.25
"""Real seconds between two polls."""

LEADS, JOBS, ENDING = 100, 50, 3
"""Sensors that wait all day, and those that end in each hour."""

SETTLED = 4
"""Hours after which every part has done everything once and memory should not grow."""

COMPARED = 3
"""Hours of each end whose mean counts."""

MOST = 5.0
"""Megabytes that a process may grow between hour 4 and hour 24."""

LONGEST = 4_800.0
"""Seconds after which the day counts as failed."""

INSTANCES = ("leads", "jobs", "feed", "worker")
"""Each kind of poller has an instance and its limits for itself."""

FIRST_LEAD = 1001

DAY = """
from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_provider_marketo.sensors.bulk_job import MarketoBulkJobSensor
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

waits = {{"poke_interval": {every}, "timeout": timedelta(hours=6), "pool": "marketo"}}
deferred = {{**waits, "deferrable": True}}

with DAG("all_day", schedule=None, max_active_tasks=64):
    values = [f"never.{{number}}@example.com" for number in range({leads})]
    MarketoLeadSensor.partial(task_id="leads", marketo_conn_id="leads", **deferred).expand(lookup_values=values)
    MarketoBulkJobSensor.partial(
        task_id="jobs", object_type="leads", marketo_conn_id="jobs", **deferred
    ).expand(export_id={jobs})

with DAG("poke", schedule=None):
    MarketoLeadSensor(
        task_id="a_task", lookup_values="never@example.com", deferrable=False, marketo_conn_id="worker", **waits
    )

with DAG("hour", schedule=None, max_active_runs=4):
    for number in range({ending}):
        MarketoLeadSensor(
            task_id=f"lead_{{number}}",
            lookup_values=f"hour.{{{{{{{{ dag_run.conf['hour'] }}}}}}}}.{{number}}@example.com",
            marketo_conn_id="leads",
            **deferred,
        )

trigger = MarketoActivityTrigger(
    stream="day", activity_types=["Fill Out Form"], marketo_conn_id="feed"
)
with DAG("form", schedule=[Asset("form", watchers=[AssetWatcher(name="form", trigger=trigger)])], catchup=False):
    EmptyOperator(task_id="follow_up")
"""


def measure_day(folder: Path) -> Iterator[Row]:
    """
    Run a day.

    :param folder: an empty folder for all files.
    """
    with ExitStack() as stack:
        settings = Settings(leads=100, activities=0, limits=False)
        instances = {name: stack.enter_context(Simulator(settings)) for name in INSTANCES}
        server = stack.enter_context(services.postgres(folder, Path(sys.executable).parent))
        facts = {
            f"AIRFLOW_CONN_{name.upper()}": connection(each, coordination="host", poll_interval=EVERY)
            for name, each in instances.items()
        }
        facts |= {"AIRFLOW__CORE__PARALLELISM": "4", "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True"}
        facts |= {"AIRFLOW_CONN_MARKETO_DEFAULT": facts["AIRFLOW_CONN_LEADS"]}
        dags = {
            "day": DAY.format(every=EVERY, leads=LEADS, jobs=idle_jobs(instances["jobs"], "leads", JOBS), ending=ENDING)
        }
        airflow = stack.enter_context(whole_airflow(folder / "airflow", empty_database(server), dags, facts))
        airflow.wait_until_ready(["all_day", "poke", "hour", "form"])
        airflow.trigger("all_day")
        wait_until(lambda: steadily(lambda: deferred(airflow)) == LEADS + JOBS, 900, every=1)
        poke = airflow.trigger("poke")
        task = psutil.Process(int(poke.wait_for("a_task", "running", until=lambda: _pid(poke) is not None)["pid"]))
        parts = {
            "the triggerer": airflow.processes("triggerer"),
            "a task in poke mode": [task],
            "the worker that supervises it": [task.parent()],
        }
        begun = time.monotonic()
        sizes: list[dict[str, float]] = []
        for hour in range(HOURS):
            airflow.trigger("hour", conf={"hour": hour})
            _let_pass(instances, LOOKS)
            _end_hour(instances, hour)
            sizes.append({name: megabytes_of(processes) for name, processes in parts.items()})
        took = time.monotonic() - begun
        wait_until(lambda: steadily(lambda: _succeeded(airflow, "hour")) == HOURS, 600, every=1)
        still, forms = deferred(airflow), _succeeded(airflow, "form")
    on = f"{HOURS * LOOKS} polls and {HOURS} tokens of each connection, {took / 60:.0f} minutes"
    for name in parts:
        yield _of_growth(name, on, [size[name] for size in sizes])
    yield Row("sensors that wait all day", on, str(still), "all", still, LEADS + JOBS)
    yield Row("runs that forms started", on, str(forms), f"{HOURS} forms, some of which may share a run", forms, 1)


def _of_growth(name: str, on: str, sizes: Sequence[float]) -> Row:
    begin, end = mean(sizes[SETTLED - 1 : SETTLED - 1 + COMPARED]), mean(sizes[-COMPARED:])
    reached = f"{begin:.1f} MB after hour {SETTLED}, {end:.1f} MB in the end"
    return Row(f"growth of {name}, MB", on, reached, "flat", end - begin, MOST, at_most=True)


def _pid(run: DagRun) -> int | None:
    pid: int | None = run.task("a_task")["pid"]
    return pid


def _let_pass(instances: dict[str, Simulator], looks: int) -> None:
    """Wait until every instance has answered some more polls."""
    enough = {name: each.report().total_calls + looks for name, each in instances.items()}
    wait_until(
        lambda: all(each.report().total_calls >= enough[name] for name, each in instances.items()), LONGEST / HOURS
    )


def _end_hour(instances: dict[str, Simulator], hour: int) -> None:
    """Let tokens expire, create the leads for which the hour's sensors wait, and fill a form."""
    for each in instances.values():
        each.expire_tokens()
    leads, feed = instances["leads"], instances["feed"]
    client = MarketoClient(leads.url, leads.client_id, leads.client_secret)
    emails = [{"email": f"hour.{hour}.{number}@example.com"} for number in range(ENDING)]
    client.call("leads.sync", input=emails)
    with feed.instance.lock:
        feed.instance.store.activities.add(feed.instance.now, FIRST_LEAD, types.FILL_OUT_FORM)


def _succeeded(airflow: RealAirflow, dag_id: str) -> int:
    return int(airflow.api("GET", f"/api/v2/dags/{dag_id}/dagRuns?state=success&limit=1")["total_entries"])
