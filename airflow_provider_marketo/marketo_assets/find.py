"""Finding a Marketo asset by its id or its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError, MarketoNotFoundError
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.suggest import did_you_mean, nearest
from airflow_provider_marketo.marketo_assets import kinds

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient

Record = Mapping[str, Any]
_PAGE = 200
_DEEPEST = 20
"""Levels of folders in which the nearest names are searched."""

_MOST_NAMES = 2_000
"""Largest number of names among which the nearest names are searched: ten calls at most."""


def by_id(client: MarketoClient, asset_type: str, asset_id: int | str, **version: Any) -> Record | None:
    """
    Find an asset by its id (``<asset_type>.get_by_id``).

    :param client: the instance.
    :param asset_type: type of the asset, such as ``emails``.
    :param asset_id: the asset's id.
    :param version: ``status="approved"`` or ``"draft"``, for types that have both.
    :return: the record; None if Marketo says that the asset does not exist, in an error or an empty result. A wrong
        host (610) raises an error.
    """
    try:
        found = client.call(
            kinds.operation_of(asset_type, "get"), **kinds.naming(asset_type, "get", asset_id), **version
        ).records
    except MarketoNotFoundError:
        return None
    return found[0] if found else None


def by_name(client: MarketoClient, asset_type: str, name: str, folder: Record | None = None) -> Record | None:
    """
    Find an asset by its name (``<asset_type>.get_by_name``, or ``<asset_type>.get`` if there is no such operation).

    :param client: the instance.
    :param asset_type: type of the asset, such as ``emails``.
    :param name: the asset's name.
    :param folder: the folder or program that the asset is in, ``{"id", "type"}``; None for anywhere.
    :return: the record; None if the asset does not exist.
    :raises MarketoInvalidRequestError: several assets have the name, or the name contains a comma.
    """
    found = [record for record in _named(client, asset_type, name) if folder is None or home_of(record) == folder]
    if len(found) > 1:
        places = " and ".join(f"{home_of(record)}" for record in found[:3])
        raise MarketoInvalidRequestError(
            f"{len(found)} {asset_type} have the name {name!r}, in {places}",
            parameter="name",
            remedy="Say which one: with folder, or with asset_id.",
        )
    return found[0] if found else None


def place(client: MarketoClient, given: Record) -> dict[str, Any]:
    """
    Return the id and type of a folder or program, as operations take them.

    :param client: the instance.
    :param given: ``{"id", "type"}``, which is returned unchanged, or ``{"name", "type"}``. The name of a folder may be
        its path, which begins with a slash.
    :raises MarketoNotFoundError: the folder or program does not exist; the error suggests the nearest names.
    :raises MarketoInvalidRequestError: several folders have the name.
    """
    if "id" in given:
        return dict(given)
    name, kind = given["name"], given["type"]
    if kind == "Program":
        program = by_name(client, "programs", name)
        if program is None:
            raise no_such_name(client, "programs", name, "folder", f"program {name!r}")
        return {"id": id_of(program, "a program"), "type": kind}
    found = _folders(client, name)
    if not found:
        key = "path" if name.startswith("/") else "name"
        raise no_such_name(client, "folders", name, "folder", f"folder {name!r}", key=key, maxDepth=_DEEPEST)
    if len(found) > 1:
        paths = " and ".join(str(record.get("path")) for record in found[:3])
        raise MarketoInvalidRequestError(
            f"{len(found)} folders have the name {name!r}: {paths}",
            parameter="folder",
            remedy="Give the path of the one that you mean, or its id.",
        )
    return {"id": id_of(found[0], "a folder"), "type": kind}


def _folders(client: MarketoClient, name: str) -> list[Record]:
    """Return the folders that have a name or a path."""
    path = name.rstrip("/") if name.startswith("/") else None
    try:
        records = client.call("folders.get_by_name", name=path.rpartition("/")[2] if path else name).records
    except MarketoNotFoundError:
        return []
    with reading("folders.get_by_name"):
        folders = [each for each in records if str(each.get("folderId", {}).get("type", "Folder")).lower() == "folder"]
    return [each for each in folders if path is None or str(each.get("path")).rstrip("/") == path]


def _named(client: MarketoClient, asset_type: str, name: str) -> list[Record]:
    if "," in name:
        raise MarketoInvalidRequestError(
            f"the name {name!r} has a comma, and Marketo cannot search for such names",
            parameter="name",
            remedy="Give the asset's id, or rename the asset. For a new asset, choose a name without a comma.",
        )
    family = {operation.name for operation in operations.all_operations() if operation.family == asset_type}
    if f"{asset_type}.get_by_name" in family:
        try:
            return list(client.paginate(f"{asset_type}.get_by_name", name=name))
        except MarketoNotFoundError:
            return []
    return [record for record in client.paginate(f"{asset_type}.get", maxReturn=_PAGE) if record["name"] == name]


def home_of(record: Record) -> dict[str, Any] | None:
    """
    Return the folder or program that an asset is in.

    Marketo writes the folder in three forms, and its type in any case. For files it gives the file's type instead.

    :param record: the asset's record.
    """
    folder = record.get("folder") or record.get("parent") or {}
    number = folder.get("value", folder.get("id"))
    kind = "Program" if str(folder.get("type")).lower() == "program" else "Folder"
    return {"id": int(number), "type": kind} if number is not None else None


def url_of(record: Record) -> str | None:
    """
    Return the address of an asset in Marketo's UI.

    :param record: the asset's record.
    """
    return record.get("url") or record.get("computedUrl")


def shown(record: Record) -> str:
    """
    Return an asset's id, name and address for a log line.

    :param record: the asset's record.
    """
    url = url_of(record)
    return f"{record.get('id')} {record.get('name')!r}" + (f" {url}" if url else "")


def no_such_name(
    client: MarketoClient, asset_type: str, name: str, parameter: str, what: str, *, key: str = "name", **query: Any
) -> MarketoNotFoundError:
    """
    Return the error for a name that no asset has. It suggests the nearest names of assets.

    :param client: the instance.
    :param asset_type: type of the asset, such as ``emails``.
    :param name: the name as it was given.
    :param parameter: the argument that has the name.
    :param what: the asset in words, with its name.
    :param key: the member of records that holds the name.
    :param query: further parameters of the operation that lists the assets.
    """
    try:
        records = client.paginate(f"{asset_type}.get", maxReturn=_PAGE, **query)
        known = [str(record.get(key)) for record in islice(records, _MOST_NAMES)]
    except MarketoError:
        known = []  # the error about the name matters more
    return MarketoNotFoundError(
        f"{what} does not exist, or the API user cannot see it",
        parameter=parameter,
        remedy=which_of(name, known),
    )


def which_of(name: str, known: Iterable[str]) -> str | None:
    """
    Return a sentence that suggests the names nearest to a name; None if no name is near.

    :param name: the name as it was given.
    :param known: the existing names.
    """
    near = nearest(name, known, most=3)
    return did_you_mean([repr(each) for each in near]) if near else None
