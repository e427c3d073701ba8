"""Whole instances in tables, on a real Airflow: the recipes, run by run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest

from airflow_provider_marketo.simulator import Simulator
from tests.airflow.conftest import POLL_INTERVAL
from tests.airflow.test_example_dags import second
from tools.real_airflow import PATIENCE, DagRun, RealAirflow

DUCKDB, POSTGRES = "marketo_to_duckdb", "marketo_to_postgres"

FIRST = "2026-02-15"
"""The date at which the first run begins. Fewer months need fewer jobs."""

TASKS = 13
"""The tasks of the group, and the task after it."""

Query = Callable[[str], list[Any]]


def finish(run: DagRun, last: str) -> None:
    """Wait for the last task and for the run itself, and check that all other tasks have succeeded."""
    run.wait_for(last, "success", within=400)
    deadline = time.monotonic() + 100 * PATIENCE
    while run.state != "success":
        assert time.monotonic() < deadline, f"the run is {run.state}"
        time.sleep(POLL_INTERVAL)
    states = {task["task_id"]: task["state"] for task in run.tasks()}
    assert len(states) == TASKS
    assert set(states.values()) == {"success"}


@pytest.fixture(scope="module")
def first_runs(airflow: RealAirflow, pytestconfig: pytest.Config) -> dict[str, DagRun]:
    """The first run of each DAG. They begin together, because most of their time is waiting."""
    dag_ids = [DUCKDB, POSTGRES] if pytestconfig.getoption("--services") else [DUCKDB]
    return {dag_id: start(airflow, dag_id) for dag_id in dag_ids}


def start(airflow: RealAirflow, dag_id: str) -> DagRun:
    return airflow.trigger(dag_id, logical_date=None, conf={"first_lead": FIRST})


def the_instance_is_there_and_stays_current(
    airflow: RealAirflow, marketo: Simulator, query: Query, first: DagRun, last: str
) -> DagRun:
    finish(first, last)
    since = second_of(FIRST)
    expected = count(marketo.instance.store.leads.created_between(since, 2**33))
    assert query("SELECT count(*) FROM marketo.leads WHERE _deleted_at IS NULL") == [(expected,)]
    assert query("SELECT count(*) FROM marketo_fivetran.lead WHERE NOT _fivetran_deleted") == [(expected,)]
    cars = count(marketo.instance.store.custom_objects["car_c"].updated_between(since, 2**33))
    assert query("SELECT count(*) FROM marketo.custom_car_c") == [(cars,)]
    watermarks = query("SELECT source, loaded_until FROM marketo._marketo_watermarks ORDER BY source")
    assert len(watermarks) == 6
    following = start(airflow, first.dag_id)
    finish(following, last)
    moved = query("SELECT source, loaded_until FROM marketo._marketo_watermarks ORDER BY source")
    assert all(after > before for (_, before), (_, after) in zip(watermarks, moved, strict=True))
    assert following.xcom("marketo.ranges", "leads_mode") == "auto"
    return following


def count(found: Iterator[Any]) -> int:
    """Count records of the simulator: ranges of generated records, and records that other tests have written."""
    return sum(len(rows) if isinstance(rows, range) else 1 for rows in found)


def second_of(day: str) -> int:
    return second(datetime.fromisoformat(day).replace(tzinfo=timezone.utc))


def test_a_whole_instance_is_in_duckdb_and_a_cleared_load_does_nothing_twice(
    airflow: RealAirflow, marketo: Simulator, lake: Path, first_runs: dict[str, DagRun]
) -> None:
    def query(sql: str) -> list[Any]:
        with closing(duckdb.connect(str(lake / "warehouse.duckdb"))) as connection:
            return connection.execute(sql).fetchall()

    run = the_instance_is_there_and_stays_current(airflow, marketo, query, first_runs[DUCKDB], "report")
    answer = run.xcom("report")
    assert answer == [
        list(row)
        for row in query(
            "SELECT lead_status, count(*) FROM marketo.leads WHERE _deleted_at IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        )
    ]
    loads = query("SELECT count(*) FROM marketo._marketo_loads")
    run.clear("marketo.load_leads")
    time.sleep(POLL_INTERVAL)
    finish(run, "report")
    assert query("SELECT count(*) FROM marketo._marketo_loads") == loads, "a cleared load does nothing twice"


@pytest.mark.services
def test_a_whole_instance_is_in_postgres_without_what_is_excluded_or_hashed(
    airflow: RealAirflow, marketo: Simulator, first_runs: dict[str, DagRun]
) -> None:
    def query(sql: str) -> list[Any]:
        with closing(psycopg2.connect(os.environ["TEST_POSTGRES"])) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    the_instance_is_there_and_stays_current(airflow, marketo, query, first_runs[POSTGRES], "fresh")
    columns = query(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'marketo' AND table_name = 'leads'"
    )
    assert ("phone",) not in columns
    assert all(len(name) == 64 for (name,) in query("SELECT last_name FROM marketo.leads WHERE last_name IS NOT NULL"))


def test_a_run_with_a_data_interval_loads_it_and_moves_no_watermark(
    airflow: RealAirflow, marketo: Simulator, lake: Path
) -> None:
    def query(sql: str) -> list[Any]:
        with closing(duckdb.connect(str(lake / "warehouse.duckdb"))) as connection:
            return connection.execute(sql).fetchall()

    def watermarks() -> list[Any]:
        there = "SELECT 1 FROM information_schema.tables WHERE table_name = '_marketo_watermarks'"
        return query("SELECT * FROM marketo._marketo_watermarks ORDER BY source") if query(there) else []

    before = watermarks()
    interval = {"data_interval_start": "2026-02-18T00:00:00Z", "data_interval_end": "2026-02-19T00:00:00Z"}
    run = airflow.trigger("marketo_to_duckdb", logical_date="2026-02-18T00:00:00Z", **interval)
    finish(run, "report")
    found = [run.xcom("marketo.ranges", f"activities_{end}") for end in ("start", "end")]
    assert (found, run.xcom("marketo.ranges", "until")) == (list(interval.values()), "")
    spans = "SELECT DISTINCT span_start, span_end FROM marketo._marketo_loads WHERE run_id = '{}' AND dataset = 'leads'"
    ((start, end),) = query(spans.format(run.run_id))
    assert [each.astimezone(timezone.utc).day for each in (start, end)] == [18, 19]
    assert watermarks() == before
