"""Every way to read the data returns the same, and a seed always generates the same data."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.simulator import ManualClock, Settings
from airflow_provider_marketo.simulator.dates import start_of_day
from airflow_provider_marketo.simulator.instance import Instance
from airflow_provider_marketo.simulator.store import Store
from tests.seed import DATES
from tests.simulator.conftest import Make
from tests.simulator.support import JANUARY, Api, Export

FIELDS = [
    "id",
    "email",
    "title",
    "leadScore",
    "unsubscribed",
    "dateOfBirth",
    "annualRevenue",
    "comments",
    "createdAt",
    "updatedAt",
]


def exported(api: Api, kind: str, fields: list[str], job_filter: dict[str, Any]) -> list[dict[str, str]]:
    content = Export(api, kind).content(fields, job_filter)
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def as_cells(record: dict[str, Any], fields: list[str]) -> dict[str, str]:
    def text(value: Any) -> str:
        return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    return {name: text(record[name]) for name in fields}


def test_leads_are_the_same_in_bulk_and_one_by_one(api: Api):
    api.sync({"email": "lead1003@example.net", "title": "Boss"}, {"email": "new@example.org"})
    api.done("/rest/v1/leads/delete.json", {"input": [{"id": 1005}]})
    bulk = exported(api, "leads", FIELDS, {"smartListName": "All Leads"})
    single = [
        api.result(f"/rest/v1/lead/{lead}.json", fields=",".join(FIELDS))[0]
        for lead in (*range(1001, 1021), 1101)
        if lead != 1005
    ]

    by_id = {row["id"]: row for row in bulk}
    assert "1005" not in by_id
    assert len(by_id) == 100
    assert [by_id[str(lead["id"])] for lead in single] == [as_cells(lead, FIELDS) for lead in single]


def test_activities_are_the_same_in_bulk_and_in_the_feed(api: Api):
    fields = [
        "marketoGUID",
        "leadId",
        "activityDate",
        "activityTypeId",
        "primaryAttributeValueId",
        "primaryAttributeValue",
    ]
    types = ["1,2,3,6,7,8,9,10,11,12", "13,22,24,41,104,100001"]
    fed = [
        each for ids in types for each in api.feed("/rest/v1/activities.json", JANUARY["startAt"], activityTypeIds=ids)
    ]
    bulk = exported(api, "activities", fields, {"createdAt": JANUARY})

    wanted = [each for each in fed if each["activityDate"] <= JANUARY["endAt"]]
    assert len(bulk) > 200
    assert {row["marketoGUID"]: row for row in bulk} == {each["marketoGUID"]: as_cells(each, fields) for each in wanted}


def test_the_log_agrees_with_the_leads(api: Api):
    fields = {
        field["displayName"]: field["rest"]["name"]
        for field in api.result("/rest/v1/leads/describe.json")
        if "rest" in field
    }
    changes = api.feed("/rest/v1/activities.json", JANUARY["startAt"], activityTypeIds="13,22")
    created = api.feed("/rest/v1/activities.json", JANUARY["startAt"], activityTypeIds="12")

    for change in changes[:30]:
        name = fields[change["primaryAttributeValue"]]
        (lead,) = api.result(f"/rest/v1/lead/{change['leadId']}.json", fields=f"createdAt,{name}")
        attributes = {each["name"]: each["value"] for each in change["attributes"]}
        assert attributes.get("New Value") == lead[name]
        assert lead["createdAt"] <= change["activityDate"]
    for each in created:
        assert api.result(f"/rest/v1/lead/{each['leadId']}.json")[0]["createdAt"] == each["activityDate"]
    assert len(created) == 9


def test_the_log_agrees_with_lists_and_programs(api: Api):
    joined = api.feed("/rest/v1/activities.json", JANUARY["startAt"], activityTypeIds="24")
    moved = api.feed("/rest/v1/activities.json", JANUARY["startAt"], activityTypeIds="104")

    assert joined
    assert moved
    for each in joined:
        path = f"/rest/v1/lists/{each['primaryAttributeValueId']}/leads/ismember.json"
        assert api.result(path, id=str(each["leadId"]))[0]["status"] == "memberof"
    for each in moved:
        path = f"/rest/v1/programs/{each['primaryAttributeValueId']}/members.json"
        (member,) = api.result(path, filterType="leadId", filterValues=str(each["leadId"]), fields="statusName")
        assert {"name": "New Status", "value": member["statusName"]} in each["attributes"]


def test_every_read_shows_what_was_written(api: Api):
    (new,) = api.sync({"email": "new@example.org", "title": "Boss"})
    api.sync({"email": "new@example.org", "title": "Chief"})
    api.done("/rest/v1/lists/1001/leads.json", {"input": [{"id": new["id"]}]})
    api.done("/rest/v1/programs/1001/members/status.json", {"statusName": "Attended", "input": [{"leadId": new["id"]}]})
    today = {"startAt": "2026-03-15T12:00:00Z", "endAt": "2026-03-15T12:00:00Z"}

    log = exported(api, "activities", ["leadId", "activityTypeId", "primaryAttributeValue"], {"createdAt": today})
    members = exported(
        api, "program/members", ["leadId", "email", "reachedSuccess"], {"programId": 1001, "updatedAt": today}
    )
    leads = exported(api, "leads", ["id", "title"], {"createdAt": today})

    assert [(row["activityTypeId"], row["primaryAttributeValue"]) for row in log] == [
        ("12", "null"),
        ("13", "Job Title"),
        ("24", "Newsletter"),
        ("104", "Spring Webinar"),
    ]
    assert members == [{"leadId": str(new["id"]), "email": "new@example.org", "reachedSuccess": "1"}]
    assert leads == [{"id": str(new["id"]), "title": "Chief"}]


def test_another_seed_makes_other_data_and_the_same_seed_the_same(make: Make):
    def content(**settings: Any) -> bytes:
        return Export(make(**settings), "activities").content(["marketoGUID", "attributes"], {"createdAt": JANUARY})

    assert content(seed=1) == content(seed=1) != content(seed=2)


def test_any_row_of_a_large_table_is_made_at_once():
    store = Store(Settings(leads=10_000_000, activities=1_000_000_000, **DATES))
    last = store.leads.get(1001 + 9_999_999)
    (found,) = store.leads.find("email", [last["email"]]) if last and last["email"] else (None,)
    noon = start_of_day(DATES["start"]) + 40 * 86_400 + 43_200
    first = next(iter(store.activities.between(noon, noon + 60)))

    assert last is not None
    assert found == last["id"]
    assert first.at == noon


@pytest.mark.parametrize("count", [1, 2, 97, 1000])
def test_the_number_of_leads_up_to_a_time_is_exact(count: int):
    leads = Store(Settings(leads=count, **DATES)).leads
    for row in {0, 1, count // 2, count - 1}:
        if row < count:
            assert leads.created_until(leads.created(row)) >= row + 1
            assert leads.created_until(leads.created(row) - 1) <= row


def test_an_empty_instance_is_an_instance(make: Make):
    api = make(leads=0, activities=0, custom_objects=0)

    assert api.result("/rest/v1/leads.json", filterType="id", filterValues="1001") == []
    assert exported(api, "activities", ["marketoGUID"], {"createdAt": JANUARY}) == []
    assert exported(api, "leads", ["id"], {"smartListName": "All Leads"}) == []
    assert api.sync({"email": "first@example.org"}) == [{"id": 1001, "status": "created"}]


def test_generated_data_end_today_and_activities_start_90_days_before(tmp_path: Path):
    clock = ManualClock(datetime(2031, 5, 17, 9, tzinfo=timezone.utc))
    log = Instance(Settings(leads=300, activities=900), clock, tmp_path).store.activities
    midnight = int(datetime(2031, 5, 17, tzinfo=timezone.utc).timestamp())
    found = [activity.at for activity in log.between(0, midnight + 365 * 86_400)]

    assert midnight - 90 * 86_400 <= found[0] < midnight - 89 * 86_400
    assert midnight - 86_400 <= found[-1] < midnight
