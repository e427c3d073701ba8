"""The snapshot of Adobe's OpenAPI files, read into one shape for Swagger 2 and OpenAPI 3."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.catalogue.snapshot import NAME, PERMISSIONS, Json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENCODINGS = {"multipart/form-data": "multipart", "application/x-www-form-urlencoded": "form"}
_PLACES = {"path": "path", "query": "query", "header": "header"}
_BODY_PLACES = {"multipart": "part", "form": "form", "json": "json"}


@dataclass
class Specified:
    """
    One operation as Adobe's files describe it.

    :param name: the operation's name in the catalogue.
    :param parameters: parameters and members of the body by name, each a compact schema with the member ``in``.
    :param required: names of the required parameters.
    :param body_required: whether the request must have a body.
    """

    name: str
    operation_id: str
    method: str
    path: str
    encoding: str
    permissions: tuple[str, ...]
    parameters: dict[str, Json] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    body_required: bool = False


def read(folder: Path) -> Iterator[Specified]:
    """
    Yield every operation of every file.

    :param folder: where the snapshot lies.
    """
    for file in sorted(folder.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        definitions = document.get("definitions") or document.get("components", {}).get("schemas", {})
        for path, verbs in document["paths"].items():
            for verb, operation in verbs.items():
                yield _Reader(definitions).read(verb.upper(), path, operation)


class _Reader:
    def __init__(self, definitions: Json) -> None:
        self._definitions = definitions

    def read(self, method: str, path: str, operation: Json) -> Specified:
        parameters = list(operation.get("parameters", []))
        body = next((parameter for parameter in parameters if parameter["in"] == "body"), None)
        encoding = _ENCODINGS.get((operation.get("consumes") or [""])[0], "json")
        if "requestBody" in operation:
            body = {**operation["requestBody"], **operation["requestBody"]["content"]["application/json"]}
        found = Specified(
            name=operation[NAME],
            operation_id=operation["operationId"],
            method=method,
            path=path,
            encoding=encoding,
            permissions=tuple(operation[PERMISSIONS]),
        )
        for parameter in sorted(parameters, key=lambda parameter: parameter["in"] != "path"):
            if parameter["in"] == "body":
                continue
            place = _BODY_PLACES[encoding] if parameter["in"] == "formData" else _PLACES[parameter["in"]]
            self._add(found, parameter, place, bool(parameter.get("required")))
        if body is not None:
            found.body_required = bool(body.get("required"))
            resolved = self._resolved(body["schema"])
            # A body without members is one field, under its own name.
            members = resolved.get("properties") or {body["name"]: resolved}
            for member, schema in members.items():
                self._add(
                    found, {"name": member, **schema}, _BODY_PLACES[encoding], member in resolved.get("required", ())
                )
        return found

    def _add(self, found: Specified, parameter: Json, place: str, required: bool) -> None:
        name = parameter["name"]
        if name in found.parameters:
            # Where two places have a parameter of one name, the first of path, query and body keeps it.
            return
        schema = self._compact(parameter.get("schema", parameter))
        found.parameters[name] = {"in": place, **schema}
        if required:
            found.required.append(name)

    def _resolved(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def _compact(self, schema: Json, inside: tuple[str, ...] = ()) -> Json:
        """Return the schema with its references resolved; a definition inside itself becomes an open object."""
        reference = schema.get("$ref", "")
        if reference in inside:
            return {"type": "object"}
        inside = (*inside, reference) if reference else inside
        schema = self._resolved(schema)
        kind = _kind(schema)
        compact: Json = {"type": kind}
        if kind == "array":
            compact["items"] = self._compact(schema.get("items", {"type": "string"}), inside)
        if schema.get("enum"):
            # The files write the allowed values of a list's entries beside the list's own type.
            (compact["items"] if kind == "array" else compact)["enum"] = schema["enum"]
        if kind == "object" and schema.get("properties"):
            compact["properties"] = {
                name: self._compact(member, inside) for name, member in sorted(schema["properties"].items())
            }
            if schema.get("required"):
                compact["required"] = sorted(schema["required"])
            if schema.get("additionalProperties"):
                compact["open"] = True
        return compact


def _kind(schema: Json) -> str:
    kind = str(schema.get("type") or ("object" if "properties" in schema else "any"))
    return {"date-time": "datetime", "date": "date"}.get(schema.get("format", ""), kind) if kind == "string" else kind
