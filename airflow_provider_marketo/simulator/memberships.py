"""Memberships of static lists and programs; every change adds an activity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.store import activity_types as types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.database import LeadDatabase

WEB_SERVICE_API = "Web service API"


def add_to_list(database: LeadDatabase, list_id: int, lead_id: int, source: str = WEB_SERVICE_API) -> None:
    """
    Add a lead to a static list; log it unless the lead is already on the list.

    :param source: what the activity gives as the cause.
    """
    if database.store.lists.add(list_id, lead_id, database.now):
        _log_list(database, types.ADD_TO_LIST, list_id, lead_id, source)


def remove_from_list(database: LeadDatabase, list_id: int, lead_id: int) -> bool:
    """
    Remove a lead from a static list, and log it.

    :return: False if the lead is not on the list.
    """
    if not database.store.lists.remove(list_id, lead_id):
        return False
    _log_list(database, types.REMOVE_FROM_LIST, list_id, lead_id, WEB_SERVICE_API)
    return True


def set_program_status(database: LeadDatabase, program_id: int, lead_id: int, status_name: str) -> None:
    """
    Make a lead a member of a program, or change its status there, and log it.

    :param status_name: a status of the program's channel.
    """
    programs = database.store.programs
    before = programs.member(program_id, lead_id)
    status = programs.channel(program_id).status(status_name)
    assert status is not None  # the caller checked it
    member = programs.set_status(program_id, lead_id, status, database.now)
    database.store.activities.add(
        database.now,
        lead_id,
        types.CHANGE_STATUS,
        primary_id=program_id,
        primary=programs.all[program_id].name,
        attributes={
            "New Status": status.name,
            "New Status ID": status.step,
            "Old Status": before["statusName"] if before else None,
            "Success": member["reachedSuccess"],
            "Reason": WEB_SERVICE_API,
        },
    )


def log_member_data(database: LeadDatabase, before: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """
    Log the fields of a member that have changed.

    :param before: the member as it was.
    :param given: new values by field.
    """
    for field, value in given.items():
        if before.get(field) != value:
            database.store.activities.add(
                database.now,
                before["leadId"],
                types.CHANGE_MEMBER_DATA,
                primary_id=before["programId"],
                primary=database.store.programs.all[before["programId"]].name,
                attributes={
                    "Attribute Name": field,
                    "New Value": value,
                    "Old Value": before.get(field),
                    "Source": WEB_SERVICE_API,
                },
            )


def _log_list(database: LeadDatabase, kind: int, list_id: int, lead_id: int, source: str) -> None:
    name = database.store.lists.all[list_id].name
    database.store.activities.add(
        database.now, lead_id, kind, primary_id=list_id, primary=name, attributes={"Source": source}
    )
