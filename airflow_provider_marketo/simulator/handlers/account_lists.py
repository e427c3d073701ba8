"""Handlers for lists of named accounts and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, RecordError, each_record
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.account_lists import AccountList

_ID = "marketoGUID"
_SEARCHED = {"dedupeFields": "name", "name": "name", "idField": _ID, "idFields": _ID, _ID: _ID}
"""Keys of the search. Adobe's text has ``idField``, its specification ``idFields``."""

_MEMBER_FIELDS = (_ID, "name", "createdAt", "updatedAt")


@answers("named_account_lists.get")
def get(instance: Instance, request: Request) -> Reply:
    by = _SEARCHED.get(request["filterType"])
    if by is None:
        raise ApiError("1011", f"Field '{request['filterType']}' is not supported as filterType")
    wanted = {str(value).lower() for value in request["filterValues"]}
    found = [each for each in instance.store.account_lists.all.values() if str(_show(each)[by]).lower() in wanted]
    return page(request, found, _show, numbered=True)


@answers("named_account_lists.sync")
def sync(instance: Instance, request: Request) -> Reply:
    lists, creating = instance.store.account_lists, request.get("action") != "updateOnly"

    def process(record: dict[str, Any]) -> dict[str, Any]:
        name = _name(record)
        there = lists.named(name)
        if creating:
            if there is not None:
                raise RecordError("1017")
            return {"status": "created", _ID: lists.create(name, instance.now).guid}
        found = lists.all.get(str(record.get(_ID))) if request.get("dedupeBy") == "idField" else there
        if found is None:
            raise RecordError("1013")
        found.name, found.updated = name, instance.now
        return {"status": "updated", _ID: found.guid}

    return Envelope(each_record(request["input"], process, numbered=True))


@answers("named_account_lists.delete")
def delete(instance: Instance, request: Request) -> Reply:
    lists = instance.store.account_lists

    def process(record: dict[str, Any]) -> dict[str, Any]:
        by_id = request.get("deleteBy") == "idField"
        found = lists.all.get(str(record.get(_ID))) if by_id else lists.named(str(record.get("name")))
        if found is None:
            raise RecordError("1013")
        del lists.all[found.guid]
        return {"status": "deleted", _ID: found.guid}

    return Envelope(each_record(request["input"], process, numbered=True))


@answers("named_account_lists.get_members")
def get_members(instance: Instance, request: Request) -> Reply:
    accounts = instance.store.crm["named_accounts"]
    fields = request.get("fields") or _MEMBER_FIELDS
    unknown = [name for name in fields if name not in accounts.fields and name != _ID]
    if unknown:
        raise ApiError("1006", f"Field '{unknown[0]}' not found")
    members = [guid for guid in _list(instance, request).members if guid in accounts.records]
    return page(
        request,
        members,
        lambda guid: {_ID: guid, **{name: accounts.records[guid].get(name) for name in fields if name != _ID}},
        numbered=True,
    )


@answers("named_account_lists.add_members", "named_account_lists.remove_members")
def change_members(instance: Instance, request: Request) -> Reply:
    found, adding = _list(instance, request), request.operation.name.endswith(".add_members")

    def process(record: dict[str, Any]) -> dict[str, Any]:
        guid = str(record.get(_ID))
        if guid not in (instance.store.crm["named_accounts"].records if adding else found.members):
            raise RecordError("1013")
        if adding:
            found.members[guid] = None
        else:
            del found.members[guid]
        return {"status": "added" if adding else "removed", _ID: guid}

    return Envelope(each_record(request["input"], process, numbered=True))


def _name(record: Mapping[str, Any]) -> str:
    name = record.get("name")
    if not name:
        raise RecordError("1002", "Missing value for 'name'")
    if not isinstance(name, str):
        raise RecordError("1001", "Invalid value for 'name'. Required of type 'string'")
    return name


def _list(instance: Instance, request: Request) -> AccountList:
    found = instance.store.account_lists.all.get(str(request["id"]))
    if found is None:
        raise ApiError("1013", f"Named account list '{request['id']}' not found")
    return found


def _show(each: AccountList) -> Mapping[str, Any]:
    return {
        _ID: each.guid,
        "name": each.name,
        "type": "default",
        "updateable": True,
        "createdAt": timestamp(each.created),
        "updatedAt": timestamp(each.updated),
    }
