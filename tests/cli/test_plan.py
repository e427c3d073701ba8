"""``airflow marketo plan``: windows, megabytes and days, before the first run and after it."""

from __future__ import annotations

import json
from datetime import date

import pytest
from airflow.sdk import DAG

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.sync import MarketoSyncOperator
from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup
from tests.seed import DATES

YEAR = ("leads", "--start", "2025-01-01", "--end", "2025-12-27", "--daily-export-mb", "50")
SIZE = {"object_type": "leads", "bytes": 20_000_000, "seconds": 30 * 86_400, "measured_at": "2026-01-02T03:04:05Z"}


@pytest.fixture
def known():
    """Return a function that writes what tasks have exported."""

    def write(**sizes):
        from airflow.models.variable import Variable

        Variable.set("marketo_exports_marketo_default", json.dumps({"version": 1, "sizes": sizes}))

    return write


def test_a_plan_has_a_day_for_each_window(airflow, known):
    known(**{"backfill.leads": SIZE, "backfill.activities": SIZE | {"object_type": "activities", "bytes": 1}})
    found = json.loads(airflow("plan", *YEAR, "--order", "newest_first", "--output", "json"))
    assert [window["day"] for window in found["windows"]] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert found["windows"][0]["end"] == "2025-12-27T00:00:00Z"
    assert (found["mb"], found["days"], found["measured_by"]) == (240.0, 6, "backfill.leads")
    assert "12 windows, about 240.0 MB, 6 days at 50 MB a day. Measured by backfill.leads" in airflow("plan", *YEAR)


def test_windows_of_another_length_have_other_sizes(airflow, known):
    known(**{"backfill.leads": SIZE})
    found = json.loads(airflow("plan", *YEAR, "--window", "P15D", "--task", "backfill.leads", "--output", "json"))
    assert {window["mb"] for window in found["windows"]} == {10.0}
    with pytest.raises(SystemExit, match=r"no export of backfill\.typo is known.*Use backfill\.leads"):
        airflow("plan", *YEAR, "--task", "backfill.typo")


def test_without_a_size_the_plan_says_how_to_measure_one(airflow):
    assert "12 windows. The size of these files is not known: add --sample" in airflow("plan", *YEAR)


def test_one_window_is_sampled_and_nothing_is_fetched(airflow, connect):
    with Simulator(Settings(leads=500, activities=1, time_scale=1200.0, **DATES)) as instance:
        connect(
            "marketo_default",
            instance.url,
            login=instance.client_id,
            password=instance.client_secret,
            poll_interval=0.1,
        )
        arguments = ("leads", "--start", "2024-03-12", "--end", "2026-03-12", "--sample", "--daily-export-mb", "0.1")
        found = json.loads(airflow("plan", *arguments, "--output", "json"))
        calls = instance.report().calls
    assert calls["bulk_export_leads.create_job"] == calls["bulk_export_leads.enqueue_job"] == 1
    assert "bulk_export_leads.get_file" not in calls
    assert found["mb"] > 0
    assert found["days"] >= 1
    assert found["measured_by"] == "a sample"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("leads", "--start", "2026-01-02", "--end", "2026-01-01"), r"start=.* is not before end"),
        (("leads", "--start", "yesterday", "--end", "2026-01-01"), "start='yesterday' is not a date"),
        *(
            (("leads", "--start", "2025-01-01", "--end", "2026-01-01", f"--daily-export-mb={mb}"), "^2$")
            for mb in ("0", "-1", "nan", "inf", "many")
        ),
        (("custom_objects", "--start", "2025-01-01", "--end", "2026-01-01"), "needs the API name of the type"),
    ],
)
def test_arguments_that_make_no_plan_are_refused(airflow, arguments, message):
    with pytest.raises(SystemExit, match=message):
        airflow("plan", *arguments)


@pytest.fixture
def whole_instance(store_dag, tmp_path):
    """A stored DAG with the task group, an extract of its own and a stream of rows into Marketo."""
    with DAG("whole", max_active_runs=1) as dag:
        MarketoWarehouseTaskGroup(
            sql_conn_id="wh",
            schema="marketo",
            start="2025-01-01",
            output_path=str(tmp_path),
            daily_export_mb=50,
            tables={"program_tokens": {}},
        )
        MarketoBulkExtractOperator(task_id="daily", object_type="activities", output_path=str(tmp_path))
        MarketoSyncOperator(task_id="back", object_type="leads", records=[], rejects_path=str(tmp_path))
    store_dag(dag)


def test_a_dag_has_calls_megabytes_and_days_before_its_first_run(airflow, known, whole_instance):
    known(**{"other.leads": SIZE, "other.activities": SIZE | {"object_type": "activities", "bytes": 40_000_000}})
    found = json.loads(airflow("plan", "whole", "--end", "2025-12-27", "--output", "json"))
    tasks = {each["task"].removeprefix("marketo."): each for each in found["tasks"]}
    assert (tasks["extract_leads"]["calls"], tasks["extract_leads"]["mb"]) == (1 + 3 * 12, 240.0)
    assert tasks["extract_activities"]["mb"] == 480.0
    assert tasks["extract_reference"]["calls"] >= 15
    assert "each record to which segments, program_tokens belong" in tasks["extract_reference"]["note"]
    assert tasks["extract_program_members"]["note"] == "for each ten programs"
    assert "give --start" in tasks["daily"]["note"]
    assert tasks["back"]["calls"] == ""
    assert not [name for name in tasks if name.startswith("load")]
    assert (found["mb"], found["days"], found["daily_export_mb"]) == (720.0, 15, 50.0)
    assert found["calls"] == sum(each["calls"] or 0 for each in found["tasks"])
    assert "about 720.0 MB in tasks of known size, 15 days at 50 MB a day." in airflow(
        "plan", "whole", "--end", "2025-12-27"
    )


def test_a_dag_without_known_sizes_has_calls_and_says_how_to_measure(airflow, whole_instance):
    found = json.loads(airflow("plan", "whole", "--end", "2025-12-27", "--output", "json"))
    leads = next(each for each in found["tasks"] if each["task"] == "marketo.extract_leads")
    assert (leads["calls"], leads["mb"]) == (37, "")
    assert "add --sample" in leads["note"]
    with pytest.raises(SystemExit, match=r"no stored DAG 'whol' .did you mean 'whole'"):
        airflow("plan", "whol")


def test_the_exports_of_a_dag_are_sampled_each_by_one_window(airflow, connect, whole_instance):
    with Simulator(
        Settings(leads=5_000, activities=20_000, time_scale=1200.0, **{**DATES, "start": date(2025, 1, 1)})
    ) as instance:
        access = {"login": instance.client_id, "password": instance.client_secret}
        connect("marketo_default", instance.url, **access, poll_interval=0.1)
        found = json.loads(airflow("plan", "whole", "--end", "2026-03-12", "--sample", "--output", "json"))
        calls = instance.report().calls
    sizes = {each["task"]: each["mb"] for each in found["tasks"]}
    assert sizes["marketo.extract_leads"] > 0
    assert sizes["marketo.extract_activities"] > 0
    assert calls["bulk_export_leads.enqueue_job"] == calls["bulk_export_activities.enqueue_job"] == 1
    assert not [name for name in calls if name.endswith("get_file")]


def test_an_object_needs_dates(airflow):
    with pytest.raises(SystemExit, match="a plan of leads needs --end"):
        airflow("plan", "leads", "--start", "2025-01-01")
