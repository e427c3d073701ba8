"""The manifest is written last, and files that it no longer lists are removed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from unittest.mock import Mock

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.tabular.schema import ActivityType, activity_schema, describe_change
from airflow_provider_marketo.extract.manifest import write_manifest as _write_manifest
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.extract.slice_record import SliceRecord
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.manifest import ManifestFile, read_manifest

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=timezone.utc) for month in (1, 2, 3))
FIELDS = ("marketoGUID", "activityDate")
CHANGE = {"column": "actionResult", "change": "added"}
PLAN = ExtractPlan(FIELDS, activity_schema(FIELDS), {}, {}, {"sfdcType": "not exportable"}, (CHANGE,))
NAME = "_marketo/manifests/activities_20260101T000000Z_20260201T000000Z.json"


RUN = "_marketo/runs/a_dag/a_task/a_run/"


def write_manifest(folder, request, plan, slices, *, map_index=-1):
    return _write_manifest(folder, request, plan, slices, run_folder=f"{RUN}{map_index}").to_dict()


def request(start=JANUARY, end=FEBRUARY):
    return ExtractRequest("activities", start=start, end=end)


def published(folder: OutputFolder, *names: str, **more):
    """A slice's record, with its files in place."""
    for name in names:
        folder.write(name, b"row")
    facts: dict[str, Any] = {"rows_read": len(names) + 3, "rows": len(names), "rows_cut": 1, "rows_duplicate": 2}
    facts |= {"type_errors": {"leadId": 1}, "unknown": {"activity type 99": 4}}
    return SliceRecord(
        name="a_slice",
        export_id="an-export",
        bytes=3 * len(names),
        files=tuple(ManifestFile(name, 1, 3, "x") for name in names),
        **facts | more,
    )


@pytest.fixture
def folder(tmp_path) -> OutputFolder:
    return OutputFolder(str(tmp_path))


def test_it_sums_up_the_slices_and_never_holds_rows(folder):
    slices = [published(folder, "date=1/a.csv"), published(folder, "date=2/b.csv", "date=2/c.csv")]
    manifest = write_manifest(folder, request(), PLAN, slices)
    assert manifest == folder.read_json(NAME)
    facts = {key: manifest[key] for key in ("rows", "rows_cut", "rows_duplicate", "bytes", "type_errors", "unknown")}
    assert facts == {
        "rows": 3,
        "rows_cut": 2,
        "rows_duplicate": 4,
        "bytes": 9,
        "type_errors": {"leadId": 2},
        "unknown": {"activity type 99": 8},
    }
    assert [file["name"] for file in manifest["files"]] == ["date=1/a.csv", "date=2/b.csv", "date=2/c.csv"]
    assert (manifest["start"], manifest["end"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert manifest["dropped_fields"] == {"sfdcType": "not exportable"}
    assert manifest["schema_changes"] == [CHANGE]
    assert manifest["windows"][0] == {
        "name": "a_slice",
        "export_id": "an-export",
        "rows": 1,
        "rows_cut": 1,
        "rows_duplicate": 2,
        "bytes": 3,
        "start": None,
        "end": None,
        "checksum": None,
        "rows_read": 4,
        "missing_columns": [],
    }
    assert manifest["manifest"] == f"{folder.url}/{NAME}"


def test_it_says_what_the_rows_are(folder):
    manifest = write_manifest(folder, request(), PLAN, [])
    assert manifest["columns"] == [
        {"name": "marketoGUID", "type": "string"},
        {"name": "activityDate", "type": "datetime"},
    ]
    assert manifest["key"] == ["marketoGUID"]


def test_it_is_read_from_xcom_and_from_its_file(folder):
    write_manifest(folder, request(), PLAN, [published(folder, "date=1/a.csv")])
    whole = read_manifest(f"{folder.url}/{NAME}")
    assert read_manifest(whole.to_xcom()) == whole
    assert [path.read_bytes() for path in whole.paths] == [b"row"]
    assert (whole.files[0].rows, whole.windows[0].export_id) == (1, "an-export")


@pytest.mark.parametrize("count", [100, 101])
def test_lists_that_are_too_long_for_xcom_are_read_from_the_file(folder, count):
    names = [f"date={number}/a.csv" for number in range(count)]
    write_manifest(folder, request(), PLAN, [published(folder, *names)])
    returned = read_manifest(f"{folder.url}/{NAME}").to_xcom()
    assert ("files" in returned, returned["file_count"]) == (count == 100, count)
    assert [file.name for file in read_manifest(returned).files] == names


def test_a_later_version_may_say_more_but_nothing_else(folder):
    facts = write_manifest(folder, request(), PLAN, [])
    assert read_manifest({**facts, "weather": "fine"}) == read_manifest(facts)
    with pytest.raises(MarketoDataError, match=r"schema version 2, .*up to 1.*Upgrade"):
        read_manifest({**facts, "schema_version": 2})


@pytest.mark.parametrize("source", [{}, {"files": []}, {"files": [], "windows": [], "columns": []}])
def test_what_is_not_a_manifest_is_refused(source):
    with pytest.raises(MarketoDataError, match="not a manifest"):
        read_manifest(source)


def test_a_rerun_that_yields_fewer_files_removes_its_own_and_no_neighbours(folder):
    write_manifest(folder, request(), PLAN, [published(folder, "date=1/a.csv", "date=2/a.csv")])
    write_manifest(folder, request(FEBRUARY, MARCH), PLAN, [published(folder, "date=2/b.csv")])
    write_manifest(folder, request(), PLAN, [published(folder, "date=1/a.csv")])
    assert folder.read("date=2/a.csv") is None
    assert folder.read("date=1/a.csv") == folder.read("date=2/b.csv") == b"row"


def test_a_rerun_leaves_files_that_another_extract_has_written_too(folder, tmp_path):
    shared, unfinished, own = "activities_w2.csv", "activities_w3.csv", "activities_w1.csv"
    write_manifest(folder, request(), PLAN, [published(folder, own, shared, unfinished)])
    write_manifest(folder, request(JANUARY, MARCH), PLAN, [published(folder, shared)])
    folder.write_json("_marketo/runs/a_dag/another/a_run/-1/slices/w3.json", published(folder, unfinished).to_dict())
    write_manifest(folder, request(), PLAN, [published(folder, "activities_whole_month.csv")])
    assert folder.read(own) is None
    assert folder.read(shared) == folder.read(unfinished) == b"row"


def test_files_that_have_to_go_are_known_although_the_task_is_killed_before_they_are_gone(folder, monkeypatch):
    write_manifest(folder, request(), PLAN, [published(folder, "a.csv", "b.csv")])
    slices = [published(folder, "a.csv")]
    with monkeypatch.context() as patch:
        patch.setattr(OutputFolder, "delete", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_manifest(folder, request(), PLAN, slices)
    assert folder.read("b.csv") == b"row"
    write_manifest(folder, request(), PLAN, [published(folder, "a.csv")])
    assert folder.read("b.csv") is None
    assert folder.read(f"{RUN}-1/leftovers.json") is None


def test_mapped_tasks_do_not_replace_the_rows_of_each_other(folder):
    write_manifest(folder, request(), PLAN, [published(folder, "a.csv")], map_index=0)
    other = replace(request(), filters={"activityTypeIds": [1]})
    with pytest.raises(MarketoInvalidRequestError, match=r"mapped task 0 .* a folder of its own") as caught:
        write_manifest(folder, other, PLAN, [], map_index=1)
    assert caught.value.parameter == "output_path"
    assert folder.read("a.csv") == b"row"
    write_manifest(folder, other, PLAN, [], map_index=0)  # the same task, changed by its author
    assert folder.read("a.csv") is None


def test_the_schema_is_kept_for_the_next_comparison(folder):
    write_manifest(folder, request(), PLAN, [])
    assert folder.read_json("_marketo/schema.json") == PLAN.schema.to_dict()


def test_a_new_attribute_of_an_activity_type_is_a_change_where_it_is_a_column(folder):
    def plan(**attributes):
        return replace(PLAN, activity_types={1: ActivityType(1, "Send Email", attributes)})

    before, after = plan(**{"Step ID": "integer"}), plan(**{"Step ID": "integer", "Test Variant": "integer"})
    assert describe_change(before.written("typed"), after.written("typed")) == [
        {"column": "send_email.test_variant", "change": "added"}
    ]
    assert describe_change(before.written("map"), after.written("map")) == []
