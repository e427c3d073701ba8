"""Destinations of rows: one table for what differs between leads, companies, lists and programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.bulk.imports import OBJECTS, import_object
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.fields import PRIMARY_VALUE, Description, Field

BULK, SYNC, INGESTION = "bulk", "sync", "ingestion"
RECORDS_PER_CALL = 300
LEADS_PER_REQUEST = 100
"""Leads that one request of a campaign takes."""

LEAD_ID = "leadId"
STATUS = "statusName"
ACTIVITY_DATE, ACTIVITY_TYPE_ID = "activityDate", "activityTypeId"

Record = Mapping[str, Any]


def _whole(record: Record) -> Any:
    return record


def _id(record: Record) -> Any:
    return {"id": record[LEAD_ID]}


def _bare_id(record: Record) -> Any:
    return record[LEAD_ID]


def _lead(record: Record) -> Any:
    return {LEAD_ID: record[LEAD_ID]}


def _without_status(record: Record) -> Any:
    return {name: value for name, value in record.items() if name != STATUS}


def _activity(record: Record) -> Any:
    """Return a record of a custom activity type. Adobe takes its primary value as text, the others by their types."""
    own = {name: record[name] for name in (LEAD_ID, ACTIVITY_DATE, ACTIVITY_TYPE_ID)}
    primary = record[PRIMARY_VALUE]
    attributes = [
        {"apiName": name, "value": value}
        for name, value in record.items()
        if name not in (LEAD_ID, ACTIVITY_DATE, ACTIVITY_TYPE_ID, PRIMARY_VALUE)
    ]
    text = primary if isinstance(primary, str) else json.dumps(primary)
    return {**own, PRIMARY_VALUE: text, "attributes": attributes}


@dataclass(frozen=True)
class Stage:
    """
    One kind of call that records go through.

    :param operation: an operation of the catalogue.
    :param parameters: argument of the import to Adobe's name of the call's parameter.
    :param item: returns a record in the form that the call takes.
    :param batch: Adobe's name of the list of records.
    :param most: records in a call.
    :param group: field whose value all records of a call share, as a parameter of the same name.
    :param fine: codes of skipped records that are already in the wanted state.
    :param submits: whether Marketo only accepts the records, and reports their outcome elsewhere.
    :param once: whether a call that may have run must not be sent again.
    :param needs: returns whether a record has data for this stage.
    """

    operation: str
    parameters: Mapping[str, str]
    item: Callable[[Record], Any] = _whole
    batch: str = "input"
    most: int = RECORDS_PER_CALL
    group: str | None = None
    fine: frozenset[str] = frozenset()
    submits: bool = False
    once: bool = False
    needs: Callable[[Record], bool] = bool


@dataclass(frozen=True)
class Target:
    """
    Where rows go.

    :param describes: operations that list the fields.
    :param stages: kinds of call, in their order; empty for bulk imports.
    :param key: fields that tell records apart; empty if Marketo's describe or ``lookup_field`` names them.
    :param extra: fields that no describe lists.
    :param needs: arguments of an import that must be given.
    :param refuses: arguments of an import that may not be given.
    :param read: operation that finds records by their key; empty if the stages create no records.
    :param required: fields that every record needs besides its key.
    :param finds_leads: whether rows may name leads by a field other than the id.
    :param needs_known_leads: whether Marketo refuses a whole call because of one lead that it does not have.
    """

    describes: tuple[str, ...]
    stages: tuple[Stage, ...] = ()
    key: tuple[str, ...] = ()
    extra: tuple[Field, ...] = ()
    needs: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    read: str = ""
    required: tuple[str, ...] = ()
    finds_leads: bool = False
    needs_known_leads: bool = False


_DEDUPE = {"action": "action", "dedupe_by": "dedupeBy"}
_LEAD_ID = Field(LEAD_ID, "integer")


def _object(name: str, **needed: str) -> Target:
    return Target(
        (f"{name}.describe",), (Stage(f"{name}.sync", _DEDUPE | needed),), needs=tuple(needed), read=f"{name}.get"
    )


SYNC_TARGETS: Mapping[str, Target] = {
    "leads": Target(
        ("leads.describe",),
        (
            Stage(
                "leads.sync",
                {"action": "action", "lookup_field": "lookupField", "partition_name": "partitionName"},
            ),
        ),
        key=("email",),
        read="leads.get_by_filter_type",
    ),
    **{
        name: _object(name)
        for name in (
            "companies",
            "opportunities",
            "opportunity_roles",
            "sales_persons",
            "named_accounts",
        )
    },
    "custom_objects": _object("custom_objects", custom_object="customObjectName"),
}

MEMBER_TARGETS: Mapping[str, Target] = {
    "list_add": Target(
        (),
        (Stage("static_list_membership.add_to_list", {"list_id": "listId"}, item=_id),),
        key=(LEAD_ID,),
        extra=(_LEAD_ID,),
        finds_leads=True,
    ),
    "list_remove": Target(
        (),
        (
            Stage(
                "static_list_membership.remove_from_list",
                {"list_id": "listId"},
                item=_bare_id,
                batch="id",
                fine=frozenset({codes.NOT_IN_LIST}),
            ),
        ),
        key=(LEAD_ID,),
        extra=(_LEAD_ID,),
        finds_leads=True,
    ),
    "program_members": Target(
        ("program_members.describe",),
        (
            Stage(
                "program_members.sync_status",
                {"program_id": "programId"},
                item=_lead,
                group=STATUS,
                fine=frozenset({codes.STATUS_UNCHANGED}),
                needs=lambda record: record.get(STATUS) is not None,
            ),
            Stage(
                "program_members.sync_data",
                {"program_id": "programId"},
                item=_without_status,
                needs=lambda record: len(_without_status(record)) > 1,
            ),
        ),
        key=(LEAD_ID,),
        extra=(_LEAD_ID, Field(STATUS)),
        needs=("program_id",),
        finds_leads=True,
    ),
    # at_most_once.audience sends these through the at-most-once ledger, not as records.
    "campaign_requests": Target(
        (),
        (Stage("campaigns.request", {}, item=_id, most=LEADS_PER_REQUEST, once=True),),
        key=(LEAD_ID,),
        extra=(_LEAD_ID,),
        finds_leads=True,
        needs_known_leads=True,
    ),
    # Two equal records are two activities: nothing tells them apart.
    "custom_activities": Target(
        ("activities.describe_custom_type",),
        (Stage("activities.add_custom_activities", {}, item=_activity, once=True),),
        extra=(_LEAD_ID, Field(ACTIVITY_DATE, "datetime"), Field(ACTIVITY_TYPE_ID, "integer")),
        required=(LEAD_ID, ACTIVITY_DATE, PRIMARY_VALUE),
        finds_leads=True,
    ),
}

INGESTION_TARGETS: Mapping[str, Target] = {
    "leads": Target(
        ("leads.describe",),
        (
            Stage(
                "data_ingestion.sync_persons",
                {"munchkin_id": "munchkinId", "partition_name": "partitionName", "ingestion_key": "dedupeFields"},
                batch="persons",
                most=1000,
                submits=True,
            ),
        ),
        key=("email",),
    ),
    "custom_objects": Target(
        ("custom_objects.describe",),
        (
            Stage(
                "data_ingestion.sync_custom_objects",
                {"munchkin_id": "munchkinId", "custom_object": "customObjectAPIName"},
                batch="customObjects",
                most=1000,
                submits=True,
            ),
        ),
        needs=("custom_object",),
    ),
}

_TABLES = {SYNC: {**SYNC_TARGETS, **MEMBER_TARGETS}, INGESTION: INGESTION_TARGETS}


def target(object_type: str, transport: str) -> Target:
    """
    Return the entry of the table.

    :raises MarketoInvalidRequestError: the transport does not take this kind of object.
    """
    if transport == BULK:
        kind = import_object(object_type)
        others = {name for other in OBJECTS.values() for name in other.takes} - {*kind.takes}
        return Target(kind.describes, key=kind.key, needs=kind.needs, refuses=tuple(sorted(others)))
    table = _TABLES[transport]
    if object_type not in table:
        raise MarketoInvalidRequestError(
            f"object_type={object_type!r} cannot be imported with transport {transport!r}",
            parameter="object_type",
            remedy=f"Data ingestion takes {' and '.join(table)}: choose another transport."
            if transport == INGESTION
            else f"Use one of {', '.join(SYNC_TARGETS)}.",
        )
    return table[object_type]


def key_of(one: Target, described: Description, lookup_field: str | None, dedupe_by: str | None) -> Sequence[str]:
    """Return the fields that tell records apart."""
    if dedupe_by == "idField":
        return (described.id_field,)
    if lookup_field is not None and not one.finds_leads:
        return (lookup_field,)
    return one.key or described.dedupe
