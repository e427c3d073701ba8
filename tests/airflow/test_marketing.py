"""Recipes about programs, mailings, reference data and erasure, on a real Airflow with the ledger in Variables."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from airflow_provider_marketo.output.manifest import read_manifest
from airflow_provider_marketo.simulator import Simulator
from tests.airflow.conftest import POLL_INTERVAL, WAITING
from tools.real_airflow import PATIENCE, DagRun, RealAirflow

PROGRAM_URL = "https://app-sim.marketo.com/#PG"
CAMPAIGN = 2006


def sendings(marketo: Simulator, operation: str) -> list[Any]:
    with marketo.instance.lock:
        return [each for each in marketo.instance.store.assets.sendings if each.operation == operation]


def ledger(airflow: RealAirflow, run: DagRun) -> list[dict[str, Any]]:
    said = airflow.cli("ledger", "list", "--output", "json", module="airflow_provider_marketo")
    return [entry for entry in json.loads(said.splitlines()[-1]) if entry["run"] == run.run_id]


def agree(run: DagRun) -> None:
    """Approve the mailing, as a person does with the Approve button."""
    run.wait_for("agree", "deferred", "awaiting_input", within=100)
    time.sleep(POLL_INTERVAL)
    path = f"{run.path}/taskInstances/agree/-1/hitlDetails"
    run.airflow.api("PATCH", path, chosen_options=["Approve"], params_input={})
    run.wait_for("agree", "success", within=100)


def wait_until_finished(run: DagRun) -> None:
    """Wait for the run itself: the scheduler overwrites a clear that comes while it marks the run successful."""
    deadline = time.monotonic() + 100 * PATIENCE
    while run.state != "success":
        assert time.monotonic() < deadline, f"the run is {run.state}"
        time.sleep(POLL_INTERVAL)


def newsletter(airflow: RealAirflow, headline: str) -> DagRun:
    run = airflow.trigger("marketo_newsletter", logical_date=None, conf={"headline": headline})
    agree(run)
    return run


@pytest.fixture(autouse=True)
def no_faults(marketo: Simulator) -> None:
    marketo.clear_faults()


def test_a_program_is_cloned_once_though_its_task_is_cleared(airflow: RealAirflow, marketo: Simulator) -> None:
    run = airflow.trigger("marketo_program_from_template", logical_date=None, conf={"name": "Real Program"})
    run.wait_for("program", "success", within=200)
    made = run.xcom("program")
    assert made["created"]
    assert made["approved"] == {"emails": 1}
    links = airflow.api("GET", f"{run.path}/taskInstances/program/links")["extra_links"]
    assert links == {"Marketo": f"{PROGRAM_URL}{made['program_id']}A1"}

    wait_until_finished(run)
    run.clear("program")
    run.wait_for("program", "success", try_number=2, within=200)
    assert run.xcom("program")["program_id"] == made["program_id"]
    assert marketo.report().executed["programs.clone"] == 1


def test_newsletter_is_sent_once_although_the_task_is_cleared(airflow: RealAirflow, marketo: Simulator) -> None:
    run = newsletter(airflow, "first")
    run.wait_for("schedule", "success", within=200)
    assert run.xcom("schedule")["scheduled"]
    (entry,) = [each for each in ledger(airflow, run) if each["task"].endswith(".schedule")]
    assert (entry["state"], entry["decided_by"]) == ("sent", "reply")

    run.clear("schedule")
    run.wait_for("schedule", "success", try_number=2, within=200)
    assert run.xcom("schedule")["scheduled_earlier"]
    sent = [each for each in sendings(marketo, "campaigns.schedule") if ("{{my.Headline}}", "first") in each.tokens]
    assert len(sent) == 1


def test_newsletter_whose_reply_is_lost_waits_until_a_person_settles_it(
    airflow: RealAirflow, marketo: Simulator
) -> None:
    marketo.fail("campaigns.schedule", drop=True, executed=True)
    run = newsletter(airflow, "second")
    waiting = run.wait_for("schedule", *WAITING, within=200)
    assert waiting["try_number"] == 1  # Airflow does not retry, because a retry could send twice
    asked = run.airflow.api("GET", f"{run.path}/taskInstances/schedule/-1/hitlDetails")
    assert "run of batch campaign 2006" in asked["body"]
    (entry,) = [each for each in ledger(airflow, run) if each["task"].endswith(".schedule")]
    assert entry["state"] == "unresolved"

    airflow.cli("ledger", "settle", entry["key"], "--sent", module="airflow_provider_marketo")
    run.clear("schedule")
    run.wait_for("schedule", "success", try_number=2, within=200)
    sent = [each for each in sendings(marketo, "campaigns.schedule") if ("{{my.Headline}}", "second") in each.tokens]
    assert len(sent) == 1


def test_a_campaign_that_is_marked_failed_stops_and_a_clear_sends_the_rest(
    airflow: RealAirflow, marketo: Simulator
) -> None:
    def groups() -> int:
        return len(sendings(marketo, "campaigns.request")) - before

    before, all_groups = len(sendings(marketo, "campaigns.request")), 12
    marketo.fail("campaigns.request", delay=2.0, times=None)
    run = airflow.trigger("long_campaign")
    run.wait_for("send", "running", until=lambda: groups() > 0)
    process = psutil.Process(run.task("send")["pid"])
    run.mark("send", "failed")
    process.wait(timeout=60 * PATIENCE)
    sent = groups()
    assert sent < all_groups, "the task was not stopped"
    assert [each["state"] for each in ledger(airflow, run)] == ["sent"] * sent

    marketo.clear_faults()
    run.clear("send")
    run.wait_for("send", "success", within=100)
    assert run.xcom("send")["groups_sent_earlier"] == sent
    assert groups() == all_groups


def test_the_second_night_of_reference_data_counts_all_assets_and_no_change(
    airflow: RealAirflow, marketo: Simulator
) -> None:
    for night in (1, 2):
        run = airflow.trigger("marketo_reference_data", logical_date=None, dag_run_id=f"reference_{night}")
        run.wait_for("report", "success", within=200)
    counts = run.xcom("report")
    assert counts["programs"] == len(marketo.instance.store.assets.by_family["programs"])
    manifest = read_manifest(run.xcom("reference"))
    assert (counts["assets"] > counts["programs"], counts["asset_changes"]) == (True, 0)
    table = pq.read_table(Path(manifest.output) / "programs/programs.parquet")
    assert "Spring Webinar" in table.column("name").to_pylist()


def test_leads_are_erased_only_after_a_confirmation(airflow: RealAirflow, marketo: Simulator, lake: Path) -> None:
    with marketo.instance.lock:
        address = "erase.me@example.org"
        lead = marketo.instance.store.leads.create({"email": address}, marketo.instance.now, 1)
    (lake / "erasure").mkdir()
    (lake / "erasure/requests.csv").write_text(f"email\n{address}\n")
    refused = airflow.trigger("marketo_erase_leads", logical_date=None)
    refused.wait_for("erase", "failed", within=200)
    assert lead in marketo.instance.store.leads

    run = airflow.trigger("marketo_erase_leads", logical_date=None, conf={"confirm": True})
    run.wait_for("erase", "deferred", within=200)
    assert lead not in marketo.instance.store.leads
    (evidence,) = (lake / "erasure/evidence").glob("*.json")
    assert json.loads(evidence.read_text())["erased"] == 1
    assert address not in evidence.read_text()
    assert not any(address in line for line in run.log("erase"))
    run.mark("erase", "failed")
