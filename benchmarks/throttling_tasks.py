"""
The quota Variable during 200 short tasks on a real Airflow, compared with what Marketo counted.

    python -m benchmarks.throttling_tasks                     8 minutes
    python -m benchmarks.throttling_tasks --coordination redis

Airflow runs with LocalExecutor and PostgreSQL; windows are not scaled. While the tasks run, the benchmark reads the age
of the Variable once a second. Afterwards ``airflow marketo quota --refresh`` must set it to the instance's exact count.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_marketo.simulator import Settings, Simulator
from benchmarks.table import Row, markdown
from benchmarks.whole_airflow import connection
from tools.real_airflow import FINISHED, DagRun, RealAirflow
from tools.services import running_services

if TYPE_CHECKING:
    from collections.abc import Iterator

TASKS, CALLS = 200, 8
VARIABLE = "marketo_quota_marketo_default"
DAG = f"""
from airflow.sdk import DAG, task

with DAG("short_tasks", schedule=None):

    @task(pool="marketo")
    def short(number):
        from airflow_provider_marketo.hooks.marketo import MarketoHook

        hook = MarketoHook()
        for _ in range({CALLS}):
            hook.call("leads.describe")

    short.expand(number=list(range({TASKS})))
"""


def measure(coordination: str, servers: dict[str, str], folder: Path) -> Iterator[Row]:
    """
    Run the tasks.

    :param coordination: the connection's extra ``coordination``.
    :param servers: URLs of PostgreSQL and Redis.
    :param folder: folder for Airflow.
    """
    (folder / "dags").mkdir()
    (folder / "dags" / "short_tasks.py").write_text(DAG)
    with Simulator(Settings(leads=10, activities=10, latency=0.05)) as simulator:
        shared_by = {"redis_conn_id": "the_redis"} if coordination == "redis" else {}
        connections = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": connection(simulator, coordination=coordination, **shared_by),
            "AIRFLOW_CONN_THE_REDIS": servers["TEST_REDIS"],
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
        }
        database = servers["TEST_POSTGRES"].replace("postgresql://", "postgresql+psycopg2://")
        with RealAirflow(folder / "home", folder / "dags", connections, database) as airflow:
            airflow.migrate()
            airflow.cli("setup", module="airflow_provider_marketo")
            airflow.start()
            airflow.wait_until_ready(["short_tasks"])
            begun = time.monotonic()
            run = airflow.trigger("short_tasks")
            oldest = _watch(airflow, run, simulator)
            took = time.monotonic() - begun
            state, report = run.state, simulator.report()
            airflow.cli("quota", "--refresh", module="airflow_provider_marketo")
            held = _variable(airflow)
            counted = sum(count for name, count in simulator.report().calls.items() if not name.startswith("identity."))
    on = f"{coordination}, {TASKS} tasks of {CALLS} calls, {took:.0f} s, run {state}"
    usage = report.calls.get("usage.get_daily_usage", 0)
    difference = abs((held or {}).get("used", 0) - counted) if state == "success" else float("inf")
    yield Row("606 and 615", on, f"{counted} calls", "none allowed", _rejected(report), 0, at_most=True)
    yield Row("age of the Variable, seconds", on, f"asked {usage} times", "five minutes", oldest, 300, at_most=True)
    yield Row(
        "the Variable after a refresh", on, f"{(held or {}).get('used')} calls", f"{counted} counted", difference, 0,
        at_most=True
    )  # fmt: skip


def _watch(airflow: RealAirflow, run: DagRun, simulator: Simulator) -> float:
    """Wait for the end; return the highest age of the Variable after the first call."""
    oldest, called = 0.0, None
    while True:
        time.sleep(1)
        now = datetime.now(timezone.utc)
        if called is None and simulator.report().calls.get("leads.describe"):
            called = now
        try:
            if run.state in FINISHED:
                return oldest
            held = _variable(airflow)
        except requests.Timeout:  # Airflow's server is busy with the tasks
            continue
        if called is not None:
            measured = datetime.fromisoformat(held["measured_at"]) if held else called
            oldest = max(oldest, (now - measured).total_seconds())


def _variable(airflow: RealAirflow) -> dict[str, Any] | None:
    found = airflow.api("GET", "/api/v2/variables?limit=100")["variables"]
    return next((json.loads(each["value"]) for each in found if each["key"] == VARIABLE), None)


def _rejected(report: Any) -> int:
    return sum(count for code, count in report.rejected.items() if code in ("606", "615"))


def main() -> int:
    """Run the command; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coordination", choices=("host", "redis"), default="host")
    arguments = parser.parse_args()
    with running_services(Path(sys.executable).parent) as servers, tempfile.TemporaryDirectory() as folder:
        rows = list(measure(arguments.coordination, servers, Path(folder)))
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
