"""A bad record of a batch is skipped, and the others are processed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.support import Api, codes

GOOD_ACTIVITY = {
    "leadId": 1001,
    "activityDate": "2026-03-01T00:00:00Z",
    "activityTypeId": 100_001,
    "primaryAttributeValue": "Fair",
    "attributes": [],
}


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in record.items() if member != name}


@pytest.mark.parametrize(
    ("path", "more", "good", "bad", "code"),
    [
        ("/rest/v1/activities/external.json", {}, GOOD_ACTIVITY, without(GOOD_ACTIVITY, "leadId"), "1002"),
        ("/rest/v1/activities/external.json", {}, GOOD_ACTIVITY, GOOD_ACTIVITY | {"activityDate": "soon"}, "1003"),
        ("/rest/v1/activities/external.json", {}, GOOD_ACTIVITY, GOOD_ACTIVITY | {"activityDate": None}, "1002"),
        ("/rest/v1/activities/external.json", {}, GOOD_ACTIVITY, GOOD_ACTIVITY | {"activityTypeId": "x"}, "1001"),
        ("/rest/v1/programs/1001/members.json", {}, {"leadId": 1001, "seatNumber": 1}, {"seatNumber": 1}, "1002"),
        ("/rest/v1/programs/1001/members/status.json", {"statusName": "Attended"}, {"leadId": 1002}, {}, "1002"),
        ("/rest/v1/programs/1001/members/delete.json", {}, {"leadId": 1001}, {"leadId": "x"}, "1001"),
        ("/rest/v1/lists/1001/leads.json", {}, {"id": 1002}, {"id": None}, "1002"),
        ("/rest/v1/leads/delete.json", {}, {"id": 1001}, {}, "1002"),
        ("/rest/v1/leads/partitions.json", {}, {"id": 1001, "partitionName": "Default"}, {"id": 1001}, "1002"),
    ],
)
def test_a_bad_record_is_skipped(api: Api, path: str, more: dict[str, Any], good: Any, bad: Any, code: str):
    first, second = api.done(path, {**more, "input": [bad, good]})

    assert first["status"] == "skipped"
    assert [reason["code"] for reason in first.get("reasons") or first["errors"]] == [code]
    assert second["status"] != "skipped"


def test_a_submission_without_an_email_address_is_skipped(api: Api):
    form = {"formId": 7001, "input": [{"leadFormFields": {"firstName": "Ada"}}]}
    (entry,) = api.done("/rest/v1/leads/submitForm.json", form)

    assert (entry["status"], entry["reasons"][0]["code"]) == ("skipped", "1002")


def test_a_record_that_is_not_an_object_or_has_an_unknown_member_fails_the_call(api: Api):
    assert codes(api.post("/rest/v1/leads/delete.json", {"input": [1]})) == ["1001"]
    assert codes(api.post("/rest/v1/leads/delete.json", {"input": [{"id": 1, "colour": "red"}]})) == ["1003"]


def test_removing_leads_by_a_post_with_another_verb_adds_none(api: Api):
    path = "/rest/v1/lists/1001/leads"
    reply = api.post(f"{path}.json?_method=DELETE&id=1001", None)

    assert reply["result"] == [{"id": 1001, "status": "removed"}]
    assert api.result(f"{path}/ismember.json", id="1001")[0]["status"] == "notmemberof"
