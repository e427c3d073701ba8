"""The attributes of activities: one JSON cell, in one of several shapes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from airflow_provider_marketo.client.tabular.schema import ActivityType, folded, identifier, name_digest

_FLAT = {str, bool, type(None)}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
_decode_numbers_as_text = json.JSONDecoder(parse_int=str, parse_float=str).decode
HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
"""A possible half of a surrogate pair, as JSON escapes it. Both halves together are one character."""

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_RUN_ID = r'Run ?I[dD]"\s*(?:,\s*"value"\s*)?:\s*'
QUOTED_RUN_ID = re.compile((_RUN_ID + r'"(?:"|\\")\d').encode())
"""Start of a run id of a campaign that Marketo has quoted twice. The search is fast, as most blocks have run ids."""

_QUOTED_RUN_ID = re.compile(rf'("[Cc]ampaign ?{_RUN_ID})(?:""(\d+)""|"\\"(\d+)\\"")')
_AT_A_TIME = 256
_NO_ATTRIBUTES: Mapping[str, Any] = {}

Mappings = Sequence[Mapping[str, Any] | None]


def mappings(cells: Sequence[str | None]) -> tuple[Mappings, list[bool]]:
    """
    Read the attributes of cells: Marketo writes ``{"Name": value}`` or ``[{"name": ..., "value": ...}]``.

    :param cells: texts; null or empty for no attributes.
    :return: the attributes of each cell or None, and whether the cell has neither form. See :func:`as_text` for values.
    """
    found = _all_at_once(cells)
    if found is None:
        found = [_one(cell) if cell else None for cell in cells]
    return found, [value is None and bool(cell) for value, cell in zip(found, cells, strict=True)]


def _all_at_once(cells: Sequence[str | None]) -> Mappings | None:
    """Read all cells with one call, so that frequent names are created once. None if a cell has an unusual form."""
    try:
        found = _decode_numbers_as_text(f"[{','.join([cell or 'null' for cell in cells])}]")
    except (ValueError, RecursionError):
        return None
    if len(found) != len(cells) or not set(map(type, found)) <= {dict, type(None)}:
        return None
    kinds = set(map(type, chain.from_iterable([value.values() for value in found if value])))
    return found if kinds <= _FLAT else None  # in nested values a number must not become a text


def _one(cell: str) -> Mapping[str, Any] | None:
    try:
        value = _decode(cell)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value):
        value = {str(item["name"]): item.get("value") for item in value}
    return value if isinstance(value, dict) else None


def without_half_pairs(cell: str) -> str:
    """Replace escapes that are half of a surrogate pair with the escape of U+FFFD."""
    return _ESCAPE.sub(lambda escape: r"\ufffd" if escape[1] else escape[0], cell)


def with_run_id(cell: str) -> str:
    """Remove the quotes around a campaign's run id in exports before August 2026. Later exports have a number."""
    return _QUOTED_RUN_ID.sub(lambda match: f"{match[1]}{match[2] or match[3]}", cell)


def as_text(value: Any) -> str | None:
    """Return a value as a text: None stays None, and anything that is not a text becomes JSON."""
    if value is None or isinstance(value, str):
        return value
    return ("true" if value else "false") if isinstance(value, bool) else _encode(value)


def to_map(found: Mappings) -> Any:
    """Return mappings as an array of ``map<string, string>``."""
    maps = _Maps()
    maps.add(found)
    return maps.array()


def cells_to_map(cells: Sequence[str | None]) -> tuple[Any, list[bool]]:
    """
    Return cells as ``map<string, string>``, and for each cell whether it has neither of Marketo's forms.

    They are converted a few at a time. If all dictionaries were alive at once, the garbage collector would scan them
    again and again, which would cost more than everything else here.
    """
    maps, bad = _Maps(), []
    for first in range(0, len(cells), _AT_A_TIME):
        found, wrong = mappings(cells[first : first + _AT_A_TIME])
        maps.add(found)
        bad += wrong
    return maps.array(), bad


class _Maps:
    """A column of maps under construction."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._values: list[str | None] = []
        self._starts: list[int | None] = []

    def add(self, found: Mappings) -> None:
        """Append rows."""
        filled = [mapping or _NO_ATTRIBUTES for mapping in found]
        starts = list(accumulate(map(len, filled), initial=len(self._keys)))
        if None in found:
            self._starts += [None if mapping is None else at for mapping, at in zip(found, starts, strict=False)]
        else:
            self._starts += starts[:-1]
        self._keys += chain.from_iterable(filled)
        values = chain.from_iterable([mapping.values() for mapping in filled])
        self._values += [value if type(value) is str else as_text(value) for value in values]

    def array(self) -> Any:
        offsets = pa.array([*self._starts, len(self._keys)], pa.int32())
        return pa.MapArray.from_arrays(offsets, pa.array(self._keys, pa.string()), pa.array(self._values, pa.string()))


def columns_of(kind: ActivityType, taken: Collection[str]) -> dict[str, tuple[str, str]]:
    """
    Return the columns that a type's attributes become. An attribute that appears later does not move the others.

    :param kind: the activity type.
    :param taken: names of columns that every activity has, and of the partitions, which readers take for columns.
    :return: display name to the name of its column and its data type.
    """
    columns: dict[str, tuple[str, str]] = {}
    used = set(taken)
    for name, data_type in kind.attributes.items():
        column = identifier(name)
        while column in taken:
            column += "_attribute"
        if column in used:  # another name differs only in capitals
            column = f"{column}_{name_digest(name)}"
        used.add(column)
        columns[name] = (column, data_type)
    return columns


def spread(found: Mappings, names: Collection[str]) -> tuple[dict[str, list[str | None]], Mappings]:
    """
    Spread mappings over columns.

    :param found: mappings, one for each row.
    :param names: display names of the attributes to take.
    :return: the texts of each attribute, and what is left over. A name counts as an attribute's if it
        differs only in case, spaces or punctuation, which Adobe has changed; an exact name goes first.
    """
    spellings = Counter(map(folded, names))
    by_spelling = {folded(name): name for name in names if spellings[folded(name)] == 1}
    meant: dict[str, str | None] = {name: name for name in names}
    texts: dict[str, list[str | None]] = {name: [None] * len(found) for name in names}
    rest: list[Mapping[str, Any] | None] = []
    for row, mapping in enumerate(found):
        left: dict[str, Any] = {}
        for name, value in (mapping or _NO_ATTRIBUTES).items():
            if name not in meant:
                meant[name] = by_spelling.get(folded(name))
            column = meant[name]
            if column is None or (column != name and mapping and (column in mapping or texts[column][row] is not None)):
                left[name] = value
            else:
                texts[column][row] = as_text(value)
        rest.append(left or None)
    return texts, rest
