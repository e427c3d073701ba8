"""Handlers for the activity feeds, which are read from a paging token, and for custom activities."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.paging import seal, unseal
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store import activity_types as types

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.activities import Activity
    from airflow_provider_marketo.simulator.store.activity_types import ActivityType

_MAX_LIST_MEMBERS = 10_000
_MAX_ATTRIBUTES_BYTES = 65_536
_DELETIONS_KEPT = 14 * 86_400
_SCATTER = 2_654_435_761
"""A large odd factor: it spreads the late and the repeated activities over the log."""


@answers("activities.get_types")
def get_types(instance: Instance, request: Request) -> Reply:
    return Envelope([_type(kind) for kind in instance.store.activities.types.values()])


@answers("activities.get_paging_token")
def get_paging_token(instance: Instance, request: Request) -> Reply:
    return Envelope(None, {"nextPageToken": _token((int(request["sinceDatetime"].timestamp()), 0))})


@answers("activities.get_lead_activities")
def get_lead_activities(instance: Instance, request: Request) -> Reply:
    wanted = set(request["activityTypeIds"])
    unknown = wanted - instance.store.activities.types.keys()
    if unknown:
        raise ApiError("1003", f"Invalid activityTypeIds: {', '.join(map(str, sorted(unknown)))}")
    assets = request.get("assetIds")
    if assets and len(wanted) != 1:
        raise ApiError("1003", "assetIds can be used with a single activity type only")
    leads = _leads(instance, request)

    def fits(activity: Activity) -> bool:
        return (
            activity.type_id in wanted
            and (leads is None or activity.lead_id in leads)
            and (not assets or activity.primary_id in assets)
        )

    return _feed(instance, request, fits, _show)


@answers("activities.get_lead_changes")
def get_lead_changes(instance: Instance, request: Request) -> Reply:
    fields = instance.store.leads.fields
    unknown = [name for name in request["fields"] if name not in fields]
    if unknown:
        raise ApiError("1006", f"Field '{unknown[0]}' not found")
    labels = {fields[name].label: name for name in request["fields"]}
    ids = instance.store.activities.field_ids
    leads = _leads(instance, request)

    def fits(activity: Activity) -> bool:
        changed = activity.type_id == types.CHANGE_DATA and activity.primary in labels
        return (changed or activity.type_id == types.NEW_LEAD) and (leads is None or activity.lead_id in leads)

    def show(activity: Activity) -> dict[str, Any]:
        shown = _show(activity)
        del shown["primaryAttributeValueId"], shown["primaryAttributeValue"]
        name = labels.get(activity.primary or "")
        if name is None:
            return {**shown, "fields": []}
        values = {key: activity.attributes.get(title) for key, title in _VALUES.items()}
        shown["attributes"] = [each for each in shown["attributes"] if each["name"] not in _VALUES.values()]
        return {**shown, "fields": [{"id": ids[name], "name": name, **values}]}

    return _feed(instance, request, fits, show)


_VALUES = {"newValue": "New Value", "oldValue": "Old Value"}


@answers("activities.get_deleted_leads")
def get_deleted_leads(instance: Instance, request: Request) -> Reply:
    since = instance.now - _DELETIONS_KEPT

    def fits(activity: Activity) -> bool:
        return activity.type_id == types.DELETE_LEAD and activity.at >= since

    return _feed(instance, request, fits, lambda activity: {**_show(activity), "attributes": []})


@answers("activities.add_custom_activities")
def add_custom_activities(instance: Instance, request: Request) -> Reply:
    entries = each_record(request["input"], partial(_add, instance))
    # This operation calls the reasons of a skipped record errors.
    return Envelope([{"errors" if name == "reasons" else name: entry[name] for name in entry} for entry in entries])


def _add(instance: Instance, record: Mapping[str, Any]) -> dict[str, Any]:
    log = instance.store.activities
    kind = log.types.get(record["activityTypeId"])
    if kind is None or not kind.custom:
        raise RecordError("1013", f"Custom activity type {record['activityTypeId']} not found")
    if record["leadId"] not in instance.store.leads:
        raise RecordError("1004", f"Lead '{record['leadId']}' not found")
    names = {api_name.lower(): name for name, api_name in attribute_names(instance, kind).items()}
    attributes = {}
    for each in record["attributes"]:
        given = str(each.get("apiName") or each.get("name"))
        name = names.get(given.lower().replace(" ", ""))
        if name is None:
            raise RecordError("1006", f"Attribute '{given}' not found")
        attributes[name] = each["value"]
    if len(json.dumps(attributes).encode()) > _MAX_ATTRIBUTES_BYTES:
        raise RecordError("1049", "Attributes are too large")
    activity = log.add(
        int(record["activityDate"].timestamp()),
        record["leadId"],
        kind.id,
        primary=record["primaryAttributeValue"],
        attributes=attributes,
    )
    return {"id": activity.number, "marketoGUID": str(activity.number), "status": "added"}


def _leads(instance: Instance, request: Request) -> Collection[int] | None:
    """
    Return the ids of the leads that the request names; None if it names no leads.

    :raises ApiError: 1003, the request has both a list and leads, or the list is too large.
    """
    leads: list[int] | None = request.get("leadIds")
    if "listId" not in request.parameters:
        return leads
    if leads:
        raise ApiError("1003", "listId and leadIds cannot be used together")
    members = instance.store.list_members("staticListId", request["listId"])
    if len(members) >= _MAX_LIST_MEMBERS:
        raise ApiError("1003", f"The list has {len(members)} leads, which exceeds the limit of {_MAX_LIST_MEMBERS}")
    return frozenset(members)


def _feed(
    instance: Instance,
    request: Request,
    fits: Callable[[Activity], bool],
    show: Callable[[Activity], dict[str, Any]],
) -> Envelope:
    """
    Return one page of a feed.

    A call scans a fixed number of activities, and any number of them can fit. A page can therefore be short or empty
    although more activities follow.
    """
    position = _position(request["nextPageToken"])
    size = request.batch_size
    found: list[dict[str, Any]] = []
    looked_at = 0
    more = False
    for activity in instance.store.activities.between(position[0], instance.now):
        if activity.order < position:
            continue
        if len(found) == size or looked_at == instance.settings.feed_scan:
            more = True
            break
        looked_at += 1
        position = (activity.at, activity.number + 1)
        if fits(activity) and _is_visible(instance, activity):
            found.append(show(activity))
            if len(found) < size and _is_in(instance.settings.repeat_share, activity):
                found.append(show(activity))
    return Envelope(found or None, {"nextPageToken": _token(position), "moreResult": more})


def _is_visible(instance: Instance, activity: Activity) -> bool:
    """
    Return whether the feeds show an activity yet.

    Marketo commits some activities late. They then appear at a position that readers have already passed.
    """
    settings = instance.settings
    return not _is_in(settings.late_share, activity) or activity.at + settings.late_by <= instance.now


def _is_in(share: float, activity: Activity) -> bool:
    return activity.number * _SCATTER % 1_000 < share * 1_000


def _token(position: tuple[int, int]) -> str:
    return seal("date", at=position[0], number=position[1])


def _position(token: str) -> tuple[int, int]:
    content = unseal("date", token)
    return int(content["at"]), int(content["number"])


def _show(activity: Activity) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": activity.number,
        "marketoGUID": str(activity.number),
        "leadId": activity.lead_id,
        "activityDate": timestamp(activity.at),
        "activityTypeId": activity.type_id,
        "primaryAttributeValueId": activity.primary_id,
        "primaryAttributeValue": activity.primary,
        "attributes": [
            {"name": name, "value": value} for name, value in activity.attributes.items() if value is not None
        ],
    }
    if activity.campaign_id is not None:
        shown["campaignId"] = activity.campaign_id
    return shown


def _attributes(attributes: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "dataType": data_type} for name, data_type in attributes]


def attribute_names(instance: Instance, kind: ActivityType) -> dict[str, str]:
    """Return the API names of a custom type's attributes, by name; an initial API name derives from the name."""
    given = {
        name: api_name
        for (type_name, api_name), name in instance.store.schemas.attributes.items()
        if type_name == kind.api_name
    }
    known = [name for name, _ in (*kind.attributes, *filter(None, [kind.primary]))]
    return {name: given.get(name, name[:1].lower() + name[1:].replace(" ", "")) for name in known}


def _type(kind: ActivityType) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": kind.id,
        "name": kind.name,
        "description": kind.name if kind.description is None else kind.description,
    }
    if kind.primary is not None:
        shown["primaryAttribute"] = _attributes([kind.primary])[0]
    return {**shown, "attributes": _attributes(kind.attributes)}


def show_custom_type(instance: Instance, kind: ActivityType) -> dict[str, Any]:
    """Return the record of an approved custom activity type, whose attributes have API names."""
    shown = _type(kind)
    names = attribute_names(instance, kind)
    for attribute in (*shown["attributes"], *filter(None, [shown.get("primaryAttribute")])):
        attribute |= {"apiName": names[attribute["name"]], "isPrimary": attribute is shown.get("primaryAttribute")}
    return {
        **shown,
        "apiName": kind.api_name,
        "triggerName": kind.trigger_name or kind.name,
        "filterName": kind.filter_name or kind.name,
        "status": "approved",
    }
