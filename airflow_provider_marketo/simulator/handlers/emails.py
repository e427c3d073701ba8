"""Handlers for the content of e-mails: sections, modules and variables, which come from the e-mail's template."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.assets import (
    check_lead,
    id_reply,
    markup_of_file,
    requested_asset,
    version_of,
)
from airflow_provider_marketo.simulator.handlers.variants import dynamic_content_id
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.request import missing
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.template_markup import Section, module_under_name, rendered, text_value

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.assets import Asset

MODULE = "Module"
_MEDIA_MEMBERS = {
    "externalUrl": "contentUrl",
    "altText": "altText",
    "height": "height",
    "style": "style",
    "videoUrl": "videoUrl",
    "width": "width",
}
"""Members of the value of an image or video section, by the parameters that set them."""


def sections_of(version: dict[str, Any]) -> list[Section]:
    """Return a copy of the sections of a version of an e-mail."""
    return copy.deepcopy(list(version.get("sections", ())))


def _changed(instance: Instance, email: Asset, sections: list[Section]) -> Envelope:
    instance.store.assets.change(email, instance.now, sections=sections)
    return id_reply(email)


def _section(sections: list[Section], html_id: str) -> Section:
    for section in sections:
        if section["htmlId"] == html_id and section["contentType"] != MODULE:
            return section
    raise ApiError("702", f"Section '{html_id}' not found")


@answers("emails.get_content")
def get_content(instance: Instance, request: Request) -> Reply:
    version = version_of(requested_asset(instance, request), request.get("status"))
    if version is None:
        return NOTHING_FOUND
    sections = sections_of(version)
    return Envelope([{name: each[name] for name in each if name != "segmentation"} for each in sections])


@answers("emails.update_content")
def update_headers(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    names = {"subject": "subject", "fromName": "fromName", "fromEmail": "fromEmail", "replyTO": "replyEmail"}
    names["isOpenTrackingDisabled"] = "isOpenTrackingDisabled"
    values = {names[name]: request[name] for name in names if name in request.parameters}
    instance.store.assets.change(email, instance.now, **values)
    return id_reply(email)


@answers("emails.update_content_section")
def update_section(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections = sections_of(email.newest)
    section, kind, value = _section(sections, request["htmlId"]), request["type"], request["value"]
    if kind == "DynamicContent":
        instance.store.assets.find("segmentations", _id_in(value))
    if kind == "Snippet":
        instance.store.assets.find("snippets", _id_in(value))
    if section["contentType"] in ("Image", "Video"):
        given = {member: request[name] for name, member in _MEDIA_MEMBERS.items() if name in request.parameters}
        section["value"] = {**section["value"], **given}
    else:
        if kind == "DynamicContent":
            section["segmentation"] = _id_in(value)
            value = dynamic_content_id(section["htmlId"])
        text = text_value(value, request.get("textValue")) if kind == "Text" else value
        section |= {"contentType": kind, "value": text}
    return _changed(instance, email, sections)


def _id_in(value: str) -> int:
    if not value.isdecimal():
        raise ApiError("701", f"'{value}' is not an id")
    return int(value)


# Modules. The list has a module before its sections.


def _modules(sections: list[Section]) -> dict[str, list[Section]]:
    """Return the modules of an e-mail in order, each followed by its sections."""
    found: dict[str, list[Section]] = {each["htmlId"]: [each] for each in sections if each["contentType"] == MODULE}
    for each in sections:
        if each["contentType"] != MODULE and each.get("parentHtmlId") in found:
            found[each["parentHtmlId"]].append(each)
    return found


def _module(sections: list[Section], module_id: str) -> list[Section]:
    modules = _modules(sections)
    if module_id not in modules:
        raise ApiError("702", f"Module '{module_id}' not found")
    return modules[module_id]


def _with_modules(sections: list[Section], modules: list[list[Section]]) -> list[Section]:
    """Return the sections with these modules, numbered in this order."""
    inside = {id(each) for module in _modules(sections).values() for each in module}
    outside = [each for each in sections if id(each) not in inside]
    for index, module in enumerate(modules):
        module[0]["index"] = index
    return [*outside, *(each for module in modules for each in module)]


def _refuse_used_name(sections: list[Section], name: str) -> None:
    if any(section["htmlId"] == name for section in sections):
        raise ApiError("709", f"The name '{name}' is already in use in the email")


@answers("emails.add_module")
def add_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections, module_id = sections_of(email.newest), request["moduleId"]
    template = instance.store.assets.markup_of_template(email)
    if module_id not in template.modules:
        raise ApiError("702", f"Module '{module_id}' not found in the template")
    name = request.get("name") or _unused(sections, module_id)
    _refuse_used_name(sections, name)
    modules = list(_modules(sections).values())
    place = request["index"]
    if place < 0:
        raise ApiError("701", "index must not be negative")
    modules.insert(place, template.module(module_id, name))
    _add_variables(instance, email, module_id, name)
    return _changed(instance, email, _with_modules(sections, modules))


def _unused(sections: list[Section], module_id: str) -> str:
    taken = {section["htmlId"] for section in sections}
    numbered = (f"{module_id}_{number}" for number in range(1, len(taken) + 2))
    return next(name for name in (module_id, *numbered) if name not in taken)


def _add_variables(instance: Instance, email: Asset, module_id: str, name: str) -> None:
    """Give a new module its own variables, with the values of another module or of the template."""
    variables = dict(email.newest.get("variables", {}))
    template = instance.store.assets.markup_of_template(email)
    defaults = template.new_variables()
    for variable, module in {**defaults, **variables}:
        if module == module_id:
            variables[variable, name] = variables.get((variable, module), defaults.get((variable, module), ""))
    instance.store.assets.change(email, instance.now, variables=variables)


@answers("emails.duplicate_module")
def duplicate_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections, module_id = sections_of(email.newest), request["moduleId"]
    original = _module(sections, module_id)
    name = request.get("name") or _unused(sections, module_id)
    _refuse_used_name(sections, name)
    modules = list(_modules(sections).values())
    modules.insert(original[0]["index"] + 1, module_under_name(original, name))
    _add_variables(instance, email, module_id, name)
    return _changed(instance, email, _with_modules(sections, modules))


@answers("emails.rename_module")
def rename_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections, module_id, name = sections_of(email.newest), request["moduleId"], request["name"]
    module = _module(sections, module_id)
    _refuse_used_name(sections, name)
    module[0]["htmlId"] = name
    for section in module[1:]:
        section["parentHtmlId"] = name
    variables = {
        (variable, name if of == module_id else of): value
        for (variable, of), value in email.newest.get("variables", {}).items()
    }
    instance.store.assets.change(email, instance.now, variables=variables)
    return _changed(instance, email, sections)


@answers("emails.delete_module")
def delete_module(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections, module_id = sections_of(email.newest), request["moduleId"]
    _module(sections, module_id)
    kept = [module for name, module in _modules(sections).items() if name != module_id]
    variables = {key: value for key, value in email.newest.get("variables", {}).items() if key[1] != module_id}
    instance.store.assets.change(email, instance.now, variables=variables)
    return _changed(instance, email, _with_modules(sections, kept))


@answers("emails.rearrange_modules")
def rearrange(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    sections, positions = sections_of(email.newest), request["positions"]
    for position in positions:
        if not isinstance(position, dict) or not isinstance(position.get("index"), int):
            raise ApiError("701", "Every position needs an index")
        if not isinstance(position.get("moduleId"), str):
            raise missing("moduleId")
    modules = _modules(sections)
    wanted = [position["moduleId"] for position in sorted(positions, key=lambda each: each["index"])]
    if sorted(wanted) != sorted(modules):
        raise ApiError("709", "The positions must name every module once")
    return _changed(instance, email, _with_modules(sections, [modules[name] for name in wanted]))


# The whole content


@answers("emails.get_full_content")
def get_full_content(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    version = version_of(email, request.get("status"))
    check_lead(instance, request)
    if version is None:
        return NOTHING_FOUND
    html = version.get("html")
    if html is None:
        template = instance.store.assets.template_html(email)
        html = rendered(template, sections_of(version), version.get("variables", {}))
    status = "approved" if version is email.live else "draft"
    content = text_value(html)[1]["value"] if request.get("type") == "Text" else html
    return Envelope([{"id": email.id, "status": status, "content": content}])


@answers("emails.update_full_content")
def update_full_content(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    instance.store.assets.change(email, instance.now, html=markup_of_file(request, "content"))
    return id_reply(email)


@answers("emails.get_cc_fields")
def get_cc_fields(instance: Instance, request: Request) -> Reply:
    return Envelope([{"attributeId": "157", "objectName": "lead", "displayName": "Lead Owner", "apiName": "leadOwner"}])


# Variables


@answers("emails.get_variables")
def get_variables(instance: Instance, request: Request) -> Reply:
    variables = requested_asset(instance, request).shown.get("variables", {})
    found = [_variable(name, module, value) for (name, module), value in variables.items()]
    return Envelope(found) if found else NOTHING_FOUND


def _variable(name: str, module: str | None, value: str) -> dict[str, Any]:
    shown = {"name": name, "value": value, "moduleScope": module is not None}
    return shown if module is None else {**shown, "moduleId": module}


@answers("emails.update_variable")
def update_variable(instance: Instance, request: Request) -> Reply:
    email = requested_asset(instance, request)
    name, module, value = request["name"], request.get("moduleId"), request.get("value", "")
    variables = email.newest.get("variables", {})
    if (name, module) not in variables:
        if module is None and any(each == name for each, _ in variables):
            raise ApiError("709", f"Variable '{name}' belongs to modules and needs moduleId")
        raise ApiError("702", f"Variable '{name}' not found" + (f" in module '{module}'" if module else ""))
    instance.store.assets.change(email, instance.now, variables={**variables, (name, module): value})
    return Envelope([_variable(name, module, value)])
