"""Activity feeds, which are read from a paging token."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_marketo.simulator import ManualClock
from tests.simulator.conftest import Make
from tests.simulator.support import Api, codes

ACTIVITIES = "/rest/v1/activities.json"
CHANGES = "/rest/v1/activities/leadchanges.json"
DELETED = "/rest/v1/activities/deletedleads.json"
ALL_TYPES = "1,2,3,6,7,8,9,10,11,12"
NOON = "2026-03-15T12:00:00Z"


def test_a_feed_returns_all_activities_since_a_time_in_order(api: Api):
    found = api.feed(ACTIVITIES, "2026-02-01T00:00:00Z", activityTypeIds=ALL_TYPES)
    dates = [activity["activityDate"] for activity in found]

    assert len(found) > 150
    assert dates == sorted(dates)
    assert dates[0] >= "2026-02-01T00:00:00Z"
    assert len({activity["marketoGUID"] for activity in found}) == len(found)


def test_pages_may_be_short_or_empty_while_there_is_more(make: Make):
    api = make(feed_scan=50)
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime="2026-01-01T00:00:00Z")["nextPageToken"]
    pages = []
    more = True
    while more:
        reply = api.get(ACTIVITIES, nextPageToken=token, activityTypeIds="9")
        token, more = reply["nextPageToken"], reply["moreResult"]
        pages.append(len(reply.get("result", [])))

    assert len(pages) > 10
    assert 0 in pages
    assert sum(pages) == len(api.feed(ACTIVITIES, "2026-01-01T00:00:00Z", activityTypeIds="9")) > 0


def test_the_last_token_continues_the_feed(api: Api, clock: ManualClock):
    api.sync({"email": "one@example.org"})
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=NOON)["nextPageToken"]
    first = api.get(ACTIVITIES, nextPageToken=token, activityTypeIds="12")
    api.sync({"email": "two@example.org"})
    clock.advance(5)
    api.sync({"email": "three@example.org"})
    second = api.get(ACTIVITIES, nextPageToken=first["nextPageToken"], activityTypeIds="12")
    third = api.get(ACTIVITIES, nextPageToken=second["nextPageToken"], activityTypeIds="12")

    assert [activity["leadId"] for activity in first["result"]] == [1101]
    assert [activity["leadId"] for activity in second["result"]] == [1102, 1103]
    assert "result" not in third
    assert third["moreResult"] is False
    assert third["nextPageToken"]


@pytest.mark.parametrize(
    "query",
    [
        {"activityTypeIds": ",".join(map(str, range(1, 12)))},
        {"activityTypeIds": "1", "leadIds": ",".join(map(str, range(31)))},
        {"activityTypeIds": "999"},
        {"activityTypeIds": "1,2", "assetIds": "7"},
    ],
)
def test_a_feed_takes_at_most_ten_types_and_thirty_leads(api: Api, query: dict[str, str]):
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=NOON)["nextPageToken"]

    assert codes(api.get(ACTIVITIES, nextPageToken=token, **query)) == ["1003"]


def test_a_list_with_ten_thousand_leads_is_too_long_for_a_feed(make: Make):
    api = make(leads=50_000)
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=NOON)["nextPageToken"]

    refused = api.get(ACTIVITIES, nextPageToken=token, activityTypeIds="1", listId="1001")
    assert codes(refused) == ["1003"]
    assert "exceeds the limit" in refused["errors"][0]["message"]


def test_a_feed_can_be_narrowed_to_leads_or_a_list(api: Api):
    some = api.feed(ACTIVITIES, "2026-01-01T00:00:00Z", activityTypeIds=ALL_TYPES, leadIds="1001,1007")
    on_list = api.feed(ACTIVITIES, "2026-01-01T00:00:00Z", activityTypeIds=ALL_TYPES, listId="1002")

    assert {activity["leadId"] for activity in some} <= {1001, 1007}
    assert {activity["leadId"] % 5 for activity in on_list} == {2}


def test_lead_changes_have_old_and_new_values_of_the_requested_fields(api: Api):
    before = api.result("/rest/v1/lead/1001.json", fields="title")[0]["title"]
    api.sync({"email": "lead1001@example.com", "title": "Boss", "city": "Rome"}, {"email": "new@example.org"})
    changed, created = api.feed(CHANGES, NOON, fields="title,email")

    assert (changed["leadId"], changed["activityTypeId"]) == (1001, 13)
    assert [(f["name"], f["oldValue"], f["newValue"]) for f in changed["fields"]] == [("title", before, "Boss")]
    assert (created["leadId"], created["activityTypeId"], created["fields"]) == (1101, 12, [])


def test_lead_changes_leave_scores_out(api: Api):
    api.sync({"email": "lead1001@example.com", "leadScore": 12_345})
    assert api.feed(CHANGES, NOON, fields="leadScore") == []
    assert [each["leadId"] for each in api.feed(ACTIVITIES, NOON, activityTypeIds="22")] == [1001]


def test_unknown_fields_are_refused_in_lead_changes(api: Api):
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=NOON)["nextPageToken"]

    assert codes(api.get(CHANGES, nextPageToken=token, fields="shoeSize")) == ["1006"]
    assert codes(api.get(CHANGES, nextPageToken=token)) == ["1002"]


def test_deleted_leads_are_listed_for_two_weeks(api: Api, clock: ManualClock):
    api.done("/rest/v1/leads/delete.json", {"input": [{"id": 1001}]})
    (deleted,) = api.feed(DELETED, NOON)
    api.wait(15 * 86_400)

    assert (deleted["leadId"], deleted["activityTypeId"], deleted["primaryAttributeValueId"]) == (1001, 37, 1001)
    assert deleted["attributes"] == []
    assert api.feed(DELETED, NOON) == []


def test_custom_activities_are_added_and_read_back(api: Api):
    record: dict[str, Any] = {
        "leadId": 1001,
        "activityDate": "2026-03-15T10:00:00Z",
        "activityTypeId": 100001,
        "primaryAttributeValue": "Conference",
        "attributes": [{"name": "Duration Minutes", "value": 90}],
    }
    added, no_lead, no_type = api.done(
        "/rest/v1/activities/external.json",
        {"input": [record, {**record, "leadId": 7}, {**record, "activityTypeId": 1}]},
    )
    (found,) = api.feed(ACTIVITIES, "2026-03-15T10:00:00Z", activityTypeIds="100001")

    assert added["status"] == "added"
    assert [no_lead["errors"][0]["code"], no_type["errors"][0]["code"]] == ["1004", "1013"]
    assert (found["marketoGUID"], found["primaryAttributeValue"]) == (added["marketoGUID"], "Conference")
    assert found["attributes"] == [{"name": "Duration Minutes", "value": 90}]


def test_types_have_attributes_and_custom_types_an_api_name(api: Api):
    types = {kind["id"]: kind for kind in api.result("/rest/v1/activities/types.json")}
    (custom,) = api.result("/rest/v1/activities/external/types.json")

    assert types[1]["primaryAttribute"] == {"name": "Webpage ID", "dataType": "integer"}
    assert {"name": "New Value", "dataType": "string"} in types[13]["attributes"]
    assert "primaryAttribute" not in types[12]
    assert (custom["apiName"], custom["status"]) == ("attendedEvent_c", "approved")
