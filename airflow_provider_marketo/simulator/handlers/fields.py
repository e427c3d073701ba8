"""Handlers for describe and for the field metadata of leads and program members."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.lead_writing import searchable_fields
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.fields import LENGTHS, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_STANDARD, _CUSTOM = "Read-Write Schema Standard Field", "Read-Write Schema Custom Field"
_MAX_CUSTOM_FIELDS = {"leads": 100, "program_members": 20}
_TYPES = {*LENGTHS, "boolean", "currency", "date", "datetime", "float", "integer", "percent", "score"} - {
    "text",
    "reference",
}
_NAME = re.compile(r"[A-Za-z]\w*")


@answers("leads.describe")
def describe(instance: Instance, request: Request) -> Reply:
    return Envelope([*_described(instance), _SOAP_ONLY])


_SOAP_ONLY = {
    "id": 99,
    "displayName": "Legacy Sync State",
    "dataType": "string",
    "length": 255,
    "soap": {"name": "LegacySyncState", "readOnly": True},
}
"""A field that the REST API cannot use, so it has no ``rest`` member."""


def _described(instance: Instance) -> Iterable[dict[str, Any]]:
    ids = instance.store.activities.field_ids
    for field in _visible(instance.store.leads.fields):
        names = {
            "rest": {"name": field.name, "readOnly": not field.updateable},
            "soap": {"name": field.name[:1].upper() + field.name[1:], "readOnly": not field.updateable},
        }
        yield {"id": ids[field.name], "displayName": field.label, **_data_type(field), **names}


@answers("leads.describe2")
def describe2(instance: Instance, request: Request) -> Reply:
    fields = instance.store.leads.fields
    searchable = [[name] for name in searchable_fields(fields)]
    return Envelope([describe_object("API Lead", _visible(fields), searchable)])


@answers("program_members.describe")
def describe_members(instance: Instance, request: Request) -> Reply:
    fields = instance.store.programs.fields
    custom = [[field.name] for field in fields.values() if field.custom and field.type in ("string", "integer")]
    searchable = [["leadId"], ["statusName"], ["reachedSuccess"], *custom]
    described = describe_object("API Program Membership", _visible(fields), searchable)
    return Envelope([{**described, "dedupeFields": ["leadId", "programId"]}])


@answers("program_members.describe_legacy")
def describe_members_legacy(instance: Instance, request: Request) -> Reply:
    return describe_members(instance, request)


@answers("leads.get_fields", "program_members.get_fields")
def get_fields(instance: Instance, request: Request) -> Reply:
    fields = [field for field in _fields(instance, request).values() if _permitted(request, field)]
    return page(request, fields, metadata)


@answers("leads.get_field_by_name", "program_members.get_field_by_name")
def get_field(instance: Instance, request: Request) -> Reply:
    return Envelope([metadata(_known(instance, request))])


@answers("leads.update_field", "program_members.update_field")
def update_field(instance: Instance, request: Request) -> Reply:
    field = _known(instance, request)
    if len(request["input"]) != 1:
        raise ApiError("1003", "Exactly one object must be given in input")
    (change,) = request["input"]
    if "displayName" in change and not field.custom:
        raise ApiError("1003", f"displayName of the standard field '{field.name}' cannot be changed")
    if "isHidden" in change and not field.created_by_api:
        raise ApiError("1003", f"Field '{field.name}' cannot be hidden, because the API did not create it")
    _add(instance, request, _changed(field, change))
    return Envelope([{"name": field.name, "status": "updated"}])


@answers("leads.create_fields", "program_members.create_fields")
def create_fields(instance: Instance, request: Request) -> Reply:
    fields = _fields(instance, request)
    kind = request.operation.family
    own = sum(field.created_by_api for field in fields.values())
    if own + len(request["input"]) > _MAX_CUSTOM_FIELDS[kind]:
        raise ApiError("1003", f"At most {_MAX_CUSTOM_FIELDS[kind]} custom fields can be created by the API")
    labels = {field.label.lower() for field in fields.values()}
    for each in request["input"]:
        if not _NAME.fullmatch(each["name"]):
            raise ApiError("1003", f"Invalid field name '{each['name']}'")
        if each["dataType"] not in _TYPES:
            raise ApiError("1003", f"Invalid dataType '{each['dataType']}'")
        if each["name"] in fields or each["displayName"].lower() in labels:
            raise ApiError("1017", f"Field '{each['name']}' already exists")
    for each in request["input"]:
        field = Field(each["name"], each["displayName"], each["dataType"], custom=True, created_by_api=True)
        _add(instance, request, _changed(field, each))
    return Envelope([{"name": each["name"], "status": "created"} for each in request["input"]])


def describe_object(name: str, fields: Iterable[Field], searchable: list[list[str]]) -> dict[str, Any]:
    """Return what describe answers for an object type. Only ``leads.describe`` has another format."""
    moment = timestamp(1_577_836_800)
    return {
        "name": name,
        "createdAt": moment,
        "updatedAt": moment,
        "searchableFields": searchable,
        "fields": [
            {
                "name": field.name,
                "displayName": field.label,
                **_data_type(field),
                "updateable": field.updateable,
                "crmManaged": False,
            }
            for field in fields
        ],
    }


def _fields(instance: Instance, request: Request) -> dict[str, Field]:
    store = instance.store
    return store.leads.fields if request.operation.family == "leads" else store.programs.fields


def _add(instance: Instance, request: Request, field: Field) -> None:
    if request.operation.family == "leads":
        instance.store.leads.add_field(field)
        instance.store.activities.field_ids.setdefault(field.name, 100 + len(instance.store.activities.field_ids))
    else:
        instance.store.programs.fields[field.name] = field


def _known(instance: Instance, request: Request) -> Field:
    name = str(request["fieldApiName"])
    field = _fields(instance, request).get(name)
    if field is None:
        raise ApiError("1006", f"Field '{name}' not found")
    return field


def _visible(fields: Mapping[str, Field]) -> list[Field]:
    return [field for field in fields.values() if not field.hidden]


def _permitted(request: Request, field: Field) -> bool:
    return (_CUSTOM if field.custom else _STANDARD) not in request.user.denied


def _changed(field: Field, change: Mapping[str, Any]) -> Field:
    names = {
        "displayName": "label",
        "description": "description",
        "isHidden": "hidden",
        "isHtmlEncodingInEmail": "html_encoded",
        "isSensitive": "sensitive",
    }
    return replace(
        field, **{names[name]: value for name, value in change.items() if name in names and value is not None}
    )


def _data_type(field: Field) -> dict[str, Any]:
    return {"dataType": field.type, **({"length": field.length} if field.length else {})}


def metadata(field: Field) -> dict[str, Any]:
    """Return the metadata of a field."""
    return {
        "displayName": field.label,
        "name": field.name,
        "description": field.description,
        **_data_type(field),
        "isHidden": field.hidden,
        "isHtmlEncodingInEmail": field.html_encoded,
        "isSensitive": field.sensitive,
        "isCustom": field.custom,
        "isApiCreated": field.created_by_api,
    }
