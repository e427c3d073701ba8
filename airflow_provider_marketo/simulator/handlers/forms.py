"""Handlers for forms: fields, fieldsets, the submit button and the thank-you page."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.assets import (
    id_reply,
    markup_of_file,
    requested_asset,
    show,
    version_of,
)
from airflow_provider_marketo.simulator.paging import asset_page
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request
    from airflow_provider_marketo.simulator.store.assets import Asset
    from airflow_provider_marketo.simulator.store.fields import Field

Fields = list[dict[str, Any]]
_MAX_COLUMNS, _MAX_ROWS = 3, 10
_INITIAL_FIELDS = ("FirstName", "LastName", "Email")
_FOLLOW_UPS = ("lp", "url", "none")
_CONDITION = ("operator", "subjectField", "values")
_NOT_SETTINGS = ("id", "fieldId", "formId", "fieldSetId")


def fields_of(version: Mapping[str, Any]) -> Fields:
    """Return the fields of a version of a form. A new form has three fields."""
    return list(version.get("fields") or (_new(name, row) for row, name in enumerate(_INITIAL_FIELDS)))


def _new(field_id: str, row: int, **settings: Any) -> dict[str, Any]:
    return {
        "id": field_id,
        "label": settings.pop("label", field_id),
        "dataType": settings.pop("fieldType", "text"),
        "required": False,
        "rowNumber": row,
        "columnNumber": 0,
        **settings,
    }


def _editable(form: Asset) -> Fields:
    return copy.deepcopy(fields_of(form.newest))


def _changed(instance: Instance, form: Asset, fields: Fields, shown: Fields | None = None) -> Envelope:
    instance.store.assets.change(form, instance.now, fields=fields)
    return Envelope(shown) if shown is not None else id_reply(form)


def _at(fields: Fields, field_id: str) -> int:
    for place, field in enumerate(fields):
        if field["id"] == field_id:
            return place
    raise ApiError("702", f"Form field '{field_id}' not found")


def _form_id(field: Field) -> str:
    return field.name[:1].upper() + field.name[1:]


@answers("form_fields.get_available", "form_fields.get_available_program_member_fields")
def get_available(instance: Instance, request: Request) -> Reply:
    leads = request.operation.name == "form_fields.get_available"
    fields = instance.store.leads.fields if leads else instance.store.programs.fields
    rows = [field for field in fields.values() if field.updateable and not field.hidden]
    return asset_page(
        request,
        rows,
        lambda field: {
            "id": _form_id(field),
            "description": field.label,
            "dataType": field.type,
            "isRequired": False,
            "isSensitive": field.sensitive,
            **({"maxLength": field.length} if field.length else {}),
        },
    )


@answers("form_fields.get_fields_for_form")
def get_fields(instance: Instance, request: Request) -> Reply:
    version = version_of(requested_asset(instance, request, "forms"), request.get("status"))
    return Envelope(fields_of(version)) if version is not None else NOTHING_FOUND


@answers("form_fields.add_field_to_form")
def add_field(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields, field_id = _editable(form), request["fieldId"]
    of_leads, of_members = (
        set(map(_form_id, each.fields.values())) for each in (instance.store.leads, instance.store.programs)
    )
    if field_id not in of_leads | of_members:
        raise ApiError("702", f"Field '{field_id}' not found")
    if field_id not in of_leads and instance.store.assets.program_of(form.location) is None:
        raise ApiError("709", f"Field '{field_id}' belongs to program members, and the form is in no program")
    if any(field["id"] == field_id for field in fields):
        raise ApiError("709", f"Field '{field_id}' is already in the form")
    added = _new(field_id, len(fields), **_settings(request))
    return _changed(instance, form, [*fields, added], [added])


def _settings(request: Request) -> dict[str, Any]:
    values = request.get("values") or ()
    if sum(bool(value.get("isDefault")) for value in values if isinstance(value, dict)) > 1:
        raise ApiError("709", "At most one value may be the default")
    return {name: value for name, value in request.parameters.items() if name not in _NOT_SETTINGS}


@answers("form_fields.add_fieldset_to_form")
def add_fieldset(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields = _editable(form)
    added = _new(_unused(fields, "fieldset"), len(fields), label=request["label"], fieldType="fieldset", fields=[])
    return _changed(instance, form, [*fields, added], [added])


@answers("form_fields.add_rich_text_field")
def add_rich_text(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields, text = _editable(form), markup_of_file(request, "text", ("<script", "<meta", "<link"))
    added = _new(_unused(fields, "HtmlText"), len(fields), label="", fieldType="htmltext", text=text)
    return _changed(instance, form, [*fields, added], [added])


def _unused(fields: Fields, name: str) -> str:
    taken = {field["id"] for field in fields}
    return next(found for number in range(1, len(taken) + 2) if (found := f"{name}_{number}") not in taken)


@answers("form_fields.update")
def update_field(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields = _editable(form)
    place = _at(fields, request["fieldId"])
    fields[place] |= _settings(request)
    return _changed(instance, form, fields, [fields[place]])


@answers("form_fields.delete")
def delete_field(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields = _editable(form)
    del fields[_at(fields, request["fieldId"])]
    return _changed(instance, form, fields)


@answers("form_fields.delete_field_from_fieldset")
def delete_from_fieldset(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields = _editable(form)
    fieldset = fields[_at(fields, request["fieldSetId"])]
    inner = fieldset.get("fields", [])
    del inner[_at(inner, request["fieldId"])]
    return _changed(instance, form, fields)


@answers("form_fields.add_visibility_rules")
def add_visibility(instance: Instance, request: Request) -> Reply:
    form = instance.store.assets.find("forms", request["formId"])
    fields = _editable(form)
    place = _at(fields, request["fieldId"])
    fields[place]["visibilityRules"] = request["visibilityRule"]
    rule = request["visibilityRule"]
    shown = {"formFieldId": request["fieldId"], "ruleType": rule["ruleType"], "rules": rule["rules"]}
    return _changed(instance, form, fields, [shown])


@answers("form_fields.update_field_positions")
def update_positions(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request, "forms")
    fields = {field["id"]: field for field in _flat(_editable(form))}
    positions = request["positions"]
    named = [inner["fieldName"] for position in positions for inner in (position, *position.get("fieldList", ()))]
    if sorted(named) != sorted(fields):
        raise ApiError("709", "The positions must name every field of the form once")
    arranged = []
    for position in positions:
        inner = [_placed(fields[each["fieldName"]], each) for each in position.get("fieldList", ())]
        field = _placed(fields[position["fieldName"]], position)
        arranged.append({**field, "fields": inner} if "fields" in field else field)
    return _changed(instance, form, arranged)


def _flat(fields: Fields) -> Fields:
    return [inner for field in fields for inner in (field, *field.get("fields", ()))]


def _placed(field: dict[str, Any], position: dict[str, Any]) -> dict[str, Any]:
    column, row = position["columnNumber"], position["rowNumber"]
    if not (0 <= column < _MAX_COLUMNS and 0 <= row < _MAX_ROWS):
        raise ApiError("709", f"A form has {_MAX_COLUMNS} columns and {_MAX_ROWS} rows")
    return {**field, "columnNumber": column, "rowNumber": row}


@answers("forms.update_submit_button")
def update_button(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request)
    names = {"label": "buttonLabel", "waitingLabel": "waitingLabel", "buttonPosition": "buttonLocation"}
    # A setting that the request leaves out is reset to that of a new form.
    values = {member: request.get(name, form.kind.values[member]) for name, member in names.items()}
    instance.store.assets.change(form, instance.now, **values)
    return Envelope([show(instance, form, form.newest)])


@answers("forms.get_thank_you_page_by_form_id")
def get_thank_you_page(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request)
    version = version_of(form, request.get("status"))
    return Envelope([{"id": form.id, "thankYouList": version["thankYouList"]}]) if version else NOTHING_FOUND


@answers("forms.update_thank_you_page")
def update_thank_you_page(instance: Instance, request: Request) -> Reply:
    form = requested_asset(instance, request)
    rules = request["thankyou"]
    if sum(bool(rule.get("default")) for rule in rules) != 1:
        raise ApiError("709", "Exactly one rule must be the default")
    for rule in rules:
        if rule["followupType"] not in _FOLLOW_UPS:
            raise ApiError("709", f"A follow-up is one of {', '.join(_FOLLOW_UPS)}, not '{rule['followupType']}'")
        lacking = [name for name in _CONDITION if name not in rule and not rule.get("default")]
        if lacking:
            raise ApiError("709", f"A rule that is not the default needs {', '.join(lacking)}")
    rules = [{"followupValue": None, **rule} for rule in rules]
    instance.store.assets.change(form, instance.now, thankYouList=rules)
    return Envelope([{"id": form.id, "thankYouList": rules}])
