"""The recipes of ``example_dags/`` that extract data: each runs on a real Airflow, in the pool."""

from __future__ import annotations

import calendar
import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.simulator import Simulator
from tests.airflow.conftest import EXAMPLE_DAGS
from tools.real_airflow import DagRun, RealAirflow

START = datetime(2026, 1, 5, tzinfo=timezone.utc)
END = datetime(2026, 1, 19, tzinfo=timezone.utc)
PROGRAMS = [1001, 1002]
NEEDS_S3 = "marketo_updated_leads_to_s3"
FOLLOWING = {
    "marketo_form_follow_up",
    "marketo_hourly_activities",
    "marketo_tombstones",
    "marketo_user_audits",
    "marketo_webinar",
}
"""Recipes with streams, sensors and watchers; test_waiting.py runs them."""

MARKETING = {"marketo_erase_leads", "marketo_newsletter", "marketo_program_from_template", "marketo_reference_data"}
"""Recipes about Marketo assets, mailings and erasure; test_marketing.py runs them."""

LOADING = {
    "marketo_custom_objects_from_parquet",
    "marketo_mirror_list",
    "marketo_warehouse_to_leads",
    "marketo_webinar_attendees",
}
"""Recipes that import rows; test_importing.py runs them; test_sql_to_marketo.py runs those that need a database."""

LIMITED = {"marketo_backfill_within_quota"}
"""Recipes about the daily quota; test_limits.py runs them."""

TABLES = {"marketo_to_duckdb", "marketo_to_postgres"}
"""Recipes of whole instances in a database; test_warehouse.py runs them."""

NOT_HERE = {"marketo_to_bigquery", "marketo_to_dbt", "marketo_to_snowflake"}
"""Recipes that need an account or dbt. Airflow only parses them; warehouse/test_recipes.py runs some of their tasks."""

ELSEWHERE = FOLLOWING | MARKETING | LOADING | LIMITED | TABLES | NOT_HERE


def second(moment: datetime) -> int:
    return calendar.timegm(moment.utctimetuple())


@pytest.fixture(scope="module")
def emails(marketo: Simulator) -> list[str]:
    """Return the e-mail addresses of three leads."""
    client = MarketoClient(marketo.url, marketo.client_id, marketo.client_secret)
    ids = list(marketo.instance.store.leads.keys())[:3]
    return [lead["email"] for lead in client.paginate("leads.get_by_filter_type", filterType="id", filterValues=ids)]


@pytest.fixture(scope="module")
def runs(airflow: RealAirflow, emails: list[str], request: pytest.FixtureRequest) -> dict[str, DagRun]:
    """Start all recipes at the same time, for the same two weeks."""
    conf: dict[str, dict[str, Any]] = {
        "marketo_lead_snapshot": {"first_lead": f"{START - timedelta(days=60):%Y-%m-%d}"},
        "marketo_find_leads": {"emails": emails},
        "marketo_members_and_custom_objects": {"programs": PROGRAMS},
    }
    interval = {"data_interval_start": START.isoformat(), "data_interval_end": END.isoformat()}
    wanted = sorted({file.stem for file in EXAMPLE_DAGS.glob("*.py")} - ELSEWHERE)
    if not request.config.getoption("--services"):
        wanted.remove(NEEDS_S3)
    return {
        dag_id: airflow.trigger(dag_id, logical_date=END.isoformat(), **interval, conf=conf.get(dag_id, {}))
        for dag_id in wanted
    }


def manifest(run: DagRun, task_id: str) -> dict[str, Any]:
    """Wait for a task, check that it ran in the pool, and return its manifest."""
    task = run.wait_for(task_id, "success", within=200)
    assert task["pool"] == "marketo"
    return dict(run.xcom(task_id))


def paths(manifest: dict[str, Any]) -> list[Path]:
    return [Path(manifest["output"]) / file["name"] for file in manifest["files"]]


def keys(files: list[Path], name: str) -> Iterator[Any]:
    """Iterate over one column of all files, in any format."""
    for file in files:
        if file.suffix == ".parquet":
            yield from pyarrow.parquet.ParquetFile(file).read(columns=[name]).column(name).to_pylist()
        elif file.suffix == ".jsonl":
            yield from (json.loads(line)[name] for line in file.read_text("utf-8").splitlines())
        else:
            with file.open(newline="", encoding="utf-8") as lines:
                yield from (row[name] for row in csv.DictReader(lines))


def test_airflow_parses_every_recipe_without_import_errors(airflow: RealAirflow) -> None:
    assert airflow.api("GET", "/api/v2/importErrors")["import_errors"] == []
    known = {dag["dag_id"] for dag in airflow.api("GET", "/api/v2/dags?limit=100")["dags"]}
    assert {file.stem for file in EXAMPLE_DAGS.glob("*.py")} <= known


def test_every_recipe_is_named_in_this_file() -> None:
    here = Path(__file__).read_text("utf-8")
    assert [file.stem for file in EXAMPLE_DAGS.glob("*.py") if f'"{file.stem}"' not in here] == []


def test_the_recipe_of_activities_publishes_each_activity_once_in_a_folder_for_its_type(
    runs: dict[str, DagRun], marketo: Simulator
) -> None:
    found = manifest(runs["marketo_activities_to_parquet"], "activities")
    guids = list(keys(paths(found), "marketoGUID"))
    expected = sum(1 for _ in marketo.instance.store.activities.between(second(START), second(END) - 1))
    assert len(guids) == len(set(guids)) == found["rows"] == expected
    assert all("activity_type=" in file["name"] for file in found["files"])


def test_the_snapshot_has_each_lead_once_in_three_windows(runs: dict[str, DagRun], marketo: Simulator) -> None:
    found = manifest(runs["marketo_lead_snapshot"], "leads")
    assert len(found["windows"]) == 3
    ids = list(keys(paths(found), "id"))
    leads = marketo.instance.store.leads
    span = leads.created_between(second(START - timedelta(days=60)), second(END))
    assert len(ids) == len(set(ids)) == found["rows"] == sum(map(len, span))


def test_members_of_named_programs_and_custom_objects_come_once_each(
    runs: dict[str, DagRun], marketo: Simulator
) -> None:
    store = marketo.instance.store
    run = runs["marketo_members_and_custom_objects"]
    members = manifest(run, "members")
    pairs = list(zip(keys(paths(members), "leadId"), keys(paths(members), "programId"), strict=True))
    assert len(pairs) == len(set(pairs)) == members["rows"] > 0
    assert {int(program) for _, program in pairs} <= set(PROGRAMS)
    cars = manifest(run, "custom_objects")
    guids = list(keys(paths(cars), "marketoGUID"))
    span = store.custom_objects["car_c"].updated_between(second(START), second(END))
    assert len(guids) == len(set(guids)) == cars["rows"] == sum(map(len, span))


def test_leads_found_by_email_are_in_files_and_no_address_is_in_xcom(
    runs: dict[str, DagRun], emails: list[str]
) -> None:
    run = runs["marketo_find_leads"]
    run.wait_for("leads", "success", within=200)
    found = run.xcom("leads")
    assert found["count"] == len(found["ids"]) >= len(set(emails))
    files = paths(found)
    assert set(keys(files, "email")) == set(emails)
    assert not any(email in json.dumps(found) for email in emails), "an address in XCom"


@pytest.mark.services
def test_updated_leads_land_in_s3_without_an_address_in_clear_text(runs: dict[str, DagRun], s3: Any) -> None:
    found = manifest(runs["marketo_updated_leads_to_s3"], "leads")
    assert found["rows"] > 0
    for file in found["files"]:
        body = s3.get_object(Bucket="lake", Key=f"marketo/leads/{file['name']}")["Body"].read()
        assert len(body) == file["bytes"]
        rows = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
        assert "@" not in str(rows), "an address in clear text"
