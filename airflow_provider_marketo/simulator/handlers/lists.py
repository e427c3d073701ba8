"""Handlers for static lists in the lead database, and for their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator import memberships
from airflow_provider_marketo.simulator.handlers.leads import lead_ids, show, wanted_fields
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.lists import StaticList


@answers("static_list_membership.get_lists")
def get_lists(instance: Instance, request: Request) -> Reply:
    filters = {"id": "id", "name": "name", "programName": "program", "workspaceName": "workspace"}
    lists = [
        each
        for each in instance.store.lists.all.values()
        if all(getattr(each, attribute) in request[name] for name, attribute in filters.items() if request.get(name))
    ]
    return page(request, lists, _show, says_more=False)


@answers("static_list_membership.get_list_by_id")
def get_list_by_id(instance: Instance, request: Request) -> Reply:
    return Envelope([_show(_list(instance, request))])


@answers("static_list_membership.get_leads_by_list_id", "static_list_membership.get_leads_by_list_id_legacy")
def get_leads_by_list_id(instance: Instance, request: Request) -> Reply:
    members = instance.store.lists.members(_list(instance, request).id)
    fields = wanted_fields(instance, request)
    legacy = request.operation.name.endswith("_legacy")
    return page(request, members, lambda lead_id: show(instance, lead_id, fields), says_more=not legacy)


@answers("static_list_membership.add_to_list")
def add_to_list(instance: Instance, request: Request) -> Reply:
    members = _list(instance, request)

    def process(lead_id: int) -> dict[str, Any]:
        _check_lead(instance, lead_id)
        memberships.add_to_list(instance, members.id, lead_id)
        return {"id": lead_id, "status": "added"}

    return Envelope(each_record(lead_ids(request), process, lambda lead_id: {"id": lead_id}))


@answers("static_list_membership.remove_from_list")
def remove_from_list(instance: Instance, request: Request) -> Reply:
    members = _list(instance, request)

    def process(lead_id: int) -> dict[str, Any]:
        _check_lead(instance, lead_id)
        if not memberships.remove_from_list(instance, members.id, lead_id):
            raise RecordError("1015")
        return {"id": lead_id, "status": "removed"}

    return Envelope(each_record(lead_ids(request), process, lambda lead_id: {"id": lead_id}))


@answers("static_list_membership.member_of_list")
def member_of_list(instance: Instance, request: Request) -> Reply:
    members = _list(instance, request)

    def process(lead_id: int) -> dict[str, Any]:
        _check_lead(instance, lead_id)
        on_it = instance.store.lists.has(members.id, lead_id)
        return {"id": lead_id, "status": "memberof" if on_it else "notmemberof"}

    return Envelope(each_record(lead_ids(request), process, lambda lead_id: {"id": lead_id}))


def _list(instance: Instance, request: Request) -> StaticList:
    found = instance.store.lists.all.get(request["listId"])
    if found is None:
        raise ApiError("1013", f"List '{request['listId']}' not found")
    return found


def _check_lead(instance: Instance, lead_id: int) -> None:
    if lead_id not in instance.store.leads:
        raise RecordError("1004", f"Lead '{lead_id}' not found")


def _show(each: StaticList) -> dict[str, Any]:
    shown = {
        "id": each.id,
        "name": each.name,
        "description": each.description,
        "workspaceName": each.workspace,
        "createdAt": each.created_at,
        "updatedAt": each.updated_at,
    }
    return {**shown, "programName": each.program} if each.program else shown
