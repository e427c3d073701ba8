"""Streams, sensors and watchers on a real Airflow: the recipes that follow Marketo instead of asking it once."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_provider_marketo.client.bulk.plan import iso
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.simulator import Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from tools.real_airflow import DagRun, RealAirflow


def happens(marketo: Simulator, type_id: int, lead_id: int, **facts: Any) -> str:
    """Something happens to a lead now; its key."""
    with marketo.instance.lock:
        return str(marketo.instance.store.activities.add(marketo.instance.now, lead_id, type_id, **facts).number)


def rows(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """What a task has published."""
    files = [Path(manifest["output"]) / file["name"] for file in manifest["files"]]
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def run(airflow: RealAirflow, dag_id: str, start: datetime, end: datetime, **conf: Any) -> DagRun:
    """A run of an interval by Marketo's clock, which is far ahead of Airflow's."""
    interval = {"data_interval_start": iso(start), "data_interval_end": iso(end)}
    return airflow.trigger(dag_id, logical_date=datetime.now(timezone.utc).isoformat(), **interval, conf=conf)


def asset_events(airflow: RealAirflow, name: str) -> list[dict[str, Any]]:
    """Events of an asset, the newest last."""
    found = airflow.api("GET", "/api/v2/assets/events?order_by=timestamp&limit=1000")["asset_events"]
    return [event for event in found if event["name"] == name]


def test_hourly_activities(airflow: RealAirflow, marketo: Simulator) -> None:
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


def test_tombstones(airflow: RealAirflow, marketo: Simulator) -> None:
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


def test_webinar(airflow: RealAirflow, marketo: Simulator) -> None:
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


def test_form_follow_up_hears_of_a_form_that_is_filled(airflow: RealAirflow, marketo: Simulator) -> None:
    filled = {happens(marketo, types.FILL_OUT_FORM, lead_id) for lead_id in (1003, 1004)}
    deadline = time.monotonic() + 120
    taken: set[str] = set()
    while not filled <= taken:
        assert time.monotonic() < deadline, "the watcher started no run for a form that was filled"
        time.sleep(1)
        taken = {
            activity
            for event in asset_events(airflow, "marketo_form_fills")
            for activity in event["extra"]["payload"]["activities"]
        }
