"""The metadata of fields."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_marketo.simulator import ApiUser
from tests.simulator.conftest import Make
from tests.simulator.support import Api, codes

FIELDS = "/rest/v1/leads/schema/fields.json"


def test_describe_gives_names_types_and_numbers(api: Api):
    by_name = {item["rest"]["name"]: item for item in api.result("/rest/v1/leads/describe.json") if "rest" in item}

    company = by_name["company"]
    assert (company["displayName"], company["dataType"], company["length"]) == ("Company Name", "string", 255)
    assert (company["rest"]["readOnly"], by_name["createdAt"]["rest"]["readOnly"]) == (False, True)
    assert "length" not in by_name["leadScore"]
    assert len({item["id"] for item in by_name.values()}) == len(by_name)


def test_some_field_is_not_available_over_rest(api: Api):
    assert [item["displayName"] for item in api.result("/rest/v1/leads/describe.json") if "rest" not in item] == [
        "Legacy Sync State"
    ]


def test_describe2_names_the_searchable_fields(api: Api):
    (lead,) = api.result("/rest/v1/leads/describe2.json")

    assert lead["name"] == "API Lead"
    assert ["email"] in lead["searchableFields"]
    assert ["customerNumber"] in lead["searchableFields"]
    assert ["firstName"] not in lead["searchableFields"]


def test_hidden_fields_are_known_to_the_field_list_only(api: Api):
    listed = {field["name"]: field for field in api.pages(FIELDS, batchSize=20)}
    described = {field["name"] for field in api.result("/rest/v1/leads/describe2.json")[0]["fields"]}

    assert listed["legacyCode"]["isHidden"]
    assert set(listed) - described == {"legacyCode"}


@pytest.mark.parametrize(
    ("path", "sensitive"),
    [
        (FIELDS, {"email", "phone", "mobilePhone", "dateOfBirth", "secondaryEmail"}),
        ("/rest/v1/programs/members/schema/fields.json", {"dietaryNeeds"}),
    ],
)
def test_the_field_list_marks_sensitive_fields(api: Api, path: str, sensitive: set[str]):
    assert {field["name"] for field in api.pages(path) if field["isSensitive"]} == sensitive


def test_a_role_sees_the_fields_that_it_has_a_permission_for(make: Make):
    user = ApiUser("id", "secret", "user@example.org", frozenset({"Read-Write Schema Custom Field"}))
    api = make(users=(user,))

    assert not any(field["isCustom"] for field in api.pages(FIELDS))


def test_a_field_that_was_created_holds_values_and_can_be_exported(api: Api):
    new = {"displayName": "Shoe Size", "name": "shoeSize", "dataType": "integer"}
    assert api.done(FIELDS, {"input": [new]}) == [{"name": "shoeSize", "status": "created"}]
    api.sync({"email": "lead1001@example.com", "shoeSize": 43})

    assert api.result("/rest/v1/leads/schema/fields/shoeSize.json")[0]["isApiCreated"]
    assert [
        lead["shoeSize"]
        for lead in api.result("/rest/v1/leads.json", filterType="id", filterValues="1001,1002", fields="shoeSize")
    ] == [43, None]
    assert codes(api.post(FIELDS, {"input": [new]})) == ["1017"]


@pytest.mark.parametrize(
    ("name", "change", "outcome"),
    [
        ("company", {"description": "Employer", "isSensitive": True}, "updated"),
        ("company", {"displayName": "Employer"}, "1003"),
        ("customerNumber", {"displayName": "Customer No"}, "updated"),
        ("customerNumber", {"isHidden": True}, "1003"),
        ("shoeSize", {"description": "none"}, "1006"),
    ],
)
def test_which_metadata_of_a_field_can_be_changed(api: Api, name: str, change: dict[str, Any], outcome: str):
    reply = api.post(f"/rest/v1/leads/schema/fields/{name}.json", {"input": [change]})

    if outcome == "updated":
        assert reply["result"] == [{"name": name, "status": "updated"}]
        assert change.items() <= api.result(f"/rest/v1/leads/schema/fields/{name}.json")[0].items()
    else:
        assert codes(reply) == [outcome]


def test_program_members_have_fields_of_their_own(api: Api):
    (member,) = api.result("/rest/v1/programs/members/describe.json")

    assert member["name"] == "API Program Membership"
    assert member["dedupeFields"] == ["leadId", "programId"]
    assert {"leadId", "statusName", "seatNumber"} <= {field["name"] for field in member["fields"]}
