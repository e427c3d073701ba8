"""The attributes of activities: one JSON cell, in one of several shapes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow_provider_marketo.client.tabular.arrow import require_arrow
from airflow_provider_marketo.client.tabular.schema import ActivityType, snake_case

_decode = json.JSONDecoder().decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Mappings = Sequence[Mapping[str, Any] | None]


def mappings(cells: Sequence[str | None]) -> tuple[Mappings, list[bool]]:
    """
    What cells say: Marketo writes ``{"Name": value}`` or ``[{"name": ..., "value": ...}]``.

    :param cells: texts; null or empty for no attributes.
    :return: for each cell its mapping or None, and whether it is neither of Marketo's forms.
    """
    found: list[Any]
    try:
        # All at once is faster than one by one: names that come often are made once.
        found = json.loads(f"[{','.join([cell or 'null' for cell in cells])}]")
        if len(found) == len(cells) and all(type(value) is dict or value is None for value in found):
            return found, [value is None and bool(cell) for value, cell in zip(found, cells, strict=True)]
    except ValueError:
        pass
    found = [as_mapping(cell) if cell else None for cell in cells]
    return found, [value is None and bool(cell) for value, cell in zip(found, cells, strict=True)]


def as_mapping(text: str) -> Mapping[str, Any] | None:
    """One cell; None when it is in neither form."""
    try:
        value = _decode(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
        return {str(item["name"]): item.get("value") for item in value}
    return None


def as_text(value: Any) -> str | None:
    """A value as a map of strings can hold it: text as it is, nothing as null, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    return _encode(value)


def to_map(found: Mappings) -> Any:
    """Mappings as ``map<string, string>``."""
    pa = require_arrow()
    keys: list[str] = []
    values: list[Any] = []
    offsets: list[int | None] = []
    for mapping in found:
        if mapping is None:
            offsets.append(None)
        else:
            offsets.append(len(keys))
            keys.extend(mapping)
            values.extend(mapping.values())
    offsets.append(len(keys))
    try:
        texts = pa.array(values, pa.string())  # nearly always they are text
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = pa.array(list(map(as_text, values)), pa.string())
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(keys, pa.string()), texts)


def columns_of(kind: ActivityType, taken: Collection[str]) -> dict[str, tuple[str, str]]:
    """
    The columns that a type's attributes become.

    :param kind: the activity type.
    :param taken: names of columns that every activity has.
    :return: display name to the name of its column and its data type.
    """
    columns: dict[str, tuple[str, str]] = {}
    used = set(taken)
    for name, data_type in kind.attributes.items():
        column = snake_case(name) or "attribute"
        while column in used:
            column += "_attribute"
        used.add(column)
        columns[name] = (column, data_type)
    return columns


def spread(found: Mappings, names: Collection[str]) -> tuple[dict[str, list[str | None]], Mappings]:
    """
    Mappings as columns.

    :param found: one for each row.
    :param names: display names of the attributes to take.
    :return: the texts of each attribute, and what is left over. Names that differ in case, spaces or punctuation are
        one: Adobe has changed those.
    """
    known = {snake_case(name): name for name in names}
    known.update({name: name for name in names})
    meant: dict[str, str | None] = {}
    texts: dict[str, list[str | None]] = {name: [None] * len(found) for name in names}
    rest: list[Mapping[str, Any] | None] = []
    for row, mapping in enumerate(found):
        left: dict[str, Any] = {}
        for name, value in (mapping or {}).items():
            if name not in meant:
                meant[name] = known.get(name) or known.get(snake_case(name))
            column = meant[name]
            if column is None:
                left[name] = value
            else:
                texts[column][row] = as_text(value)
        rest.append(left or None)
    return texts, rest
