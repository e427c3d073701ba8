"""
The facts of Adobe's OpenAPI files that the project needs: paths, verbs, names, types and limits, none of the texts.

Adobe's files are not part of the project. This snapshot of their facts is, so that anyone can rebuild the catalogue and
run the contract tests. It keeps the files' structure: what reads the files reads the snapshot.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.catalogue.names import family_and_name

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "openapi"

Json = dict[str, Any]

NAME = "x-name"
"""The operation's name in the catalogue, made from its path and Adobe's summary."""
PERMISSIONS = "x-permissions"
"""The permissions that Adobe's description of the operation lists."""

_OPERATION = ("operationId", "consumes")
_PARAMETER = ("name", "in", "required", "collectionFormat")
_SCHEMA = (
    *("type", "format", "enum", "pattern", "required", "additionalProperties", "$ref"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
)
_REFERENCE = re.compile(r'"\$ref": ?"#/(?:definitions|components/schemas)/([^"]+)"')
_PERMISSIONS = re.compile(r"Permissions?[^:]*:(.*)", re.DOTALL | re.IGNORECASE)


def take(openapi: Path) -> dict[str, str]:
    """
    Return the text of each file of the snapshot, by the file's name.

    :param openapi: the folder with Adobe's files.
    """
    return {file.name: _text(_document(json.loads(file.read_text("utf-8")))) for file in sorted(openapi.glob("*.json"))}


def write(openapi: Path, folder: Path = FOLDER) -> None:
    """
    Replace the snapshot.

    :param openapi: the folder with Adobe's files.
    :param folder: where the snapshot lies.
    """
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for name, text in take(openapi).items():
        (folder / name).write_text(text, encoding="utf-8")


def _document(document: Json) -> Json:
    paths = {
        path: {verb: _operation(path, operation) for verb, operation in verbs.items()}
        for path, verbs in document["paths"].items()
    }
    if "components" in document:
        return {"paths": paths, "components": {"schemas": _used(paths, document["components"]["schemas"])}}
    return {"paths": paths, "definitions": _used(paths, document["definitions"])}


def _operation(path: str, operation: Json) -> Json:
    facts = _only(operation, _OPERATION)
    facts[NAME] = ".".join(family_and_name(operation["operationId"], path, operation["summary"]))
    facts[PERMISSIONS] = _permissions(operation.get("description", ""))
    if "parameters" in operation:
        facts["parameters"] = [_with_schema(parameter, _PARAMETER) for parameter in operation["parameters"]]
    if "requestBody" in operation:
        facts["requestBody"] = _with_content(operation["requestBody"])
    if "200" in operation["responses"]:
        facts["responses"] = {"200": _with_content(operation["responses"]["200"])}
    return facts


def _with_content(holder: Json) -> Json:
    """Return a body or a reply: its schema in the old format, its schema by content type in the new one."""
    facts = _with_schema(holder, ("required",)) if "schema" in holder else _only(holder, ("required",))
    if "content" in holder:
        facts["content"] = {kind: _with_schema(content, ()) for kind, content in holder["content"].items()}
    return facts


def _with_schema(holder: Json, members: tuple[str, ...]) -> Json:
    facts = _only(holder, members)
    return facts | {"schema": _schema(holder["schema"])} if "schema" in holder else facts | _schema(holder)


def _schema(schema: Json) -> Json:
    facts = _only(schema, _SCHEMA)
    if "items" in schema:
        facts["items"] = _schema(schema["items"])
    if "properties" in schema:
        facts["properties"] = {name: _schema(member) for name, member in schema["properties"].items()}
    if "allOf" in schema:
        facts["allOf"] = [_schema(part) for part in schema["allOf"]]
    if isinstance(schema.get("additionalProperties"), dict):
        facts["additionalProperties"] = _schema(schema["additionalProperties"])
    return facts


def _only(holder: Json, members: tuple[str, ...]) -> Json:
    return {name: holder[name] for name in members if name in holder}


def _used(paths: Json, definitions: Json) -> Json:
    """Return the definitions that the paths refer to, directly or through others."""
    used: Json = {}
    wanted = set(_references(paths))
    while wanted:
        name = wanted.pop()
        used[name] = _schema(definitions[name])
        wanted.update(set(_references(used[name])) - used.keys())
    return used


def _references(node: Json) -> Iterator[str]:
    yield from _REFERENCE.findall(json.dumps(node, ensure_ascii=False))


def _permissions(description: str) -> list[str]:
    """Return the names in "Required Permissions"; any one of them is enough unless joined by "and"."""
    found = _PERMISSIONS.search(description)
    if not found:
        return []
    text = re.split(r"<br|\n|\. |\.$", found.group(1).strip())[0].strip(" `.")
    return [part.strip() for part in re.split(r",| or ", text) if part.strip() and part.strip() != "None"]


def _text(document: Json) -> str:
    """Return JSON with one path or definition a line, so that a change of Adobe's is a change of few lines."""
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in document.items()) + "\n}\n"


def _lines(members: Json) -> str:
    if "schemas" in members:
        return f'{{"schemas": {_lines(members["schemas"])}}}'
    rows = (f"{json.dumps(name, ensure_ascii=False)}: {_line(members[name])}" for name in sorted(members))
    return "{\n" + ",\n".join(rows) + "\n}"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
