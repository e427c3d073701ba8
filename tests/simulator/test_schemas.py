"""Custom activity types and custom object types: drafts first, live when approved."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.support import Api, codes

ACTIVITIES, OBJECTS = "/rest/v1/activities/external", "/rest/v1/customobjects/schema"
TYPE = {
    "apiName": "visitedBooth_c",
    "name": "Visited Booth",
    "triggerName": "Visits Booth",
    "filterName": "Visited Booth",
    "primaryAttribute": {"apiName": "booth", "name": "Booth", "dataType": "string"},
}


def activity_type(api: Api, name: str = "visitedBooth_c", **query: Any) -> dict[str, Any]:
    return dict(api.result(f"{ACTIVITIES}/type/{name}/describe.json", **query)[0])


def test_an_activity_type_is_used_after_its_approval(api):
    assert api.done(f"{ACTIVITIES}/type.json", TYPE)[0]["status"] == "draft"
    assert codes(api.post(f"{ACTIVITIES}/type.json", TYPE)) == ["1017"]
    attributes = [{"apiName": "minutes", "name": "Minutes", "dataType": "integer"}]
    api.done(f"{ACTIVITIES}/type/visitedBooth_c/attributes/create.json", {"attributes": attributes})
    kind = activity_type(api)
    record = {
        "leadId": 1001,
        "activityTypeId": kind["id"],
        "activityDate": "2026-03-01T00:00:00Z",
        "primaryAttributeValue": "A 12",
        "attributes": [{"apiName": "minutes", "value": 7}],
    }
    add = {"input": [record]}
    assert api.done(f"{ACTIVITIES}.json", add)[0]["status"] == "skipped"
    api.done(f"{ACTIVITIES}/type/visitedBooth_c/approve.json")
    assert api.done(f"{ACTIVITIES}.json", add)[0]["status"] == "added"
    assert codes(api.post(f"{ACTIVITIES}/type/visitedBooth_c/approve.json")) == ["1003"]


def test_a_change_of_an_approved_type_waits_in_a_draft(api):
    path = f"{ACTIVITIES}/type/attendedEvent_c"
    new = [{"apiName": "seat", "name": "Seat"}]
    api.done(f"{path}/attributes/create.json", {"attributes": new})
    assert activity_type(api, "attendedEvent_c")["status"] == "approved with draft"
    names = [each["name"] for each in activity_type(api, "attendedEvent_c", draft=True)["attributes"]]
    assert "Seat" in names
    assert "Seat" not in [each["name"] for each in activity_type(api, "attendedEvent_c")["attributes"]]
    api.done(f"{path}/attributes/delete.json", {"attributes": new})
    api.done(f"{path}/discardDraft.json")
    assert codes(api.post(f"{path}/discardDraft.json")) == ["1003"]
    api.done(f"{path}/delete.json")
    assert codes(api.get(f"{path}/describe.json")) == ["1013"]


SEMINAR = {
    "apiName": "seminar_c",
    "name": "Seminar",
    "triggerName": "Attends Seminar",
    "filterName": "Attended Seminar",
    "primaryAttribute": {"apiName": "title_1", "name": "Title", "dataType": "string"},
}


def test_a_primary_attribute_keeps_the_api_name_that_it_was_given(api):
    (made,) = api.done("/rest/v1/activities/external/type.json", SEMINAR)
    assert made["primaryAttribute"]["apiName"] == "title_1"
    renamed = {"apiName": "heading", "name": "Heading", "dataType": "string"}
    (changed,) = api.done("/rest/v1/activities/external/type/seminar_c.json", {"primaryAttribute": renamed})
    assert changed["primaryAttribute"]["apiName"] == "heading"
    # The specification also requires the type's name in the body.
    (changed,) = api.done("/rest/v1/activities/external/type/seminar_c.json", SEMINAR)
    assert changed["primaryAttribute"]["apiName"] == "title_1"


@pytest.mark.parametrize("name", ["a b", "new-type", "_hidden", "größe", "", "a/b"])
def test_api_names_are_letters_digits_and_underscores(api, name):
    types = "/rest/v1/activities/external/type"
    attribute = {"apiName": name, "name": "Title", "dataType": "string"}
    assert codes(api.post(f"{types}.json", SEMINAR | {"apiName": name})) in (["1003"], ["1002"])
    assert codes(api.post(f"{types}.json", SEMINAR | {"primaryAttribute": attribute})) in (["1003"], ["1002"])
    added = api.post(f"{types}/attendedEvent_c/attributes/create.json", {"attributes": [attribute]})
    assert codes(added) in (["1003"], ["1002"])


FIELDS = [
    {"name": "number", "displayName": "Number", "dataType": "string", "isDedupeField": True},
    {"name": "lead", "displayName": "Lead", "dataType": "link", "relatedTo": {"name": "Lead", "field": "Id"}},
]


@pytest.fixture
def order(api: Api) -> str:
    """Create a draft of a type with two fields."""
    api.done(f"{OBJECTS}.json", {"apiName": "order_c", "displayName": "Order", "pluralName": "Orders"})
    api.done(f"{OBJECTS}/order_c/addField.json", {"input": FIELDS})
    return f"{OBJECTS}/order_c"


def test_an_object_type_takes_records_after_its_approval(api, order):
    record = {"input": [{"number": "1", "lead": 1001}]}
    assert codes(api.post("/rest/v1/customobjects/order_c.json", record)) == ["1013"]
    api.done(f"{order}/approve.json")
    assert api.done("/rest/v1/customobjects/order_c.json", record)[0]["status"] == "created"
    (shown,) = api.result(f"{order}/describe.json")
    assert (shown["state"], shown["dedupeFields"]) == ("approved", ["number"])


def test_a_type_without_a_key_cannot_be_approved(api):
    api.done(f"{OBJECTS}.json", {"apiName": "note_c", "displayName": "Note", "pluralName": "Notes"})
    assert codes(api.post(f"{OBJECTS}/note_c/approve.json")) == ["1003"]


def test_after_approval_key_and_link_are_frozen_and_other_fields_wait_in_a_draft(api, order):
    assert codes(api.post(f"{order}/addField.json", {"input": FIELDS[:1]})) == ["1003"]
    api.done(f"{order}/approve.json")
    assert codes(api.post(f"{order}/deleteField.json", {"input": [{"name": "number"}]})) == ["1003"]
    note = {"name": "note", "displayName": "Note", "dataType": "text"}
    api.done(f"{order}/addField.json", {"input": [note]})
    (shown,) = api.result(f"{order}/describe.json", state="approvedWithDraft")
    assert "note" in [each["name"] for each in shown["fields"]]
    assert "note" not in [each["name"] for each in api.result(f"{order}/describe.json")[0]["fields"]]
    api.done(f"{order}/note/updateField.json", {"displayName": "Remark"})
    api.done(f"{order}/discardDraft.json")
    assert codes(api.post(f"{order}/discardDraft.json")) == ["1048"]
    api.done(f"{order}/delete.json")
    assert "order_c" not in [each["apiName"] for each in api.result(f"{OBJECTS}.json")]


def test_types_are_found_by_state_and_data_types_are_listed(api, order):
    assert [each["apiName"] for each in api.result(f"{OBJECTS}.json", state="draft")] == ["order_c"]
    assert "link" in api.result(f"{OBJECTS}/fieldDataTypes.json")
    assert api.result(f"{OBJECTS}/linkableObjects.json")[0]["name"] == "Lead"
    assert api.result(f"{order}/dependentAssets.json") == []
