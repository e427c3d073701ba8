"""The types of Marketo assets, and what Adobe calls the things that one does with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

TYPES: Sequence[str] = (
    "folders",
    "programs",
    "smart_campaigns",
    "emails",
    "email_templates",
    "landing_pages",
    "landing_page_templates",
    "forms",
    "snippets",
    "files",
    "static_lists",
    "smart_lists",
    "segments",
    "landing_page_redirect_rules",
)
"""What an inventory lists, by the families of the catalogue."""

_NAMED = frozenset(TYPES) - {"segments", "landing_page_redirect_rules"}
_V2 = ("emails_v2", "email_templates_v2", "fragments_v2")

_VERBS: Mapping[str, Sequence[str]] = {
    "get": ("get_by_id",),
    "create": ("create",),
    "update": ("update_metadata", "update"),
    "clone": ("clone",),
    "approve": ("approve_draft", "approve"),
    "unapprove": ("unapprove", "unapprove_draft"),
    "discard_draft": ("discard_draft",),
    "delete": ("delete",),
    "activate": ("activate",),
    "deactivate": ("deactivate",),
}
"""Adobe's names for each action; a family has one of them or none."""

ACTIONS: Sequence[str] = tuple(_VERBS)
_TRANSITIONS = {"approve": "approve", "unapprove": "unapprove", "discard_draft": "discard"}


def checked_type(asset_type: str, *, by_name: bool = False) -> str:
    """
    :param asset_type: such as ``emails``.
    :param by_name: whether it has to be found by its name.
    :raises MarketoInvalidRequestError: there is no such type, or it cannot be found by name.
    """
    if asset_type in _V2 and by_name:
        raise MarketoInvalidRequestError(
            f"{asset_type} are known by their ids only",
            parameter="asset_id",
            remedy=f"Make them with MarketoApiOperator(operation='{asset_type}.create'), and find them with "
            f"'{asset_type}.list'.",
        )
    if asset_type not in (*_NAMED, *_V2):
        raise MarketoInvalidRequestError(
            f"{asset_type!r} is no type of Marketo assets",
            parameter="asset_type",
            remedy=f"The types are {', '.join((*(known for known in TYPES if known in _NAMED), *_V2))}.",
        )
    return asset_type


def operation_of(asset_type: str, action: str) -> str:
    """
    The operation for an action.

    :raises MarketoInvalidRequestError: Marketo's API cannot do that with this type.
    """
    if asset_type in _V2 and action in _TRANSITIONS:
        return f"{asset_type}.update_status"
    known = {operation.name for operation in operations.all_operations() if operation.family == asset_type}
    for verb in _VERBS.get(action, ()):
        if f"{asset_type}.{verb}" in known:
            return f"{asset_type}.{verb}"
    possible = [each for each in ACTIONS if any(f"{asset_type}.{verb}" in known for verb in _VERBS[each])]
    raise MarketoInvalidRequestError(
        f"Marketo's API cannot {action} {asset_type}",
        parameter="action",
        remedy=f"It can {', '.join(possible)}.",
    )


def naming(asset_type: str, action: str, asset_id: int | str) -> dict[str, Any]:
    """The parameters by which an operation is told what it is about."""
    if asset_type in _V2 and action in _TRANSITIONS:
        return {"contentId": asset_id, "action": _TRANSITIONS[action]}
    if asset_type in _V2 and action == "clone":
        return {"assetId": asset_id}
    named: dict[str, Any] = {"id": asset_id}
    if asset_type == "folders":
        named["type"] = "Folder"
    return named


def folder_of(value: Any, parameter: str = "folder") -> dict[str, Any] | None:
    """
    A place as Marketo takes it.

    :param value: ``{"id": 12, "type": "Folder"}`` or ``"Program"``; None for none.
    :param parameter: the operator's name for it.
    :raises MarketoInvalidRequestError: the type is missing: folder 12 and program 12 are two things.
    """
    if value is None:
        return None
    if (
        not isinstance(value, Mapping)
        or "id" not in value
        or str(value.get("type")).lower() not in ("folder", "program")
    ):
        raise MarketoInvalidRequestError(
            f"{parameter} has to say whether it is a folder or a program: the same number may be both",
            parameter=parameter,
            remedy=f'Write {parameter}={{"id": 12, "type": "Folder"}}, or "type": "Program".',
        )
    return {"id": int(value["id"]), "type": str(value["type"]).capitalize()}
