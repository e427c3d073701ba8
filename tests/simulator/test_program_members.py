"""Members of programs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.support import Api, codes, skipped

MEMBERS = "/rest/v1/programs/1001/members.json"
STATUS = "/rest/v1/programs/1001/members/status.json"


def test_members_are_found_by_status_or_lead(api: Api):
    attended = api.pages(MEMBERS, filterType="statusName", filterValues="Attended", batchSize=3)
    (one,) = api.result(MEMBERS, filterType="leadId", filterValues="1001,1002", fields="statusName,registrationCode")

    assert set(attended[0]) == {"seq", "acquiredBy", "leadId", "membershipDate", "programId", "reachedSuccess"}
    assert [member["seq"] for member in attended[:4]] == [0, 1, 2, 0]
    assert all(member["reachedSuccess"] for member in attended)
    assert (one["leadId"], one["statusName"]) == (1001, "Invited")


def test_members_are_found_by_when_they_changed_within_a_week(api: Api):
    api.done(STATUS, {"statusName": "Registered", "input": [{"leadId": 1001}]})
    week = {"filterType": "updatedAt", "startAt": "2026-03-15T00:00:00Z", "endAt": "2026-03-16T00:00:00Z"}

    assert [member["leadId"] for member in api.result(MEMBERS, **week)] == [1001]
    assert codes(api.get(MEMBERS, **{**week, "startAt": "2026-03-01T00:00:00Z"})) == ["1003"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"filterType": "trackName", "filterValues": "x"}, "1011"),
        ({"filterType": "leadId"}, "1003"),
        ({"filterType": "leadId", "filterValues": "1", "fields": "shoeSize"}, "1006"),
    ],
)
def test_a_wrong_search_of_members_gets_marketos_code(api: Api, query: dict[str, str], code: str):
    assert codes(api.get(MEMBERS, **query)) == [code]
    assert codes(api.get("/rest/v1/programs/7/members.json", filterType="leadId", filterValues="1")) == ["1013"]


def test_a_status_never_goes_back(api: Api):
    def move(status: str, *leads: int) -> Any:
        return api.done(STATUS, {"statusName": status, "input": [{"leadId": lead} for lead in leads]})

    assert [each["status"] for each in move("Attended", 1001, 1002)] == ["updated", "created"]
    assert skipped(move("Registered", 1001, 7)) == ["1037", "1004"]
    assert codes(api.post(STATUS, {"statusName": "Bored", "input": [{"leadId": 1001}]})) == ["1025"]
    (member,) = api.result(
        MEMBERS, filterType="leadId", filterValues="1002", fields="statusName,reachedSuccess,membershipDate"
    )
    assert (member["statusName"], member["reachedSuccess"]) == ("Attended", True)
    assert member["membershipDate"] == "2026-03-15T12:00:00Z"


def test_a_change_of_status_is_an_activity(api: Api):
    api.done(STATUS, {"statusName": "Registered", "input": [{"leadId": 1001}]})
    (logged,) = api.feed("/rest/v1/activities.json", "2026-03-15T12:00:00Z", activityTypeIds="104")

    assert (logged["leadId"], logged["primaryAttributeValueId"]) == (1001, 1001)
    assert {"name": "New Status", "value": "Registered"} in logged["attributes"]


def test_fields_of_members_are_written_one_by_one(api: Api):
    result = api.done(
        MEMBERS,
        {
            "input": [
                {"leadId": 1001, "registrationCode": "R-1", "seatNumber": "12"},
                {"leadId": 1002, "seatNumber": 1},
                {"leadId": 1005, "statusName": "Attended"},
                {"leadId": 1005, "seatNumber": "front"},
            ]
        },
    )
    (member,) = api.result(MEMBERS, filterType="leadId", filterValues="1001", fields="registrationCode,seatNumber")

    assert skipped(result) == [None, "1013", "1003", "1001"]
    assert [each["seq"] for each in result] == [0, 1, 2, 3]
    assert (member["registrationCode"], member["seatNumber"]) == ("R-1", 12)


def test_members_can_be_removed(api: Api):
    def remove() -> Any:
        return api.done("/rest/v1/programs/1001/members/delete.json", {"input": [{"leadId": 1001}, {"leadId": 1002}]})

    assert skipped(remove()) == [None, "1037"]
    assert skipped(remove()) == ["1037", "1037"]
    assert api.result(MEMBERS, filterType="leadId", filterValues="1001") == []


def test_leads_of_a_program_come_with_their_membership(api: Api):
    webinar = api.pages("/rest/v1/leads/programs/1001.json", batchSize=10)
    nurture = api.result("/rest/v1/leads/programs/1002.json")

    assert [lead["id"] for lead in webinar] == list(range(1001, 1101, 4))
    assert webinar[0]["membership"]["progressionStatus"] == "Invited"
    assert "stream" not in webinar[0]["membership"]
    assert nurture[0]["membership"]["stream"] == "Track 2"


def test_the_old_way_to_change_a_status_takes_members_only(api: Api):
    path = "/rest/v1/leads/programs/1001/status.json"

    assert skipped(api.done(path, {"status": "Attended", "input": [{"id": 1001}, {"id": 1002}]})) == [None, "1013"]
    assert codes(api.post(path, {"status": "Bored", "input": [{"id": 1001}]})) == ["1025"]
