"""Handlers for e-mails, e-mail templates and fragments of Marketo's new designer."""

from __future__ import annotations

import copy
from functools import wraps
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.handlers import assets as classic
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.request import missing
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.asset_kinds import KINDS
from airflow_provider_marketo.simulator.store.assets import FOLDER, PROGRAM, WORKSPACE, Asset, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_FAMILIES = ("emails_v2", "email_templates_v2", "fragments_v2")
_APP = "marketo"
_MAX_PAGE_SIZE = 50
WORKSPACE_ID = "1"
_VALUES = ("description", "data", "headers", "settings", "editorContext", "templateId")


def _for_each_family(
    verb: str,
) -> Callable[[Callable[[Instance, Request], Reply]], Callable[[Instance, Request], Reply]]:
    def register(handler: Callable[[Instance, Request], Reply]) -> Callable[[Instance, Request], Reply]:
        @wraps(handler)
        def checked(instance: Instance, request: Request) -> Reply:
            # Adobe's specification allows only the value "marketo", except for the bulk calls, where it allows any.
            app = request.headers.get("x-app-type", "")
            if not app:
                raise missing("x-app-type")
            if app != _APP and not verb.startswith("bulk_"):
                raise ApiError("1003", f"Invalid value '{app}' for 'x-app-type'")
            return handler(instance, request)

        return answers(*(f"{family}.{verb}" for family in _FAMILIES))(checked)

    return register


def _show(instance: Instance, asset: Asset) -> dict[str, Any]:
    states = [name for name, version in (("approved", asset.live), ("draft", asset.draft)) if version is not None]
    location = asset.location
    place = {"programId" if location.type == PROGRAM else "folderId": str(location.id)}
    return {
        "id": asset.id,
        "virtualId": asset.id,
        "externalId": str(asset.id),
        "name": asset.name,
        **{name: value for name, value in asset.newest.items() if name in _VALUES},
        "status": states[0],
        "state": states[-1],
        "associatedStates": [{"contentId": asset.id, "externalId": str(asset.id), "state": state} for state in states],
        "appData": {**place, "workspaceId": WORKSPACE_ID, "workspaceName": WORKSPACE, "editorType": "designer"},
        "metadata": {
            "createdBy": "airflow@example.org",
            "createdAt": timestamp(asset.created),
            "modifiedBy": "airflow@example.org",
            "modifiedAt": timestamp(asset.updated),
        },
    }


def _requested_asset(instance: Instance, request: Request, name: str = "id") -> Asset:
    return instance.store.assets.find(request.operation.family, request[name])


@_for_each_family("get_by_id")
def get_by_id(instance: Instance, request: Request) -> Reply:
    return Envelope([_show(instance, _requested_asset(instance, request))])


@_for_each_family("list")
def find(instance: Instance, request: Request) -> Reply:
    def fits(asset: Asset) -> bool:
        states = {name for name, version in (("approved", asset.live), ("draft", asset.draft)) if version is not None}
        wanted = {str(status).lower() for status in request.get("status") or ()}
        return (
            request["workspaceId"] == WORKSPACE_ID
            and (not wanted or bool(states & wanted))
            and request.get("name", "").lower() in asset.name.lower()
            and ("folderId" not in request.parameters or str(asset.location.id) == str(request["folderId"]))
            and _after(request.get("modifiedAtStart"), asset.updated)
            and _after(request.get("createdAtStart"), asset.created)
            and _before(request.get("modifiedAtEnd"), asset.updated)
            and _before(request.get("createdAtEnd"), asset.created)
        )

    rows = [asset for asset in instance.store.assets.records(request.operation.family) if fits(asset)]
    index, size = _paging(request)
    items = [_show(instance, asset) for asset in rows[index * size : (index + 1) * size]]
    return Envelope({"totalItems": len(rows), "pageSize": size, "currentPage": index, "items": items})


def _after(moment: Any, seconds: int) -> bool:
    return moment is None or seconds >= moment.timestamp()


def _before(moment: Any, seconds: int) -> bool:
    return moment is None or seconds <= moment.timestamp()


def _paging(request: Request) -> tuple[int, int]:
    index, size = int(request.get("pageIndex", 0)), int(request.get("pageSize", _MAX_PAGE_SIZE))
    if index < 0 or not 1 <= size <= _MAX_PAGE_SIZE:
        raise ApiError("701", f"pageSize must be between 1 and {_MAX_PAGE_SIZE}")
    return index, size


@_for_each_family("create")
def create(instance: Instance, request: Request) -> Reply:
    family = request.operation.family
    location = _location(instance, family, request["appData"])
    asset = instance.store.assets.add(family, request["name"], location, _values(instance, request), instance.now)
    return Envelope([_show(instance, asset)])


def _location(instance: Instance, family: str, place: Mapping[str, Any]) -> Location:
    store, kind = instance.store.assets, KINDS[family]
    for member, location_type in (("programId", PROGRAM), ("folderId", FOLDER)):
        if place.get(member) is not None:
            return store.location({"type": location_type, "id": place[member]}, kind=kind)
    if place.get("workspaceId") is None:
        raise ApiError("701", "appData needs a folderId or a workspaceId")
    folder = next(folder for folder in store.folders.values() if folder.type == kind.folder_type)
    return Location(FOLDER, folder.id)


def _values(instance: Instance, request: Request) -> dict[str, Any]:
    """Return what a request sets. The content of a template replaces content that is sent beside it."""
    values = {name: request[name] for name in _VALUES if name in request.parameters}
    if "templateId" in values:
        template = instance.store.assets.find("email_templates_v2", values["templateId"])
        values["data"] = copy.deepcopy(template.shown["data"])
    return values


@_for_each_family("clone")
def clone(instance: Instance, request: Request) -> Reply:
    asset, new = _requested_asset(instance, request, "assetId"), request["newAsset"]
    values = {"description": new["description"]} if new.get("description") else {}
    copied = instance.store.assets.clone(asset, new["name"], asset.location, instance.now, **values)
    return Envelope([_show(instance, copied)])


@_for_each_family("update")
def update(instance: Instance, request: Request) -> Reply:
    asset = _requested_asset(instance, request)
    instance.store.assets.change(asset, instance.now, request.get("name"), **_values(instance, request))
    return Envelope([_show(instance, asset)])


@_for_each_family("update_status")
def update_status(instance: Instance, request: Request) -> Reply:
    asset = _requested_asset(instance, request, "contentId")
    _TRANSITIONS[request["action"]](instance, asset)
    return Envelope([_show(instance, asset)])


def _create_draft(instance: Instance, asset: Asset) -> None:
    if asset.draft is not None:
        raise ApiError("709", f"{asset.kind.title} {asset.id} already has a draft")
    instance.store.assets.change(asset, instance.now)


_TRANSITIONS: Mapping[str, Callable[[Instance, Asset], None]] = {
    "approve": classic.approve,
    "unapprove": classic.unapprove,
    "discard": classic.discard,
    "create_draft": _create_draft,
}


@_for_each_family("delete")
def delete(instance: Instance, request: Request) -> Reply:
    classic.delete(instance, _requested_asset(instance, request))
    return Envelope()


@_for_each_family("get_used_by")
def get_used_by(instance: Instance, request: Request) -> Reply:
    rows = instance.store.assets.users(_requested_asset(instance, request, "assetId"))
    index, size = _paging(request)
    result = [
        {"id": user.id, "name": user.name, "type": user.kind.title} for user in rows[index * size : (index + 1) * size]
    ]
    return Envelope(result, {"pageDetails": {"totalItems": len(rows), "pageSize": size, "currentPage": index}})


@_for_each_family("bulk_get")
def bulk_get(instance: Instance, request: Request) -> Reply:
    return Envelope([_show(instance, asset) for asset in _several(instance, request)])


@_for_each_family("bulk_get_used_by")
def bulk_used_by(instance: Instance, request: Request) -> Reply:
    return Envelope(
        [
            {"id": asset.id, "name": asset.name, "count": count, "used": count > 0}
            for asset in _several(instance, request)
            for count in (len(instance.store.assets.users(asset)),)
        ]
    )


@_for_each_family("bulk_delete")
def bulk_delete(instance: Instance, request: Request) -> Reply:
    found = _several(instance, request)
    for asset in found:
        if instance.store.assets.users(asset) and not request.get("ignoreUsedBy"):
            raise ApiError("709", f"{asset.kind.title} {asset.id} is in use")
    for asset in found:
        instance.store.assets.remove(asset)
    return Envelope()


def _several(instance: Instance, request: Request) -> list[Asset]:
    return [instance.store.assets.find(request.operation.family, each) for each in request["assetIds"]]
