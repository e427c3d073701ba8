"""Leads: found, read, written, deleted, merged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.conftest import Make
from tests.simulator.support import Api, codes, skipped

LEADS = "/rest/v1/leads.json"


def test_leads_are_found_by_email_in_any_case(api: Api):
    assert api.result(LEADS, filterType="email", filterValues="LEAD1001@example.com,nobody@example.org") == [
        {
            "id": 1001,
            "email": "lead1001@example.com",
            "firstName": api.result("/rest/v1/lead/1001.json")[0]["firstName"],
            "lastName": api.result("/rest/v1/lead/1001.json")[0]["lastName"],
            "createdAt": "2024-03-12T00:00:00Z",
            "updatedAt": "2024-03-12T00:00:00Z",
        }
    ]


def test_a_query_returns_the_requested_fields_and_the_id(api: Api):
    (lead,) = api.result("/rest/v1/lead/1002.json", fields="company,leadScore")

    assert list(lead) == ["id", "company", "leadScore"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"filterType": "firstName", "filterValues": "Ada"}, "1011"),
        ({"filterType": "id", "filterValues": "1001", "fields": "shoeSize"}, "1006"),
        ({"filterType": "id", "filterValues": ",".join(map(str, range(301)))}, "1003"),
    ],
)
def test_a_wrong_search_of_leads_gets_marketos_code(api: Api, query: dict[str, str], code: str):
    assert codes(api.get(LEADS, **query)) == [code]


def test_more_than_a_thousand_matches_are_refused(make: Make):
    api = make(leads=2_000)
    refused = api.get(LEADS, filterType="leadPartitionId", filterValues="1")

    assert codes(refused) == ["1003"]
    assert refused["errors"][0]["message"] == "Too many results match the filter"


def test_many_matches_come_in_pages(make: Make):
    api = make(leads=1_600)
    first = api.get(LEADS, filterType="leadPartitionId", filterValues="2", fields="id")
    found = api.pages(LEADS, filterType="leadPartitionId", filterValues="2", fields="id")

    assert (len(first["result"]), first["moreResult"]) == (300, True)
    assert [lead["id"] for lead in found] == list(range(1004, 2604, 4))


def test_a_page_token_belongs_to_its_query(make: Make):
    api = make(leads=1_600)
    token = api.get(LEADS, filterType="leadPartitionId", filterValues="2")["nextPageToken"]

    assert codes(api.get(LEADS, filterType="leadPartitionId", filterValues="1", nextPageToken=token)) == ["1003"]
    assert codes(api.get(LEADS, filterType="leadPartitionId", filterValues="2", nextPageToken="AAAA")) == ["1003"]


def test_an_upsert_creates_and_updates_in_the_order_of_the_input(api: Api):
    result = api.sync(
        {"email": "new@example.org", "lastName": "New"}, {"email": "lead1003@example.net", "title": "Boss"}
    )
    created, updated = result

    assert created == {"id": 1101, "status": "created"}
    assert updated == {"id": 1003, "status": "updated"}
    assert api.result(f"/rest/v1/lead/{created['id']}.json", fields="lastName,leadScore,title") == [
        {"id": 1101, "lastName": "New", "leadScore": 0, "title": None}
    ]
    assert api.result("/rest/v1/lead/1003.json", fields="title")[0]["title"] == "Boss"


@pytest.mark.parametrize(
    ("how", "record", "code"),
    [
        ({}, {"lastName": "Keyless"}, "1003"),
        ({"action": "createOnly"}, {"email": "lead1001@example.com"}, "1005"),
        ({"action": "updateOnly"}, {"email": "nobody@example.org"}, "1004"),
        ({"action": "updateOnly", "lookupField": "id"}, {"id": 7, "title": "Boss"}, "1004"),
        ({}, {"email": "a@example.org", "shoeSize": 43}, "1006"),
        ({}, {"email": "a@example.org", "createdAt": "2026-01-01T00:00:00Z"}, "1003"),
        ({}, {"email": "a@example.org", "leadScore": "high"}, "1001"),
        ({}, {"email": "a@example.org", "unsubscribed": "perhaps"}, "1001"),
        ({}, {"email": "a@example.org", "dateOfBirth": "1 May 1970"}, "1001"),
        ({}, {"email": "a@example.org", "firstName": "x" * 256}, "1003"),
        ({}, {"email": "ä@example.org"}, "1003"),
        ({"partitionName": "EMEA"}, {"email": "lead1001@example.com"}, "1010"),
    ],
)
def test_a_bad_record_is_skipped_and_the_others_are_not(
    api: Api, how: dict[str, Any], record: dict[str, Any], code: str
):
    good = {"email": "lead1002@example.org", "id": 1002, "title": "Boss"}
    good = {
        name: value
        for name, value in good.items()
        if (name == "id") == (how.get("lookupField") == "id") or name == "title"
    }
    create = {"email": "fresh@example.org"}
    result = api.sync(record, create if how.get("action") == "createOnly" or "partitionName" in how else good, **how)

    assert skipped(result) == [code, None]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"lookupField": "firstName"}, "1011"),
        ({"lookupField": "id"}, "1003"),
        ({"action": "updateOnly", "partitionName": "EMEA"}, "1003"),
        ({"partitionName": "Atlantis"}, "1008"),
    ],
)
def test_rules_that_contradict_each_other_fail_the_call(api: Api, how: dict[str, Any], code: str):
    assert codes(api.post(LEADS, {**how, "input": [{"email": "a@example.org"}]})) == [code]


def test_duplicates_can_be_made_and_then_match_twice(api: Api):
    api.sync({"email": "twin@example.org"}, {"email": "twin@example.org"}, action="createDuplicate")

    assert skipped(api.sync({"email": "twin@example.org", "title": "Boss"})) == ["1007"]
    assert len(api.result(LEADS, filterType="email", filterValues="twin@example.org")) == 2


def test_leads_can_be_looked_up_by_a_custom_field(api: Api):
    api.sync({"email": "c@example.org", "customerNumber": "C-1"})
    result = api.sync({"customerNumber": "c-1", "title": "Boss"}, lookupField="customerNumber")

    assert result == [{"id": 1101, "status": "updated"}]


def test_null_and_an_empty_text_are_the_same(api: Api):
    api.sync({"email": "lead1001@example.com", "title": "Boss", "city": "Rome"})
    api.sync({"email": "lead1001@example.com", "title": "", "city": None})

    assert api.result("/rest/v1/lead/1001.json", fields="title,city") == [{"id": 1001, "title": None, "city": None}]


@pytest.mark.parametrize("how", ["body", "query"])
def test_deleted_leads_are_gone_and_cannot_be_deleted_again(api: Api, how: str):
    def delete() -> Any:
        if how == "query":
            return api.done("/rest/v1/leads/delete.json", id=["1001", "1002"])
        return api.done("/rest/v1/leads/delete.json", {"input": [{"id": 1001}, {"id": 1002}]})

    assert delete() == [{"id": 1001, "status": "deleted"}, {"id": 1002, "status": "deleted"}]
    assert skipped(delete()) == ["1004", "1004"]
    assert api.result("/rest/v1/lead/1001.json") == []
    assert api.result(LEADS, filterType="email", filterValues="lead1002@example.org") == []


@pytest.mark.parametrize("parameter", ["leadIds", "leadId"])
def test_a_merge_keeps_the_winner_and_fills_what_it_lacks(api: Api, parameter: str):
    winner, loser = (
        lead["id"] for lead in api.sync({"email": "w@example.org"}, {"email": "l@example.org", "city": "Rome"})
    )
    reply = api.post(f"/rest/v1/leads/{winner}/merge.json", **{parameter: str(loser)})

    assert (reply["success"], "result" in reply) == (True, False)
    assert api.result(f"/rest/v1/lead/{winner}.json", fields="email,city") == [
        {"id": winner, "email": "w@example.org", "city": "Rome"}
    ]
    assert api.result(f"/rest/v1/lead/{loser}.json") == []
    assert codes(api.post(f"/rest/v1/leads/{winner}/merge.json", leadIds=str(loser))) == ["1004"]
    many = ",".join(map(str, range(2000, 2026)))
    assert codes(api.post(f"/rest/v1/leads/{winner}/merge.json", leadIds=many)) == ["1080"]


def test_leads_move_between_partitions(api: Api):
    move = [{"id": 1001, "partitionName": "EMEA"}, {"id": 1002, "partitionName": "Atlantis"}]

    assert [each["name"] for each in api.result("/rest/v1/leads/partitions.json")] == ["Default", "EMEA"]
    assert skipped(api.done("/rest/v1/leads/partitions.json", {"input": move})) == [None, "1008"]
    assert api.result("/rest/v1/lead/1001.json", fields="leadPartitionId")[0]["leadPartitionId"] == 2


def test_the_lists_and_programs_of_a_lead_are_listed(api: Api):
    lists = api.result("/rest/v1/leads/1001/listMembership.json")
    programs = api.result("/rest/v1/leads/1001/programMembership.json")

    assert [each["listId"] for each in lists] == [1001]
    assert [(each["id"], each["progressionStatus"]) for each in programs] == [(1001, "Invited")]
    assert api.result("/rest/v1/leads/1001/programMembership.json", filterType="programId", filterValues="1002") == []


def test_every_push_of_a_lead_logs_an_activity(api: Api):
    body = {
        "programName": "Spring Webinar",
        "programStatus": "Registered",
        "source": "Fair",
        "input": [{"email": "p@example.org"}],
    }
    (first,), (second,) = (api.done("/rest/v1/leads/push.json", body) for _ in range(2))
    marks = api.feed("/rest/v1/activities.json", "2026-03-15T12:00:00Z", activityTypeIds="145")
    (member,) = api.result(
        "/rest/v1/programs/1001/members.json", filterType="leadId", filterValues=str(first["id"]), fields="statusName"
    )

    assert (first["status"], second["status"]) == ("created", "updated")
    assert [(mark["leadId"], mark["primaryAttributeValue"]) for mark in marks] == [(first["id"], "Spring Webinar")] * 2
    assert member["statusName"] == "Registered"
    assert codes(api.post("/rest/v1/leads/push.json", {**body, "programName": "None"})) == ["1013"]
    assert codes(api.post("/rest/v1/leads/push.json", {**body, "programStatus": "Bored"})) == ["1025"]


def test_a_cookie_is_tied_to_a_lead(api: Api):
    path = "/rest/v1/leads/1001/associate.json"
    cookie = "id:000-AAA-000&token:_mch-example.org-1536605780000-12105"

    assert api.post(path, cookie=cookie)["success"]
    assert [lead["id"] for lead in api.result(LEADS, filterType="cookies", filterValues=cookie)] == [1001]
    assert codes(api.post(path, cookie="crumbs")) == ["1012"]
