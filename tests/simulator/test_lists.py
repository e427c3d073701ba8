"""Static lists, as the lead database sees them."""

from __future__ import annotations

from tests.simulator.support import Api, codes, skipped

MEMBERS = "/rest/v1/lists/1001/leads.json"


def test_lists_are_found_by_id_or_name(api: Api):
    everything = api.result("/rest/v1/lists.json")

    assert [each["id"] for each in everything] == list(range(1001, 1006))
    assert [each["id"] for each in api.result("/rest/v1/lists.json", id=["1001", "1003"])] == [1001, 1003]
    assert [each["id"] for each in api.result("/rest/v1/lists.json", name="Newsletter")] == [1001]
    assert api.result("/rest/v1/lists/1002.json")[0]["name"] == "Webinar Attendees"
    assert codes(api.get("/rest/v1/lists/7.json")) == ["1013"]


def test_members_are_paged_with_the_requested_fields(api: Api):
    members = api.pages(MEMBERS, batchSize=7, fields="email")

    assert [member["id"] for member in members] == list(range(1001, 1101, 5))
    assert set(members[0]) == {"id", "email"}


def test_the_old_path_does_not_say_whether_there_is_more(api: Api):
    old, new = api.get("/rest/v1/list/1001/leads.json", batchSize=5), api.get(MEMBERS, batchSize=5)

    assert old["result"] == new["result"]
    assert ("moreResult" in old, "moreResult" in new) == (False, True)


def test_leads_are_added_removed_and_asked_for(api: Api):
    added = api.done(MEMBERS, {"input": [{"id": 1002}, {"id": 1001}, {"id": 7}]})
    asked = api.result("/rest/v1/lists/1001/leads/ismember.json", id=["1002", "1003", "7"])
    removed = api.send("DELETE", MEMBERS, params={"id": ["1002", "1003", "7"]}).json()["result"]

    assert [each["status"] for each in added] == ["added", "added", "skipped"]
    assert [each["status"] for each in asked] == ["memberof", "notmemberof", "skipped"]
    assert skipped(removed) == [None, "1015", "1004"]
    assert [each["id"] for each in removed] == [1002, 1003, 7]


def test_ids_may_stand_in_the_query(api: Api):
    assert skipped(api.done(MEMBERS, id=["1002", "1003"])) == [None, None]
    assert codes(api.post(MEMBERS, {"input": [{"id": 1002}]}, id="1003")) == ["1003"]


def test_only_a_change_of_membership_is_an_activity(api: Api):
    api.done(MEMBERS, {"input": [{"id": 1002}, {"id": 1001}]})
    api.send("DELETE", MEMBERS, params={"id": "1002"})
    log = api.feed("/rest/v1/activities.json", "2026-03-15T12:00:00Z", activityTypeIds="24,25")

    assert [(each["activityTypeId"], each["leadId"], each["primaryAttributeValueId"]) for each in log] == [
        (24, 1002, 1001),
        (25, 1002, 1001),
    ]


def test_a_deleted_lead_is_on_no_list(api: Api):
    api.done("/rest/v1/leads/delete.json", {"input": [{"id": 1001}]})

    assert 1001 not in [member["id"] for member in api.pages(MEMBERS)]


def test_the_ids_to_remove_or_to_ask_for_may_stand_in_the_body(api: Api):
    body = {"input": [{"id": 1001}]}
    asked = api.send("POST", "/rest/v1/lists/1001/leads/ismember.json?_method=GET", json=body).json()["result"]
    removed = api.send("DELETE", MEMBERS, json=body).json()["result"]

    assert (asked[0]["status"], removed[0]["status"]) == ("memberof", "removed")
