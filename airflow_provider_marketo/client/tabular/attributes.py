"""The attributes of activities: one JSON cell, in one of several shapes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

from airflow_provider_marketo.client.tabular.arrow import require_arrow
from airflow_provider_marketo.client.tabular.schema import ActivityType, snake_case

_TEXT = {str, type(None)}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
_decode_numbers_as_text = json.JSONDecoder(parse_int=str, parse_float=str).decode
_NO_ATTRIBUTES: Mapping[str, str | None] = {}

Mappings = Sequence[Mapping[str, str | None] | None]


def mappings(cells: Sequence[str | None]) -> tuple[Mappings, list[bool]]:
    """
    What cells say: Marketo writes ``{"Name": value}`` or ``[{"name": ..., "value": ...}]``.

    :param cells: texts; null or empty for no attributes.
    :return: for each cell its attributes or None, and whether it is in neither form. Values are texts: nothing is
        null, the rest JSON.
    """
    found = _all_at_once(cells)
    if found is None:
        found = [_one(cell) if cell else None for cell in cells]
    return found, [value is None and bool(cell) for value, cell in zip(found, cells, strict=True)]


def _all_at_once(cells: Sequence[str | None]) -> Mappings | None:
    """Faster than one by one, since names that come often are made once; None if a cell is not of the usual form."""
    try:
        found = _decode_numbers_as_text(f"[{','.join([cell or 'null' for cell in cells])}]")
    except ValueError:
        return None
    if len(found) != len(cells) or not set(map(type, found)) <= {dict, type(None)}:
        return None
    kinds = set(map(type, chain.from_iterable([value.values() for value in found if value])))
    if not kinds <= {*_TEXT, bool}:
        return None  # nested values, in which a number must not become a text
    return found if kinds <= _TEXT else [value and _texts(value) for value in found]


def _one(cell: str) -> Mapping[str, str | None] | None:
    try:
        value = _decode(cell)
    except ValueError:
        return None
    if isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
        value = {str(item["name"]): item.get("value") for item in value}
    return _texts(value) if isinstance(value, dict) else None


def _texts(attributes: Mapping[str, Any]) -> Mapping[str, str | None]:
    return {name: value if type(value) in _TEXT else _encode(value) for name, value in attributes.items()}


def to_map(found: Mappings) -> Any:
    """Mappings as ``map<string, string>``."""
    pa = require_arrow()
    filled = [mapping or _NO_ATTRIBUTES for mapping in found]
    offsets: list[int | None] = list(accumulate(map(len, filled), initial=0))
    if None in found:
        offsets[:-1] = [None if mapping is None else at for mapping, at in zip(found, offsets, strict=False)]
    keys = pa.array(list(chain.from_iterable(filled)), pa.string())
    values = pa.array(list(chain.from_iterable([mapping.values() for mapping in filled])), pa.string())
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, values)


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
    rest: list[Mapping[str, str | None] | None] = []
    for row, mapping in enumerate(found):
        left: dict[str, str | None] = {}
        for name, value in (mapping or {}).items():
            if name not in meant:
                meant[name] = known.get(name) or known.get(snake_case(name))
            column = meant[name]
            if column is None:
                left[name] = value
            else:
                texts[column][row] = value
        rest.append(left or None)
    return texts, rest
