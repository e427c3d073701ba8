"""Handlers that push leads through a program and associate cookies with leads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.lead_writing import UPDATE_ONLY, UPSERT, LeadWriter
from airflow_provider_marketo.simulator.memberships import set_program_status
from airflow_provider_marketo.simulator.problems import ApiError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store import activity_types as types

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_COOKIE = re.compile(r"id:[\w-]+&token:\S+")


@answers("leads.push")
def push(instance: Instance, request: Request) -> Reply:
    program = next((each for each in instance.store.programs.all.values() if each.name == request["programName"]), None)
    if program is None:
        raise ApiError("1013", f"Program '{request['programName']}' not found")
    status = request.get("programStatus")
    if status is not None and instance.store.programs.channel(program.id).status(status) is None:
        raise ApiError("1025", f"Program status '{status}' not found")
    lookup_field = request.get("lookupField", "email")
    action = UPDATE_ONLY if lookup_field == "id" else UPSERT
    writer = LeadWriter(instance, action, lookup_field, request.get("partitionName"), source="Push Lead to Marketo")
    attributes = {
        name: request[given] for name, given in (("Source", "source"), ("Reason", "reason")) if request.get(given)
    }

    def process(record: dict[str, Any]) -> dict[str, Any]:
        entry = writer.write(record)
        # Campaigns can wait for this activity, so every push adds one, even if the lead does not change.
        instance.store.activities.add(
            instance.now,
            entry["id"],
            types.PUSH_LEAD,
            primary_id=program.id,
            primary=program.name,
            attributes=attributes,
        )
        if status is not None:
            set_program_status(instance, program.id, entry["id"], status)
        return entry

    return Envelope(each_record(request["input"], process))


@answers("leads.associate")
def associate(instance: Instance, request: Request) -> Reply:
    lead = instance.store.leads.get(request["leadId"])
    if lead is None:
        raise ApiError("1004", f"Lead '{request['leadId']}' not found")
    if not _COOKIE.fullmatch(request["cookie"]):
        raise ApiError("1012", f"Invalid cookie '{request['cookie']}'")
    instance.store.leads.update(lead, {"cookies": request["cookie"]}, instance.now)
    return Envelope()
