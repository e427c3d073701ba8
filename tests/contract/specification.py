"""Adobe's OpenAPI files, and how a request differs from them. Shares no code with the catalogue's generator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator

from tests.contract.wire import Sent

Json = Mapping[str, Any]
Difference = tuple[str, str]
"""Kind of difference, and the parameter, or the member of the body (``input[].seq``), that differs."""

_PATH_VALUES = {"integer": r"\d+"}
_CASTS: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}


@dataclass(frozen=True)
class Contract:
    """
    One operation of the files.

    :param body: schema of the body, with everything it refers to; None for an operation without a body.
    """

    method: str
    path: str
    consumes: str | None
    parameters: tuple[Json, ...]
    body: Json | None
    body_required: bool

    def names(self) -> Iterator[tuple[str, str]]:
        """Place and name of everything that may be sent, except in the path."""
        for parameter in self.parameters:
            if parameter["in"] != "path":
                yield {"formData": "body"}.get(parameter["in"], parameter["in"]), parameter["name"]
        for name in _resolved(self.body, self.body).get("properties", {}) if self.body else ():
            yield "body", name

    def differences(self, request: Sent) -> Iterator[Difference]:
        """Yield the ways in which a request differs from the files."""
        if request.method != self.method:
            yield "verb", request.method
        if not re.fullmatch(self._path_pattern(), request.path):
            yield "path", ""
        yield from self._query_differences(request)
        for name in self._named("header"):
            if name not in request.headers and self._named("header")[name].get("required"):
                yield "header missing", name
        yield from self._body_differences(request)

    def _named(self, place: str) -> dict[str, Json]:
        return {parameter["name"]: parameter for parameter in self.parameters if parameter["in"] == place}

    def _path_pattern(self) -> str:
        types = {name: parameter.get("type", "string") for name, parameter in self._named("path").items()}
        parts = re.split(r"\{(\w+)\}", self.path)
        return "".join(
            _PATH_VALUES.get(types[part], "[^/]+") if index % 2 else re.escape(part) for index, part in enumerate(parts)
        )

    def _query_differences(self, request: Sent) -> Iterator[Difference]:
        known = self._named("query")
        for name, parameter in known.items():
            values = [value for given, value in request.query if given == name]
            if values:
                yield from self._value_differences(name, parameter, values)
            elif parameter.get("required"):
                yield "query missing", name
        for name in dict(request.query):
            if name not in known:
                yield "query unknown", name

    def _value_differences(self, name: str, parameter: Json, values: list[str]) -> Iterator[Difference]:
        kind = parameter
        if parameter["type"] == "array":
            kind = parameter["items"]
            if any("," in value for value in values):
                yield "list with commas", name
                values = [item for value in values for item in value.split(",")]
        elif len(values) > 1:
            yield "query repeated", name
        for value in values:
            try:
                _CASTS.get(kind["type"], str)(value)
            except (KeyError, ValueError):
                yield "query type", name
            if value not in (parameter.get("enum") or kind.get("enum") or [value]):
                yield "query value", name

    def _body_differences(self, request: Sent) -> Iterator[Difference]:
        form = self._named("formData")
        if request.content_type is None:
            if self.body_required or any(parameter.get("required") for parameter in form.values()):
                yield "body missing", ""
            return
        if request.content_type != self.consumes:
            yield "content type", request.content_type
        body = request.body if request.content_type == "application/json" else self._typed(request.fields)
        if form:
            yield from self._field_differences(form, request.fields)
        elif self.body is None:
            for name in body:
                yield "member unknown", name
        else:
            yield from _schema_differences(self.body, body)

    def _field_differences(self, form: Mapping[str, Json], fields: Mapping[str, str]) -> Iterator[Difference]:
        for name, parameter in form.items():
            if parameter.get("required") and name not in fields:
                yield "field missing", name
            if parameter.get("enum") and fields.get(name) not in parameter["enum"]:
                yield "field value", name
        for name in fields:
            if name not in form:
                yield "field unknown", name

    def _typed(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Return a form's fields in the types of the files: objects and lists are JSON inside their field."""
        if self.body is None:
            return dict(fields)
        members = _resolved(self.body, self.body).get("properties", {})
        return {
            name: _cast(_resolved(self.body, members.get(name, {})).get("type"), text) for name, text in fields.items()
        }


def _cast(kind: str | None, text: str) -> Any:
    try:
        return json.loads(text) if kind in ("object", "array") else _CASTS.get(kind or "", str)(text)
    except (KeyError, ValueError):
        return text


def _resolved(root: Json, schema: Json) -> Json:
    while "$ref" in schema:
        _, *steps = schema["$ref"].split("/")
        schema = root
        for step in steps:
            schema = schema[step]
    return schema


def _schema_differences(schema: Json, body: Any) -> Iterator[Difference]:
    for error in Draft4Validator(schema).iter_errors(body):
        where = _where(error.absolute_path)
        if error.validator == "required":
            for name in error.validator_value:
                if name not in error.instance:
                    yield "member missing", f"{where}.{name}".lstrip(".")
        else:
            yield f"member {error.validator}", where
    yield from _unknown(schema, schema, body, "")


def _unknown(root: Json, schema: Json, value: Any, where: str) -> Iterator[Difference]:
    """Members that the files do not know. A schema without members takes any."""
    schema = _resolved(root, schema)
    if isinstance(value, list):
        for item in value:
            yield from _unknown(root, schema.get("items", {}), item, f"{where}[]")
    elif isinstance(value, dict) and schema.get("properties"):
        for name, member in value.items():
            inside = f"{where}.{name}".lstrip(".")
            if name in schema["properties"]:
                yield from _unknown(root, schema["properties"][name], member, inside)
            elif not schema.get("additionalProperties"):
                yield "member unknown", inside


def _where(path: Any) -> str:
    text = ""
    for step in path:
        text += "[]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def contracts(folder: Path) -> dict[str, Contract]:
    """Every operation of the files, by operationId."""
    return {
        operation["operationId"]: _contract(document, verb.upper(), path, operation)
        for file in sorted(folder.glob("*.json"))
        for document in [json.loads(file.read_text(encoding="utf-8"))]
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
    }


def _contract(document: Json, method: str, path: str, operation: Json) -> Contract:
    parameters = [{**parameter.get("schema", {}), **parameter} for parameter in operation.get("parameters", [])]
    body = next((parameter for parameter in parameters if parameter["in"] == "body"), None)
    consumes = (operation.get("consumes") or [None])[0]
    if "requestBody" in operation:
        [(consumes, content)] = operation["requestBody"]["content"].items()
        body = {"schema": content["schema"], "required": operation["requestBody"].get("required", False)}
    schema = None
    if body is not None:
        shape = body["schema"]
        if "$ref" not in shape and "properties" not in shape:
            # A body that is not an object is one field of a form, under the parameter's own name.
            shape = {"type": "object", "properties": {body["name"]: shape}}
        schema = {**shape, **{key: document[key] for key in ("definitions", "components") if key in document}}
    return Contract(
        method=method,
        path=path,
        consumes=consumes,
        parameters=tuple(parameter for parameter in parameters if parameter["in"] != "body"),
        body=schema,
        body_required=bool(body and body.get("required")),
    )
