"""The streams that Marketo's paging token feeds hold. Each is a row of one table: their differences are data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_marketo.client.bulk.objects import ExportObject
from airflow_provider_marketo.client.retention import DAYS_7, DAYS_14, DAYS_90
from airflow_provider_marketo.output.manifest import Removal

ACTIVITIES, LEAD_CHANGES = "activities", "lead_changes"
DELETED_LEADS, MERGED_LEADS = "deleted_leads", "merged_leads"
USER_AUDITS = "user_audits"
"""Who did what to which Marketo asset. Only the journal of Adobe I/O Events has them, so they have no operation."""

TYPES_PER_PASS = 10
LEADS_PER_PASS = 30
"""Limits of one call of a feed."""

SKEW = timedelta(seconds=30)
"""Difference of this host's clock from Marketo's that is worth a warning."""

MERGE_LEADS, CHANGE_SCORE = "Merge Leads", "Change Score"

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: ``json.dumps`` with options makes an encoder for each call."""

_NUMBER = re.compile(r"\d+")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Feed:
    """
    One kind of stream.

    :param export: the bulk object whose rows have the same shape.
    :param operation: the catalogue's name of the operation that is paged through.
    :param columns: names of the columns, with Marketo's data types.
    :param rows: a function that makes the rows of one Marketo record.
    :param kept: how long Marketo keeps its records; None if that depends on the activity types.
    :param removal: how its rows name removed leads; None if they remove no leads.
    """

    export: ExportObject
    operation: str
    columns: Mapping[str, str]
    rows: Callable[[Record], Iterator[Record]]
    kept: timedelta | None = None
    removal: Removal | None = None

    @property
    def name(self) -> str:
        """Name of the feed in operators, files and manifests."""
        return self.export.name


def _activity(record: Record) -> Iterator[Record]:
    yield {**record, "attributes": _attributes(record)}


def _lead_change(record: Record) -> Iterator[Record]:
    """Yield a row for each field that changed; a new lead is a row without a field."""
    changes: Sequence[Record] = record.get("fields") or ({},)
    for field in changes:
        yield {
            **record,
            "attributes": _attributes(record),
            "fieldId": field.get("id"),
            "fieldName": field.get("name"),
            "oldValue": field.get("oldValue"),
            "newValue": field.get("newValue"),
        }


def _merge(record: Record) -> Iterator[Record]:
    """Yield a row for each lead that is gone; the lead of the activity is the one that stays."""
    attributes = _pairs(record)
    for loser in dict.fromkeys(_NUMBER.findall(str(attributes.get("Merge IDs") or ""))):
        if loser != str(record.get("leadId")):
            yield {**record, "winnerId": record.get("leadId"), "loserId": loser}


def _pairs(record: Record) -> dict[str, Any]:
    return {str(each.get("name")): each.get("value") for each in record.get("attributes") or ()}


def _attributes(record: Record) -> str:
    """Return the attributes as a bulk export writes them: one JSON object."""
    return _ENCODE(_pairs(record))


_ACTIVITY = {
    "marketoGUID": "string",
    "leadId": "integer",
    "activityDate": "datetime",
    "activityTypeId": "integer",
    "campaignId": "integer",
    "primaryAttributeValueId": "integer",
    "primaryAttributeValue": "string",
    "attributes": "attributes",
}


def _feed(
    name: str,
    operation: str,
    columns: Mapping[str, str],
    rows: Callable[[Record], Iterator[Record]],
    *,
    key: tuple[str, ...] = ("marketoGUID",),
    kept: timedelta | None = None,
    removed_lead: str | None = None,
    tells_changes: bool = False,
    has_types: bool = False,
) -> Feed:
    export = ExportObject(
        name=name,
        family="activities",
        key=key,
        describes=(),
        date_filters=("activityDate",),
        cut_by={"activityDate": "activityDate"},
        fields=tuple(columns),
        tells_changes=tells_changes,
        has_types=has_types,
    )
    removal = Removal("leads", {"id": removed_lead}, "activityDate") if removed_lead else None
    return Feed(export, operation, columns, rows, kept, removal)


FEEDS: Mapping[str, Feed] = {
    feed.name: feed
    for feed in (
        _feed(
            ACTIVITIES,
            "activities.get_lead_activities",
            _ACTIVITY,
            _activity,
            tells_changes=True,
            has_types=True,
        ),
        _feed(
            LEAD_CHANGES,
            "activities.get_lead_changes",
            {
                **{name: _ACTIVITY[name] for name in list(_ACTIVITY)[:5]},
                "fieldId": "integer",
                "fieldName": "string",
                "oldValue": "string",
                "newValue": "string",
                "attributes": "attributes",
            },
            _lead_change,
            key=("marketoGUID", "fieldName"),
            kept=DAYS_90,
            tells_changes=True,
        ),
        _feed(DELETED_LEADS, "activities.get_deleted_leads", _ACTIVITY, _activity, kept=DAYS_14, removed_lead="leadId"),
        _feed(
            MERGED_LEADS,
            "activities.get_lead_activities",
            {
                "marketoGUID": "string",
                "activityDate": "datetime",
                "winnerId": "integer",
                "loserId": "integer",
                "campaignId": "integer",
            },
            _merge,
            key=("marketoGUID", "loserId"),
            removed_lead="loserId",
        ),
        _feed(
            USER_AUDITS,
            "",
            {
                "eventId": "string",
                "activityDate": "datetime",
                "eventType": "string",
                "componentType": "string",
                "componentId": "integer",
                "eventAction": "string",
                "userId": "string",
                "imsOrgId": "string",
            },
            lambda record: iter((record,)),
            key=("eventId",),
            kept=DAYS_7,
        ),
    )
}
"""By name."""
