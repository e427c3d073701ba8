"""The recipes with streams, sensors and watchers, on a real Airflow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import pytest
from airflow import sdk

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.simulator import Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from tools.real_airflow import PATIENCE, DagRun, RealAirflow

FOLLOW_UP = "marketo_form_follow_up"
POSITION = "marketo_position_form_follow_up"

Found = TypeVar("Found")


def happens(marketo: Simulator, type_id: int, lead_id: int, **facts: Any) -> str:
    """Add an activity of a lead, dated now, and return its ``marketoGUID``."""
    with marketo.instance.lock:
        return str(marketo.instance.store.activities.add(marketo.instance.now, lead_id, type_id, **facts).number)


def rows(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the rows of the files that a task has published."""
    files = [Path(manifest["output"]) / file["name"] for file in manifest["files"]]
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def run(airflow: RealAirflow, dag_id: str, start: datetime, end: datetime, **conf: Any) -> DagRun:
    """Start a run whose data interval is in the simulator's time, which is far ahead of Airflow's."""
    interval = {"data_interval_start": iso(start), "data_interval_end": iso(end)}
    return airflow.trigger(dag_id, logical_date=datetime.now(timezone.utc).isoformat(), **interval, conf=conf)


def asset_events(airflow: RealAirflow, name: str) -> list[dict[str, Any]]:
    """Return the events of an Airflow asset, oldest first."""
    found = airflow.api("GET", "/api/v2/assets/events?order_by=timestamp&limit=1000")["asset_events"]
    return [event for event in found if event["name"] == name]


def test_two_hours_of_activities_follow_each_other_without_a_gap_or_a_repetition(
    airflow: RealAirflow, marketo: Simulator
) -> None:
    start = marketo.clock.now().replace(microsecond=0)
    first = [happens(marketo, types.SEND_EMAIL, 1001) for _ in range(3)]
    marketo.clock.sleep(10)
    middle = marketo.clock.now().replace(microsecond=0)
    one = run(airflow, "marketo_hourly_activities", start, middle)
    one.wait_for("activities", "success", within=200)
    assert sorted(row["marketoGUID"] for row in rows(one.xcom("activities"))) == sorted(first)

    second = [happens(marketo, types.SEND_EMAIL, 1002) for _ in range(2)]
    marketo.clock.sleep(10)
    two = run(airflow, "marketo_hourly_activities", middle, marketo.clock.now())
    two.wait_for("activities", "success", within=200)
    found = two.xcom("activities")
    assert found["start"] == iso(middle)
    assert sorted(row["marketoGUID"] for row in rows(found)) == sorted(second)

    one.clear("activities")
    one.wait_for("activities", "success", within=200)
    assert sorted(row["marketoGUID"] for row in rows(one.xcom("activities"))) == sorted(first)

    event = asset_events(airflow, "marketo_hourly_activities")[0]
    assert event["extra"]["rows"] == 3
    assert event["extra"]["source"].startswith("marketo://127.0.0.1:")


def test_deleted_and_merged_leads_are_in_tables_of_their_own(airflow: RealAirflow, marketo: Simulator) -> None:
    client = MarketoClient(marketo.url, marketo.client_id, marketo.client_secret)
    start = marketo.clock.now()
    client.call("leads.delete", input=[{"id": 1100}])
    happens(marketo, types.MERGE_LEADS, 1101, primary_id=1101, attributes={"Merge IDs": "1102"})
    marketo.clock.sleep(10)
    done = run(airflow, "marketo_tombstones", start, marketo.clock.now())
    for task in ("deleted", "merged"):
        done.wait_for(task, "success", within=200)
    assert [row["leadId"] for row in rows(done.xcom("deleted"))] == [1100]
    assert [(row["winnerId"], row["loserId"]) for row in rows(done.xcom("merged"))] == [(1101, 1102)]


def test_an_activated_campaign_raises_one_alarm(airflow: RealAirflow, marketo: Simulator) -> None:
    client = MarketoClient(marketo.url, marketo.client_id, marketo.client_secret)
    start = marketo.clock.now()
    marketo.clock.sleep(10)
    client.call("smart_campaigns.deactivate", id=2003)
    client.call("smart_campaigns.activate", id=2003)
    marketo.clock.sleep(10)
    one = run(airflow, "marketo_user_audits", start, marketo.clock.now())
    one.wait_for("alarms", "success", within=200)
    assert [row["eventAction"] for row in rows(one.xcom("audits"))] == ["deactivate", "activate"]
    (alarm,) = one.xcom("alarms")
    assert alarm.endswith("airflow@example.org has done activate to Smart Campaign 2003")
    two = run(airflow, "marketo_user_audits", start, marketo.clock.now())
    two.wait_for("alarms", "skipped", within=200)


def test_the_webinar_waits_until_one_more_person_has_registered(airflow: RealAirflow, marketo: Simulator) -> None:
    programs = marketo.instance.store.programs
    wanted = ("Registered", "Attended")
    members = sum(1 for member in programs.members(1001) if member["statusName"] in wanted)
    waiting = airflow.trigger("marketo_webinar", conf={"program": 1001, "registered": members + 1})
    waiting.wait_for("enough", "deferred", within=100)
    client = MarketoClient(marketo.url, marketo.client_id, marketo.client_secret)
    (lead,) = client.call("leads.sync", input=[{"email": "one.more@example.com"}]).records
    client.call("program_members.sync_status", programId=1001, statusName="Registered", input=[{"leadId": lead["id"]}])
    waiting.wait_for("enough", "success", within=100)
    assert waiting.xcom("enough") == {"program_id": 1001, "members": members + 1}
    waiting.wait_for("members", "success", within=200)


def test_each_form_fill_starts_the_follow_up_once(airflow: RealAirflow, marketo: Simulator) -> None:
    wait_for(lambda: airflow.api("GET", f"/api/v2/variables?variable_key_pattern={POSITION}")["variables"], within=100)
    filled = {happens(marketo, types.FILL_OUT_FORM, lead_id) for lead_id in (1003, 1004)}
    followed = wait_for_all(airflow, filled)
    followed.wait_for("leads", "success", within=100)
    batch = followed.xcom("new")
    assert followed.xcom("leads")["ids"] == batch["lead_ids"] != []

    # A triggerer that dies after it has sent a batch, but before it has saved its position, sends the batch again:
    before = {run.run_id for run in runs(airflow, FOLLOW_UP)}
    payload = {"batch_id": batch["batch_ids"][0], **{name: batch[name] for name in ("activities", "lead_ids")}}
    event(airflow, "marketo_form_fills", {"payload": payload})
    again = wait_for(lambda: [run for run in runs(airflow, FOLLOW_UP) if run.run_id not in before], within=60)[0]
    again.wait_for("new", "skipped", within=100)

    # If several events arrive together, Airflow starts one run and gives it only the first of them:
    for lead in (1006, 1007, 1008):
        payload = {"batch_id": f"batch of {lead}", "activities": [f"form fill of {lead}"], "lead_ids": [lead]}
        event(airflow, "marketo_form_fills", {"payload": payload})
    wait_for_all(airflow, {f"form fill of {lead}" for lead in (1006, 1007, 1008)})


def test_a_pause_at_the_moment_of_an_event_loses_no_form_fill(airflow: RealAirflow, marketo: Simulator) -> None:
    """Airflow drops the events of a watcher that it has removed, and on 3.3 confirms them nevertheless."""
    wait_for(lambda: airflow.api("GET", f"/api/v2/variables?variable_key_pattern={POSITION}")["variables"], within=100)
    filled = {happens(marketo, types.FILL_OUT_FORM, lead_id) for lead_id in (1012, 1013)}
    while not json.loads(airflow.api("GET", f"/api/v2/variables/{POSITION}")["value"])["pending"]:
        time.sleep(0.01)  # the event is on its way for less than a second
    with airflow.frozen_component("triggerer"):
        for is_paused in (True, False):
            airflow.api("PATCH", f"/api/v2/dags/{FOLLOW_UP}", is_paused=is_paused)
            parse(airflow, FOLLOW_UP)  # which removes the watcher of a paused DAG, and adds one if it is unpaused
    wait_for_all(airflow, filled)


def test_a_watcher_of_the_journal_starts_a_dag(airflow: RealAirflow, marketo: Simulator) -> None:
    position = "marketo_position_journal_watcher"
    wait_for(lambda: airflow.api("GET", f"/api/v2/variables?variable_key_pattern={position}")["variables"], within=100)
    filled = {happens(marketo, types.FILL_OUT_FORM, lead_id) for lead_id in (1010, 1011)}
    wait_for_all(airflow, filled, "journal_watcher")


@pytest.mark.skipif(not hasattr(sdk, "RollupMapper"), reason="Airflow 3.3 has partitions that roll up")
def test_a_day_is_rolled_up_when_all_of_its_hours_are_published(airflow: RealAirflow, marketo: Simulator) -> None:
    happened = [happens(marketo, types.SEND_EMAIL, 1005) for _ in range(2)]
    hour = marketo.clock.now().replace(minute=0, second=0, microsecond=0)
    marketo.clock.sleep(10)
    one = run(airflow, "marketo_hourly_activities", hour, marketo.clock.now())
    one.wait_for("activities", "success", within=100)
    for other in range(24):  # these hours have no rows
        if other != hour.hour:
            key = hour.replace(hour=other).strftime("%Y-%m-%dT%H:%M:%S")
            event(airflow, "marketo_hourly_activities", {"manifest": None}, partition_key=key)
    (day,) = wait_for(lambda: runs(airflow, "marketo_daily_activities"), within=60)
    day.wait_for("roll_up", "success", within=100)
    rolled_up = day.xcom("roll_up")
    lines = [json.loads(line) for line in Path(rolled_up["file"]).read_text("utf-8").splitlines()]
    keys = {line["marketoGUID"] for line in lines}
    assert len(keys) == len(lines) == rolled_up["rows"]
    assert keys >= set(happened)


def wait_for_all(airflow: RealAirflow, activities: set[str], dag_id: str = FOLLOW_UP) -> DagRun:
    """Wait until a DAG's runs have taken all of these activities; return the run with the last activity."""

    def look() -> DagRun | None:
        taken = {
            activity: each
            for each in runs(airflow, dag_id)
            if each.task("new")["state"] == "success"
            for activity in each.xcom("new")["activities"]
        }
        return taken[max(activities)] if activities <= taken.keys() else None

    return wait_for(look, within=100)


def parse(airflow: RealAirflow, dag_id: str) -> None:
    """Let Airflow parse a DAG's file again."""
    before = airflow.api("GET", f"/api/v2/dags/{dag_id}/details")
    airflow.api("PUT", f"/api/v2/parseDagFile/{before['file_token']}")
    path = f"/api/v2/dags/{dag_id}/details"
    wait_for(lambda: airflow.api("GET", path)["last_parsed_time"] != before["last_parsed_time"], within=60)


def runs(airflow: RealAirflow, dag_id: str) -> list[DagRun]:
    """Return all runs of a DAG."""
    found = airflow.api("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
    return [DagRun(airflow, dag_id, each["dag_run_id"]) for each in found]


def event(airflow: RealAirflow, asset: str, extra: dict[str, Any], **facts: Any) -> None:
    """Create an event of an Airflow asset through the API."""
    found = airflow.api("GET", f"/api/v2/assets?name_pattern={asset}")["assets"]
    (asset_id,) = (each["id"] for each in found if each["name"] == asset)
    airflow.api("POST", "/api/v2/assets/events", asset_id=asset_id, extra=extra, **facts)


def wait_for(look: Callable[[], Found | None], within: float) -> Found:
    """Call a function until it returns something, and return that."""
    deadline = time.monotonic() + within * PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing was found within {within} seconds"
        time.sleep(0.5)
    return found


def test_dags_test_waits_with_a_connection_from_the_metadata_database(airflow: RealAirflow, marketo: Simulator) -> None:
    fields = f"--conn-type marketo --conn-host {marketo.url} --conn-login {marketo.client_id}".split()
    airflow.cli("connections", "add", "marketo_stored", *fields, "--conn-password", marketo.client_secret)
    assert "running trigger in line" in airflow.cli("dags", "test", "tried_by_hand")
