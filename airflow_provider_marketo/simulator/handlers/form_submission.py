"""The handler for forms that a server submits on behalf of a visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.forms import fields_of
from airflow_provider_marketo.simulator.lead_writing import UPSERT, LeadWriter
from airflow_provider_marketo.simulator.memberships import set_program_status
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store import activity_types as types

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_VISIT = {
    "Client IP Address": "leadClientIpAddress",
    "Query Parameters": "queryString",
    "Referrer URL": "pageURL",
    "User Agent": "userAgentString",
}


@answers("leads.submit_form")
def submit(instance: Instance, request: Request) -> Reply:
    form = instance.store.assets.by_family["forms"].get(request["formId"])
    if form is None:
        raise ApiError("1013", f"Form '{request['formId']}' not found")
    program = request.get("programId")
    if program is not None and program not in instance.store.programs.all:
        raise ApiError("1013", f"Program '{program}' not found")
    known = {str(field["id"])[:1].lower() + str(field["id"])[1:] for field in fields_of(form.shown)}
    writer = LeadWriter(instance, UPSERT, "email", None, source="Form fill-out")

    def process(record: dict[str, Any]) -> dict[str, Any]:
        values, visit = record["leadFormFields"], record.get("visitorData") or {}
        unknown = [name for name in values if name not in known]
        if unknown:
            raise RecordError("1006", f"Field '{unknown[0]}' is not in the form")
        if not values.get("email"):
            raise RecordError("1002", "Missing value for 'email'")
        entry = writer.write(values)
        instance.store.activities.add(
            instance.now,
            entry["id"],
            types.FILL_OUT_FORM,
            primary_id=int(form.id),
            primary=form.name,
            attributes={name: visit[given] for name, given in _VISIT.items() if given in visit},
        )
        if program is not None:
            channel = instance.store.programs.channel(program)
            set_program_status(instance, program, entry["id"], channel.statuses[0].name)
        return entry

    return Envelope(each_record(request["input"], process))
