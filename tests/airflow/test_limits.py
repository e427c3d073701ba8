"""Rate limits of several instances, the daily quota, budgets and usage, on a real Airflow."""

from __future__ import annotations

import json

import pytest

from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.simulator import Simulator
from tests.airflow.conftest import RATE
from tools.real_airflow import DagRun, RealAirflow

RECIPE = "marketo_backfill_within_quota"
SEVERAL = "several_subscriptions"
CALLS = 7
"""Calls that each task of ``several_subscriptions`` makes."""


@pytest.fixture(scope="module")
def several(airflow: RealAirflow) -> DagRun:
    """Start the DAG. Two of its tasks wait for the next rate window, while other tests run."""
    return airflow.trigger(SEVERAL)


@pytest.fixture(scope="module")
def run(airflow: RealAirflow, several: DagRun) -> DagRun:
    run = airflow.trigger(RECIPE, conf={"since": "2025-11-01", "until": "2026-01-01"})
    run.wait_for("leads", "success", within=200)
    return run


def test_the_quota_sensor_succeeds_and_returns_the_remaining_quota(run: DagRun) -> None:
    left = run.xcom("enough_left")
    assert 0 < left["calls_left"] < left["quota"]
    assert left["exports_measured_at"] is not None


def test_the_last_log_line_of_a_task_sums_up_its_usage_across_deferrals(run: DagRun) -> None:
    manifest = run.xcom("leads")
    (line,) = (line for line in run.log("leads") if "Marketo usage of this task" in line)
    calls, rows = int(line.partition("): ")[2].split()[0]), manifest["rows"]
    assert calls >= 3 * len(manifest["windows"])  # create, enqueue, fetch; each ran in another process
    assert f"{rows} rows" in line


def test_the_variable_has_the_used_quota_and_names_no_user(
    run: DagRun, airflow: RealAirflow, marketo: Simulator
) -> None:
    held = json.loads(airflow.api("GET", "/api/v2/variables/marketo_quota_marketo_default")["value"])
    assert held["used"] <= sum(marketo.report().calls.values())
    assert marketo.settings.users[0].user_id not in json.dumps(held)


def test_the_quota_command_refreshes_the_variable_and_shows_calls_by_dag(run: DagRun, airflow: RealAirflow) -> None:
    said = airflow.cli("quota", "--refresh", "-o", "json", module="airflow_provider_marketo")
    report = json.loads(said[said.index("{\n") :])
    held = json.loads(airflow.api("GET", "/api/v2/variables/marketo_quota_marketo_default")["value"])
    assert report["left"]["calls_used"] == held["used"]
    assert report["our_share"]["calls_today_by_dag"][RECIPE] > 0


def test_subscriptions_in_one_dag_do_not_slow_each_other(
    several: DagRun, subscriptions: dict[str, Simulator], run: DagRun
) -> None:
    for name in ("second", "third"):
        several.wait_for(f"marketo_{name}", "success")
        assert several.xcom(f"marketo_{name}") < 15, "the task waited for a rate window of 20 seconds"
        assert subscriptions[name].report().rejected == {}


def test_two_connections_to_one_instance_share_its_limits(
    several: DagRun, subscriptions: dict[str, Simulator], airflow: RealAirflow, run: DagRun
) -> None:
    for name in ("first", "first_too"):
        several.wait_for(f"marketo_{name}", "success")
    instance = subscriptions["first"]
    report = instance.report()
    assert report.calls["leads.describe"] == 2 * CALLS > RATE
    assert report.rejected == {}
    governor = SQLiteStore(airflow.home / "marketo_governor", Endpoint.parse(instance.url).instance)
    assert governor.update(lambda state, at: state.calls_of)[SEVERAL] >= 2 * CALLS
