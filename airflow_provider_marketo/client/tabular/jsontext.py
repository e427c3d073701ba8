"""Columns of Arrow as lines of JSON, without a Python object per row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_marketo.client.tabular.arrow import values_of, views_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_BACKSLASH = ord("\\")
_BEHIND = 1 << 31
"""A position after the end of any text in an array with 32-bit offsets."""

_USUAL = bytes(sorted(set(range(0x20, 256)) - set(b'"\\')))
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_VALUE = rf"(?:{_STRING}|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)"
_FLAT_OBJECT = rf"^\{{(?:{_STRING}:{_VALUE}(?:,{_STRING}:{_VALUE})*)?\}}$"
"""The form of nearly all attributes. RE2's ``$`` does not match before a final line break."""

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def lines(table: Any, embedded: Collection[str] = ()) -> memoryview:
    """
    Return one JSON object per row, each with its line end.

    :param table: a table with at least one row.
    :param embedded: columns of texts that are JSON already.
    """
    columns = {name: _whole(table.column(name)) for name in table.column_names}
    texts = {name: values for name, values in columns.items() if values.null_count < len(values)} or dict(columns)
    quotes = {name: '"' for name, one in texts.items() if pa.types.is_string(one.type) and name not in embedded}
    texts |= _at_once(_escaped, {name: texts[name] for name in quotes if _special(texts[name])})
    for name in [name for name in texts if name not in quotes]:
        texts[name], quotes[name] = (_embedded(texts[name]), "") if name in embedded else to_json(texts[name])
    with_null = {name: texts[name] for name, quote in quotes.items() if quote and texts[name].null_count}
    texts |= _at_once(_quoted, with_null)  # a null has no quotes
    parts: list[Any] = []
    before = "{"
    for name in columns:
        if name not in texts:
            before += f"{_dump(name)}:null,"
            continue
        quote = "" if name in with_null else quotes[name]
        parts += [f"{before}{_dump(name)}:{quote}", texts[name]]
        before = f"{quote},"
    parts += [f"{before[:-1]}}}\n", ""]  # the last one is the separator
    joined = pc.binary_join_element_wise(*parts, null_handling="replace", null_replacement="null")
    return next(views_of(joined))


def _whole(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _at_once(change: Callable[[Any], Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Change several columns of one table by one call, which costs far less than one call per column."""
    if not columns:
        return {}
    changed = change(pa.concat_arrays(list(columns.values())))
    rows = len(changed) // len(columns)
    return {name: changed.slice(position * rows, rows) for position, name in enumerate(columns)}


def objects(table: Any, embedded: Collection[str] = ()) -> Any:
    """
    Return one JSON object per row, as an array of texts.

    An object has no null members, and an object without members is null.

    :param table: a table with at least one column.
    :param embedded: columns of texts that are JSON already.
    """
    members = []
    for name in table.column_names:
        values = table.column(name).combine_chunks()
        texts, quote = (values, "") if name in embedded else to_json(values)
        member = pc.binary_join_element_wise(f",{_dump(name)}:{quote}", texts, quote, "")
        members.append(pc.coalesce(member, ""))  # a join that skips nulls drops rows that have nothing else
    joined = pc.binary_join_element_wise(*members, "")
    opened = pc.binary_replace_slice(joined.view(pa.binary()), 0, 1, b"{").view(pa.string())
    whole = pc.binary_join_element_wise(opened, "}", "")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), whole)


def to_json(values: Any) -> tuple[Any, str]:
    """Return an array as texts of JSON, where null stays null, and the quote that belongs around each text."""
    kind = values.type
    if pa.types.is_string(kind):
        return _escaped(values), '"'
    if pa.types.is_timestamp(kind):
        return _timestamps(values), '"'
    if pa.types.is_map(kind):
        maps = [None if pairs is None else _dump(dict(pairs)) for pairs in values.to_pylist()]
        return pa.array(maps, pa.string()), ""
    return pc.cast(values, pa.string()), '"' if pa.types.is_date(kind) else ""


def _embedded(texts: Any) -> Any:
    """Return texts that are JSON unchanged, and others as JSON strings."""
    known = pc.match_substring_regex(texts, _FLAT_OBJECT)
    if not pc.all(known).as_py():  # nulls do not count
        pairs = zip(known.to_pylist(), texts.to_pylist(), strict=True)
        known = pa.array([flat or (text is not None and _is_json(text)) for flat, text in pairs], pa.bool_())
        return pc.if_else(known, texts, _quoted(_escaped(texts)))
    return texts


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or list on one line."""
    try:
        return "\n" not in text and "\r" not in text and isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _escaped(texts: Any) -> Any:
    """Escape texts for JSON strings, no more than JSON requires."""
    for code in sorted(_special(texts), key=lambda code: code != _BACKSLASH):  # before others bring backslashes in
        texts = pc.replace_substring(texts, chr(code), _dump(chr(code))[1:-1])
    return texts


def _special(texts: Any) -> set[int]:
    """Return the bytes of texts that must be escaped."""
    return {code for data in values_of(texts) for code in data.translate(None, _USUAL)}


def _quoted(texts: Any) -> Any:
    """Put quotes around texts; null stays null. Inserting bytes is several times faster than joining."""
    opened = pc.binary_replace_slice(texts.view(pa.binary()), 0, 0, b'"')
    return pc.binary_replace_slice(opened, _BEHIND, _BEHIND, b'"').view(pa.string())


def _timestamps(values: Any) -> Any:
    """Write whole seconds without a fraction, as Marketo does, even if other rows have fractions."""
    try:
        naive = pc.cast(values, pa.timestamp("s"))
    except pa.ArrowInvalid:
        naive = pc.cast(values, pa.timestamp("us"))
    texts = pc.cast(naive, pa.string())  # faster than strftime, and with a space in the middle
    if naive.type.unit == "us":
        texts = pc.replace_substring_regex(texts, r"\.000000$", "")
    return pc.binary_join_element_wise(pc.utf8_replace_slice(texts, 10, 11, "T"), "Z", "")
