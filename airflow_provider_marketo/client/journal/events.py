"""
Read the entries of a journal, in each of their shapes.

Adobe documents three shapes of an entry and two names of some members. Payloads have numbers as texts, empty texts for
nothing, and times in several spellings. No part of an event is lost: its raw JSON also has parts without a column.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_marketo.client.dates import iso, parse_date_or_none

ACTIVITY = "com.adobe.platform.marketo.activity."
USER_AUDIT = "com.adobe.platform.marketo.audit.user."
"""Prefix of the types of events."""


_DEEPEST = 4
_EXACT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_SHORT_OFFSET = re.compile(r"([+-])(\d):?(\d\d)$", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)

Body = Mapping[str, Any]


@dataclass(slots=True)  # millions are made, and frozen ones take three times as long
class Event:
    """
    An event, unwrapped.

    :param position: the position of its entry in the journal.
    :param type: type of the event, such as ``com.adobe.platform.marketo.activity.standard.filloutform``.
    :param body: the CloudEvent, or the object that an entry has instead of one.
    :param data: the CloudEvent's ``data``.
    :param event_id: Adobe's id of the delivery; empty without one.
    """

    position: str
    type: str
    body: Body = field(repr=False)
    data: Body = field(repr=False)
    event_id: str = ""

    @property
    def instance(self) -> str:
        """The Munchkin ID of the event's instance, in capitals; empty if the event does not name it."""
        return str(self.data.get("munchkinId") or "").upper()


def unwrap(entry: Body) -> Event:
    """
    Return the event of an entry.

    :param entry: an entry of a journal's page: ``{"position", "event"}``.
    """
    body, event_id = entry, ""
    for _ in range(_DEEPEST):
        event_id = event_id or str(body.get("eventid") or body.get("event_id") or "")
        if "type" in body:
            break
        inner = body.get("event")
        if not isinstance(inner, dict):
            inner = body.get("body")
        if not isinstance(inner, dict):
            break
        body = inner
    data = body.get("data")
    position, kind = entry.get("position"), body.get("type")
    return Event(
        "" if position is None else str(position),
        "" if kind is None else str(kind),
        body,
        data if isinstance(data, dict) else {},
        event_id,
    )


def activity(event: Event) -> dict[str, Any]:
    """
    Return an event of an activity as Marketo's feed returns the activity.

    :param event: an event whose type starts with :data:`ACTIVITY`.
    """
    data = event.data
    attributes = data.get("attributes")
    return {
        "id": data.get("activityLogItemId"),
        "marketoGUID": str(event.body.get("id") or event.event_id or _digest(event.body)),
        "leadId": _number(data.get("leadId")),
        "activityDate": _date(data.get("activityDate")),
        "activityTypeId": _number(data.get("activityTypeId")),
        "campaignId": _number(data.get("campaignId")),
        "primaryAttributeValueId": _number(data.get("primaryAttributeValueId")),
        "primaryAttributeValue": data.get("primaryAttributeValue"),
        "attributes": _pairs(attributes),
        "activityType": data.get("activityType"),
    }


def user_audit(event: Event) -> dict[str, Any]:
    """
    Return an event of the audit trail as a row.

    :param event: an event whose type starts with :data:`USER_AUDIT`.
    """
    data = event.data
    return {
        "eventId": event.event_id or str(event.body.get("id") or _digest(event.body)),
        "activityDate": _date(event.body.get("time")),
        "eventType": event.type.removeprefix(USER_AUDIT),
        "componentType": data.get("componentType"),
        "componentId": _number(data.get("componentId")),
        "eventAction": _text(data.get("eventAction")),
        "userId": data.get("userId") or data.get("user"),
        "imsOrgId": data.get("imsOrgId"),
    }


def raw(event: Event) -> str:
    """Return the event's own JSON."""
    return json.dumps(event.body, ensure_ascii=False, separators=(",", ":"))


def _pairs(attributes: Any) -> Any:
    """Return attributes as the feed has them; some events have an object in place of the list."""
    if isinstance(attributes, dict):
        return [{"name": name, "value": value} for name, value in attributes.items()]
    return [each for each in attributes if isinstance(each, dict)] if isinstance(attributes, list) else []


def _date(value: Any) -> Any:
    """Return a time as Marketo's feed writes it; return anything else unchanged."""
    text = str(value or "").strip()
    if _EXACT.fullmatch(text) or not text:
        return text or None
    moment = parse_date_or_none(_SHORT_OFFSET.sub(r"\g<1>0\2:\3", text))
    return text if moment is None else iso(moment)


def _number(value: Any) -> Any:
    """Return a number that may be a text; None for an empty text. Return anything else unchanged."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        text = value.strip().strip('"')
        return int(text) if _NUMBER.fullmatch(text) else text or None
    return value


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _digest(body: Body) -> str:
    """Return a digest as the id of an event without one: the same event always has the same digest."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:36]
