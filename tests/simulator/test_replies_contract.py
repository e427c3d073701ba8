"""Replies over HTTP, compared with Adobe's OpenAPI files without their lists of required members."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft4Validator

from airflow_provider_marketo.simulator.routes import find
from tests.simulator.support import JANUARY, Api, Export
from tools.catalogue import snapshot

TOKEN = "<token>"
QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("/rest/v1/leads.json", {"filterType": "id", "filterValues": "1001,1002"}),
    ("/rest/v1/lead/1001.json", {}),
    ("/rest/v1/leads/describe.json", {}),
    ("/rest/v1/leads/describe2.json", {}),
    ("/rest/v1/leads/partitions.json", {}),
    ("/rest/v1/leads/schema/fields.json", {}),
    ("/rest/v1/leads/schema/fields/email.json", {}),
    ("/rest/v1/leads/programs/1001.json", {}),
    ("/rest/v1/leads/1001/listMembership.json", {}),
    ("/rest/v1/leads/1001/programMembership.json", {}),
    ("/rest/v1/lists.json", {}),
    ("/rest/v1/lists/1001.json", {}),
    ("/rest/v1/lists/1001/leads.json", {}),
    ("/rest/v1/lists/1001/leads/ismember.json", {"id": "1001"}),
    ("/rest/v1/activities/types.json", {}),
    ("/rest/v1/activities/external/types.json", {}),
    ("/rest/v1/activities/pagingtoken.json", {"sinceDatetime": JANUARY["startAt"]}),
    ("/rest/v1/activities.json", {"nextPageToken": TOKEN, "activityTypeIds": "1,2,6,12,13,22,24,104"}),
    ("/rest/v1/activities/leadchanges.json", {"nextPageToken": TOKEN, "fields": "leadStatus,title"}),
    ("/rest/v1/activities/deletedleads.json", {"nextPageToken": TOKEN}),
    ("/rest/v1/programs/members/describe.json", {}),
    ("/rest/v1/programs/members/schema/fields.json", {}),
    ("/rest/v1/programs/1001/members.json", {"filterType": "statusName", "filterValues": "Attended"}),
    ("/rest/v1/customobjects.json", {}),
    ("/rest/v1/customobjects/car_c/describe.json", {}),
    ("/rest/v1/customobjects/car_c.json", {"filterType": "vin", "filterValues": "SIM00000000000001"}),
    ("/rest/v1/stats/usage.json", {}),
    ("/rest/v1/stats/usage/last7days.json", {}),
    ("/rest/v1/stats/errors.json", {}),
    ("/rest/v1/stats/errors/last7days.json", {}),
    ("/bulk/v1/leads/export.json", {}),
]
WRITES: list[tuple[str, dict[str, Any]]] = [
    ("/rest/v1/leads.json", {"input": [{"email": "new@example.org"}, {"email": "none"}]}),
    ("/rest/v1/leads/delete.json", {"input": [{"id": 1001}, {"id": 7}]}),
    ("/rest/v1/lists/1001/leads.json", {"input": [{"id": 1002}, {"id": 7}]}),
    ("/rest/v1/programs/1001/members/status.json", {"statusName": "Attended", "input": [{"leadId": 1001}]}),
    ("/rest/v1/programs/1001/members.json", {"input": [{"leadId": 1001, "seatNumber": 1}, {"leadId": 7}]}),
    ("/rest/v1/customobjects/car_c.json", {"input": [{"vin": "NEW"}, {"make": "VW"}]}),
    ("/rest/v1/customobjects/car_c/delete.json", {"input": [{"vin": "SIM00000000000001"}]}),
    ("/bulk/v1/leads/export/create.json", {"fields": ["id"], "filter": {"createdAt": JANUARY}}),
]


@cache
def document() -> Mapping[str, Any]:
    return dict(_relaxed(json.loads((snapshot.FOLDER / "swagger-mapi.json").read_text(encoding="utf-8"))))


def _relaxed(node: Any) -> Any:
    """Return schemas without ``required`` that accept null for every value, as Marketo's replies need."""
    if isinstance(node, list):
        return [_relaxed(item) for item in node]
    if not isinstance(node, dict):
        return node
    relaxed = {
        name: _relaxed(value) for name, value in node.items() if name != "required" or not isinstance(value, list)
    }
    if isinstance(relaxed.get("type"), str) and "in" not in relaxed:
        relaxed["type"] = [relaxed["type"], "null"]
    return relaxed


def faults(method: str, path: str, reply: Any) -> Iterator[str]:
    operation = find(path).operations[method]
    schema = document()["paths"][operation.path][method.lower()]["responses"]["200"]["schema"]
    for error in Draft4Validator({**schema, "definitions": document()["definitions"]}).iter_errors(reply):
        if list(error.absolute_path)[-3::2] != [
            "attributes",
            "value",
        ]:  # Adobe's files have an object here, Marketo sends a text
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


@pytest.mark.parametrize(("path", "query"), QUERIES, ids=[path for path, _ in QUERIES])
def test_queries_are_answered_in_the_shape_that_adobe_describes(api: Api, path: str, query: dict[str, Any]):
    Export(api, "leads").run(["id"], {"createdAt": JANUARY})
    api.done("/rest/v1/leads/delete.json", {"input": [{"id": 1100}]})
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=JANUARY["startAt"])["nextPageToken"]
    reply = api.get(path, **{name: token if value is TOKEN else value for name, value in query.items()})

    assert reply["success"]
    assert list(faults("GET", path, reply)) == []


@pytest.mark.parametrize(("path", "body"), WRITES, ids=[path for path, _ in WRITES])
def test_writes_are_answered_in_the_shape_that_adobe_describes(api: Api, path: str, body: dict[str, Any]):
    reply = api.post(path, body)

    assert reply["success"]
    assert list(faults("POST", path, reply)) == []
