"""Airflow's own backfill of a DAG with intervals and a daily budget: from the UI, from the shell, newest first."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.simulated import lines
from tools.real_airflow import PATIENCE, DagRun, RealAirflow, RealAirflowError

FROM, TO = "2026-01-10", "2026-01-13"
DAYS = ("2026-01-13", "2026-01-12", "2026-01-11", "2026-01-10")


def in_the_ui(airflow: RealAirflow) -> None:
    """Start a backfill with the request that the dialogue Trigger > Backfill sends."""
    airflow.api(
        "POST",
        "/api/v2/backfills",
        dag_id="history_in_the_ui",
        from_date=f"{FROM}T00:00:00Z",
        to_date=f"{TO}T00:00:00Z",
        run_backwards=True,
        max_active_runs=1,
        reprocess_behavior="none",
    )


def by_command(airflow: RealAirflow) -> None:
    span = ("--from-date", FROM, "--to-date", TO)
    options = ("--dag-id", "history_by_command", *span, "--run-backwards", "--max-active-runs", "1")
    for left in reversed(range(5)):
        try:
            airflow.cli("backfill", "create", *options)
            return
        except RealAirflowError as error:
            if "database is locked" not in str(error) or not left:  # SQLite, and Airflow's command does not wait
                raise
            time.sleep(1)


def runs_by_day(airflow: RealAirflow, dag_id: str) -> dict[str, DagRun]:
    found = airflow.api("GET", f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
    return {run["data_interval_start"][:10]: DagRun(airflow, dag_id, run["dag_run_id"]) for run in found}


@pytest.mark.parametrize("start", [in_the_ui, by_command])
def test_a_backfill_stops_at_the_budget_of_the_day_and_continues_by_itself(
    airflow: RealAirflow, lake: Path, start
) -> None:
    dag_id = f"history_{start.__name__}"
    start(airflow)
    deadline = time.monotonic() + 60 * PATIENCE
    while len(runs_by_day(airflow, dag_id)) < len(DAYS) and time.monotonic() < deadline:
        time.sleep(0.5)
    runs = runs_by_day(airflow, dag_id)
    newest, second, third, oldest = (runs[day] for day in DAYS)
    newest.wait_for("activities", "success", within=120)
    second.wait_for("activities", "success", within=120)
    third.wait_for("activities", "deferred", until=lambda: "daily_export_mb=0.05" in "\n".join(third.log("activities")))
    assert oldest.state == "queued"
    rows = len(lines(lake / dag_id))
    assert rows == sum(run.xcom("activities")["rows"] for run in (newest, second)) > 0

    airflow.api("DELETE", "/api/v2/variables/marketo_exports_marketo_default")  # as a new day does
    third.clear("activities")
    for run in (third, oldest):
        run.wait_for("activities", "success", within=120)
    assert len(lines(lake / dag_id)) > rows
