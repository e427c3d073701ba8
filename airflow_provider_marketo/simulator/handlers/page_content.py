"""Handlers for the content of landing pages and snippets."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.assets import check_lead, id_reply, requested_asset, version_of
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.assets import Asset

Sections = list[dict[str, Any]]
_ASSET_SECTIONS = {
    "Form": "forms",
    "Snippet": "snippets",
    "Image": "files",
    "DynamicContent": "segmentations",
}
"""For each type of section whose value is an asset's id: the family of that asset."""


def _sections(version: dict[str, Any]) -> Sections:
    return copy.deepcopy(list(version.get("sections", ())))


def _changed(instance: Instance, page: Asset, sections: Sections) -> Envelope:
    instance.store.assets.change(page, instance.now, sections=sections)
    return id_reply(page)


def _at(sections: Sections, content_id: str) -> int:
    for place, section in enumerate(sections):
        if str(section["id"]) == content_id:
            return place
    raise ApiError("702", f"Section '{content_id}' not found")


@answers("landing_page_content.get")
def get_page_content(instance: Instance, request: Request) -> Reply:
    version = version_of(requested_asset(instance, request, "landing_pages"), request.get("status"))
    return Envelope(_sections(version)) if version is not None and _sections(version) else NOTHING_FOUND


@answers("landing_page_content.add_section")
def add_page_section(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request, "landing_pages")
    sections = _sections(page.newest)
    if any(section["id"] == request["contentId"] for section in sections):
        raise ApiError("709", f"Content '{request['contentId']}' already exists")
    sections.append(_page_section(instance, request, len(sections)))
    return _changed(instance, page, sections)


@answers("landing_page_content.update_section")
def update_page_section(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request, "landing_pages")
    sections = _sections(page.newest)
    place = _at(sections, request["contentId"])
    sections[place] = _page_section(instance, request, sections[place]["index"])
    return _changed(instance, page, sections)


@answers("landing_page_content.delete_section")
def delete_page_section(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request, "landing_pages")
    sections = _sections(page.newest)
    del sections[_at(sections, request["contentId"])]
    return _changed(instance, page, sections)


def _page_section(instance: Instance, request: Request, index: int) -> dict[str, Any]:
    kind, value = request["type"], request.get("value")
    family = _ASSET_SECTIONS.get(kind)
    if family is not None and str(value).isdecimal():
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
    check_lead(instance, request)
    markup = "".join(str(section["content"]) for section in _sections(page.shown))
    return Envelope([{"id": page.id, "content": f"<html><body>{markup}</body></html>"}])


# Variables of guided pages


@answers("landing_pages.get_variables")
def get_variables(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request)
    version = version_of(page, request.get("status"))
    variables = version.get("variables", {}) if version is not None else {}
    found = [_variable(instance, page, name, value) for (name, _), value in variables.items()]
    return Envelope(found) if found else NOTHING_FOUND


def _variable(instance: Instance, page: Asset, name: str, value: str) -> dict[str, Any]:
    known = instance.store.assets.markup_of_template(page).variables
    return {"id": name, "type": known[name].kind if name in known else "string", "value": value}


@answers("landing_pages.update_variable")
def update_variable(instance: Instance, request: Request) -> Reply:
    page = requested_asset(instance, request)
    name, value = request["variableId"], request["value"]
    variables = page.newest.get("variables", {})
    if (name, None) not in variables:
        raise ApiError("702", f"Variable '{name}' not found")
    instance.store.assets.change(page, instance.now, variables={**variables, (name, None): value})
    return Envelope([_variable(instance, page, name, value)])


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
