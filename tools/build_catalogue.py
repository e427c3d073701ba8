"""
Build the catalogue of Marketo's operations from the files in ``tools/catalogue``.

    python -m tools.build_catalogue                             after a change of the tables
    python -m tools.build_catalogue --openapi path/to/openapi   after Adobe published new OpenAPI files

The second form replaces the snapshot of the files' facts (names, paths, types, limits) first. The same snapshot and
tables always give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_marketo.client.operation import TIMEOUT_MARGIN
from tools.catalogue import behaviour, pages, snapshot
from tools.catalogue.amendments import AMENDMENTS, EXCLUSIVE, MAX_DAYS, ONE_OF
from tools.catalogue.specifications import Specified, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tools.catalogue.snapshot import Json

TARGET = Path(__file__).parent.parent / "airflow_provider_marketo" / "client" / "operations.json"

Fact = TypeVar("Fact")

_BODY_PLACES = {"part": "multipart", "form": "form", "json": "json", "body": "json"}


def build() -> str:
    """
    Return the catalogue's text.

    :raises ValueError: two operations have the same name, or a row of a table matches no operation.
    """
    operations: dict[str, Specified] = {}
    for specified in (*read(snapshot.FOLDER), *pages.OPERATIONS):
        if other := operations.get(specified.name):
            raise ValueError(f"{other.operation_id} and {specified.operation_id} are both named {specified.name}")
        operations[specified.name] = specified
    _amend(operations)
    _check_tables(operations)
    rows = (f"{json.dumps(name)}:{_compact(_row(name, operations[name]))}" for name in sorted(operations))
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _check_tables(names: Iterable[str]) -> None:
    patterns = [
        *(pattern for table in (behaviour.RETRY, behaviour.SERVER_TIMEOUT, behaviour.REPLY) for pattern, _ in table),
        *(behaviour.RETRY_OVERRIDES | behaviour.PERMISSIONS | behaviour.PATHS | ONE_OF | EXCLUSIVE | MAX_DAYS),
    ]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"a table has a row for {pattern}, which matches no operation")


def _amend(operations: dict[str, Specified]) -> None:
    for pattern, target, change in AMENDMENTS:
        fitting = [operation for name, operation in operations.items() if fnmatchcase(name, pattern)]
        if not sum(_change(operation, target, change) for operation in fitting):
            raise ValueError(f"the amendment of {target} in {pattern} matches no operation")


def _change(operation: Specified, target: str, change: Json | None) -> bool:
    """Apply one amendment; return False if the operation has no parameter of that name."""
    name, *inside = target.replace("[]", ".[]").split(".")
    if change is None:
        operation.required = [other for other in operation.required if other != name]
        return operation.parameters.pop(name, None) is not None
    if "in" in change:
        operation.parameters.setdefault(name, {})
    schema = _nested(operation.parameters.get(name), inside)
    if schema is None:
        return False
    _merge(schema, change if inside else _of_the_parameter(operation, name, change))
    return True


def _of_the_parameter(operation: Specified, name: str, change: Json) -> Json:
    """Apply the changes of the parameter's name and of whether it is required; return the other changes."""
    change = dict(change)
    if isinstance(change.get("required"), bool):
        others = [other for other in operation.required if other != name]
        operation.required = [*others, name] if change.pop("required") else others
    if renamed := change.pop("name", None):
        operation.parameters[renamed] = operation.parameters.pop(name)
        operation.required = [renamed if other == name else other for other in operation.required]
    return change


def _nested(schema: Json | None, inside: Sequence[str]) -> Json | None:
    for step in inside:
        if schema is None:
            return None
        schema = schema.get("items") if step == "[]" else schema.get("properties", {}).get(step)
    return schema


def _merge(schema: Json, change: Json) -> None:
    for key, value in change.items():
        if value is None:
            schema.pop(key, None)
        else:
            schema[key] = deepcopy(value)


def _row(name: str, operation: Specified) -> Json:
    encoding = _encoding(name, operation)
    path = behaviour.PATHS.get(name, operation.path)
    facts = {
        "id": operation.operation_id,
        "method": operation.method,
        "path": path,
        "area": "ingestion" if path.startswith("/subscriptions/") else None,
        "encoding": encoding,
        "parameters": dict(_listed(operation, _needed(name, operation))),
        "required": sorted(operation.required),
        "body_required": operation.body_required and encoding is not None,
        "one_of": ONE_OF.get(name),
        "exclusive": EXCLUSIVE.get(name),
        "maxDays": MAX_DAYS.get(name),
        "paging": _paging(path, operation.parameters),
        "retry": _first(behaviour.RETRY, name, "read" if operation.method == "GET" else "repeatable"),
        "retry_overrides": behaviour.RETRY_OVERRIDES.get(name),
        "timeout": _first(behaviour.SERVER_TIMEOUT, name, _usual_timeout(path)) + TIMEOUT_MARGIN,
        "permissions": _permissions(name, operation),
        "reply": _first(behaviour.REPLY, name, None),
    }
    return {key: value for key, value in facts.items() if value}


def _first(table: Sequence[tuple[str, Fact]], name: str, otherwise: Any) -> Any:
    return next((fact for pattern, fact in table if fnmatchcase(name, pattern)), otherwise)


def _usual_timeout(path: str) -> int:
    return behaviour.ASSET_TIMEOUT if path.startswith("/rest/asset/") else behaviour.OTHER_TIMEOUT


def _encoding(name: str, operation: Specified) -> str | None:
    encodings = {_BODY_PLACES.get(parameter["in"]) for parameter in operation.parameters.values()} - {None}
    if len(encodings) > 1:
        raise ValueError(f"{name} has a body of {' and '.join(sorted(map(str, encodings)))}")
    # A body on a GET is a lookup by a key of several fields; the client makes it a POST.
    return None if operation.method == "GET" else next(iter(encodings), None)


def _needed(name: str, operation: Specified) -> set[str]:
    return {*operation.required, *(alternative for group in ONE_OF.get(name, ()) for alternative in group)}


def _listed(operation: Specified, needed: set[str]) -> Iterator[tuple[str, Json]]:
    """Yield the parameters by name; lists get the members that all lists have."""
    for name, schema in sorted(operation.parameters.items()):
        if schema["type"] == "array":
            in_query = schema["in"] == "query"
            style = {"list": "comma"} if in_query else {}
            # Marketo ignores an empty filter and returns every record.
            least = {"minItems": 1} if in_query or name in needed else {}
            yield name, {**least, **style, **schema}
        elif name == "filter":
            yield name, {**schema, "properties": {each: _filled(one) for each, one in schema["properties"].items()}}
        else:
            yield name, schema


def _filled(schema: Json) -> Json:
    """Return the schema of one filter of an export, whose list must name something."""
    return {"minItems": 1, **schema} if schema["type"] == "array" else schema


def _paging(path: str, parameters: Json) -> str | None:
    if "nextPageToken" in parameters:
        return "date" if path.startswith("/rest/v1/activities") else "position"
    styles = {"offset": "offset", "pageIndex": "page", "pageOffset": "page_offset"}
    return next((style for name, style in styles.items() if name in parameters), None)


def _permissions(name: str, operation: Specified) -> list[str]:
    """Return the permissions. One of them is enough, but operations of the new designer need all."""
    names = behaviour.PERMISSIONS.get(name) or [
        behaviour.PERMISSION_SPELLINGS.get(permission, permission) for permission in operation.permissions
    ]
    return [" and ".join(names)] if "Access Design Studio" in names else names


def main() -> None:
    """Write the catalogue."""
    parser = argparse.ArgumentParser(description="Build the catalogue of Marketo's operations.")
    parser.add_argument("--openapi", type=Path, help="folder with Adobe's OpenAPI files; replaces the snapshot first")
    arguments = parser.parse_args()
    if arguments.openapi is not None:
        snapshot.write(arguments.openapi)
    TARGET.write_text(build(), encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
