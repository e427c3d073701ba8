"""Handlers for folders and their My Tokens."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.assets import asset_timestamp
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.assets import FOLDER, PROGRAM, UI, WORKSPACE, Folder, Home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_TOKEN_TYPES = ("date", "number", "rich text", "score", "sfdc campaign", "text")
_MAX_TOKEN_NAME_LENGTH = 50
_SCORE = re.compile(r"[+-]?\d+")


def _show(instance: Instance, folder: Folder) -> dict[str, Any]:
    parent = folder.parent
    return {
        "id": folder.id,
        "folderId": {"id": folder.id, "type": FOLDER},
        "name": folder.name,
        "description": folder.description,
        "parent": {"id": parent.id, "type": parent.type} if parent else None,
        "path": instance.store.assets.path(folder),
        "folderType": "Marketing Folder" if folder.type == "Marketing Activities" else folder.type,
        "isArchive": folder.archived,
        "isSystem": folder.system,
        "accessZoneId": 1,
        "workspace": WORKSPACE,
        "url": f"{UI}/#MF{folder.id}A1",
        "createdAt": asset_timestamp(folder.created),
        "updatedAt": asset_timestamp(folder.updated),
    }


def _show_program(instance: Instance, program_id: int) -> dict[str, Any]:
    """Return the record of a program in the format of folders."""
    store = instance.store.assets
    program = store.by_family["programs"][program_id]
    parent = program.home
    return {
        "id": program_id,
        "folderId": {"id": program_id, "type": PROGRAM},
        "name": program.name,
        "description": program.shown["description"],
        "parent": {"id": parent.id, "type": parent.type},
        "path": f"{store.path(store.folders[parent.id])}/{program.name}",
        "folderType": "Marketing Program",
        "isArchive": False,
        "isSystem": False,
        "accessZoneId": 1,
        "workspace": WORKSPACE,
        "url": program.url,
        "createdAt": asset_timestamp(program.created),
        "updatedAt": asset_timestamp(program.updated),
    }


@answers("folders.get_by_id")
def get_by_id(instance: Instance, request: Request) -> Reply:
    home = Home(request["type"], request["id"])
    store = instance.store.assets
    if home.type == PROGRAM:
        return Envelope([_show_program(instance, home.id)]) if home.id in store.by_family["programs"] else NOTHING_FOUND
    return Envelope([_show(instance, store.folders[home.id])]) if home.id in store.folders else NOTHING_FOUND


@answers("folders.get_by_name")
def get_by_name(instance: Instance, request: Request) -> Reply:
    root = _root(instance, request)
    found = [
        _show(instance, folder)
        for folder in instance.store.assets.folders.values()
        if folder.name == request["name"] and (root is None or _below(instance, folder, root))
    ]
    return Envelope(found) if found else NOTHING_FOUND


@answers("folders.get")
def get(instance: Instance, request: Request) -> Reply:
    root = _root(instance, request)
    store = instance.store.assets
    starts = (
        [Home(FOLDER, folder.id) for folder in store.folders.values() if folder.parent is None]
        if root is None
        else [root]
    )
    below = _children(instance)
    rows = [home for start in starts for home in _walk(below, start, request.get("maxDepth", 2))]
    return asset_page(
        request,
        rows,
        lambda home: (
            _show(instance, store.folders[home.id]) if home.type == FOLDER else _show_program(instance, home.id)
        ),
    )


@answers("folders.get_contents")
def get_contents(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    home = store.home({"type": request["type"], "id": request["id"]})
    rows = [
        *({"id": folder.id, "type": FOLDER} for folder in store.subfolders(home)),
        *({"id": asset.id, "type": asset.kind.title} for asset in store.inside(home)),
    ]
    return asset_page(request, rows, lambda row: row)


@answers("folders.create")
def create(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    parent = store.home(request["parent"])
    if any(folder.name == request["name"] for folder in store.subfolders(parent)):
        raise ApiError("709", f"Folder name already exists: {request['name']}")
    kind = "Marketing Activities" if parent.type == PROGRAM else store.folders[parent.id].type
    folder = store.add_folder(request["name"], parent, kind, instance.now, description=request.get("description", ""))
    return Envelope([_show(instance, folder)])


@answers("folders.update_metadata")
def update(instance: Instance, request: Request) -> Reply:
    folder = _changeable(instance, request)
    folder.name = request.get("name", folder.name)
    folder.description = request.get("description", folder.description)
    folder.archived = request.get("isArchive", folder.archived)
    folder.updated = instance.now
    return Envelope([_show(instance, folder)])


@answers("folders.delete")
def delete(instance: Instance, request: Request) -> Reply:
    folder = _changeable(instance, request)
    store, home = instance.store.assets, Home(FOLDER, folder.id)
    if any(store.inside(home)) or any(store.subfolders(home)):
        raise ApiError("709", f"Folder {folder.id} is not empty")
    del store.folders[folder.id]
    return Envelope([{"id": folder.id}])


def _changeable(instance: Instance, request: Request) -> Folder:
    """
    Return the folder that the request names.

    :raises ApiError: 702 if it does not exist, 709 or 711 if it cannot be changed.
    """
    if request["type"] == PROGRAM:
        raise ApiError("711", "Programs cannot be changed as folders")
    folder = instance.store.assets.folders.get(request["id"])
    if folder is None:
        raise ApiError("702", f"Folder {request['id']} not found")
    if folder.system:
        raise ApiError("709", f"Folder {folder.id} belongs to Marketo and cannot be changed")
    return folder


def _root(instance: Instance, request: Request) -> Home | None:
    return instance.store.assets.home(request["root"]) if "root" in request.parameters else None


def _below(instance: Instance, folder: Folder, root: Home) -> bool:
    return root in (Home(FOLDER, folder.id), *_ancestors(instance, folder))


def _ancestors(instance: Instance, folder: Folder) -> Iterator[Home]:
    store, home = instance.store.assets, folder.parent
    while home is not None:
        yield home
        home = store.folders[home.id].parent if home.type == FOLDER else store.by_family["programs"][home.id].home


def _walk(below: Mapping[Home, Sequence[Home]], home: Home, depth: int) -> Iterator[Home]:
    yield home
    for child in below.get(home, ()) if depth > 0 else ():
        yield from _walk(below, child, depth - 1)


def _children(instance: Instance) -> Mapping[Home, Sequence[Home]]:
    """Return the folders and programs directly in each folder or program."""
    below: dict[Home, list[Home]] = defaultdict(list)
    for folder in instance.store.assets.folders.values():
        if folder.parent is not None:
            below[folder.parent].append(Home(FOLDER, folder.id))
    for program in instance.store.assets.records("programs"):
        below[program.home].append(Home(PROGRAM, int(program.id)))
    return below


@answers("tokens.get_by_folder_id")
def get_tokens(instance: Instance, request: Request) -> Reply:
    home = _place(instance, request)
    if not instance.store.assets.tokens.get(home):
        return NOTHING_FOUND
    return Envelope([_show_tokens(instance, home)])


def _show_tokens(instance: Instance, home: Home) -> dict[str, Any]:
    tokens = instance.store.assets.tokens.get(home, {})
    return {
        "folder": {"type": home.type, "value": home.id, "folderName": instance.store.assets.name_of(home)},
        "tokens": [
            {"name": name, "type": kind, "value": value, "computedUrl": f"{UI}/#MF{home.id}A1"}
            for (name, kind), value in tokens.items()
        ],
    }


@answers("tokens.create")
def create_token(instance: Instance, request: Request) -> Reply:
    home, name, kind = _place(instance, request), request["name"], request["type"]
    if len(name) > _MAX_TOKEN_NAME_LENGTH:
        raise ApiError("701", f"Token name must not be longer than {_MAX_TOKEN_NAME_LENGTH} characters")
    if kind not in _TOKEN_TYPES:
        raise ApiError("701", f"Invalid token type '{kind}'")
    _check_value(kind, request["value"])
    instance.store.assets.tokens.setdefault(home, {})[name, kind] = request["value"]
    return Envelope([_show_tokens(instance, home)])


@answers("tokens.delete_by_name")
def delete_token(instance: Instance, request: Request) -> Reply:
    home = _place(instance, request)
    if instance.store.assets.tokens.get(home, {}).pop((request["name"], request["type"]), None) is None:
        raise ApiError("702", f"Token '{request['name']}' not found")
    return Envelope([{"id": home.id}])


def _place(instance: Instance, request: Request) -> Home:
    return instance.store.assets.home({"type": request.get("folderType", FOLDER), "id": request["id"]})


def _check_value(kind: str, value: str) -> None:
    if kind == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ApiError("704", f"Invalid date '{value}'") from None
    if kind == "score" and not (_SCORE.fullmatch(value) and -(2**31) <= int(value) < 2**31):
        raise ApiError("701", f"Invalid score '{value}'")
    if kind == "number":
        try:
            float(value)
        except ValueError:
            raise ApiError("701", f"Invalid number '{value}'") from None
