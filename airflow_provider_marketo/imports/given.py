"""
Values of the input that differ from the values sent to Marketo. Tables of rejects show them as they were given.

They are in a file beside the chunk, column by column. An entry holds either a rule that turns the sent values of some
rows back into the given ones, or those given values that differ. Columns that are sent as given have no entry.

JSON has no dates and decimals: a table shows their text, in the time zone and with the digits that they were given.
Lists and objects are sent as text; a table shows them as lists and objects.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from operator import is_
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.imports.plan import CSV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_marketo.imports.rejects import RejectRow

_NONE = type(None)
_AS_TEXT = "text"
_EMPTY_IS_NONE = "null"
_KINDS: Mapping[type, str] = {int: "integer", float: "number", bool: "boolean"}
_IN_JSON = frozenset({str, int, float, bool})
_UNCHANGED_IN_JSON = frozenset({str, int, bool, _NONE})
_WITH_A_TEXT = (date, time, Decimal)
"""``date`` includes ``datetime``."""

_NESTED = (Mapping, list, tuple, Set)

_UTC = "+00:00"
_BITS: Mapping[Any, int] = {"true": 1, "false": 0}


def _is_true(sent: Any) -> bool:
    return sent is True or sent == "true"


def _integer(sent: Any) -> int:
    bit = _BITS.get(sent)  # a boolean field gets 1 and 0 as true and false
    return int(sent) if bit is None else bit


_RULES: Mapping[str, Callable[[Any], Any]] = {
    _AS_TEXT: str,
    _EMPTY_IS_NONE: str,
    "integer": _integer,
    "number": float,
    "boolean": _is_true,
}


def file_name(chunk: str) -> str:
    """Return the name of the file beside a chunk."""
    return f"given-{chunk}.jsonl"


def as_given(given: Any, encoded: Any) -> Any:
    """Return a value for the table of rejects: unchanged, or as text if JSON cannot hold it."""
    if isinstance(given, Decimal):
        return encoded if str(encoded) == str(given) else str(given)
    if isinstance(given, (date, time)):
        text = given.isoformat()
        return f"{text.removesuffix(_UTC)}Z" if text.endswith(_UTC) else text
    if isinstance(given, Mapping):
        return {str(name): _member(value) for name, value in given.items()}
    if isinstance(given, _NESTED):
        return list(map(_member, sorted(given, key=repr) if isinstance(given, Set) else given))
    finite = not isinstance(given, float) or math.isfinite(given)
    return given if given is None or (isinstance(given, (str, int, float)) and finite) else encoded


def _member(given: Any) -> Any:
    """Return a member of a list or an object for the table of rejects."""
    return as_given(given, float(given) if isinstance(given, Decimal) and given.is_finite() else str(given))


def encode_entry(form: str, column: int, rows: Sequence[int], given: Sequence[Any], sent: Sequence[Any]) -> bytes:
    """
    Return the entry of a column, which :func:`restored` decodes.

    :param form: how the chunk is staged.
    :param column: the column's position in the header.
    :param rows: numbers of the rows in the input.
    :param given: the column's values in the input.
    :param sent: the column's values as sent to Marketo.
    :return: a line; empty if the sent values are those of the input.
    """
    kinds = set(map(type, given))
    unchanged = all(map(is_, given, sent))
    if unchanged and kinds <= ({str} if form == CSV else _UNCHANGED_IN_JSON):
        return b""
    rule = _rule(form, kinds, given, sent, unchanged=unchanged)
    if rule == "":
        return b""
    if rule is not None:
        return _line(column, [rows[0], rows[-1]], rule=rule)
    shown = ["" if value is None else str(value) for value in sent] if form == CSV else sent
    wanted = list(map(as_given, given, shown))
    other = [
        at
        for at, (one, value) in enumerate(zip(wanted, shown, strict=True))
        if one is not value and (type(one) is not type(value) or one != value)
    ]
    if not other:
        return b""
    if form == CSV and "" not in wanted and all(wanted[at] is None for at in other):
        return _line(column, [rows[0], rows[-1]], rule=_EMPTY_IS_NONE)
    return _line(column, [rows[at] for at in other], values=[wanted[at] for at in other])


def _rule(form: str, kinds: set[type], given: Sequence[Any], sent: Sequence[Any], *, unchanged: bool) -> str | None:
    """Return the rule for a whole column: empty if the values stay unchanged, None if no rule fits."""
    if any(issubclass(kind, _WITH_A_TEXT + _NESTED) for kind in kinds):
        return None
    if not kinds & _IN_JSON:  # a value that JSON cannot hold is shown as it was sent
        return _EMPTY_IS_NONE if form == CSV and _NONE in kinds else ""
    if kinds == {str}:
        if list(sent) != list(given) and list(map(_text_of, sent)) != list(given):
            return None
        return "" if form == CSV else _AS_TEXT
    if form == CSV and kinds == {str, _NONE} and unchanged and "" not in given:
        return _EMPTY_IS_NONE
    several = kinds - {_NONE}
    rule = _KINDS.get(several.pop(), None) if len(several) == 1 else None
    # A fraction for a boolean field is sent as "true", which no rule turns back.
    return rule if rule is None or unchanged or _restore(rule, sent) == list(given) else None


def _text_of(sent: Any) -> str:
    """Return a sent value as text: as in a CSV file, and as in the input if a text was sent as a number or boolean."""
    if sent is None:
        return ""
    return str(sent).lower() if isinstance(sent, bool) else str(sent)


def _restore(rule: str, sent: Sequence[Any]) -> list[Any] | None:
    turn = _RULES[rule]
    try:
        return [None if value is None or value == "" else turn(value) for value in sent]
    except (ValueError, OverflowError):
        return None


def _line(column: int, rows: Sequence[int], **facts: Any) -> bytes:
    return json.dumps({"column": column, "rows": rows, **facts}, separators=(",", ":")).encode() + b"\n"


def restored(lines: Sequence[RejectRow], entries: Iterable[bytes]) -> list[RejectRow]:
    """
    Return lines of a table with the values that were given.

    :param lines: lines with the values that were sent.
    :param entries: what :func:`encode_entry` wrote for their chunk.
    """
    values = {line.number: list(line.values) for line in lines if line.number is not None}
    numbers = sorted(values)
    for text in entries:
        entry = json.loads(text)
        column, rows = entry["column"], entry["rows"]
        wanted = numbers[bisect_left(numbers, rows[0]) : bisect_right(numbers, rows[-1])]
        if "rule" in entry:
            for number in wanted:
                values[number][column] = _by_rule(entry["rule"], values[number][column])
        else:
            given = dict(zip(rows, entry["values"], strict=True)) if wanted else {}
            for number in wanted:
                values[number][column] = given.get(number, values[number][column])
    return [line if line.number is None else replace(line, values=values[line.number]) for line in lines]


def _by_rule(rule: str, sent: Any) -> Any:
    if rule == _AS_TEXT:
        return _text_of(sent)
    return None if sent is None or sent == "" else _RULES[rule](sent)
