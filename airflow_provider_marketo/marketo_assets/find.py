"""Finding a Marketo asset by its id or its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoNotFoundError

Record = Mapping[str, Any]
_PAGE = 200


def by_id(client: MarketoClient, asset_type: str, asset_id: int | str, **version: Any) -> Record | None:
    """
    :param version: ``status="approved"`` or ``"draft"``, for types that have both.
    :return: the record; None if there is none.
    """
    of_folders = {"type": "Folder"} if asset_type == "folders" else {}
    try:
        found = client.call(f"{asset_type}.get_by_id", id=asset_id, **of_folders, **version).records
    except MarketoNotFoundError:
        return None
    return found[0] if found else None


def by_name(client: MarketoClient, asset_type: str, name: str, folder: Record | None = None) -> Record | None:
    """
    :param folder: where it has to lie, ``{"id", "type"}``; None for anywhere.
    :return: the record; None if there is none.
    :raises MarketoInvalidRequestError: there are several, or Marketo cannot look for such a name.
    """
    found = [record for record in _named(client, asset_type, name) if folder is None or home_of(record) == folder]
    if len(found) > 1:
        places = " and ".join(f"{home_of(record)}" for record in found[:3])
        raise MarketoInvalidRequestError(
            f"there are {len(found)} {asset_type} with the name {name!r}, in {places}",
            parameter="name",
            remedy="Say which one: with folder, or with asset_id.",
        )
    return found[0] if found else None


def _named(client: MarketoClient, asset_type: str, name: str) -> list[Record]:
    if "," in name:
        raise MarketoInvalidRequestError(
            f"the name {name!r} has a comma, and Marketo cannot look for such names",
            parameter="name",
            remedy="Name it by its id, or rename it.",
        )
    family = {operation.name for operation in operations.all_operations() if operation.family == asset_type}
    if f"{asset_type}.get_by_name" in family:
        try:
            return list(client.paginate(f"{asset_type}.get_by_name", name=name))
        except MarketoNotFoundError:
            return []
    return [record for record in client.paginate(f"{asset_type}.get", maxReturn=_PAGE) if record["name"] == name]


def home_of(record: Record) -> dict[str, Any] | None:
    """Where it lies: Marketo writes that in three shapes, with any case, and of files the type of what lies there."""
    folder = record.get("folder") or record.get("parent") or {}
    number = folder.get("value", folder.get("id"))
    kind = "Program" if str(folder.get("type")).lower() == "program" else "Folder"
    return {"id": int(number), "type": kind} if number is not None else None


def url_of(record: Record) -> str | None:
    """Its address in Marketo's UI."""
    return record.get("url") or record.get("computedUrl")
