"""Handlers for custom objects: their types, and their records by simple and compound keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.fields import describe_object
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.values import typed_record

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.custom_objects import CustomObjects, CustomObjectType
    from airflow_provider_marketo.simulator.store.table import Record

_ID = "marketoGUID"


@answers("custom_objects.list")
def list_types(instance: Instance, request: Request) -> Reply:
    names = request.get("names")
    kinds = [table.type for table in instance.store.custom_objects.values()]
    return Envelope([_describe_type(kind) for kind in kinds if not names or kind.name in names])


@answers("custom_objects.describe")
def describe(instance: Instance, request: Request) -> Reply:
    kind = _table(instance, request).type
    described = describe_object(kind.name, kind.fields.values(), [list(key) for key in kind.searchable])
    return Envelope([{**described, **_describe_type(kind)}])


@answers("custom_objects.get")
def get(instance: Instance, request: Request) -> Reply:
    table = _table(instance, request)
    kind = table.type
    fields = request.get("fields") or (_ID, *kind.dedupe, "createdAt", "updatedAt")
    for name in fields:
        if name not in kind.fields:
            raise ApiError("1006", f"Field '{name}' not found")
    key = _search_key(kind, request["filterType"])
    if "input" in request.parameters:
        found = [each for record in request["input"] for each in table.with_key(_whole_key(key, record))]
    elif len(key) > 1:
        raise ApiError("1003", f"A search by {', '.join(key)} takes input, not filterValues")
    else:
        found = list(table.find(key[0], request["filterValues"]))

    def show(guid: str) -> dict[str, Any]:
        record = table.get(guid) or {}
        return {_ID: guid, **{name: record.get(name) for name in fields}}

    return page(request, sorted(set(found)), show, numbered=True)


@answers("custom_objects.sync")
def sync(instance: Instance, request: Request) -> Reply:
    table = _table(instance, request)
    action, by_id = request.get("action", "createOrUpdate"), request.get("dedupeBy") == "idField"
    if by_id and action != "updateOnly":
        raise ApiError("1003", "dedupeBy 'idField' is allowed with action 'updateOnly' only")

    def process(record: dict[str, Any]) -> dict[str, Any]:
        found = _find(table, record, by_id)
        values = typed_record(table.type.fields, {name: value for name, value in record.items() if name != _ID})
        if not by_id and _ID in record:
            raise RecordError("1003", f"{_ID} is allowed with dedupeBy 'idField' only")
        if not found:
            if action == "updateOnly":
                raise RecordError("1013")
            return {"status": "created", _ID: table.create(values, instance.now)}
        if action == "createOnly":
            raise RecordError("1017")
        table.update(table.get(found) or {}, values, instance.now)
        return {"status": "updated", _ID: found}

    return Envelope(each_record(request["input"], process, numbered=True))


@answers("custom_objects.delete")
def delete(instance: Instance, request: Request) -> Reply:
    table = _table(instance, request)
    by_id = request.get("deleteBy") == "idField"

    def process(record: dict[str, Any]) -> dict[str, Any]:
        found = _find(table, record, by_id)
        if not found:
            raise RecordError("1013")
        table.delete(found)
        return {"status": "deleted", _ID: found}

    return Envelope(each_record(request["input"], process, numbered=True))


def _table(instance: Instance, request: Request) -> CustomObjects:
    name = str(request["customObjectName"])
    if name not in instance.store.custom_objects:
        raise ApiError("1013", f"Object '{name}' not found")
    return instance.store.custom_objects[name]


def _find(table: CustomObjects, record: Record, by_id: bool) -> str | None:
    if by_id:
        guid = str(record.get(_ID) or "")
        if not guid:
            raise RecordError("1002", f"Missing value for '{_ID}'")
        return guid if guid in table else None
    missing = [name for name in table.type.dedupe if record.get(name) in (None, "")]
    if missing:
        raise RecordError("1002", f"Missing value for '{missing[0]}'")
    found = table.with_key({name: record[name] for name in table.type.dedupe})
    return found[0] if found else None


def _search_key(kind: CustomObjectType, filter_type: str) -> tuple[str, ...]:
    key = {"idField": (_ID,), "dedupeFields": kind.dedupe}.get(filter_type, (filter_type,))
    if key not in kind.searchable:
        raise ApiError("1011", f"Field '{filter_type}' is not supported as filterType")
    return key


def _whole_key(key: tuple[str, ...], record: Record) -> dict[str, Any]:
    missing = [name for name in key if record.get(name) in (None, "")]
    if missing:
        raise ApiError("1003", f"Missing value for '{missing[0]}' in input")
    return {name: record[name] for name in key}


def _describe_type(kind: CustomObjectType) -> dict[str, Any]:
    return {
        "name": kind.name,
        "displayName": kind.label,
        "pluralName": kind.plural,
        "description": kind.description,
        "createdAt": "2020-01-01T00:00:00Z",
        "updatedAt": "2020-01-01T00:00:00Z",
        "idField": _ID,
        "dedupeFields": list(kind.dedupe),
        "searchableFields": [list(key) for key in kind.searchable],
        "relationships": [{"field": kind.link, "type": "child", "relatedTo": {"name": "Lead", "field": "Id"}}]
        if kind.link
        else [],
    }
