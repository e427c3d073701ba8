"""
The reply of every operation, compared with Adobe's response schemas and with recordings of real instances.

The schemas are the snapshot of facts below ``tools/catalogue``. A member that Adobe does not describe, a value of
another type, and a value outside an enumeration are differences. A table has each known difference and its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.reply import Bare, Envelope
from tests.simulator.examples import example
from tests.simulator.world import World
from tools.catalogue import snapshot

Json = Mapping[str, Any]
Difference = tuple[str, str]
"""Kind of difference (``member``, ``type`` or ``value``), and where: ``result[].folder.id``."""

TYPES: Mapping[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "string": str,
    "boolean": bool,
    "array": list,
}
_OF_THE_INSTANCE = ("leads.get_*", "companies.get", "custom_objects.get", "named_account_lists.get_members")
KNOWN = {
    "Records have the fields of the instance, which the files cannot list.": (
        *((pattern, "member", "result[].*") for pattern in _OF_THE_INSTANCE),
        ("named_accounts.get", "member", "result[].*"),
        ("opportunities.get", "member", "result[].*"),
        ("opportunity_roles.get", "member", "result[].*"),
        ("sales_persons.get", "member", "result[].*"),
        ("static_list_membership.get_leads_by_list_id*", "member", "result[].*"),
    ),
    "Adobe's samples name an object and its status as the client reads them. The files have other names.": (
        ("*.describe*", "member", "result[].*"),
        ("custom_objects.list", "member", "result[].name"),
        ("custom_object_schema.*", "member", "result[].fields[].isDedupeField"),
        ("custom_objects.*", "member", "result[].status"),
        ("opportunities.*", "member", "result[].status"),
        ("opportunity_roles.*", "member", "result[].status"),
        ("leads.*", "member", "result[].reasons"),
    ),
    "Adobe's pages have the counters of an import. The files have the batch only.": (
        ("bulk_import_program_members.get_status", "member", "result[].*"),
    ),
    "In Adobe's samples the folder of a Marketo asset has type, value and folderName.": (
        ("*", "member", "result[].folder.*"),
        ("tokens.*", "type", "result[].folder"),
    ),
    "Adobe's samples have these members of Marketo assets.": (
        ("emails.*", "member", "result[].isOpenTrackingDisabled"),
        ("forms.*", "member", "result[].workspace"),
        ("programs.*", "member", "result[].headStart"),
        ("programs.get", "member", "result[].*Date"),
    ),
    "In Adobe's samples types of programs have capitals, and programs of most types have an empty status.": (
        ("programs.*", "value", "result[].type"),
        ("programs.*", "value", "result[].status"),
    ),
    "Adobe's page on folders has the type Snippet.": (("folders.*", "value", "result[].folderType"),),
    "Adobe's page on users has the text true.": (("user_management.invite_user", "type", ""),),
}
RECORDED: Mapping[str, tuple[set[str], ...]] = {
    "bulk_export_leads.create_job": ({"exportId", "format", "status", "createdAt"},),
    "bulk_export_leads.enqueue_job": ({"exportId", "format", "status", "createdAt", "queuedAt"},),
    "bulk_export_leads.cancel_job": (
        {"exportId", "format", "status", "createdAt"},
        {"exportId", "format", "status", "createdAt", "queuedAt"},
    ),
    "bulk_export_activities.create_job": ({"exportId", "format", "status", "createdAt"},),
    "leads.get_by_id": ({"id", "email", "firstName", "lastName", "createdAt", "updatedAt"},),
    "leads.get_by_filter_type": ({"id", "email", "firstName", "lastName", "createdAt", "updatedAt"},),
    "static_list_membership.member_of_list": ({"id", "status"},),
    "static_list_membership.get_list_by_id": (
        {"id", "name", "description", "workspaceName", "createdAt", "updatedAt"},
    ),
    "emails.approve_draft": ({"id"},),
    "smart_campaigns.deactivate": ({"id"},),
}
"""Members of the first result in recordings of real instances, by operation."""


@cache
def schemas() -> dict[str, tuple[Json, Json]]:
    """Return the document and the schema of the successful reply of every operation, by Adobe's operationId."""
    found = {}
    for file in sorted(snapshot.FOLDER.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        for verbs in document["paths"].values():
            for facts in verbs.values():
                schema = facts.get("responses", {}).get("200", {}).get("schema")
                if schema:
                    found[facts["operationId"]] = (document, schema)
    return found


def differences(document: Json, schema: Json, value: Any, where: str = "") -> Iterator[Difference]:
    """Yield where a value differs from a schema. Null is a value of every type."""
    while "$ref" in schema:
        schema = document["definitions"][schema["$ref"].rpartition("/")[2]]
    if value is None:
        return
    expected = TYPES.get(schema.get("type", ""))
    if expected is not None and (not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool)):
        yield "type", where
    elif "enum" in schema and value not in schema["enum"]:
        yield "value", where
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from differences(document, schema["items"], item, f"{where}[]")
    elif isinstance(value, dict) and schema.get("properties"):
        for name, member in value.items():
            inside = f"{where}.{name}".lstrip(".")
            if name in schema["properties"]:
                yield from differences(document, schema["properties"][name], member, inside)
            else:
                yield "member", inside


def fits(row: tuple[str, str, str], name: str, difference: Difference) -> bool:
    """Return whether a row of the table covers a difference in the reply of an operation."""
    pattern, kind, subject = row
    found, where = difference
    return fnmatchcase(name, pattern) and kind == found and fnmatchcase(where, subject.replace("[]", "[[][]]"))


def is_known(name: str, difference: Difference) -> bool:
    return any(fits(row, name, difference) for rows in KNOWN.values() for row in rows)


def body_of(reply: Envelope | Bare) -> Any:
    """Return the JSON body of a reply, without what every envelope has."""
    if isinstance(reply, Bare):
        return json.loads(json.dumps(reply.body))
    more = {name: value for name, value in reply.more.items() if name != "warnings"}
    return json.loads(json.dumps(more if reply.result is None else {"result": reply.result, **more}))


def found_in(name: str, folder: Path) -> set[Difference]:
    """Return the differences in the reply of an operation's example; empty for a reply that is not JSON."""
    world = World(folder)
    reply = world.send(name, example(world, name))
    if not isinstance(reply, (Envelope, Bare)):
        return set()
    return set(differences(*schemas()[operations.get(name).operation_id], body_of(reply)))


COMPARED = [
    operation.name
    for operation in operations.all_operations()
    if operation.operation_id in schemas() and operation.family != "identity"
]


@pytest.mark.parametrize("name", COMPARED)
def test_replies_have_the_members_and_types_that_adobe_describes(name: str, tmp_path: Path):
    assert {each for each in found_in(name, tmp_path) if not is_known(name, each)} == set()


@pytest.mark.parametrize("name", RECORDED)
def test_results_have_the_members_of_recordings(name: str, tmp_path: Path):
    world = World(tmp_path)

    assert set(world.json(name, example(world, name))["result"][0]) in RECORDED[name]


def test_every_known_difference_still_exists(tmp_path: Path):
    found = [(name, difference) for name in COMPARED for difference in found_in(name, tmp_path)]
    unused = [row for rows in KNOWN.values() for row in rows if not any(fits(row, name, each) for name, each in found)]

    assert unused == []
