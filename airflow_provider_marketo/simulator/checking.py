"""Parameters of a call, read as strictly as Marketo reads them, by the catalogue's row of the operation."""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.request import Upload, as_integer, as_moment, missing

if TYPE_CHECKING:
    from airflow_provider_marketo.client.operation import Operation, Parameter, Schema

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_ENCODINGS = {"json": JSON, "form": FORM, "multipart": MULTIPART}
_OVERFLOW = {("leads.merge", "leadIds"): "1080"}
"""Codes for lists that are too long, other than 1003."""

_OPTIONAL = {("bulk_export_activities.create_job", "fields")}
"""Parameters that the catalogue requires and Marketo does not: they may be missing or empty."""

_SAME_PARAMETERS_AS = {
    "static_list_membership.member_of_list": "static_list_membership.add_to_list",
    "static_list_membership.remove_from_list": "static_list_membership.add_to_list",
}
"""Operations that also take a body, as the other operation does; the catalogue has the query only."""

_NO_QUERY_AS_POST = "/rest/asset/"
Note = Callable[[str], None]
Pairs = Collection[tuple[str, str]]


@dataclass
class Body:
    """
    The decoded body of a request.

    :param kind: content type without parameters; empty without a body.
    :param pairs: fields of a form.
    :param files: files of a multipart body.
    :param json: value of a JSON body; None without one.
    """

    kind: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, Upload] = field(default_factory=dict)
    json: Any = None


def is_query(method: str, path: str, query: Pairs, headers: Mapping[str, str], content: bytes) -> bool:
    """
    Return whether a POST stands for a GET whose URI would be too long. Marketo asset calls do not take that.

    Adobe specifies ``_method=GET`` in the query; widely used clients send it in the form.
    """
    if method != "POST" or path.startswith(_NO_QUERY_AS_POST):
        return False
    in_form = headers.get("content-type", "").startswith(FORM) and b"_method=GET" in content.split(b"&")
    return in_form or ("_method", "GET") in query


def takes(operation: Operation) -> Operation:
    """Return the operation whose row of the catalogue says what parameters Marketo takes."""
    return operations.get(_SAME_PARAMETERS_AS.get(operation.name, operation.name))


def read_body(operation: Operation, headers: Mapping[str, str], content: bytes, as_query: bool) -> Body:
    """
    Decode a body.

    :param as_query: whether this is a query sent as POST: a form or, for compound keys, JSON.
    :raises ApiError: 612 for another content type than the operation takes, 609 for bad JSON, 613 for bad parts.
    """
    if not content:
        return Body()
    declared = headers.get("content-type", "")
    kind = declared.partition(";")[0].strip().lower()
    wanted = (JSON, FORM) if as_query else (_ENCODINGS.get(operation.encoding, ""),)
    if kind not in wanted:
        if operation.encoding == "none" and not as_query:
            return Body(kind)
        raise ApiError("612")
    if kind == JSON:
        return Body(kind, json=_parse_json(content))
    if kind == FORM:
        return Body(kind, pairs=_decoded_pairs(content))
    return _parts(kind, declared, content)


def read_parameters(
    operation: Operation, path: Mapping[str, str], query: Pairs, body: Body, note: Note
) -> dict[str, Any]:
    """
    Return all parameters of a call, converted to their types.

    :param note: receives what Marketo accepts and a careful client does not send.
    :raises ApiError: Marketo would refuse the parameters.
    """
    given: dict[str, Any] = {}
    for name, text in path.items():
        given[name] = _from_text(operation.parameters[name].schema, name, [text])
    texts: dict[str, list[str]] = {}
    for name, text in (*query, *body.pairs):
        texts.setdefault(name, []).append(text)
    for name, values in texts.items():
        parameter = operation.parameters.get(name)
        if parameter is None or parameter.place == "path":
            if name != "_method":
                note(f"unknown parameter {name} of {operation.name}")
        elif values != [""]:
            given[name] = _from_text(parameter.schema, name, values, _is_json_text(parameter))
    given.update(body.files)
    given.update(_members(operation, body, note))
    _check(operation, given)
    return given


def _members(operation: Operation, body: Body, note: Note) -> dict[str, Any]:
    if body.json is None:
        return {}
    whole = next((parameter for parameter in operation.parameters.values() if parameter.place == "body"), None)
    if whole is not None:
        return {whole.name: _from_json(whole.schema, whole.name, body.json)}
    if not isinstance(body.json, dict):
        raise ApiError("609")
    found = {}
    for name, value in body.json.items():
        parameter = operation.parameters.get(name)
        if parameter is None or parameter.place == "path":
            note(f"unknown member {name} in the body of {operation.name}")
            raise ApiError("1003", f"Unrecognized field '{name}'")
        if value is not None and not (value == [] and (operation.name, name) in _OPTIONAL):
            found[name] = _from_json(parameter.schema, name, value)
    return found


def _check(operation: Operation, given: Mapping[str, Any]) -> None:
    blank = "701" if operation.path.startswith(_NO_QUERY_AS_POST) else None
    for name, parameter in operation.parameters.items():
        if name not in given:
            if parameter.required and (operation.name, name) not in _OPTIONAL and parameter.default is None:
                raise ApiError(blank, f"{name} cannot be blank") if blank else missing(name)
            continue
        most = parameter.schema.max_items
        if most is not None and isinstance(given[name], list) and len(given[name]) > most:
            raise ApiError(
                _OVERFLOW.get((operation.name, name), "1003"),
                f"Too many values for '{name}': {len(given[name])}, and at most {most} are allowed",
            )
    _check_groups(operation.schema, "", given)


def _check_groups(schema: Schema, where: str, given: Mapping[str, Any]) -> None:
    """Check alternatives and date ranges, here and in the objects inside."""
    for group in schema.one_of:
        if sum(name in given for name in group) != 1:
            raise ApiError("1003", f"Exactly one of {', '.join(group)} must be given{f' in {where}' if where else ''}")
    for group in schema.exclusive:
        if sum(name in given for name in group) > 1:
            raise ApiError("1003", f"At most one of {', '.join(group)} may be given{f' in {where}' if where else ''}")
    if schema.max_days and "startAt" in given and "endAt" in given:
        if given["startAt"] > given["endAt"]:
            raise ApiError("1003", "startAt must be before endAt")
        if given["endAt"] - given["startAt"] > timedelta(days=schema.max_days):
            raise ApiError("1003", f"The date range must not be longer than {schema.max_days} days")
    for name, member in schema.properties.items():
        if isinstance(given.get(name), dict) and member.properties:
            _check_groups(member, name, given[name])


def _is_json_text(parameter: Parameter) -> bool:
    """Return whether objects and lists are sent as JSON inside one field, as forms of Marketo assets do."""
    return parameter.list_style == "json" or parameter.place in ("form", "part")


def _from_text(schema: Schema, name: str, values: list[str], json_text: bool = False) -> Any:
    if schema.type == "object" or (schema.type == "array" and json_text):
        return _from_json(schema, name, _parse_json(_strict(values[-1]).encode()))
    if schema.type == "array":
        items = [part.strip() for value in values for part in value.split(",") if part.strip()]
        return [_scalar(schema.items, name, item) if schema.items else item for item in items]
    return _scalar(schema, name, values[-1])


def _scalar(schema: Schema, name: str, text: str) -> Any:
    if schema.type == "boolean":
        if text.lower() not in ("true", "false"):
            raise _wrong(schema, text)
        return text.lower() == "true"
    if schema.type == "number":
        try:
            return float(text)
        except ValueError:
            raise _wrong(schema, text) from None
    return _typed(schema, name, text)


def _from_json(schema: Schema, name: str, value: Any) -> Any:
    if schema.type == "array":
        if not isinstance(value, list):
            raise _wrong(schema, value)
        if len(value) < schema.min_items:
            raise missing(name)
        return [_from_json(schema.items, name, item) for item in value] if schema.items else value
    if schema.type == "object":
        return _object(schema, name, value)
    if schema.type == "boolean" and not isinstance(value, bool):
        raise _wrong(schema, value)
    if schema.type == "number" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise _wrong(schema, value)
    if schema.type == "string" and not isinstance(value, str):
        raise _wrong(schema, value)
    return _typed(schema, name, value)


def _object(schema: Schema, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(schema, value)
    found = {}
    for name, member in value.items():
        if name in schema.properties:
            found[name] = None if member is None else _from_json(schema.properties[name], name, member)
        elif schema.open:
            found[name] = member
        else:
            raise ApiError("1003", f"Unrecognized field '{name}' in '{where}'")
    for name in schema.required:
        if found.get(name) is None:
            raise missing(name)
    return found


def _typed(schema: Schema, name: str, value: Any) -> Any:
    """Convert a scalar from text or JSON."""
    if schema.type == "integer":
        number = as_integer(value)
        if schema.maximum is not None and number > schema.maximum:
            raise ApiError("1003", f"{name} must not be larger than {schema.maximum}")
        return number
    if schema.type == "datetime":
        return as_moment(name, value)
    if schema.type == "date":
        try:
            return date.fromisoformat(str(value)).isoformat()
        except ValueError:
            raise _wrong(schema, value) from None
    if schema.enum:
        for known in schema.enum:
            if str(known).lower() == str(value).lower():
                return known
        raise ApiError("1003", f"Invalid value '{value}' for '{name}'")
    if schema.max_length is not None and len(str(value)) > schema.max_length:
        raise ApiError("1003", f"{name} must not be longer than {schema.max_length} characters")
    return value


def _wrong(schema: Schema, value: Any) -> ApiError:
    return ApiError("1001", f"Invalid value '{value}'. Required of type '{schema.type}'")


def _strict(text: str) -> str:
    """Return JSON for what Marketo accepts as JSON in a field of a form: ``{'id': 12, 'type': Folder}``."""
    try:
        json.loads(text)
    except ValueError:
        return _LENIENT.sub(lambda found: json.dumps(found.group(1) or found.group(2)), text)
    return text


_LENIENT = re.compile(r"'([^']*)'|\b(?!true\b|false\b|null\b)([A-Za-z_]\w*)\b")


def _parse_json(content: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ApiError("609", "Duplicate key in JSON object")
        return found

    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except ValueError:
        raise ApiError("609") from None


def _decoded_pairs(content: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(content.decode("utf-8"), keep_blank_values=True)
    except UnicodeDecodeError:
        raise ApiError("1003", "The form is not UTF-8") from None


def _parts(kind: str, declared: str, content: bytes) -> Body:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + declared.encode("latin-1") + b"\r\n\r\n" + content)
    if not message.is_multipart() or message.defects:
        raise ApiError("613")
    body = Body(kind)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise ApiError("613")
        value = part.get_payload(decode=True)
        data = value if isinstance(value, bytes) else b""
        file_name = part.get_filename()
        if file_name is None:
            body.pairs.append((name, data.decode("utf-8", "replace")))
        else:
            body.files[name] = Upload(file_name, part.get_content_type(), data)
    return body
