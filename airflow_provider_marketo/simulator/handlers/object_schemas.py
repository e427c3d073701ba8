"""Handlers for custom object types: changes go to a draft, which approval makes live."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.columns import CyclicColumn
from airflow_provider_marketo.simulator.store.custom_objects import SYSTEM_FIELDS, CustomObjects, CustomObjectType
from airflow_provider_marketo.simulator.store.fields import Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

CREATED = "2020-01-01T00:00:00Z"
DATA_TYPES = ("string", "boolean", "integer", "float", "link", "email", "currency", "date", "datetime", "phone", "text")
_MAX_TYPES, _MAX_FIELDS, _MAX_DEDUPE_FIELDS = 10, 50, 3


@answers("custom_object_schema.list_types")
def list_types(instance: Instance, request: Request) -> Reply:
    wanted, state = request.get("names"), request.get("state")
    names = dict.fromkeys((*instance.store.custom_objects, *instance.store.schemas.objects))
    chosen = [name for name in names if (not wanted or name in wanted) and state in (None, _state(instance, name))]
    return Envelope([_show(instance, _version(instance, name, state), name) for name in chosen])


@answers("custom_object_schema.describe_type")
def describe(instance: Instance, request: Request) -> Reply:
    name, state = request["apiName"], request.get("state")
    return Envelope([_show(instance, _version(instance, name, state), name)])


@answers("custom_object_schema.sync_type")
def sync(instance: Instance, request: Request) -> Reply:
    name, action = request["apiName"], request.get("action", "createOrUpdate")
    known = name in instance.store.custom_objects or name in instance.store.schemas.objects
    if known and action == "createOnly":
        raise ApiError("1005", f"Custom object type '{name}' already exists")
    if not known and action == "updateOnly":
        raise ApiError("1013", f"Custom object type '{name}' not found")
    if not known and len({*instance.store.custom_objects, *instance.store.schemas.objects}) >= _MAX_TYPES:
        raise ApiError("1003", f"At most {_MAX_TYPES} custom object types can be created")
    if known:
        kind = _editable(instance, name)
    else:
        kind = CustomObjectType(
            name, request["displayName"], "", (), "", {field.name: field for field in SYSTEM_FIELDS}
        )
    return _save_draft(
        instance,
        replace(
            kind,
            label=request.get("displayName", kind.label),
            plural=request.get("pluralName", kind.plural),
            description=request.get("description", kind.description),
        ),
    )


@answers("custom_object_schema.approve_type")
def approve(instance: Instance, request: Request) -> Reply:
    name = request["apiName"]
    draft = instance.store.schemas.objects.get(name)
    if draft is None:
        raise ApiError("1003", f"Custom object type '{name}' has no draft")
    if not draft.dedupe:
        raise ApiError("1003", f"Custom object type '{name}' needs a deduplication field")
    table = instance.store.custom_objects.get(name)
    if table is None:
        empty = replace(instance.settings, custom_objects=0)
        number = len(instance.store.custom_objects) + 1
        instance.store.custom_objects[name] = CustomObjects(empty, draft, number)
    else:
        table.type = draft
        table.columns.update({field: CyclicColumn([None]) for field in draft.fields if field not in table.columns})
    del instance.store.schemas.objects[name]
    return Envelope([])


@answers("custom_object_schema.discard_type_draft")
def discard(instance: Instance, request: Request) -> Reply:
    name = request["apiName"]
    if name not in instance.store.schemas.objects or name not in instance.store.custom_objects:
        raise ApiError("1048", "Custom Object Discard Draft Failed")
    del instance.store.schemas.objects[name]
    return Envelope([])


@answers("custom_object_schema.delete_type")
def delete(instance: Instance, request: Request) -> Reply:
    _version(instance, request["apiName"], None)
    instance.store.custom_objects.pop(request["apiName"], None)
    instance.store.schemas.objects.pop(request["apiName"], None)
    return Envelope([])


@answers("custom_object_schema.add_type_fields")
def add_fields(instance: Instance, request: Request) -> Reply:
    kind = _editable(instance, request["apiName"])
    for given in request["input"]:
        if given["name"] in kind.fields:
            raise ApiError("1003", f"Field '{given['name']}' already exists")
        kind = _with(kind, given["name"], given)
    if len(kind.fields) - len(SYSTEM_FIELDS) > _MAX_FIELDS or len(kind.dedupe) > _MAX_DEDUPE_FIELDS:
        raise ApiError("1003", f"A type has at most {_MAX_FIELDS} fields and {_MAX_DEDUPE_FIELDS} deduplication fields")
    return _save_draft(instance, kind)


@answers("custom_object_schema.update_type_field")
def update_field(instance: Instance, request: Request) -> Reply:
    kind, name = _editable(instance, request["apiName"]), request["fieldApiName"]
    _check_known(kind, [name])
    _check_changeable(instance, kind, [name])
    before = kind.fields[name]
    given = {"displayName": before.label, "dataType": before.type, **request.parameters}
    given.setdefault("isDedupeField", name in kind.dedupe)
    return _save_draft(instance, _with(_without(kind, [name]), request.get("name", name), given))


@answers("custom_object_schema.delete_type_fields")
def delete_fields(instance: Instance, request: Request) -> Reply:
    kind = _editable(instance, request["apiName"])
    names = [given["name"] for given in request["input"]]
    _check_known(kind, names)
    _check_changeable(instance, kind, names)
    return _save_draft(instance, _without(kind, names))


@answers("custom_object_schema.get_type_field_data_types")
def get_data_types(instance: Instance, request: Request) -> Reply:
    return Envelope(list(DATA_TYPES))


@answers("custom_object_schema.get_linkable_objects")
def get_linkable(instance: Instance, request: Request) -> Reply:
    lead = [{"name": "Id", "dataType": "integer"}, {"name": "Email Address", "dataType": "email"}]
    return Envelope(
        [{"name": "Lead", "fields": lead}, {"name": "Company", "fields": [{"name": "Id", "dataType": "integer"}]}]
    )


@answers("custom_object_schema.get_dependent_assets")
def get_dependents(instance: Instance, request: Request) -> Reply:
    _version(instance, request["apiName"], None)
    return Envelope([])


def _state(instance: Instance, name: str) -> str:
    live, draft = name in instance.store.custom_objects, name in instance.store.schemas.objects
    return "approvedWithDraft" if live and draft else "approved" if live else "draft"


def _version(instance: Instance, name: str, state: str | None) -> CustomObjectType:
    """
    Return the approved version of a type; the draft if the state names it or if it is the only version.

    :raises ApiError: 1013, the type does not exist.
    """
    table, draft = instance.store.custom_objects.get(name), instance.store.schemas.objects.get(name)
    found = draft if state in ("draft", "approvedWithDraft") or table is None else table.type
    if found is None:
        raise ApiError("1013", f"Custom object type '{name}' not found")
    return found


def _editable(instance: Instance, name: str) -> CustomObjectType:
    return instance.store.schemas.objects.get(name) or _version(instance, name, None)


def _with(kind: CustomObjectType, name: str, given: Mapping[str, Any]) -> CustomObjectType:
    if given["dataType"] not in DATA_TYPES:
        raise ApiError("1003", f"Invalid dataType '{given['dataType']}'")
    added = Field(name, given["displayName"], "integer" if given["dataType"] == "link" else given["dataType"])
    dedupe = (*kind.dedupe, name) if given.get("isDedupeField") else kind.dedupe
    link = name if given.get("relatedTo") else kind.link
    return replace(kind, fields={**kind.fields, name: added}, dedupe=dedupe, link=link)


def _without(kind: CustomObjectType, names: Iterable[str]) -> CustomObjectType:
    gone = set(names)
    fields = {name: each for name, each in kind.fields.items() if name not in gone}
    return replace(kind, fields=fields, dedupe=tuple(name for name in kind.dedupe if name not in gone))


def _check_known(kind: CustomObjectType, names: Iterable[str]) -> None:
    for name in names:
        if name not in kind.fields:
            raise ApiError("1006", f"Field '{name}' not found")


def _check_changeable(instance: Instance, kind: CustomObjectType, names: Iterable[str]) -> None:
    """Refuse to change system fields and, once the type is approved, its link and deduplication fields."""
    table = instance.store.custom_objects.get(kind.name)
    fixed = {*table.type.dedupe, table.type.link} if table is not None else set()
    for name in (*fixed, *(field.name for field in SYSTEM_FIELDS)):
        if name in set(names):
            raise ApiError("1003", f"Field '{name}' cannot be changed")


def _save_draft(instance: Instance, kind: CustomObjectType) -> Reply:
    instance.store.schemas.objects[kind.name] = kind
    return Envelope([])


def _show(instance: Instance, kind: CustomObjectType, name: str) -> dict[str, Any]:
    draft = kind is instance.store.schemas.objects.get(name)
    new = name not in instance.store.custom_objects
    return {
        "apiName": name,
        "displayName": kind.label,
        "pluralName": kind.plural,
        "description": kind.description,
        "state": _state(instance, name),
        "version": "draft" if draft else "approved",
        "createdAt": None if new else CREATED,
        "updatedAt": None if new else CREATED,
        "idField": None if new else "marketoGUID",
        "dedupeFields": list(kind.dedupe),
        "searchableFields": [[]] if new else [list(key) for key in kind.searchable],
        "relationships": [{"field": kind.link, "type": "child", "relatedTo": {"name": "Lead", "field": "Id"}}]
        if kind.link
        else [],
        "fields": [
            {
                "name": each.name,
                "displayName": each.label,
                "dataType": each.type,
                "isDedupeField": each.name in kind.dedupe,
            }
            for each in kind.fields.values()
        ],
    }
