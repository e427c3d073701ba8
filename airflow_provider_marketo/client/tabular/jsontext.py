"""Columns as JSON text, without a Python object per row."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_marketo.client.tabular.arrow import require_arrow
from airflow_provider_marketo.client.tabular.attributes import as_mapping

_CONTROL = r"[\x00-\x1f]"
_DATETIME = "%Y-%m-%dT%H:%M:%SZ"
"""Arrow writes the fraction into %S, with as many digits as the unit has."""
_NULL = "null"


def lines(columns: dict[str, Any]) -> bytes:
    """
    One JSON object a row, each with its line end.

    :param columns: name to array, as they come out of the typing; of at least one row.
    """
    pa = require_arrow()
    parts: list[Any] = []
    for position, (name, values) in enumerate(columns.items()):
        parts.append(f"{'{' if position == 0 else ','}{json.dumps(name, ensure_ascii=False)}:")
        parts.append(pa.compute.fill_null(to_json(values), _NULL))
    joined = pa.compute.binary_join_element_wise(*parts, "}\n", "")
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.combine_chunks()
    return b"".join(map(_values, joined.chunks if isinstance(joined, pa.ChunkedArray) else [joined]))


def _values(array: Any) -> bytes:
    """The texts of an array, one behind the other, as they lie in memory."""
    _, offsets, data = array.buffers()
    width = 8 if "large" in str(array.type) else 4
    position = memoryview(offsets).cast("B")

    def at(index: int) -> int:
        start = (array.offset + index) * width
        return int.from_bytes(position[start : start + width], "little")

    return bytes(memoryview(data)[at(0) : at(len(array))])


def to_json(values: Any) -> Any:
    """An array as JSON texts; null stays null."""
    pa = require_arrow()
    kind = values.type
    if pa.types.is_string(kind):
        return quoted(values)
    if pa.types.is_timestamp(kind):
        return _quotes(pa, _timestamps(pa, values))
    if pa.types.is_date(kind):
        return _quotes(pa, pa.compute.cast(values, pa.string()))
    if pa.types.is_map(kind):
        maps = (None if pairs is None else _dump(dict(pairs)) for pairs in values.to_pylist())
        return pa.array(maps, pa.string())
    if pa.types.is_floating(kind):
        finite = pa.compute.if_else(pa.compute.is_finite(values), values, None)
        return pa.compute.cast(finite, pa.string())
    return pa.compute.cast(values, pa.string())


def embedded(texts: Any) -> Any:
    """Texts that are JSON as the JSON they are, others as strings: Marketo's attributes, unchanged."""
    pa = require_arrow()
    known = [text is not None and "\n" not in text and as_mapping(text) is not None for text in texts.to_pylist()]
    if all(known):
        return texts
    return pa.compute.if_else(pa.array(known, pa.bool_()), texts, quoted(texts))


def quoted(texts: Any) -> Any:
    """Texts as JSON strings, not escaped beyond what JSON asks for."""
    pa = require_arrow()
    pc = pa.compute
    texts = pc.replace_substring(texts, "\\", "\\\\")
    texts = pc.replace_substring(texts, '"', '\\"')
    if pc.any(pc.match_substring_regex(texts, _CONTROL)).as_py():
        for code in range(0x20):
            escaped = json.dumps(chr(code))[1:-1]
            texts = pc.replace_substring(texts, chr(code), escaped)
    return _quotes(pa, texts)


def _quotes(pa: Any, texts: Any) -> Any:
    return pa.compute.binary_join_element_wise('"', texts, '"', "")


def _timestamps(pa: Any, values: Any) -> Any:
    """Whole seconds unless there are fractions: Marketo's own dates have none."""
    seconds = pa.compute.floor_temporal(values, unit="second")
    if pa.compute.all(pa.compute.equal(seconds, values)).as_py() is False:
        return pa.compute.strftime(values, format="%Y-%m-%dT%H:%M:%SZ")
    return pa.compute.strftime(pa.compute.cast(values, pa.timestamp("s", "UTC")), format=_DATETIME)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
