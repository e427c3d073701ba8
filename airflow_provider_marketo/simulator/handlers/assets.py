"""
Handlers that all kinds of Marketo assets share: query, create, clone, update, approve, delete.

The table of kinds describes the differences. A kind has the operations that the catalogue lists for its family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.dates import asset_timestamp
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.request import Upload
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.asset_kinds import KINDS, Kind
from airflow_provider_marketo.simulator.store.assets import WORKSPACE, Asset, Location
from airflow_provider_marketo.simulator.store.template_markup import markup_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_NOT_MEMBERS = ("id", "name", "folder", "status", "file", "content", "template", "workspace", "insertOnly")
_MEMBER_NAMES = {"isArchive": "isArchived", "published": "publishToMSI", "prefillForm": "formPrefill"}
_HEADERS = ("subject", "fromName", "fromEmail", "replyEmail")
_NOT_IN_LISTS = ("tags", "costs")
_BOTH = "approved with draft"


def show(instance: Instance, asset: Asset, version: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Return the record of an asset.

    :param version: the approved version or the draft; by default the version that Marketo shows.
    """
    version = asset.shown if version is None else version
    record = {
        "id": asset.id,
        "name": asset.name,
        **{name: value for name, value in version.items() if name not in _HIDDEN},
        "createdAt": asset_timestamp(asset.created),
        "updatedAt": asset_timestamp(asset.updated),
        "folder": _folder(instance, asset),
    }
    if asset.kind.shape != "named":
        record["workspace"] = WORKSPACE
    if asset.kind.url is not None:
        record[asset.kind.url] = asset.url
    if asset.kind.drafts:
        record["status"] = "approved" if version is asset.live else "draft"
    return record


_HIDDEN = ("html", "content", "sections", "fields", "variables", "segments", "variants")


def _folder(instance: Instance, asset: Asset) -> dict[str, Any]:
    location, name = asset.location, instance.store.assets.name_of(asset.location)
    if asset.kind.shape == "plain":
        return {"id": location.id, "type": location.type}
    if asset.kind.shape == "named":
        return {"type": location.type, "id": location.id, "name": name}
    return {"type": location.type, "value": location.id, "folderName": name}


def version_of(asset: Asset, status: str | None) -> dict[str, Any] | None:
    """Return the version of an asset with a status; None if it does not exist."""
    if status is None:
        return asset.shown
    if status == _BOTH:
        return asset.live if asset.draft is not None else None
    return asset.live if status == "approved" else asset.draft


def requested_asset(instance: Instance, request: Request, family: str | None = None) -> Asset:
    """
    Return the asset that the request names by id.

    :param family: operation family of the asset; by default that of the operation.
    :raises ApiError: 702, the asset does not exist.
    """
    return instance.store.assets.find(family or request.operation.family, request["id"])


def check_lead(instance: Instance, request: Request) -> None:
    """
    Check the lead for which a request renders or sends an asset.

    :raises ApiError: 1004, the lead does not exist.
    """
    lead_id = request.get("leadId")
    if lead_id is None:
        return
    text = str(lead_id)
    if not text.isdecimal() or int(text) not in instance.store.leads:
        raise ApiError("1004", f"Lead '{lead_id}' not found")


def markup_of_file(request: Request, name: str, forbidden: Sequence[str] = ("<script",)) -> str:
    """
    Return the HTML in a file of a multipart body.

    :param name: name of the parameter.
    :param forbidden: tags that the HTML must not have.
    :raises ApiError: 701, it is not a file; 709, it is not UTF-8 or has a forbidden tag.
    """
    upload = request[name]
    if not isinstance(upload, Upload):
        raise ApiError("701", f"{name} is not a file")
    try:
        markup = upload.content.decode("utf-8")
    except UnicodeDecodeError:
        raise ApiError("709", f"{name} is not UTF-8") from None
    if any(tag in markup.lower() for tag in forbidden):
        raise ApiError("709", f"{name} must not have the tags {', '.join(tag.lstrip('<') for tag in forbidden)}")
    return markup


def id_reply(asset: Asset) -> Envelope:
    """Return the reply of changes that answer with the id alone."""
    return Envelope([{"id": asset.id}])


def _get(instance: Instance, request: Request) -> Reply:
    status = request.get("status")
    rows = [
        (asset, version)
        for asset in filter_assets(instance, request, instance.store.assets.records(request.operation.family))
        if (version := version_of(asset, status)) is not None
    ]
    return asset_page(request, rows, lambda row: _listed(show(instance, *row)))


def filter_assets(instance: Instance, request: Request, assets: Iterable[Asset]) -> list[Asset]:
    """Return the assets that match the request's folder, dates of the last change, and ``isActive``."""
    earliest, latest = request.get("earliestUpdatedAt"), request.get("latestUpdatedAt")
    if earliest and latest and latest <= earliest:
        raise ApiError("701", "End date should always be after start date")
    location = instance.store.assets.location(request["folder"]) if "folder" in request.parameters else None
    active = request.get("isActive")
    return [
        asset
        for asset in assets
        if (location is None or asset.location == location)
        and (earliest is None or asset.updated >= earliest.timestamp())
        and (latest is None or asset.updated <= latest.timestamp())
        and (active is None or asset.shown["isActive"] == active)
    ]


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in _NOT_IN_LISTS}


def _get_by_id(instance: Instance, request: Request) -> Reply:
    if request.operation.family == "static_lists":
        requested_asset(instance, request)  # an unknown one is 702, as in recordings of Marketo
    asset = instance.store.assets.by_family[request.operation.family].get(request["id"])
    version = version_of(asset, request.get("status")) if asset is not None else None
    return NOTHING_FOUND if asset is None or version is None else Envelope([show(instance, asset, version)])


def _get_by_name(instance: Instance, request: Request) -> Reply:
    store = instance.store.assets
    location = store.location(request["folder"]) if "folder" in request.parameters else None
    found = [
        show(instance, asset, version)
        for asset in store.named(request.operation.family, request["name"], location)
        if "," not in asset.name and (version := version_of(asset, request.get("status"))) is not None
    ]
    return Envelope(found) if found else NOTHING_FOUND


def _create(instance: Instance, request: Request) -> Reply:
    store, kind = instance.store.assets, KINDS[request.operation.family]
    name = request.required("name")
    location = store.location(request["folder"], kind=kind)
    values = values_of(request)
    if "template" in request.parameters:
        values["template"] = _template(instance, kind, int(request["template"]))
    if kind.content and "content" in request.parameters:
        values[kind.content] = _template_markup(request)
    if kind.family == "smart_campaigns":
        values["parentProgramId"] = store.program_of(location)
    return Envelope([show(instance, store.add(kind.family, name, location, values, instance.now))])


def values_of(request: Request) -> dict[str, Any]:
    """Return the parameters that are members of the asset's record, by the names that records use."""
    return {
        _MEMBER_NAMES.get(name, name): {"type": "Text", "value": value} if name in _HEADERS else value
        for name, value in request.parameters.items()
        if name not in _NOT_MEMBERS
    }


def _template(instance: Instance, kind: Kind, template_id: int) -> int:
    assert kind.template is not None  # the catalogue has the parameter for kinds with templates only
    template = instance.store.assets.find(kind.template, template_id)
    if template.live is None:
        raise ApiError("709", f"Template {template_id} is not approved")
    return template_id


def _clone(instance: Instance, request: Request) -> Reply:
    store, asset = instance.store.assets, requested_asset(instance, request)
    location = store.location(request["folder"], kind=asset.kind)
    values = {name: request[name] for name in ("description", "operational") if name in request.parameters}
    return Envelope([show(instance, store.clone(asset, request["name"], location, instance.now, **values))])


def _update(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request)
    instance.store.assets.change(asset, instance.now, request.get("name"), **values_of(request))
    return Envelope([show(instance, asset, asset.newest)])


def approve(instance: Instance, asset: Asset) -> None:
    """
    Make the draft the approved version.

    :raises ApiError: 709, there is no draft, or the draft lacks a required member.
    """
    if asset.draft is None:
        raise ApiError("709", f"{asset.kind.title} {asset.id} has no draft to approve")
    missing = [name for name in asset.kind.needed if not _is_set(asset.draft.get(name))]
    if missing:
        lacks = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise ApiError("709", f"{asset.kind.title} {asset.id} cannot be approved: {lacks}")
    asset.live, asset.draft, asset.updated = asset.draft, None, instance.now


def _is_set(value: Any) -> bool:
    return bool(value.get("value", value) if isinstance(value, dict) else value)


def discard(instance: Instance, asset: Asset) -> None:
    """
    Delete the draft and keep the approved version.

    :raises ApiError: 709, one of the two versions does not exist.
    """
    if asset.live is None or asset.draft is None:
        raise ApiError("709", f"{asset.kind.title} {asset.id} has no draft to discard")
    asset.draft, asset.updated = None, instance.now


def unapprove(instance: Instance, asset: Asset) -> None:
    """
    Turn the approved version into the draft; an older draft is lost.

    :raises ApiError: 709, the asset is not approved, or is used.
    """
    if asset.live is None:
        raise ApiError("709", f"{asset.kind.title} {asset.id} is not approved")
    _check_unused(instance, asset)
    asset.live, asset.draft, asset.updated = None, asset.live, instance.now


def _check_unused(instance: Instance, asset: Asset) -> None:
    users = instance.store.assets.users(asset)
    if users:
        raise ApiError("709", f"{asset.kind.title} {asset.id} is used by {users[0].kind.title.lower()} {users[0].id}")


def delete(instance: Instance, asset: Asset) -> None:
    """
    Delete an asset.

    :raises ApiError: 709, the asset is approved, active or used.
    """
    # Forms can be deleted while they are approved: Marketo has no operation to unapprove them.
    if asset.kind.drafts and asset.live is not None and asset.kind.family != "forms":
        raise ApiError("709", f"{asset.kind.title} {asset.id} is approved and cannot be deleted")
    if asset.shown.get("isActive"):
        raise ApiError("709", f"{asset.kind.title} {asset.id} is active and cannot be deleted")
    _check_unused(instance, asset)
    instance.store.assets.remove(asset)


_SHOW_RECORD = frozenset(
    (
        *("email_templates.approve_draft", "email_templates.unapprove_draft", "forms.approve_draft"),
        *("landing_page_templates.approve_draft", "landing_page_templates.unapprove", "landing_pages.unapprove"),
        *("snippets.approve_draft", "snippets.unapprove"),
    )
)
"""Changes of state that Adobe answers with the whole record. All others answer with the id."""


def _handler_for(change: Callable[[Instance, Asset], None]) -> Callable[[Instance, Request], Reply]:
    def handler(instance: Instance, request: Request) -> Reply:
        asset = requested_asset(instance, request)
        change(instance, asset)
        return Envelope([show(instance, asset)]) if request.operation.name in _SHOW_RECORD else id_reply(asset)

    return handler


def _get_used_by(instance: Instance, request: Request) -> Reply:
    return asset_page(
        request,
        instance.store.assets.users(requested_asset(instance, request)),
        lambda user: {
            "id": user.id,
            "name": user.name,
            "type": user.kind.title,
            "status": "approved" if user.live is not None else "draft",
            "updatedAt": asset_timestamp(user.updated),
        },
    )


def _get_content(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request)
    version = version_of(asset, request.get("status"))
    if version is None:
        return NOTHING_FOUND
    status = "approved" if version is asset.live else "draft"
    return Envelope([{"id": asset.id, "status": status, "content": version.get("content", "")}])


def _update_content(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request)
    instance.store.assets.change(asset, instance.now, content=_template_markup(request))
    return id_reply(asset)


def _template_markup(request: Request) -> str:
    """
    Return the HTML of a template.

    :raises ApiError: 709, an e-mail template has no editable section.
    """
    markup = markup_of_file(request, "content")
    if request.operation.family == "email_templates" and not markup_of(markup).sections:
        raise ApiError("709", "The HTML of an email template needs at least one editable section")
    return markup


def delete_contents(instance: Instance, location: Location) -> None:
    """Delete everything in a folder or program, approved or not."""
    store = instance.store.assets
    for asset in list(store.inside(location)):
        store.remove(asset)
    for folder in list(store.subfolders(location)):
        delete_contents(instance, Location("Folder", folder.id))
        del store.folders[folder.id]


_COMMON_HANDLERS: Mapping[str, Callable[[Instance, Request], Reply]] = {
    "get": _get,
    "get_by_id": _get_by_id,
    "get_by_name": _get_by_name,
    "create": _create,
    "clone": _clone,
    "update": _update,
    "update_metadata": _update,
    "approve_draft": _handler_for(approve),
    "unapprove": _handler_for(unapprove),
    "unapprove_draft": _handler_for(unapprove),
    "discard_draft": _handler_for(discard),
    "delete": _handler_for(delete),
    "get_used_by": _get_used_by,
}
_TEMPLATE_HANDLERS: Mapping[str, Callable[[Instance, Request], Reply]] = {
    "get_content": _get_content,
    "get_content_by_id": _get_content,
    "update_content": _update_content,
}
_HANDLED_ELSEWHERE = frozenset(
    (
        *("files.create", "programs.clone", "programs.create", "programs.delete", "programs.get_by_id"),
        *("programs.get_by_name", "programs.update_metadata", "smart_lists.get_by_id"),
    )
)
"""Operations with their own handlers in other modules."""


def _register() -> None:
    for operation in operations.all_operations():
        kind = KINDS.get(operation.family)
        if kind is None or operation.family.endswith("_v2") or operation.name in _HANDLED_ELSEWHERE:
            continue
        verb = operation.name.partition(".")[2]
        handler = _COMMON_HANDLERS.get(verb) or (
            _TEMPLATE_HANDLERS.get(verb) if operation.family.endswith("_templates") else None
        )
        if handler is not None:
            answers(operation.name)(handler)


_register()
