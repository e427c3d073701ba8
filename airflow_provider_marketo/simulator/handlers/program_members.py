"""Handlers for program members: query, status, field values, deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.memberships import log_member_data, set_program_status
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.columns import folded
from airflow_provider_marketo.simulator.store.table import CHANGED_AT
from airflow_provider_marketo.simulator.values import typed_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.programs import Member

_DEFAULT_FIELDS = ("acquiredBy", "leadId", "membershipDate", "programId", "reachedSuccess")
_MAX_DATE_RANGE = timedelta(days=7)
_MAX_MEMBERS = 100_000


@answers("program_members.get")
def get(instance: Instance, request: Request) -> Reply:
    program_id = _program(instance, request)
    fields = request.get("fields") or _DEFAULT_FIELDS
    known = instance.store.programs.fields
    for name in fields:
        if name not in known:
            raise ApiError("1006", f"Field '{name}' not found")
    fits = _filter(instance, request)
    if request["filterType"] == "leadId":
        by_id = (instance.store.programs.member(program_id, lead_id) for lead_id in _ids(request))
        members = [member for member in by_id if member is not None]
    else:
        members = list(instance.store.programs.members(program_id))
        if len(members) > _MAX_MEMBERS:
            raise ApiError("1003", f"The program has {len(members)} members, which exceeds the limit of {_MAX_MEMBERS}")
        members = [member for member in members if fits(member)]

    def show(member: Member) -> dict[str, Any]:
        return {"leadId": member["leadId"], **{name: member.get(name) for name in fields}}

    return page(request, members, show, numbered=True)


@answers("program_members.sync_status")
def sync_status(instance: Instance, request: Request) -> Reply:
    program_id = _program(instance, request)
    programs = instance.store.programs
    channel = programs.channel(program_id)
    status = channel.status(request["statusName"])
    if status is None:
        raise ApiError("1025", f"Program status '{request['statusName']}' not found")

    def process(record: dict[str, Any]) -> dict[str, Any]:
        lead_id = record["leadId"]
        if lead_id not in instance.store.leads:
            raise RecordError("1004", f"Lead '{lead_id}' not found")
        member = programs.member(program_id, lead_id)
        current = channel.status(member["statusName"]) if member else None
        if current is not None and current.step >= status.step:
            raise RecordError("1037", "Lead skipped because it is already in or past this status")
        set_program_status(instance, program_id, lead_id, status.name)
        return {"leadId": lead_id, "status": "updated" if member else "created"}

    return _batch(request, process)


@answers("program_members.sync_data")
def sync_data(instance: Instance, request: Request) -> Reply:
    program_id = _program(instance, request)
    programs = instance.store.programs

    def process(record: dict[str, Any]) -> dict[str, Any]:
        member = programs.member(program_id, record["leadId"])
        if member is None:
            raise RecordError("1013", f"Lead '{record['leadId']}' is not a member of the program")
        given = {name: value for name, value in record.items() if name != "leadId"}
        typed = typed_record(programs.fields, given)
        programs.write({**member, **typed}, instance.now)
        log_member_data(instance, member, typed)
        return {"leadId": record["leadId"], "status": "updated"}

    return _batch(request, process)


@answers("program_members.delete")
def delete(instance: Instance, request: Request) -> Reply:
    program_id = _program(instance, request)
    programs = instance.store.programs

    def process(record: dict[str, Any]) -> dict[str, Any]:
        if programs.member(program_id, record["leadId"]) is None:
            raise RecordError("1037", "Lead not in program")
        programs.remove(program_id, record["leadId"])
        return {"leadId": record["leadId"], "status": "deleted"}

    return _batch(request, process)


def _batch(request: Request, process: Callable[[dict[str, Any]], dict[str, Any]]) -> Envelope:
    return Envelope(each_record(request["input"], process, lambda record: {"leadId": record["leadId"]}, numbered=True))


def _program(instance: Instance, request: Request) -> int:
    program_id = int(request["programId"])
    if program_id not in instance.store.programs.all:
        raise ApiError("1013", f"Program '{program_id}' not found")
    return program_id


def _ids(request: Request) -> list[int]:
    return [int(value) for value in request.required("filterValues") if value.isdecimal()]


def _filter(instance: Instance, request: Request) -> Callable[[Member], bool]:
    """Return the test that the query's filter applies to a member."""
    by = request["filterType"]
    if by == "updatedAt":
        start, end = request.required("startAt"), request.get("endAt", instance.clock.now())
        if end - start > _MAX_DATE_RANGE:
            raise ApiError("1003", "The date range must not be longer than 7 days")
        return lambda member: bool(start.timestamp() <= member[CHANGED_AT] <= end.timestamp())
    field = instance.store.programs.fields.get(by)
    searchable = field is not None and (by in ("leadId", "statusName", "reachedSuccess") or field.custom)
    if not searchable:
        raise ApiError("1011", f"Field '{by}' is not supported as filterType")
    values = {folded(value) for value in request.required("filterValues")}
    return lambda member: folded(member.get(by)) in values
