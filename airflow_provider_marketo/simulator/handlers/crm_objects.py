"""Handlers for companies, opportunities, opportunity roles, sales persons and named accounts, all alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.fields import describe_object, metadata
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.crm import CrmObject, Record, crm_objects
from airflow_provider_marketo.simulator.values import typed_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

FAMILIES = tuple(crm_objects())
_LIKE_COMPANIES = ("companies",)
"""Operation families whose replies have no ``moreResult``."""


def _for_each_family(action: str) -> Callable[[Any], Any]:
    return answers(*(f"{family}.{action}" for family in FAMILIES))


@_for_each_family("describe")
def describe(instance: Instance, request: Request) -> Reply:
    kind = _kind(instance, request)
    described = describe_object(kind.name, kind.fields.values(), [list(key) for key in kind.keys])
    return Envelope([{**described, "idField": kind.id_field, "dedupeFields": list(kind.dedupe)}])


@_for_each_family("get")
def get(instance: Instance, request: Request) -> Reply:
    kind = _kind(instance, request)
    fields = request.get("fields") or (kind.id_field, *kind.dedupe, "createdAt", "updatedAt")
    for name in fields:
        if name not in kind.fields:
            raise ApiError("1006", f"Field '{name}' not found")
    by = request["filterType"]
    key = {"idField": (kind.id_field,), "dedupeFields": kind.dedupe}.get(by, (by,))
    if key not in kind.keys:
        raise ApiError("1011", f"Field '{by}' is not supported as filterType")
    found = sorted({each for wanted in _wanted(request, key) for each in kind.find(key, wanted)})

    def show(record_id: Any) -> dict[str, Any]:
        return {kind.id_field: record_id, **{name: kind.records[record_id].get(name) for name in fields}}

    says_more = request.operation.family not in _LIKE_COMPANIES
    return page(request, found, show, numbered=True, says_more=says_more)


@_for_each_family("sync")
def sync(instance: Instance, request: Request) -> Reply:
    kind = _kind(instance, request)
    action, by_id = request.get("action", "createOrUpdate"), request.get("dedupeBy") == "idField"
    if by_id and action != "updateOnly":
        raise ApiError("1003", "dedupeBy 'idField' is allowed with action 'updateOnly' only")
    seen: set[Any] = set()

    def process(record: dict[str, Any]) -> dict[str, Any]:
        found = _find(kind, record, by_id)
        key = found if by_id else kind.key_of(record)
        if key in seen:
            raise RecordError("1036", "Duplicate object found in input")
        seen.add(key)
        values = typed_record(kind.fields, {name: value for name, value in record.items() if name != kind.id_field})
        _check(instance, kind, values, new=found is None)
        if found is None:
            if action == "updateOnly":
                raise RecordError("1013")
            return {"status": "created", kind.id_field: kind.create(values, instance.now)}
        if action == "createOnly":
            raise RecordError("1017")
        kind.update(found, values, instance.now)
        return {"status": "updated", kind.id_field: found}

    return Envelope(each_record(request["input"], process, numbered=True))


@_for_each_family("delete")
def delete(instance: Instance, request: Request) -> Reply:
    kind = _kind(instance, request)
    by_id = request.get("deleteBy") == "idField"

    def process(record: dict[str, Any]) -> dict[str, Any]:
        found = _find(kind, record, by_id)
        if found is None:
            raise RecordError("1013")
        kind.delete(found)
        return {"status": "deleted", kind.id_field: found}

    return Envelope(each_record(request.required("input"), process, numbered=True))


@answers("companies.get_fields", "named_accounts.get_fields", "opportunities.get_fields")
def get_fields(instance: Instance, request: Request) -> Reply:
    return page(request, list(_kind(instance, request).fields.values()), metadata)


@answers("companies.get_field_by_name", "named_accounts.get_field_by_name", "opportunities.get_field_by_name")
def get_field(instance: Instance, request: Request) -> Reply:
    field = _kind(instance, request).fields.get(request["fieldApiName"])
    if field is None:
        raise ApiError("1006", f"Field '{request['fieldApiName']}' not found")
    return Envelope([metadata(field)])


def _kind(instance: Instance, request: Request) -> CrmObject:
    return instance.store.crm[request.operation.family]


def _wanted(request: Request, key: tuple[str, ...]) -> list[Record]:
    if "input" in request.parameters:
        return [{name: record.get(name) for name in key} for record in request["input"]]
    if len(key) > 1:
        raise ApiError("1003", f"A search by {', '.join(key)} takes input, not filterValues")
    return [{key[0]: value} for value in request.required("filterValues")]


def _find(kind: CrmObject, record: Record, by_id: bool) -> Any:
    names = (kind.id_field,) if by_id else kind.dedupe
    missing = [name for name in names if record.get(name) in (None, "")]
    if missing:
        raise RecordError("1002", f"Missing value for '{missing[0]}'")
    if by_id:
        return record[kind.id_field] if record[kind.id_field] in kind.records else None
    return kind.with_key(record)


def _check(instance: Instance, kind: CrmObject, values: Record, *, new: bool) -> None:
    for name in kind.required:
        if (new or name in values) and values.get(name) is None:
            raise RecordError("1002", f"Missing value for '{name}'")
    crm = instance.store.crm
    person = values.get("externalSalesPersonId")
    if person is not None and kind is not crm["sales_persons"] and crm["sales_persons"].with_key(values) is None:
        raise RecordError("718", f"Sales person '{person}' not found")
    if kind is crm["opportunity_roles"]:
        if values["leadId"] not in instance.store.leads:
            raise RecordError("1004", f"Lead '{values['leadId']}' not found")
        if crm["opportunities"].with_key(values) is None:
            raise RecordError("1013", "Opportunity not found")
