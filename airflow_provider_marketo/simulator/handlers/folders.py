"""Handlers for folders and their My Tokens."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import asset_timestamp, parse_day
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.asset_kinds import DATABASE, MARKETING
from airflow_provider_marketo.simulator.store.assets import FOLDER, PROGRAM, UI, WORKSPACE, Folder, Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_FOLDER_TYPES = {MARKETING: "Marketing Folder", DATABASE: "Marketing Folder"}
_PROGRAM_FOLDER_TYPES = {"Event": "Marketing Event", "Engagement": "Nurture Program", "Email": "Email Batch Program"}
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
        "folderType": "Zone" if parent is None else _FOLDER_TYPES.get(folder.type, folder.type),
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
    parent = program.location
    return {
        "id": program_id,
        "folderId": {"id": program_id, "type": PROGRAM},
        "name": program.name,
        "description": program.shown["description"],
        "parent": {"id": parent.id, "type": parent.type},
        "path": f"{store.path(store.folders[parent.id])}/{program.name}",
        "folderType": _PROGRAM_FOLDER_TYPES.get(program.shown["type"], "Marketing Program"),
        "isArchive": False,
        "isSystem": False,
        "accessZoneId": 1,
        "workspace": WORKSPACE,
        "url": program.url,
        "createdAt": asset_timestamp(program.created),
        "updatedAt": asset_timestamp(program.updated),
    }


def _show_location(instance: Instance, location: Location) -> dict[str, Any]:
    if location.type == PROGRAM:
        return _show_program(instance, location.id)
    return _show(instance, instance.store.assets.folders[location.id])


@answers("folders.get_by_id")
def get_by_id(instance: Instance, request: Request) -> Reply:
    store, location = instance.store.assets, Location(request["type"], request["id"])
    known = location.id in (store.by_family["programs"] if location.type == PROGRAM else store.folders)
    return Envelope([_show_location(instance, location)]) if known else NOTHING_FOUND


@answers("folders.get_by_name")
def get_by_name(instance: Instance, request: Request) -> Reply:
    root = _root(instance, request)
    _check_workspace(request)
    found = [
        _show(instance, folder)
        for folder in instance.store.assets.folders.values()
        if request.get("type", FOLDER) == FOLDER
        if folder.name == request["name"] and (root is None or _below(instance, folder, root))
    ]
    return Envelope(found) if found else NOTHING_FOUND


@answers("folders.get")
def get(instance: Instance, request: Request) -> Reply:
    root = _root(instance, request)
    _check_workspace(request)
    store = instance.store.assets
    starts = (
        [Location(FOLDER, folder.id) for folder in store.folders.values() if folder.parent is None]
        if root is None
        else [root]
    )
    below = _children(instance)
    rows = [location for start in starts for location in _walk(below, start, request.get("maxDepth", 2))]
    return asset_page(request, rows, lambda location: _show_location(instance, location))


@answers("folders.get_contents")
def get_contents(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    location = store.location({"type": request["type"], "id": request["id"]})
    rows = [
        *({"id": folder.id, "type": FOLDER} for folder in store.subfolders(location)),
        # The ids of the new designer's assets are texts, and only the designer's own calls list these assets.
        *({"id": each.id, "type": each.kind.title} for each in store.inside(location) if isinstance(each.id, int)),
    ]
    return asset_page(request, rows, lambda row: row)


@answers("folders.create")
def create(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    parent = store.location(request["parent"])
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
    if folder.archived:
        _stop_campaigns(instance, Location(FOLDER, folder.id))
    folder.updated = instance.now
    return Envelope([_show(instance, folder)])


@answers("folders.delete")
def delete(instance: Instance, request: Request) -> Reply:
    folder = _changeable(instance, request)
    store, location = instance.store.assets, Location(FOLDER, folder.id)
    if any(store.inside(location)) or any(store.subfolders(location)):
        raise ApiError("709", f"Folder {folder.id} is not empty")
    del store.folders[folder.id]
    return Envelope([{"id": folder.id}])


def _changeable(instance: Instance, request: Request) -> Folder:
    """
    Return the folder that the request names.

    :raises ApiError: 702, it does not exist; 709 or 711, it cannot be changed.
    """
    if request["type"] == PROGRAM:
        raise ApiError("711", "Programs cannot be changed as folders")
    folder = instance.store.assets.folders.get(request["id"])
    if folder is None:
        raise ApiError("702", f"Folder {request['id']} not found")
    if folder.system:
        raise ApiError("709", f"Folder {folder.id} belongs to Marketo and cannot be changed")
    return folder


def _stop_campaigns(instance: Instance, archived: Location) -> None:
    """Deactivate and deschedule the campaigns in a folder that is archived, as Marketo does since autumn 2026."""
    store = instance.store.assets
    inside = [each for each in store.records("smart_campaigns") if archived in store.with_ancestors(each.location)]
    for campaign in inside:
        if campaign.shown["isActive"] or campaign.shown["status"] == "Single Run":
            store.change(campaign, instance.now, isActive=False, status="Inactive")
    stopped = {campaign.id for campaign in inside}
    store.sendings = [
        each
        for each in store.sendings
        if each.run_at is None or each.run_at <= instance.now or each.asset_id not in stopped
    ]


def _check_workspace(request: Request) -> None:
    """:raises ApiError: 611, as in recordings of Marketo: the workspace does not exist."""
    if request.get("workSpace", WORKSPACE) != WORKSPACE:
        raise ApiError("611")


def _root(instance: Instance, request: Request) -> Location | None:
    return instance.store.assets.location(request["root"]) if "root" in request.parameters else None


def _below(instance: Instance, folder: Folder, root: Location) -> bool:
    return root in instance.store.assets.with_ancestors(Location(FOLDER, folder.id))


def _walk(below: Mapping[Location, Sequence[Location]], location: Location, depth: int) -> Iterator[Location]:
    yield location
    for child in below.get(location, ()) if depth > 0 else ():
        yield from _walk(below, child, depth - 1)


def _children(instance: Instance) -> Mapping[Location, Sequence[Location]]:
    """Return the folders and programs directly in each folder or program."""
    below: dict[Location, list[Location]] = defaultdict(list)
    for folder in instance.store.assets.folders.values():
        if folder.parent is not None:
            below[folder.parent].append(Location(FOLDER, folder.id))
    for program in instance.store.assets.records("programs"):
        below[program.location].append(Location(PROGRAM, int(program.id)))
    return below


@answers("tokens.get_by_folder_id")
def get_tokens(instance: Instance, request: Request) -> Reply:
    location = _place(instance, request)
    if not instance.store.assets.tokens.get(location):
        return NOTHING_FOUND
    return Envelope([_show_tokens(instance, location)])


def _show_tokens(instance: Instance, location: Location) -> dict[str, Any]:
    tokens = instance.store.assets.tokens.get(location, {})
    return {
        "folder": {"type": location.type, "value": location.id, "folderName": instance.store.assets.name_of(location)},
        "tokens": [
            {"name": name, "type": kind, "value": value, "computedUrl": f"{UI}/#MF{location.id}A1"}
            for (name, kind), value in tokens.items()
        ],
    }


@answers("tokens.create")
def create_token(instance: Instance, request: Request) -> Reply:
    location, name, kind = _place(instance, request), request["name"], request["type"]
    if len(name) > _MAX_TOKEN_NAME_LENGTH:
        raise ApiError("701", f"Token name must not be longer than {_MAX_TOKEN_NAME_LENGTH} characters")
    if kind not in _TOKEN_TYPES:
        raise ApiError("701", f"Invalid token type '{kind}'")
    _check_value(kind, request["value"])
    instance.store.assets.tokens.setdefault(location, {})[name, kind] = request["value"]
    return Envelope([_show_tokens(instance, location)])


@answers("tokens.delete_by_name")
def delete_token(instance: Instance, request: Request) -> Reply:
    location = _place(instance, request)
    if instance.store.assets.tokens.get(location, {}).pop((request["name"], request["type"]), None) is None:
        raise ApiError("702", f"Token '{request['name']}' not found")
    return Envelope([{"id": location.id}])


def _place(instance: Instance, request: Request) -> Location:
    return instance.store.assets.location({"type": request.get("folderType", FOLDER), "id": request["id"]})


def _check_value(kind: str, value: str) -> None:
    if kind == "date":
        try:
            parse_day(value)
        except ValueError:
            raise ApiError("704", f"Invalid date '{value}'") from None
    if kind == "score" and not (_SCORE.fullmatch(value) and -(2**31) <= int(value) < 2**31):
        raise ApiError("701", f"Invalid score '{value}'")
    if kind == "number":
        try:
            float(value)
        except ValueError:
            raise ApiError("701", f"Invalid number '{value}'") from None
