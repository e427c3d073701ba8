"""Encode an operation and its parameters as a request: path, query, headers and body."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_provider_marketo.client.checking import checked
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.values import FaultError, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_marketo.client.operation import Operation, Parameter

URI_LIMIT = 8192 - 128
"""Bytes of path and query. Marketo takes 8 KB; the difference is room for scheme and host."""

BODY_LIMIT = 1 << 20
"""Bytes of any body except an import file."""

_AROUND_A_PART = 256
"""Upper bound of the bytes around each part of a multipart body: two boundaries, headers, the file's name."""

_QUERY_AS_POST = (("_method", "GET"),)
_LEAD_DATABASE = "/rest/v1/"
_EXTENSIONS = {"text/html": "html", "text/csv": "csv"}

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PreparedRequest:
    """
    A request without host and token. Its ``repr`` does not show its content, which may be leads.

    :param operation: the operation that it calls.
    :param method: HTTP verb; differs from the operation's if a query is sent as POST.
    :param path: the path, with parameters, percent-encoded.
    :param query: names and values, not yet encoded.
    :param headers: headers in addition to those of every request.
    :param json: body to be sent as JSON; None without one.
    :param form: fields of a form body; None without one.
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

    A query of the lead database becomes a POST with ``_method=GET`` in two cases: its address would exceed 8 KB, or it
    looks records up by a key of several fields (``input``).

    :param operation: an operation of the catalogue.
    :param parameters: parameters in Adobe's spelling. None means not given; a datetime without a time zone is UTC.
    :raises MarketoInvalidRequestError: Marketo would refuse the call; ``parameter`` names what to change.
    """
    try:
        return _within_limits(_encoded(operation, checked(operation, parameters)))
    except FaultError as fault:
        raise MarketoInvalidRequestError(
            str(fault), parameter=fault.parameter, operation=operation.name, remedy=fault.remedy
        ) from None


def _encoded(operation: Operation, given: Mapping[str, Any]) -> PreparedRequest:
    placed: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        placed.setdefault(operation.parameters[name].place, {})[name] = value
    path = _path(operation.path, placed.get("path", {}))
    headers = {name: _header(name, value) for name, value in placed.get("header", {}).items()}
    asked, form, parts = placed.get("query", {}), placed.get("form"), placed.get("part")
    # The body is one value, or an object with members.
    body = next(iter(placed["body"].values())) if "body" in placed else placed.get("json")
    if operation.method == "GET" and body:
        return PreparedRequest(operation, "POST", path, _QUERY_AS_POST, headers, json={**asked, **body})
    query = tuple(pair for name, value in asked.items() for pair in _pairs(operation, name, value))
    if operation.method == "GET" and path.startswith(_LEAD_DATABASE) and len(_address(path, query)) > URI_LIMIT:
        return PreparedRequest(operation, "POST", path, _QUERY_AS_POST, headers, form=query)
    return PreparedRequest(
        operation,
        operation.method,
        path,
        query,
        headers,
        json=body,
        form=tuple((name, text(value)) for name, value in form.items()) if form else None,
        files=tuple((name, _part(operation.parameters[name], value)) for name, value in parts.items())
        if parts
        else None,
    )


def _path(template: str, given: Mapping[str, Any]) -> str:
    for name, value in given.items():
        part = text(value)
        if part in ("", ".", ".."):
            raise FaultError(name, "cannot be part of a URL")
        template = template.replace(f"{{{name}}}", quote(part, safe=""))
    return template


def _header(name: str, value: Any) -> str:
    content = text(value)
    if not (content.isascii() and content.isprintable()):
        raise FaultError(name, "must be printable ASCII, because it is sent in an HTTP header")
    return content


def _pairs(operation: Operation, name: str, value: Any) -> Iterator[tuple[str, str]]:
    style = operation.parameters[name].list_style
    if not isinstance(value, list) or style == "json":
        yield name, text(value)
    elif style == "repeat":
        for item in value:
            yield name, text(item)
    else:
        items = [text(item) for item in value]
        if any("," in item for item in items):
            remedy = "Give the records as input=[{...}] instead." if "input" in operation.parameters else None
            raise FaultError(name, "has an entry with a comma, which Marketo reads as two entries", remedy)
        yield name, ",".join(items)


def _part(parameter: Parameter, value: Any) -> tuple[Any, ...]:
    schema = parameter.schema
    if schema.type != "file":
        return (None, text(value))
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
        fault = f"leads to a URL of {address} bytes, and Marketo takes at most 8 KB, including the host"
        raise FaultError(_largest([*request.query, ("path", request.path)]), fault, "Ask for less at once.")
    body = len(json.dumps(request.json) if request.json is not None else urlencode(request.form or ()))
    if body > BODY_LIMIT:
        whole = [(request.operation.body_parameters[0], request.json)]
        members = request.form or (request.json.items() if isinstance(request.json, dict) else whole)
        fault = f"leads to a body of {body} bytes, and Marketo takes at most {BODY_LIMIT}"
        raise FaultError(_largest(members), fault, "Send less at once.")
    _check_files(request)
    return request


def _check_files(request: PreparedRequest) -> None:
    """Check the size of a multipart body. Import files have their own limit, which was checked before."""
    parts = request.files or ()
    if any(parameter.schema.max_bytes for parameter in request.operation.parameters.values()):
        return
    body = sum(len(name) + len(part[1]) + _AROUND_A_PART for name, part in parts)
    if body > BODY_LIMIT:
        largest = max(parts, key=lambda member: len(member[1][1]))[0]
        fault = f"leads to a body of {body} bytes, and Marketo takes at most {BODY_LIMIT}"
        raise FaultError(largest, fault, "Send a smaller file, or upload it in Marketo's UI.")


def _largest(members: Iterable[tuple[str, Any]]) -> str:
    return max(members, key=lambda member: len(text(member[1])))[0]
