"""
Handlers for data ingestion: each request is checked, accepted, and executed later.

The REST API's own handlers execute the accepted requests.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.ingestion import FOREIGN, INVALID, NOT_FOUND, Work
from airflow_provider_marketo.simulator.lead_writing import UPDATE_ONLY, UPSERT, LeadWriter, searchable_fields
from airflow_provider_marketo.simulator.problems import ApiError, each_record
from airflow_provider_marketo.simulator.reply import Bytes, Envelope, Reply
from airflow_provider_marketo.simulator.request import Request
from airflow_provider_marketo.simulator.routes import HANDLERS, answers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.simulator.instance import Instance

MAX_OBJECTS = 1_000
_NOT_A_MEMBER = "not in program"


@answers("data_ingestion.sync_persons")
def sync_persons(instance: Instance, request: Request) -> Reply:
    keys = request.get("dedupeFields") or {"field1": "email"}
    first, second = keys.get("field1"), keys.get("field2")
    fields = instance.store.leads.fields
    if first not in searchable_fields(fields) or not (second is None or second in fields):
        raise ApiError(INVALID, f"Not supported as dedupeFields: {first}{f', {second}' if second else ''}")
    action = UPDATE_ONLY if "id" in (first, second) else UPSERT
    writer = LeadWriter(instance, action, first, request.get("partitionName"), also=second)
    persons = request["persons"]
    return _accept(instance, request, [lambda: Envelope(each_record(persons, writer.write))], len(persons))


@answers("data_ingestion.sync_custom_objects")
def sync_custom_objects(instance: Instance, request: Request) -> Reply:
    name = request["customObjectAPIName"]
    if name not in instance.store.custom_objects:
        raise ApiError(NOT_FOUND, f"Custom object '{name}' not found")
    by_id = request.get("dedupeBy") == "marketoGUID"
    how = {"action": UPDATE_ONLY, "dedupeBy": "idField"} if by_id else {"action": UPSERT}
    given = {"customObjectName": name, **how, "input": request["customObjects"]}
    return _accept_as(instance, request, "custom_objects.sync", [given])


@answers("data_ingestion.sync_companies")
def sync_companies(instance: Instance, request: Request) -> Reply:
    action, by = request.get("action", UPSERT), request.get("dedupeBy", "dedupeFields")
    key, other = ("id", "externalCompanyId") if by == "idField" else ("externalCompanyId", "id")
    if by == "idField" and action != UPDATE_ONLY:
        raise ApiError(INVALID, "dedupeBy 'idField' is allowed with action 'updateOnly' only")
    for record in request["input"]:
        if record.get(key) is None or record.get(other) is not None:
            raise ApiError(INVALID, f"With dedupeBy '{by}' every item needs {key} and must not have {other}")
    given = {"action": action, "dedupeBy": by, "input": request["input"]}
    return _accept_as(instance, request, "companies.sync", [given])


@answers("data_ingestion.sync_program_member_status")
def sync_program_member_status(instance: Instance, request: Request) -> Reply:
    if any(program["status"].lower() == _NOT_A_MEMBER for program in request["programs"]):
        raise ApiError(INVALID, "A member cannot be given the status 'Not in Program'")
    return _accept_as(instance, request, "program_members.sync_status", _programs(request))


@answers("data_ingestion.delete_program_members")
def delete_program_members(instance: Instance, request: Request) -> Reply:
    return _accept_as(instance, request, "program_members.delete", _programs(request))


@answers("data_ingestion.add_leads_to_list")
def add_leads_to_list(instance: Instance, request: Request) -> Reply:
    return _accept_as(instance, request, "static_list_membership.add_to_list", _list(request))


@answers("data_ingestion.remove_leads_from_list")
def remove_leads_from_list(instance: Instance, request: Request) -> Reply:
    return _accept_as(instance, request, "static_list_membership.remove_from_list", _list(request))


def _programs(request: Request) -> list[dict[str, Any]]:
    return [
        {
            "programId": program["programId"],
            **({"statusName": program["status"]} if "status" in program else {}),
            "input": program["members"],
        }
        for program in request["programs"]
    ]


def _list(request: Request) -> list[dict[str, Any]]:
    return [{"listId": request["listId"], "id": [record["leadId"] for record in request["input"]]}]


def _accept_as(instance: Instance, request: Request, name: str, calls: Sequence[Mapping[str, Any]]) -> Reply:
    """
    Accept a request that calls of a REST operation will execute.

    :param name: the REST operation.
    :param calls: parameters of each call.
    """
    operation, handler = operations.get(name), HANDLERS[name]
    works = [partial(handler, instance, Request(operation, request.user, call)) for call in calls]
    records = sum(len(call["input"] if "input" in call else call["id"]) for call in calls)
    return _accept(instance, request, works, records)


def _accept(instance: Instance, request: Request, works: Sequence[Work], objects: int) -> Reply:
    """
    Accept a request. The reply says nothing about its later outcome.

    :param works: functions that execute the request.
    :param objects: number of records in the request.
    :raises ApiError: the request is for another subscription or too large, or has a header that is too long.
    """
    # Clients of a simulator may know it by its address instead of a Munchkin ID, so both are accepted.
    ours = (instance.settings.munchkin_id, request.headers.get("host", ""))
    if request["munchkinId"].upper() not in map(str.upper, ours):
        raise ApiError(FOREIGN, f"The token does not belong to the subscription {request['munchkinId']}")
    for name, parameter in request.operation.parameters.items():
        longest = parameter.schema.max_length
        if parameter.place == "header" and longest and len(request.headers.get(name.lower(), "")) > longest:
            raise ApiError(INVALID, f"{name} must not be longer than {longest} characters")
    if objects > MAX_OBJECTS:
        raise ApiError(INVALID, f"The request has {objects} objects, which exceeds the limit of {MAX_OBJECTS}")
    instance.ingestion.submit(works, objects)
    return Bytes(b"", status=202, headers={"X-Request-Id": str(uuid.uuid4())})
