"""Handlers that read, write, delete and merge leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.lead_writing import (
    UPSERT,
    LeadWriter,
    delete_lead,
    searchable_fields,
)
from airflow_provider_marketo.simulator.memberships import set_program_status
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, BadRecord, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.simulator.store.fields import DEFAULT_LEAD_FIELDS
from airflow_provider_marketo.simulator.store.leads import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.programs import Member

_MAX_MATCHES = 1_000
_MEMBERSHIP = ("isExhausted", "acquiredBy", "reachedSuccess", "membershipDate", "updatedAt")


@answers("leads.get_by_filter_type")
def get_by_filter_type(instance: Instance, request: Request) -> Reply:
    leads = instance.store.leads
    by = request["filterType"]
    if by not in searchable_fields(leads.fields):
        raise ApiError("1011", f"Field '{by}' is not supported as filterType")
    found: set[int] = set()
    for lead_id in leads.find(by, request["filterValues"]):
        found.add(lead_id)
        if len(found) > _MAX_MATCHES:
            raise ApiError("1003", "Too many results match the filter")
    fields = wanted_fields(instance, request)
    return page(request, sorted(found), lambda lead_id: show(instance, lead_id, fields))


@answers("leads.get_by_id")
def get_by_id(instance: Instance, request: Request) -> Reply:
    fields = wanted_fields(instance, request)
    if request["leadId"] not in instance.store.leads:
        return Envelope([])
    return Envelope([show(instance, request["leadId"], fields)])


@answers("leads.get_by_program_id")
def get_by_program_id(instance: Instance, request: Request) -> Reply:
    program_id = request["programId"]
    if program_id not in instance.store.programs.all:
        raise ApiError("1013", f"Program '{program_id}' not found")
    fields = wanted_fields(instance, request)

    def show_member(member: Member) -> dict[str, Any]:
        membership = {
            name: value for name, value in _membership(instance, member).items() if name not in ("id", "updatedAt")
        }
        return {**show(instance, member["leadId"], fields), "membership": membership}

    return page(request, list(instance.store.programs.members(program_id)), show_member, says_more=False)


@answers("leads.sync")
def sync(instance: Instance, request: Request) -> Reply:
    writer = LeadWriter(
        instance,
        request.get("action", UPSERT),
        request.get("lookupField", "email"),
        request.get("partitionName"),
    )
    return Envelope(each_record(request["input"], writer.write))


@answers("leads.delete")
def delete(instance: Instance, request: Request) -> Reply:
    def process(lead_id: int) -> dict[str, Any]:
        delete_lead(instance, lead_id)
        return {"id": lead_id, "status": "deleted"}

    return Envelope(each_record(lead_ids(request), process, lambda lead_id: {"id": lead_id}))


@answers("leads.merge")
def merge(instance: Instance, request: Request) -> Reply:
    leads = instance.store.leads
    winner_id, loser_ids = request["leadId"], list(dict.fromkeys(request["leadIds"]))
    if winner_id in loser_ids:
        raise ApiError("1003", "A lead cannot be merged with itself")
    missing = [lead_id for lead_id in (winner_id, *loser_ids) if lead_id not in leads]
    if missing:
        raise ApiError("1004", f"Lead '{missing[0]}' not found")
    values: dict[str, Any] = {}
    winner = leads.get(winner_id) or {}
    for loser in map(leads.get, loser_ids):
        for name, value in (loser or {}).items():
            field = leads.fields.get(name)
            if field is not None and field.updateable and winner.get(name) is None and value is not None:
                values.setdefault(name, value)
    for lead_id in loser_ids:
        for member_list, _ in list(instance.store.lists.of_lead(lead_id)):
            instance.store.lists.add(member_list.id, winner_id, instance.now)
        leads.delete(lead_id)
    LeadWriter(instance, source="Merge").change(winner, values)
    attributes = {"Merge IDs": ",".join(map(str, loser_ids)), "Master Updated": bool(values), "Merge Source": "API"}
    instance.store.activities.add(
        instance.now, winner_id, types.MERGE_LEADS, primary_id=winner_id, attributes=attributes
    )
    return Envelope()


@answers("leads.get_partitions")
def get_partitions(instance: Instance, request: Request) -> Reply:
    return Envelope([{"id": number, "name": name, "description": name} for name, number in PARTITIONS.items()])


@answers("leads.update_partition")
def update_partition(instance: Instance, request: Request) -> Reply:
    def process(record: dict[str, Any]) -> dict[str, Any]:
        lead = instance.store.leads.get(record["id"])
        if lead is None:
            raise RecordError("1004", f"Lead '{record['id']}' not found")
        if record["partitionName"] not in PARTITIONS:
            raise RecordError("1008", f"Lead partition '{record['partitionName']}' not found or not accessible")
        moved = {"leadPartitionId": PARTITIONS[record["partitionName"]]}
        instance.store.leads.update(lead, moved, instance.now)
        return {"id": record["id"], "status": "updated"}

    return Envelope(each_record(request["input"], process, lambda record: {"id": record["id"]}))


@answers("leads.get_lists_by_lead_id")
def get_lists_by_lead_id(instance: Instance, request: Request) -> Reply:
    _check_lead(instance, request["leadId"])
    rows = list(instance.store.lists.of_lead(request["leadId"]))
    return page(request, rows, lambda row: {"listId": row[0].id, "createdAt": row[1], "updatedAt": row[1]})


@answers("leads.get_programs_by_lead_id")
def get_programs_by_lead_id(instance: Instance, request: Request) -> Reply:
    _check_lead(instance, request["leadId"])
    members = list(instance.store.programs.of_lead(request["leadId"]))
    if "filterType" in request.parameters:
        if request["filterType"] != "programId":
            raise ApiError("1003", "filterType must be programId")
        members = [member for member in members if str(member["programId"]) in request.required("filterValues")]
    return page(request, members, lambda member: _membership(instance, member))


@answers("leads.change_program_status")
def change_program_status(instance: Instance, request: Request) -> Reply:
    programs, program_id = instance.store.programs, request["programId"]
    if program_id not in programs.all:
        raise ApiError("1013", f"Program '{program_id}' not found")
    status = programs.channel(program_id).status(request["status"])
    if status is None:
        raise ApiError("1025", f"Program status '{request['status']}' not found")

    def process(record: dict[str, Any]) -> dict[str, Any]:
        if programs.member(program_id, record["id"]) is None:
            raise RecordError("1013", f"Lead '{record['id']}' is not a member of the program")
        set_program_status(instance, program_id, record["id"], status.name)
        return {"id": record["id"], "status": status.name}

    return Envelope(each_record(request["input"], process, lambda record: {"id": record["id"]}))


def wanted_fields(instance: Instance, request: Request) -> Sequence[str]:
    """
    Return the names of the fields that a query of leads returns; always with the id.

    :raises ApiError: 1006, a field does not exist or is hidden.
    """
    fields = request.get("fields") or DEFAULT_LEAD_FIELDS
    known = instance.store.leads.fields
    for name in fields:
        if name not in known or known[name].hidden:
            raise ApiError("1006", f"Field '{name}' not found")
    return list(dict.fromkeys(("id", *fields)))


def show(instance: Instance, lead_id: int, fields: Iterable[str]) -> dict[str, Any]:
    """Return the record of a lead with some of its fields."""
    lead = instance.store.leads.get(lead_id) or {}
    return {name: lead.get(name) for name in fields}


def lead_ids(request: Request) -> list[int | BadRecord]:
    """Return the lead ids in a request's query or body. A record of the body that has no id is returned as it is."""
    records = () if request.get("id") else request.required("input")
    found = [record if isinstance(record, BadRecord) else record["id"] for record in records]
    return list(request.get("id") or found)


def _check_lead(instance: Instance, lead_id: int) -> None:
    if lead_id not in instance.store.leads:
        raise ApiError("1004", f"Lead '{lead_id}' not found")


def _membership(instance: Instance, member: Member) -> dict[str, Any]:
    shown = {
        "id": member["programId"],
        "progressionStatus": member["statusName"],
        **{name: member[name] for name in _MEMBERSHIP},
    }
    if instance.store.programs.channel(member["programId"]).program_type == "engagement":
        shown |= {"nurtureCadence": member["nurtureCadence"], "stream": member["trackName"]}
    return shown
