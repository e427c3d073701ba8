"""
Names of parameters and members that only one of Adobe's two sources uses.

The specification and the documentation disagree on these names. The simulator accepts both; the catalogue has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.bodies import Body, Pairs

_LISTS: Mapping[str, str] = {"leads": "input", "leads[].id": "leadId", "input[].id": "leadId"}
_MEMBERS: Mapping[str, str] = {"programs[].statusName": "status", "programs[].input": "members"}

_SPELLINGS: Mapping[str, Mapping[str, str]] = {
    "channels.get_by_name": {"Name": "name"},
    "folders.get": {"workspace": "workSpace"},
    "folders.get_by_name": {"workspace": "workSpace"},
    "leads.merge": {"leadId": "leadIds"},
    "redirect_rules.get": {"redirectToLandingPageId": "redirectTolandingPageId"},
    "data_ingestion.sync_companies": {"companies": "input"},
    "data_ingestion.add_leads_to_list": _LISTS,
    "data_ingestion.remove_leads_from_list": _LISTS,
    "data_ingestion.sync_program_member_status": _MEMBERS,
    "data_ingestion.delete_program_members": _MEMBERS,
}
"""For each operation: the path of a name in another spelling, and the name in the catalogue."""


def pairs_as_in_catalogue(operation: str, pairs: Pairs) -> list[tuple[str, str]]:
    """
    Return the parameters of a query or a form under the catalogue's names.

    :param operation: the operation's name.
    :param pairs: the parameters as they were sent.
    """
    spellings = _SPELLINGS.get(operation, {})
    return [(spellings.get(name, name), text) for name, text in pairs]


def json_as_in_catalogue(operation: str, body: Body) -> Any:
    """
    Return a JSON body with the catalogue's names.

    :param operation: the operation's name.
    :param body: the body as it was sent.
    """
    spellings = _SPELLINGS.get(operation)
    return body.json if spellings is None else _renamed(body.json, spellings, "")


def _renamed(value: Any, spellings: Mapping[str, str], place: str) -> Any:
    if isinstance(value, list):
        return [_renamed(each, spellings, f"{place}[]") for each in value]
    if not isinstance(value, dict):
        return value
    places = {name: f"{place}.{name}" if place else name for name in value}
    return {spellings.get(places[name], name): _renamed(each, spellings, places[name]) for name, each in value.items()}
