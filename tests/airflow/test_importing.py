"""The recipes that import rows, on a real Airflow: the results that authors see, and Marketo's data afterwards."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_marketo.simulator import Simulator
from tools.real_airflow import RealAirflow

WHEN = datetime(2026, 1, 19, tzinfo=timezone.utc)
NEW = [f"attendee{number}@example.com" for number in range(30)]


@pytest.fixture(scope="module")
def incoming(lake: Path) -> Path:
    """Return the folder from which the recipes read their files."""
    folder = lake / "incoming"
    folder.mkdir(exist_ok=True)
    return folder


def write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def test_attendees_of_a_csv_file_become_leads_with_their_status_in_the_program(
    airflow: RealAirflow, marketo: Simulator, incoming: Path
) -> None:
    write(incoming / "attendees.csv", ["Email", "Seat"], [[email, at] for at, email in enumerate(NEW)])
    run = airflow.trigger("marketo_webinar_attendees", logical_date=WHEN.isoformat())
    task = run.wait_for("attendees", "success", within=200)
    assert task["pool"] == "marketo"
    found = run.xcom("attendees")
    assert (found["rows"], found["accepted"], found["rejects"]) == (30, 30, None)
    with marketo.instance.lock:
        store = marketo.instance.store
        (lead_id,) = store.leads.find("email", [NEW[7]])
        member = store.programs.member(1001, lead_id)
    assert member is not None
    assert (member["statusName"], member["seatNumber"]) == ("Attended", 7)


def test_one_rejected_custom_object_fails_the_task_after_the_others_were_imported(
    airflow: RealAirflow, marketo: Simulator, incoming: Path
) -> None:
    cars = {"vin": ["P1", "P2", "P3"], "owner": [1001, 1002, 7], "make": ["Saab"] * 3, "model": ["900", "99", "9-5"]}
    pyarrow.parquet.write_table(pyarrow.table(cars), incoming / "cars-1.parquet")
    run = airflow.trigger("marketo_custom_objects_from_parquet", logical_date=WHEN.isoformat())
    run.wait_for("cars", "failed", within=200)  # without a retry, because Marketo would reject the same row again
    account = run.xcom("cars", "account")
    assert (account["accepted"], account["rejected"]) == (2, 1)
    (reject,) = pyarrow.parquet.read_table(account["rejects"]).to_pylist()
    assert (reject["vin"], reject["owner"], reject["_marketo_message"]) == ("P3", "7", "Lead '7' not found")
    with marketo.instance.lock:
        assert list(marketo.instance.store.custom_objects["car_c"].find("vin", ["P1", "P2"]))


def test_a_mirrored_list_ends_with_exactly_the_leads_of_the_file(
    airflow: RealAirflow, marketo: Simulator, incoming: Path
) -> None:
    with marketo.instance.lock:
        before = marketo.instance.store.lists.members(1004)
    wanted = [*before[3:], 1001]
    write(incoming / "customers.csv", ["marketo_id"], [[lead_id] for lead_id in wanted])
    run = airflow.trigger("marketo_mirror_list", logical_date=WHEN.isoformat())
    run.wait_for("customers", "success", within=200)
    assert run.xcom("customers")["removed"] == 3
    with marketo.instance.lock:
        assert marketo.instance.store.lists.members(1004) == sorted(wanted)
