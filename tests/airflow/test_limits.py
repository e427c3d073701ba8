"""Quota, budgets and the sum of what was used, on a real Airflow."""

from __future__ import annotations

import json

import pytest

from airflow_provider_marketo.simulator import Simulator
from tools.real_airflow import DagRun, RealAirflow

RECIPE = "marketo_backfill_within_quota"


@pytest.fixture(scope="module")
def run(airflow: RealAirflow) -> DagRun:
    run = airflow.trigger(RECIPE, conf={"since": "2025-11-01", "until": "2026-01-01"})
    run.wait_for("leads", "success", within=200)
    return run


def test_the_sensor_finds_enough_and_says_what_is_left(run: DagRun) -> None:
    left = run.xcom("enough_left")
    assert 0 < left["calls_left"] < left["quota"]
    assert left["exports_measured_at"] is not None


def test_the_last_line_of_a_task_sums_up_what_it_used_before_and_after_its_deferrals(run: DagRun) -> None:
    manifest = run.xcom("leads")
    (line,) = (line for line in run.log("leads") if "Marketo usage of this task" in line)
    calls, rows = int(line.partition("): ")[2].split()[0]), manifest["rows"]
    assert calls >= 3 * len(manifest["windows"])  # create, enqueue, fetch, although each ran in another process
    assert f"{rows} rows" in line


def test_the_variable_is_there_for_people_and_dags(run: DagRun, airflow: RealAirflow, marketo: Simulator) -> None:
    held = json.loads(airflow.api("GET", "/api/v2/variables/marketo_quota_marketo_default")["value"])
    assert held["used"] <= sum(marketo.report().calls.values())
    assert marketo.settings.users[0].user_id not in json.dumps(held)


def test_the_command_shows_it_and_brings_the_variable_up_to_date(run: DagRun, airflow: RealAirflow) -> None:
    said = airflow.cli("quota", "--refresh", "-o", "json", module="airflow_provider_marketo")
    report = json.loads(said[said.index("{\n") :])
    held = json.loads(airflow.api("GET", "/api/v2/variables/marketo_quota_marketo_default")["value"])
    assert report["left"]["calls_used"] == held["used"]
    assert report["our_share"]["calls_today_by_dag"][RECIPE] > 0
