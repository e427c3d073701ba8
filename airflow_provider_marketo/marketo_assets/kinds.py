"""The types of Marketo assets, and what Adobe calls the actions on them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from airflow_provider_marketo.choices import AssetAction, AssetType
from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.conversions import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERBS: Mapping[AssetAction, Sequence[str]] = {
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
"""Adobe's names for each action. A family of operations uses at most one of them."""

_V2_TRANSITIONS = {"approve": "approve", "unapprove": "unapprove", "discard_draft": "discard"}
"""Names of actions in ``update_status`` of the new designer."""


def in_new_designer(asset_type: str) -> bool:
    """
    Whether a type belongs to the new designer, whose assets have text ids and one record for all versions.

    :param asset_type: type of the asset, such as ``emails_v2``.
    """
    return asset_type.endswith("_v2")


def checked_type(asset_type: str, *, by_name: bool = False) -> str:
    """
    Return a type that Marketo has.

    :param asset_type: type of the asset, such as ``emails``.
    :param by_name: whether Marketo finds the asset by its name.
    :raises MarketoInvalidRequestError: the type does not exist, or Marketo does not find its assets by name.
    """
    one_of("asset_type", asset_type, get_args(AssetType))
    if by_name and in_new_designer(asset_type):
        raise MarketoInvalidRequestError(
            f"Marketo's API finds {asset_type} by their ids only",
            parameter="asset_id",
            remedy=f"Give asset_id: MarketoApiOperator(operation='{asset_type}.list') lists the ids. To create or clone"
            f" one, use '{asset_type}.create' or '{asset_type}.clone'.",
        )
    return asset_type


def checked_id(asset_type: str, asset_id: int | str, parameter: str = "asset_id") -> int | str:
    """
    Return the id of a Marketo asset: a number, or a text in the new designer.

    :param asset_type: type of the asset, such as ``emails``.
    :param asset_id: the id as it was given.
    :param parameter: name of the argument, for the error.
    :raises MarketoInvalidRequestError: the id is not a number and should be one.
    """
    written = str(asset_id).strip()
    if in_new_designer(asset_type):
        return written
    if not (written.isdecimal() and int(written)):
        raise MarketoInvalidRequestError(
            f"{parameter}={written!r} is not an id of {asset_type}",
            parameter=parameter,
            remedy="Take the id from the asset's address in Marketo, such as 1001 from #PG1001A1.",
        )
    return int(written)


def operation_of(asset_type: str, action: str) -> str:
    """
    Return the name of the operation for an action.

    :param asset_type: type of the asset, such as ``emails``.
    :param action: the action, such as ``approve``.
    :raises MarketoInvalidRequestError: Marketo's API has no such operation for this type.
    """
    if in_new_designer(asset_type) and action in _V2_TRANSITIONS:
        return f"{asset_type}.update_status"
    found = _operations(asset_type)
    if action in found:
        return found[action]
    raise MarketoInvalidRequestError(
        f"Marketo's API cannot {action} {asset_type}", parameter="action", remedy=f"It can {', '.join(found)}."
    )


@cache
def _operations(asset_type: str) -> Mapping[str, str]:
    """Return the operation for each action that Marketo's API has for a type."""
    known = {operation.name for operation in operations.all_operations() if operation.family == asset_type}
    named = {action: [f"{asset_type}.{verb}" for verb in verbs] for action, verbs in _VERBS.items()}
    return {action: name for action, names in named.items() for name in names if name in known}


def naming(asset_type: str, action: str, asset_id: int | str) -> dict[str, Any]:
    """
    Return the parameters that name the asset in a call.

    :param asset_type: type of the asset, such as ``emails``.
    :param action: the action, such as ``approve``.
    :param asset_id: the asset's id.
    """
    if in_new_designer(asset_type) and action in _V2_TRANSITIONS:
        return {"contentId": asset_id, "action": _V2_TRANSITIONS[action]}
    if in_new_designer(asset_type) and action == "clone":
        return {"assetId": asset_id}
    return {"id": asset_id, **({"type": "Folder"} if asset_type == "folders" else {})}
