"""A bulk extract delivers every kind of object, in every order and format, with a manifest that describes them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_marketo.client.bulk.objects import OBJECTS
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.output import manifest as manifest_module
from tests.simulated import END, START, data_files, extract, lines
from tests.support import StateStore, run_task, task_context

HALF_A_YEAR = {"start": "2025-09-12", "end": END}


@pytest.fixture
def context():
    return task_context(StateStore(), max_tries=3)


def cells(output, column: int = 0) -> list[str]:
    found = []
    for name in data_files(output):
        with (output / name).open(encoding="utf-8", newline="") as file:
            found += [row[column] for row in csv.reader(file)][1:]
    return found


def test_activities_are_cut_to_their_span_and_come_once(marketo, tmp_path, context):
    instance = marketo()
    manifest = run_task(extract(tmp_path), context)
    assert len(set(cells(tmp_path))) == len(lines(tmp_path)) == manifest["rows"] == instance.activities(START, END)
    dates = cells(tmp_path, 2)
    assert f"{START}T00:00:00Z" <= min(dates)
    assert max(dates) < f"{END}T00:00:00Z"


def test_neighbouring_extracts_neither_share_nor_lose_an_activity(marketo, tmp_path):
    instance = marketo(activities=200_000)
    noon = "2026-01-01T12:00:00Z"
    for name, start, end in (("morning", START, noon), ("afternoon", noon, "2026-01-02")):
        run_task(extract(tmp_path / name, start=start, end=end), task_context(StateStore()))
    morning, afternoon = set(cells(tmp_path / "morning")), set(cells(tmp_path / "afternoon"))
    assert not morning & afternoon
    assert len(morning | afternoon) == instance.activities(START, "2026-01-02")


def test_activity_types_are_named_as_people_name_them(marketo, tmp_path, context):
    instance = marketo()
    run_task(extract(tmp_path, activity_types=["visit webpage", 10]), context)
    assert set(cells(tmp_path, 3)) == {"1", "10"}
    assert instance.jobs()


@pytest.mark.parametrize("date_field", ["createdAt", "updatedAt"])
def test_leads_come_once_although_windows_share_their_edges(marketo, tmp_path, context, date_field):
    instance = marketo(leads=2000)
    leads = {"object_type": "leads", "fields": ["email"], "date_field": date_field, **HALF_A_YEAR}
    manifest = run_task(extract(tmp_path, **leads), context)
    ids = cells(tmp_path)
    assert len(ids) == len(set(ids)) == manifest["rows"] == instance.leads(date_field, *HALF_A_YEAR.values())
    assert instance.calls("create_job") == 7


def test_leads_of_a_list_need_no_dates(marketo, tmp_path, context):
    marketo()
    manifest = run_task(
        extract(tmp_path, object_type="leads", fields=["id"], filters={"staticListId": 1001}, start=None, end=None),
        context,
    )
    assert manifest["rows"] == len(lines(tmp_path)) > 0
    assert manifest["start"] is None
    assert data_files(tmp_path) == ["leads_staticListId-1001.csv"]


def test_members_of_more_programs_than_a_job_takes_are_several_jobs(marketo, tmp_path, context, monkeypatch):
    export = OBJECTS["program_members"]
    monkeypatch.setitem(OBJECTS, export.name, replace(export, batched=replace(export.batched, most=3)))
    instance = marketo()
    programs = list(instance.instance.store.programs.all)[:5]
    manifest = run_task(
        extract(
            tmp_path,
            object_type="program_members",
            fields=["leadId", "statusName"],
            filters={"programIds": programs},
            start=None,
            end=None,
        ),
        context,
    )
    assert instance.calls("create_job") == 2
    members = [tuple(line.split(",")[:2]) for line in lines(tmp_path)]
    assert len(members) == len(set(members)) == manifest["rows"] > 0
    assert {int(program) for program, _ in members} <= set(programs)


def test_custom_objects_are_extracted_each_once_with_their_name_in_the_manifest(marketo, tmp_path, context):
    instance = marketo(custom_objects=300)
    name = next(iter(instance.instance.store.custom_objects))
    manifest = run_task(
        extract(tmp_path, object_type="custom_objects", custom_object=name, fields="all", **HALF_A_YEAR), context
    )
    assert manifest["custom_object"] == name
    assert manifest["rows"] == len(set(cells(tmp_path))) > 50


@pytest.mark.parametrize(("order", "first"), [("oldest_first", "2026-01-01"), ("newest_first", "2026-03-02")])
def test_windows_are_exported_in_the_order_that_is_asked_for(marketo, tmp_path, context, order, first):
    instance = marketo()
    run_task(extract(tmp_path, order=order), context)
    with instance.instance.lock:
        job = instance.instance.exports.all()[0]
    assert job.filter["createdAt"]["startAt"].date().isoformat() == first


def test_the_order_changes_nothing_about_what_is_there(marketo, tmp_path):
    marketo(leads=500)
    leads = {"object_type": "leads", "fields": ["email"], **HALF_A_YEAR}
    for order in ("oldest_first", "newest_first"):
        run_task(extract(tmp_path / order, order=order, **leads), task_context(StateStore()))
    assert data_files(tmp_path / "oldest_first") == data_files(tmp_path / "newest_first")
    assert sorted(lines(tmp_path / "oldest_first")) == sorted(lines(tmp_path / "newest_first"))


def test_lookback_reads_again_what_may_have_come_late(marketo, tmp_path, context):
    instance = marketo()
    manifest = run_task(extract(tmp_path, start="2026-02-01", end="2026-02-08", lookback=timedelta(days=3)), context)
    assert manifest["rows"] == instance.activities("2026-01-29", "2026-02-08")


def test_the_manifest_tells_where_everything_is_and_holds_no_row(marketo, tmp_path, context):
    instance = marketo()
    manifest = run_task(extract(tmp_path), context)
    stored = json.loads(
        (tmp_path / "_marketo" / "manifests" / "activities_20260101T000000Z_20260312T000000Z.json").read_text()
    )
    assert stored == {name: value for name, value in manifest.items() if name not in ("file_count", "window_count")}
    assert [file["name"] for file in manifest["files"]] == data_files(tmp_path)
    assert {window["export_id"] for window in manifest["windows"]} == {job["exportId"] for job in instance.jobs()}
    assert {window["checksum"] for window in manifest["windows"]} == {
        job["fileChecksum"].removeprefix("sha256:") for job in instance.jobs()
    }
    assert "198.51.100" in (tmp_path / data_files(tmp_path)[0]).read_text()
    assert "198.51.100" not in json.dumps(manifest)


def test_what_is_returned_stays_small(marketo, tmp_path, context, monkeypatch):
    """The result goes through Airflow's database."""
    monkeypatch.setattr(manifest_module, "MOST_LISTED", 2)
    marketo()
    manifest = run_task(extract(tmp_path), context)
    assert (manifest["file_count"], manifest["window_count"]) == (3, 3)
    assert "files" not in manifest
    assert "windows" not in manifest
    assert len(json.loads(Path(manifest["manifest"].removeprefix("file://")).read_text())["files"]) == 3


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@pytest.mark.parametrize("object_type", ["activities", "leads"])
def test_typed_formats_have_the_same_rows(marketo, tmp_path, context, object_type, file_format):
    marketo()
    manifest = run_task(
        extract(
            tmp_path,
            object_type=object_type,
            fields=None if object_type == "activities" else "all",
            file_format=file_format,
        ),
        context,
    )
    assert manifest["rows"] > 0
    assert {name.rpartition(".")[2] for name in data_files(tmp_path)} == {file_format}


@pytest.mark.parametrize("poll_interval", [timedelta(seconds=0.05), 0.05, "0.05", "PT0.05S"])
@pytest.mark.parametrize("timeout", [timedelta(hours=1), 3600, "3600", "PT1H"])
def test_lengths_of_time_are_timedeltas_seconds_or_iso_durations(marketo, tmp_path, context, poll_interval, timeout):
    instance = marketo()
    deadlines = []
    began = datetime.now(timezone.utc)
    run_task(
        extract(tmp_path, end="2026-01-15", poll_interval=poll_interval, timeout=timeout),
        context,
        on_deferral=lambda trigger: deadlines.append(datetime.fromisoformat(trigger.deadline)),
    )
    assert all(timedelta(minutes=59) < each - began < timedelta(minutes=61) for each in deadlines)
    assert deadlines
    assert instance.statuses() == {"Completed": 1}


def test_leads_have_all_fields_unless_some_are_named(marketo, tmp_path, context):
    marketo()
    leads = {"object_type": "leads", "end": "2026-01-15"}
    run_task(extract(tmp_path / "default", **leads), task_context(StateStore()))
    run_task(extract(tmp_path / "all", fields="all", **leads), context)
    assert (tmp_path / "default" / data_files(tmp_path / "default")[0]).read_bytes() == (
        tmp_path / "all" / data_files(tmp_path / "all")[0]
    ).read_bytes()


def test_parquet_is_what_is_written_unless_another_format_is_named(marketo, tmp_path, context):
    marketo()
    arguments = {"object_type": "activities", "start": START, "end": "2026-01-15", "poll_interval": 0.05}
    run_task(MarketoBulkExtractOperator(task_id="a_task", output_path=str(tmp_path), **arguments), context)
    assert {name.rpartition(".")[2] for name in data_files(tmp_path)} == {"parquet"}


def test_a_poll_costs_one_call_and_a_window_three(marketo, tmp_path, context):
    instance = marketo()
    run_task(extract(tmp_path), context)
    calls = instance.report().calls
    looks = calls.pop("bulk_export_activities.get_jobs")
    calls.pop("identity.post_token")
    assert calls == dict.fromkeys(
        (f"bulk_export_activities.{each}" for each in ("create_job", "enqueue_job", "get_file")), 3
    )
    assert looks <= 8
    assert instance.report().violations == {}
