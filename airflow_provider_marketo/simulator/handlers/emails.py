"""Handlers for the content of e-mails, landing pages and snippets: sections, modules, variables, variants."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.assets import asset_timestamp, id_reply, requested_asset, version_of
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.assets import Asset

Sections = list[dict[str, Any]]


def _sections(version: dict[str, Any]) -> Sections:
    return list(version.get("sections", ()))


def _changed(instance: Instance, asset: Asset, sections: Sections) -> Envelope:
    instance.store.assets.change(asset, instance.now, sections=sections)
    return id_reply(asset)


def _editable(asset: Asset) -> Sections:
    return copy.deepcopy(_sections(asset.newest))


def _at(sections: Sections, key: str, name: str) -> int:
    for place, section in enumerate(sections):
        if str(section[key]) == name:
            return place
    raise ApiError("702", f"Section '{name}' not found")


# E-mails


@answers("emails.get_content")
def get_content(instance: Instance, request: Request) -> Reply:
    version = version_of(requested_asset(instance, request), request.get("status"))
    return Envelope(_sections(version)) if version is not None else NOTHING_FOUND


@answers("emails.update_content")
def update_headers(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    names = {"subject": "subject", "fromName": "fromName", "fromEmail": "fromEmail", "replyTO": "replyEmail"}
    values = {names[name]: request[name] for name in names if name in request.parameters}
    instance.store.assets.change(email, instance.now, **values)
    return id_reply(email)


@answers("emails.update_content_section")
def update_section(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections = _editable(email)
    place = _at(sections, "htmlId", request["htmlId"])
    sections[place] |= {"contentType": request["type"], "value": request["value"]}
    return _changed(instance, email, sections)


@answers("emails.add_module", "emails.duplicate_module")
def add_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections = _editable(email)
    name = request["name"]
    if any(section["htmlId"] == name for section in sections):
        raise ApiError("709", f"A module with the name '{name}' already exists")
    duplicated = request.operation.name == "emails.duplicate_module"
    place = _at(sections, "htmlId", request["moduleId"]) + 1 if duplicated else int(request["index"])
    sections.insert(place, {"htmlId": name, "contentType": "Module", "value": "", "isLocked": False})
    return _changed(instance, email, _numbered(sections))


@answers("emails.rename_module")
def rename_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections = _editable(email)
    sections[_at(sections, "htmlId", request["moduleId"])]["htmlId"] = request["name"]
    return _changed(instance, email, sections)


@answers("emails.delete_module")
def delete_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections = _editable(email)
    del sections[_at(sections, "htmlId", request["moduleId"])]
    return _changed(instance, email, _numbered(sections))


@answers("emails.rearrange_modules")
def rearrange(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections = _editable(email)
    modules = {section["htmlId"]: section for section in sections if section["contentType"] == "Module"}
    wanted = sorted(request["positions"], key=lambda position: int(position["index"]))
    if {position["moduleId"] for position in wanted} != modules.keys():
        raise ApiError("709", "The positions must name every module")
    others = [section for section in sections if section["contentType"] != "Module"]
    return _changed(instance, email, _numbered([*others, *(modules[position["moduleId"]] for position in wanted)]))


def _numbered(sections: Sections) -> Sections:
    modules = [section for section in sections if section["contentType"] == "Module"]
    for index, module in enumerate(modules):
        module["index"] = index
    return sections


@answers("emails.get_full_content")
def get_full_content(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    version = version_of(email, request.get("status"))
    if version is None:
        return NOTHING_FOUND
    _known_lead(instance, request)
    markup = version.get("html") or "".join(str(section["value"]) for section in _sections(version))
    status = "approved" if version is email.live else "draft"
    return Envelope([{"id": email.id, "status": status, "content": markup}])


@answers("emails.update_full_content")
def update_full_content(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    markup = request["content"].content.decode()
    if "<script" in markup.lower():
        raise ApiError("709", "The content must not have script tags")
    instance.store.assets.change(email, instance.now, html=markup)
    return id_reply(email)


def _known_lead(instance: Instance, request: Request) -> None:
    if "leadId" in request.parameters and int(request["leadId"]) not in instance.store.leads:
        raise ApiError("1004", f"Lead '{request['leadId']}' not found")


@answers("emails.get_cc_fields")
def get_cc_fields(instance: Instance, request: Request) -> Reply:
    return Envelope([{"attributeId": "157", "objectName": "lead", "displayName": "Lead Owner", "apiName": "leadOwner"}])


@answers("emails.get_variables", "landing_pages.get_variables")
def get_variables(instance: Instance, request: Request) -> Reply:
    variables = requested_asset(instance, request).shown.get("variables", {})
    page = request.operation.family == "landing_pages"
    found = [
        {"id": name, "type": "string", "value": value}
        if page
        else {"name": name, "value": value, "moduleScope": module is not None, "moduleId": module}
        for (name, module), value in variables.items()
    ]
    return Envelope(found) if found else NOTHING_FOUND


@answers("emails.update_variable", "landing_pages.update_variable")
def update_variable(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request)
    name = request.get("variableId") or request["name"]
    variables = {**asset.newest.get("variables", {}), (name, request.get("moduleId")): request.get("value")}
    instance.store.assets.change(asset, instance.now, variables=variables)
    return id_reply(asset)


# Variants for segments


@answers("emails.get_dynamic_content", "landing_page_content.get_dynamic_content", "snippets.get_dynamic_content")
def get_variants(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request, _family(request))
    version = version_of(asset, request.get("status"))
    if version is None:
        return NOTHING_FOUND
    section = str(request.get("contentId", ""))
    variants = version.get("variants", {}).get(section, {})
    return Envelope(
        [
            {
                "id": asset.id,
                "segmentation": next(iter(instance.store.assets.by_family["segmentations"])),
                "createdAt": asset_timestamp(asset.created),
                "updatedAt": asset_timestamp(asset.updated),
                "content": [{"segmentName": name, **variant} for name, variant in variants.items()],
            }
        ]
    )


@answers(
    "emails.update_dynamic_content_section",
    "landing_page_content.update_dynamic_content_section",
    "snippets.update_dynamic_content",
)
def update_variant(instance: Instance, request: Request) -> Reply:
    asset = requested_asset(instance, request, _family(request))
    section = str(request.get("contentId", ""))
    segment = str(request.get("segmentId") or request.get("segment") or "Default")
    variants = copy.deepcopy(asset.newest.get("variants", {}))
    content = {"type": request.get("type"), "content": request.get("value")}
    variants.setdefault(section, {})[segment] = content
    instance.store.assets.change(asset, instance.now, variants=variants)
    return id_reply(asset)


def _family(request: Request) -> str:
    family = request.operation.family
    return "landing_pages" if family == "landing_page_content" else family


# Snippets


@answers("snippets.get_content")
def get_snippet_content(instance: Instance, request: Request) -> Reply:
    version = version_of(requested_asset(instance, request), request.get("status"))
    found = version.get("content") if version is not None else None
    return Envelope(found) if found else NOTHING_FOUND


@answers("snippets.update_content")
def update_snippet_content(instance: Instance, request: Request) -> Reply:
    snippet = requested_asset(instance, request)
    kept = [part for part in snippet.newest.get("content") or () if part["type"] != request["type"]]
    content = [*kept, {"type": request["type"], "content": request["content"]}]
    instance.store.assets.change(snippet, instance.now, content=content)
    return id_reply(snippet)


# Landing pages


@answers("landing_page_content.get")
def get_page_content(instance: Instance, request: Request) -> Reply:
    version = version_of(requested_asset(instance, request, "landing_pages"), request.get("status"))
    return Envelope(_sections(version)) if version is not None and _sections(version) else NOTHING_FOUND


@answers("landing_page_content.add_section")
def add_page_section(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request, "landing_pages")
    sections = _editable(page)
    if any(section["id"] == request["contentId"] for section in sections):
        raise ApiError("709", f"Content '{request['contentId']}' already exists")
    sections.append(_page_section(instance, request, len(sections)))
    return _changed(instance, page, sections)


@answers("landing_page_content.update_section")
def update_page_section(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request, "landing_pages")
    sections = _editable(page)
    place = _at(sections, "id", request["contentId"])
    sections[place] = _page_section(instance, request, sections[place]["index"])
    return _changed(instance, page, sections)


@answers("landing_page_content.delete_section")
def delete_page_section(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request, "landing_pages")
    sections = _editable(page)
    del sections[_at(sections, "id", request["contentId"])]
    return _changed(instance, page, sections)


def _page_section(instance: Instance, request: Request, index: int) -> dict[str, Any]:
    kind, value = request["type"], request.get("value")
    family = {"Form": "forms", "Snippet": "snippets", "Image": "files"}.get(kind)
    if family is not None and str(value).isdigit():
        instance.store.assets.find(family, int(str(value)))
    formatting = {
        name: content
        for name, content in request.parameters.items()
        if name not in ("id", "contentId", "type", "value", "index")
    }
    return {"id": request["contentId"], "type": kind, "index": index, "content": value, "formattingOptions": formatting}


@answers("landing_pages.get_full_content")
def get_full_page(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request)
    _known_lead(instance, request)
    markup = "".join(str(section["content"]) for section in _sections(page.shown))
    return Envelope([{"id": page.id, "content": f"<html><body>{markup}</body></html>"}])
