"""From an operation and its parameters to a request: what goes into path, query, headers and body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_marketo.client.checking import checked
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.operation import Operation, Parameter

URI_LIMIT = 8192 - 128
"""Marketo takes 8 KB, scheme and host included."""

BODY_LIMIT = 1 << 20
"""Of all bodies but files."""

_QUERY_AS_POST = (("_method", "GET"),)
_LEAD_DATABASE = "/rest/v1/"
_EXTENSIONS = {"text/html": "html", "text/csv": "csv"}

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PreparedRequest:
    """
    A request, but for host and token. What it carries may be leads and is kept out of its text.

    :param operation: what it calls.
    :param method: HTTP verb, which is not the operation's when a query is sent as POST.
    :param path: with parameters, percent-encoded.
    :param query: names and values, not yet encoded.
    :param headers: besides those that every request has.
    :param json: body to be sent as JSON; None for none.
    :param form: fields of a form body; None for none.
    :param files: parts of a multipart body: name, and file name, content and perhaps content type.
    """

    operation: Operation = field(repr=False)
    method: str
    path: str = field(repr=False)
    query: Pairs = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    form: Pairs | None = field(default=None, repr=False)
    files: tuple[tuple[str, tuple[Any, ...]], ...] | None = field(default=None, repr=False)


def prepare(operation: Operation, parameters: Mapping[str, Any]) -> PreparedRequest:
    """
    Check a call and encode it.

    A query of the lead database whose address would pass 8 KB, or that looks records up by a key of several fields
    (``input``), becomes a POST with ``_method=GET``, as Marketo wants it.

    :param operation: of the catalogue.
    :param parameters: in Adobe's spelling. None counts as not given; a datetime without a time zone as UTC.
    :raises MarketoInvalidRequestError: Marketo would refuse the call; ``parameter`` says which one to change.
    """
    given = checked(operation, parameters)
    placed: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        placed.setdefault(operation.parameters[name].place, {})[name] = value
    path = _path(operation, placed.get("path", {}))
    headers = {name: _text(value) for name, value in placed.get("header", {}).items()}
    asked, body = placed.get("query", {}), placed.get("json") or placed.get("body")
    if operation.method == "GET" and body:
        return _within_limits(PreparedRequest(operation, "POST", path, _QUERY_AS_POST, headers, json={**asked, **body}))
    query = tuple(pair for name, value in asked.items() for pair in _pairs(operation, name, value))
    if len(_address(path, query)) > URI_LIMIT and operation.method == "GET" and path.startswith(_LEAD_DATABASE):
        return _within_limits(PreparedRequest(operation, "POST", path, _QUERY_AS_POST, headers, form=query))
    form, parts = placed.get("form"), placed.get("part")
    return _within_limits(
        PreparedRequest(
            operation,
            operation.method,
            path,
            query,
            headers,
            json=placed["body"].popitem()[1] if "body" in placed else placed.get("json"),
            form=tuple((name, _text(value)) for name, value in form.items()) if form else None,
            files=tuple((name, _part(operation.parameters[name], value)) for name, value in parts.items())
            if parts
            else None,
        )
    )


def _path(operation: Operation, given: Mapping[str, Any]) -> str:
    path = operation.path
    for name, value in given.items():
        text = _text(value)
        if text in ("", ".", ".."):
            raise _refusal(operation, name, "cannot be part of an address")
        path = path.replace(f"{{{name}}}", quote(text, safe=""))
    return path


def _pairs(operation: Operation, name: str, value: Any) -> Iterator[tuple[str, str]]:
    style = operation.parameters[name].list_style
    if not isinstance(value, list) or style == "json":
        yield name, _text(value)
    elif style == "repeat":
        for item in value:
            yield name, _text(item)
    else:
        items = [_text(item) for item in value]
        if any("," in item for item in items):
            remedy = "Look the records up by input instead." if "input" in operation.parameters else None
            raise _refusal(operation, name, "has an entry with a comma, which Marketo would take for two", remedy)
        yield name, ",".join(items)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def _part(parameter: Parameter, value: Any) -> tuple[Any, ...]:
    schema = parameter.schema
    if schema.type != "file":
        return (None, _text(value))
    name, content, *media = value if isinstance(value, tuple) else (_file_name(parameter), value)
    content_type = media[0] if media else schema.media
    return (name, content, content_type) if content_type else (name, content)


def _file_name(parameter: Parameter) -> str:
    return f"{parameter.name}.{_EXTENSIONS.get(parameter.schema.media or '', 'bin')}"


def _address(path: str, query: Pairs) -> str:
    return f"{path}?{urlencode(query)}"


def _within_limits(request: PreparedRequest) -> PreparedRequest:
    address = len(_address(request.path, request.query))
    if address > URI_LIMIT:
        fault = f"makes an address of {address} bytes, and Marketo takes {URI_LIMIT}"
        raise _refusal(request.operation, _largest(request.query), fault, "Ask for less at once.")
    body = len(json.dumps(request.json) if request.json is not None else urlencode(request.form or ()))
    if body > BODY_LIMIT:
        members = request.json.items() if isinstance(request.json, dict) else request.form or [("input", request.json)]
        fault = f"makes a body of {body} bytes, and Marketo takes {BODY_LIMIT}"
        raise _refusal(request.operation, _largest(members), fault, "Send less at once.")
    return request


def _largest(members: Iterable[tuple[str, Any]]) -> str:
    return max(members, key=lambda member: len(_text(member[1])))[0]


def _refusal(operation: Operation, parameter: str, fault: str, remedy: str | None = None) -> MarketoInvalidRequestError:
    return MarketoInvalidRequestError(
        f"{parameter} {fault}", parameter=parameter, operation=operation.name, remedy=remedy
    )
