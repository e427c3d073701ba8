"""The attributes of activities: one JSON cell, in one of two shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_marketo.client.tabular.arrow import require_arrow

_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Pairs = Sequence[tuple[str, Any]]


def as_mapping(text: str) -> Mapping[str, Any] | None:
    """
    What a cell says: Marketo writes ``{"Name": value}`` or ``[{"name": ..., "value": ...}]``.

    :param text: the cell.
    :return: None when it is neither.
    """
    try:
        value, end = _decode(text)
    except ValueError:
        return None
    if end != len(text) and text[end:].strip():
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


def to_map(texts: Any) -> tuple[Any, Any]:
    """
    Cells as ``map<string, string>``.

    :param texts: an array of strings.
    :return: the maps, and a boolean array that is true where a cell is not what Marketo writes; None for none.
    """
    pa = require_arrow()
    keys: list[str] = []
    values: list[str | None] = []
    offsets: list[int | None] = []
    misfits: list[bool] | None = None
    cells = texts.to_pylist()
    for row, cell in enumerate(cells):
        mapping = None
        if cell is not None and cell != "":
            mapping = as_mapping(cell)
            if mapping is None:
                misfits = misfits or [False] * len(cells)
                misfits[row] = True
        if mapping is None:
            offsets.append(None)
            continue
        offsets.append(len(keys))
        keys.extend(mapping)
        values.extend(mapping.values())
    offsets.append(len(keys))
    # Nearly all values are text: look for the others once, not once a value.
    if not all(value is None or type(value) is str for value in values):
        values = [as_text(value) for value in values]
    array = pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(keys, pa.string()), pa.array(values, pa.string())
    )
    return array, pa.array(misfits) if misfits else None
