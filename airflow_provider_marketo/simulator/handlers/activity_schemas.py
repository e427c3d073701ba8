"""Handlers for custom activity types: changes go to a draft, which approval makes live."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.activities import show_custom_type
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.activity_types import FIRST_CUSTOM, ActivityType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_MAX_TYPES, _MAX_ATTRIBUTES = 10, 20
_NAMES = {
    "name": "name",
    "triggerName": "trigger_name",
    "filterName": "filter_name",
    "description": "description",
}


@answers("activities.get_custom_types")
def get_custom_types(instance: Instance, request: Request) -> Reply:
    live = [kind for kind in instance.store.activities.types.values() if kind.custom]
    new = [kind for kind in instance.store.schemas.activities.values() if kind.id not in {each.id for each in live}]
    return Envelope([_show(instance, kind) for kind in (*live, *new)])


@answers("activities.describe_custom_type")
def describe(instance: Instance, request: Request) -> Reply:
    live, draft = _versions(instance, request["apiName"])
    found = draft if request.get("draft") else live or draft
    if found is None:
        raise ApiError("1013", f"Activity type '{request['apiName']}' not found")
    return Envelope([_show(instance, found)])


@answers("activities.create_custom_type")
def create(instance: Instance, request: Request) -> Reply:
    name = request["apiName"]
    if any(_versions(instance, name)):
        raise ApiError("1017", f"Activity type '{name}' already exists")
    types, drafts = instance.store.activities.types, instance.store.schemas.activities
    numbers = [kind.id for kind in (*types.values(), *drafts.values()) if kind.custom]
    if len(numbers) >= _MAX_TYPES:
        raise ApiError("1027", "The custom activity type limit is reached")
    primary = request["primaryAttribute"]
    instance.store.schemas.attributes[name, primary["apiName"]] = primary["name"]
    kind = ActivityType(
        max([FIRST_CUSTOM - 1, *numbers]) + 1,
        request["name"],
        (primary["name"], primary.get("dataType") or "string"),
        (),
        name,
        request["triggerName"],
        request["filterName"],
        request.get("description", ""),
    )
    return _save_draft(instance, kind)


@answers("activities.update_custom_type")
def update(instance: Instance, request: Request) -> Reply:
    kind = _editable(instance, request)
    primary = request.get("primaryAttribute")
    if primary is not None:
        instance.store.schemas.attributes[str(kind.api_name), primary["apiName"]] = primary["name"]
        kind = replace(kind, primary=(primary["name"], primary.get("dataType") or "string"))
    given = {member: request[name] for name, member in _NAMES.items() if name in request.parameters}
    return _save_draft(instance, replace(kind, **given))


@answers("activities.approve_custom_type")
def approve(instance: Instance, request: Request) -> Reply:
    draft = instance.store.schemas.activities.pop(request["apiName"], None)
    if draft is None:
        raise ApiError("1003", f"Activity type '{request['apiName']}' has no draft")
    instance.store.activities.types[draft.id] = draft
    return Envelope([_show(instance, draft)])


@answers("activities.discard_custom_type_draft")
def discard(instance: Instance, request: Request) -> Reply:
    live, draft = _versions(instance, request["apiName"])
    if live is None or draft is None:
        raise ApiError("1003", f"Activity type '{request['apiName']}' has no draft to discard")
    del instance.store.schemas.activities[request["apiName"]]
    return Envelope([_show(instance, live)])


@answers("activities.delete_custom_type")
def delete(instance: Instance, request: Request) -> Reply:
    live, draft = _versions(instance, request["apiName"])
    found = live or draft
    if found is None:
        raise ApiError("1013", f"Activity type '{request['apiName']}' not found")
    shown = _show(instance, found)
    instance.store.schemas.activities.pop(request["apiName"], None)
    instance.store.activities.types.pop(found.id, None)
    return Envelope([shown])


@answers("activities.create_custom_type_attributes")
def create_attributes(instance: Instance, request: Request) -> Reply:
    kind, names = _editable(instance, request), instance.store.schemas.attributes
    attributes = dict(kind.attributes)
    if len(attributes) + len(request["attributes"]) > _MAX_ATTRIBUTES:
        raise ApiError("1028", "The attribute limit is reached")
    for given in request["attributes"]:
        if _attribute(instance, kind, given) in attributes or given["name"] in attributes:
            raise ApiError("1017", f"Attribute '{given['apiName']}' already exists")
        attributes[given["name"]] = given.get("dataType") or "string"
        names[str(kind.api_name), given["apiName"]] = given["name"]
    return _save_draft(instance, replace(kind, attributes=tuple(attributes.items())))


@answers("activities.update_custom_type_attributes", "activities.delete_custom_type_attributes")
def change_attributes(instance: Instance, request: Request) -> Reply:
    kind, names = _editable(instance, request), instance.store.schemas.attributes
    attributes = dict(kind.attributes)
    for given in request["attributes"]:
        before = _attribute(instance, kind, given)
        if before not in attributes:
            raise ApiError("1013", f"Attribute '{given['apiName']}' not found")
        data_type = attributes.pop(before)
        if request.operation.name.endswith(".update_custom_type_attributes"):
            attributes[given["name"]] = given.get("dataType") or data_type
            names[str(kind.api_name), given["apiName"]] = given["name"]
    return _save_draft(instance, replace(kind, attributes=tuple(attributes.items())))


def _versions(instance: Instance, name: str) -> tuple[ActivityType | None, ActivityType | None]:
    """Return the approved version and the draft of a type; None for a version that does not exist."""
    live = next((kind for kind in instance.store.activities.types.values() if kind.api_name == name), None)
    return live, instance.store.schemas.activities.get(name)


def _editable(instance: Instance, request: Request) -> ActivityType:
    live, draft = _versions(instance, request["apiName"])
    found = draft or live
    if found is None:
        raise ApiError("1013", f"Activity type '{request['apiName']}' not found")
    return found


def _attribute(instance: Instance, kind: ActivityType, given: Mapping[str, Any]) -> str:
    """Return the name of an attribute from its API name, which for an initial attribute is the name without spaces."""
    named = instance.store.schemas.attributes.get((str(kind.api_name), given["apiName"]))
    plain = str(given["apiName"]).lower()
    return named or next((name for name, _ in kind.attributes if name.lower().replace(" ", "") == plain), plain)


def _save_draft(instance: Instance, kind: ActivityType) -> Reply:
    instance.store.schemas.activities[str(kind.api_name)] = kind
    return Envelope([_show(instance, kind)])


def _show(instance: Instance, kind: ActivityType) -> dict[str, Any]:
    live, draft = _versions(instance, str(kind.api_name))
    states = {(True, True): "approved with draft", (True, False): "approved", (False, True): "draft"}
    return {**show_custom_type(instance, kind), "status": states[live is not None, draft is not None]}
