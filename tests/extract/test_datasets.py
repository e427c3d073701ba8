"""A manifest says what tables its rows form, with everything that a load needs to know."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.client.tabular.schema import ActivityType, Column, TableSchema, activity_schema
from airflow_provider_marketo.extract.datasets import datasets_of
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.output.manifest import Removal
from airflow_provider_marketo.streams.request import StreamRequest

SPAN = {"start": datetime(2026, 1, 1, tzinfo=timezone.utc), "end": datetime(2026, 1, 8, tzinfo=timezone.utc)}
CLICK = ActivityType(11, "Click Email", {"Is Mobile Device": "boolean", "Link": "string"})
ACTIVITIES = ExtractPlan(
    fields=("marketoGUID", "activityTypeId", "attributes"),
    schema=activity_schema(("marketoGUID", "activityTypeId", "attributes")),
    activity_types={11: CLICK},
    filters={},
    dropped={},
    as_of="2026-01-09T00:00:00Z",
)


def leads(*names, key=("id",)):
    types = {"id": "integer", "programId": "integer", "leadId": "integer", "revenue": "currency", "born": "date"}
    columns = tuple(Column(name, types.get(name, "string")) for name in names)
    return ExtractPlan(names, TableSchema(columns, key), {}, {}, {}, as_of="2026-01-09T00:00:00Z")


def types_of(dataset):
    return {column.name: column.type for column in dataset.columns}


def test_leads_are_one_dataset_with_the_types_of_the_files():
    request = ExtractRequest("leads", fields=["id"], hash_fields=["email"], on_type_error="string", **SPAN)
    (dataset,) = datasets_of(request, leads("id", "email", "revenue", "born"), [])
    assert (dataset.name, dataset.key, dataset.kind, dataset.folder) == ("leads", ("id",), "changes", "")
    assert dataset.as_of == "2026-01-09T00:00:00Z"
    assert types_of(dataset) == {
        "id": "int64",
        "email": "string",
        "revenue": "decimal128(20, 4)",
        "born": "date32[day]",
        "_misfits": "map<string, string>",
    }


def test_typed_activities_are_a_dataset_of_each_type_also_of_types_that_marketo_does_not_list():
    request = ExtractRequest("activities", attributes="typed", **SPAN)
    click, unknown = datasets_of(request, ACTIVITIES, ["click_email/a.parquet", "activity_type_99/a.parquet"])[::-1]
    assert (click.name, click.folder) == ("activity_click_email", "click_email")
    assert types_of(click) == {
        "marketoGUID": "string",
        "activityTypeId": "int64",
        "is_mobile_device": "bool",
        "link": "string",
        "attributes": "map<string, string>",
    }
    assert (unknown.name, unknown.folder) == ("activity_type_99", "activity_type_99")
    assert list(types_of(unknown)) == ["marketoGUID", "activityTypeId", "attributes"]


@pytest.mark.parametrize("given", [{"activity_types": ["Click Email"]}, {"filters": {"activityTypeIds": ["11"]}}])
def test_typed_activities_are_a_dataset_of_each_type_that_is_read(given):
    request = ExtractRequest("activities", attributes="typed", **given, **SPAN)
    filters = {"activityTypeIds": [11]} if "activity_types" in given else {}
    both = {11: CLICK, 12: ActivityType(12, "New Lead", {})}
    plan = replace(ACTIVITIES, activity_types=both, filters=filters)
    assert [dataset.name for dataset in datasets_of(request, plan, [])] == ["activity_click_email"]


@pytest.mark.parametrize(("file_format", "type_"), [("parquet", "map<string, string>"), ("csv", "string")])
def test_attributes_have_the_type_of_their_form(file_format, type_):
    (dataset,) = datasets_of(ExtractRequest("activities", file_format=file_format, **SPAN), ACTIVITIES, [])
    assert (dataset.name, types_of(dataset)["attributes"]) == ("activities", type_)


@pytest.mark.parametrize(
    ("filters", "kind", "scope"),
    [
        ({"programIds": [1001, 1002]}, "full", {"programId": (1001, 1002)}),
        ({"programId": 1001}, "full", {"programId": (1001,)}),
        ({"programIds": [1001], "statusNames": ["Member"]}, "changes", {}),
    ],
)
def test_members_of_programs_are_full_for_these_programs_alone(filters, kind, scope):
    request = ExtractRequest("program_members", fields=["leadId"], filters=filters)
    (dataset,) = datasets_of(request, leads("leadId", key=("leadId",)), [])
    assert (dataset.kind, dataset.scope) == (kind, scope)
    assert dataset.key == ("leadId", *scope)


def test_leads_of_a_static_list_are_not_all_leads():
    request = ExtractRequest("leads", fields=["id"], filters={"staticListId": 7})
    (dataset,) = datasets_of(request, leads("id"), [])
    assert (request.kind, dataset.kind) == ("full", "changes")


@pytest.mark.parametrize(("feed", "column"), [("deleted_leads", "leadId"), ("merged_leads", "loserId")])
def test_streams_of_deletes_say_which_leads_are_gone(feed, column):
    (dataset,) = datasets_of(StreamRequest(feed), ACTIVITIES, [])
    assert (dataset.name, dataset.kind) == (feed, "deletes")
    assert dataset.removal == Removal("leads", {"id": column}, "activityDate")


def test_a_custom_object_is_a_table_of_its_own():
    request = ExtractRequest("custom_objects", custom_object="car_c", fields=["vin"], **SPAN)
    (dataset,) = datasets_of(request, leads("marketoGUID", key=("marketoGUID",)), [])
    assert dataset.name == "custom_car_c"


def test_api_names_that_snake_case_would_join_are_datasets_of_their_own():
    names = ["carType_c", "car_type_c", "CarType_c", "car__type_c"]
    requests = [ExtractRequest("custom_objects", custom_object=name, fields=["vin"], **SPAN) for name in names]
    found = [datasets_of(request, leads("marketoGUID", key=("marketoGUID",)), [])[0].name for request in requests]
    assert found == [f"custom_{name}" for name in names]
