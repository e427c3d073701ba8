"""Custom objects, with a simple and with a compound key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.support import Api, codes, skipped

CARS = "/rest/v1/customobjects/car_c.json"
ENROLLMENTS = "/rest/v1/customobjects/enrollment_c.json"


def test_types_tell_their_keys_and_links(api: Api):
    car, enrollment = api.result("/rest/v1/customobjects.json")

    assert (car["name"], car["idField"], car["dedupeFields"]) == ("car_c", "marketoGUID", ["vin"])
    assert enrollment["dedupeFields"] == ["studentId", "courseCode"]
    assert car["relationships"][0]["relatedTo"]["name"] == "Lead"
    assert [kind["name"] for kind in api.result("/rest/v1/customobjects.json", names="car_c")] == ["car_c"]


def test_describe_tells_the_fields(api: Api):
    (car,) = api.result("/rest/v1/customobjects/car_c/describe.json")
    types = {field["name"]: field["dataType"] for field in car["fields"]}

    assert types["price"] == "currency"
    assert {"marketoGUID", "createdAt", "updatedAt"} <= set(types)
    assert car["searchableFields"] == [["vin"], ["marketoGUID"], ["ownerId"]]
    assert codes(api.get("/rest/v1/customobjects/boat_c/describe.json")) == ["1013"]


@pytest.mark.parametrize("filter_type", ["vin", "dedupeFields"])
def test_records_are_found_by_their_key(api: Api, filter_type: str):
    (car,) = api.result(CARS, filterType=filter_type, filterValues="SIM00000000000003,none", fields="vin,ownerId")
    (again,) = api.result(CARS, filterType="idField", filterValues=car["marketoGUID"])

    assert (car["vin"], car["ownerId"], car["seq"]) == ("SIM00000000000003", 1004, 0)
    assert set(again) == {"seq", "marketoGUID", "vin", "createdAt", "updatedAt"}


def test_a_compound_key_is_searched_with_a_json_body(api: Api):
    body = {"filterType": "dedupeFields", "fields": ["grade"], "input": [{"studentId": 1002, "courseCode": "C-0000"}]}
    (found,) = api.done(f"{ENROLLMENTS}?_method=GET", body)
    incomplete = {**body, "input": [{"studentId": 1002}]}

    assert set(found) == {"seq", "marketoGUID", "grade"}
    assert codes(api.post(f"{ENROLLMENTS}?_method=GET", incomplete)) == ["1003"]
    assert codes(api.get(ENROLLMENTS, filterType="dedupeFields", filterValues="1002")) == ["1003"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"filterType": "make", "filterValues": "VW"}, "1011"),
        ({"filterType": "vin", "filterValues": "x", "fields": "colour"}, "1006"),
        ({"filterType": "vin"}, "1003"),
    ],
)
def test_a_wrong_search_of_custom_objects_gets_marketos_code(api: Api, query: dict[str, str], code: str):
    assert codes(api.get(CARS, **query)) == [code]


def test_records_are_created_and_updated(api: Api):
    created, updated = api.done(
        CARS, {"input": [{"vin": "NEW", "make": "Saab", "year": 1990}, {"vin": "SIM00000000000001", "price": "9.5"}]}
    )
    (new,) = api.result(CARS, filterType="vin", filterValues="new", fields="make,year,price,createdAt")

    assert (created["seq"], created["status"], updated["seq"], updated["status"]) == (0, "created", 1, "updated")
    assert (new["marketoGUID"], new["make"], new["year"], new["price"]) == (created["marketoGUID"], "Saab", 1990, None)
    assert new["createdAt"] == "2026-03-15T12:00:00Z"


@pytest.mark.parametrize(
    ("how", "record", "code"),
    [
        ({"action": "createOnly"}, {"vin": "SIM00000000000001"}, "1017"),
        ({"action": "updateOnly"}, {"vin": "NEW"}, "1013"),
        ({"action": "updateOnly", "dedupeBy": "idField"}, {"marketoGUID": "none", "make": "VW"}, "1013"),
        ({"action": "updateOnly", "dedupeBy": "idField"}, {"make": "VW"}, "1002"),
        ({}, {"make": "VW"}, "1002"),
        ({}, {"vin": "NEW", "colour": "red"}, "1006"),
        ({}, {"vin": "NEW", "year": "old"}, "1001"),
    ],
)
def test_a_bad_record_is_skipped(api: Api, how: dict[str, Any], record: dict[str, Any], code: str):
    assert skipped(api.done(CARS, {**how, "input": [record]})) == [code]


def test_the_id_is_a_key_for_updates_only(api: Api):
    assert codes(api.post(CARS, {"dedupeBy": "idField", "input": [{"marketoGUID": "x"}]})) == ["1003"]


def test_records_are_deleted_by_either_key(api: Api):
    (car,) = api.result(CARS, filterType="vin", filterValues="SIM00000000000002")
    path = "/rest/v1/customobjects/car_c/delete.json"
    by_key = api.done(path, {"deleteBy": "dedupeFields", "input": [{"vin": "SIM00000000000001"}, {"vin": "none"}]})
    by_id = api.done(path, {"deleteBy": "idField", "input": [{"marketoGUID": car["marketoGUID"]}]})

    assert skipped(by_key) == [None, "1013"]
    assert by_id == [{"seq": 0, "status": "deleted", "marketoGUID": car["marketoGUID"]}]
    assert api.result(CARS, filterType="vin", filterValues="SIM00000000000001,SIM00000000000002") == []
