"""
What an argument means, however authors, XComs and templates write it.

Each function takes the argument's name for the error, and refuses what it does not understand.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from typing import Any
from uuid import UUID

from airflow_provider_marketo.client.counts import counted, duration, named_type
from airflow_provider_marketo.client.dates import as_utc as in_utc
from airflow_provider_marketo.client.dates import has_zone, parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

# ``re`` compiles and keeps a pattern when it is first used: to compile all of them would take 2 ms of each DAG file.
_LIST_TEXT = r"(?s)(?:\[.*\]|\(.*\)|\{.*\})"
_LIST_CALL_TEXT = r"(?s)(?:frozenset|set|o?dict_keys|o?dict_values|deque|array|Index)\((.*?)(?:,\s*\w+=[^\[\]()]*)?\)"
_RANGE_TEXT = r"(?a)range\((-?\d{1,18})(?:, (-?\d{1,18}))?(?:, (-?[1-9]\d{0,17}))?\)"
_NUMBER_CALLS = r"Decimal|u?int\d+|float\d+|str_|UUID"
"""What ``repr`` of a list writes around a number or a text, such as ``[np.int64(7), Decimal('8')]``."""

_SPACED_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[+-]?(?:0|[1-9]\d*)(?:\.\d*)?(?:e[+-]?\d+)?|\.\.\.)"""
_SPACED_TEXT = rf"(?sa)\[\s*{_SPACED_ITEM}(?:\s+{_SPACED_ITEM})+\s*\]"
"""How numpy writes an array: without commas, and with dots in place of the middle items of a long array."""

_OBJECT_TEXT = r"<[\w. ]*\bobject\b[^<>]* at 0x[0-9a-fA-F]+>"
"""What Python writes for an object that has no text of its own, such as a generator."""

_LONGEST_RANGE = 10_000_000

_NOTHING = ("", "None")
_NO_LIST = (*_NOTHING, "null")
"""``null`` is what ``| tojson`` makes of None."""

_ISO_DURATION = (
    r"(?P<sign>[+-])?P(?!$)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_WHOLE = r"(?a)\s*[+-]?\d{1,18}\s*"
_NUMBERS = r"(?a)[\d\s,;.+\-\[\](){}]*"
_LONGEST_SHOWN = 80


def one_of(parameter: str, value: Any, choices: Sequence[Any], *, required: bool = True) -> Any:
    """
    Refuse a value that is not among the choices, and name the nearest of them.

    :param parameter: name of the argument, for the error.
    :param value: what was given.
    :param choices: the allowed values.
    :param required: whether ``None`` is refused.
    """
    if value is None and not required:
        return None
    if isinstance(value, (str, int, bool)) and value in choices:
        return value
    near = nearest(str(value), map(str, choices))
    listed = ", ".join(repr(each) for each in choices)
    raise MarketoInvalidRequestError(
        f"{parameter}={shown(value)} is not one of {listed}",
        parameter=parameter,
        remedy=did_you_mean([repr(each) for each in near]) if near else None,
    )


def as_list(parameter: str, value: Any, *, required: bool = False) -> tuple[Any, ...] | None:
    """
    Return the items of a list as authors, XComs and templates give it.

    Lists, tuples, sets and the text that a template makes of any of them (Python or JSON) are lists. Other text is one
    value: it is never taken apart at commas. ``None``, the texts ``None`` and ``null`` and an empty text count as not
    given.

    :param parameter: name of the argument, for the error.
    :param value: what was given.
    :param required: whether a missing list is refused.
    :return: None if nothing was given.
    """
    value = given_value(parameter, value, required, _NO_LIST)
    if value is None:
        return None
    if isinstance(value, str):
        if re.search(_OBJECT_TEXT, value):
            raise MarketoInvalidRequestError(
                f"{parameter} is the text of a Python object, not of a list",
                parameter=parameter,
                remedy="End the template with a list, such as {{ rows | map(attribute='id') | list }}.",
            )
        value = _parsed_list(parameter, value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    if isinstance(value, Iterator):  # the check at parse time would use it up
        raise MarketoInvalidRequestError(
            f"{parameter} is {named_type(value)}, which can be read only once",
            parameter=parameter,
            remedy="Write list(...) around it.",
        )
    if isinstance(value, (Mapping, bytes, bytearray)):
        raise MarketoInvalidRequestError(
            f"{parameter} is {named_type(value)}, not a list",
            parameter=parameter,
            remedy="Write a list, such as ['a', 'b'].",
        )
    # The order of a set differs between processes, and the order of an argument's items must not.
    return tuple(sorted(value, key=repr) if isinstance(value, Set) else value)


def refuse_empty(parameter: str, found: Any, *, member: str = "") -> None:
    """
    Refuse an empty list where leaving it out means everything: an empty list names nothing.

    :param parameter: name of the argument, for the error.
    :param found: the list; None if it was not given.
    :param member: member of the argument that has the list, if the argument is a mapping of lists.
    """
    if found is not None and not found:
        raise MarketoInvalidRequestError(
            f"{parameter}{f'[{member!r}]' if member else ''} is empty, and an empty list names nothing",
            parameter=parameter,
            remedy="Skip the task, for example with @task.short_circuit, when there is nothing to name. If the argument"
            " is optional, leave it out to mean everything.",
        )


def as_utc(parameter: str, value: Any) -> tuple[datetime | None, bool]:
    """
    Return a date as authors give it, and whether it came without a zone and was taken as UTC.

    :param parameter: name of the argument, for the error.
    :param value: a datetime, a date, an ISO 8601 text, or nothing.
    """
    value = given_value(parameter, value, required=False)
    if value is None:
        return None, False
    if isinstance(value, str):
        naive = not has_zone(value)
        found = parse_date_or_none(value)
        if found is None:
            raise MarketoInvalidRequestError(
                f"{parameter}={shown(value)} is not a date",
                parameter=parameter,
                remedy="Give ISO 8601, such as 2026-01-31 or 2026-01-31T00:00:00Z.",
            )
        return found.replace(microsecond=0), naive
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(0), timezone.utc)
    if not isinstance(value, datetime):
        raise MarketoInvalidRequestError(
            f"{parameter} is {named_type(value)}, not a date",
            parameter=parameter,
            remedy="Give a datetime, a date or ISO 8601, such as 2026-01-31T00:00:00Z.",
        )
    try:
        return in_utc(value).replace(microsecond=0), value.tzinfo is None
    except OverflowError:  # the first or last hours of the calendar, in another zone
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} is not a date of the years 1 to 9999 in UTC", parameter=parameter
        ) from None


def as_duration(parameter: str, value: Any, *, positive: bool = True) -> timedelta:
    """
    Return a length of time.

    :param parameter: name of the argument, for the error.
    :param value: a timedelta, a number of seconds, or text with either a number of seconds or an ISO 8601 duration.
    :param positive: whether zero is also refused.
    """
    found = _own_class(value) if isinstance(value, timedelta) else _seconds(value)
    if found is None and isinstance(value, str):
        found = _iso_duration(value)
    if found is None:
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} is not a length of time",
            parameter=parameter,
            remedy="Give seconds, a timedelta, or an ISO 8601 duration such as 'PT1H'.",
        )
    if found < timedelta(0) or (positive and not found):
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} is {'not positive' if positive else 'negative'}",
            parameter=parameter,
        )
    return found


def as_period(parameter: str, value: Any, *, minimum: timedelta = timedelta(0)) -> timedelta:
    """
    Return a length of calendar time, in whole seconds: rows have no finer dates.

    A bare number is refused, since it could mean days as well as seconds.

    :param parameter: name of the argument, for the error.
    :param value: a timedelta, or text with an ISO 8601 duration.
    :param minimum: the shortest that makes sense.
    """
    found = _own_class(value) if isinstance(value, timedelta) else None
    if isinstance(value, str):
        found = _iso_duration(value)
    if found is None:
        number = _seconds(value)
        # Most often the author meant a number of days.
        days = int(number.total_seconds()) if number is not None and number >= timedelta(seconds=1) else 7
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} has no unit"
            if number is not None
            else f"{parameter}={shown(value)} is not a length of time",
            parameter=parameter,
            remedy=f"Write timedelta(days={days}) or 'P{days}D'.",
        )
    found = timedelta(days=found.days, seconds=found.seconds)
    if found < minimum:
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} is shorter than {duration(minimum)}"
            if minimum
            else f"{parameter}={shown(value)} is negative",
            parameter=parameter,
        )
    return found


def _own_class(length: timedelta) -> timedelta | None:
    """Return Python's own class in place of a subclass such as pendulum's, which computes differently."""
    with suppress(OverflowError):  # the longest timedelta has no exact number of seconds
        return timedelta(seconds=length.total_seconds())
    return None


def checked_values(values: Iterable[Any], parameter: str = "lookup_values") -> list[str]:
    """
    Return the values of a filter as texts, each once.

    :param values: what to look for; None and empty texts are passed over.
    :param parameter: name of the argument, for the error.
    :raises MarketoInvalidRequestError: a value is not a text, number, date or UUID, or contains a comma, which Marketo
        reads as two values.
    """
    texts = [
        str(value) if isinstance(value, (date, UUID)) else as_text(f"{parameter}[{place}]", value)
        for place, value in enumerate(values)
        if value is not None
    ]
    found = list(dict.fromkeys(filter(None, texts)))
    with_comma = sum("," in written for written in found)
    if with_comma:
        values_contain = f"{counted(len(found), 'value')} {'contains' if with_comma == 1 else 'contain'}"
        raise MarketoInvalidRequestError(
            f"{parameter}: {with_comma} of {values_contain} a comma, which Marketo reads as two values",
            parameter=parameter,
            remedy="Look these leads up by another field.",
        )
    return found


def given_value(parameter: str, value: Any, required: bool, nothing: Sequence[str] = _NOTHING) -> Any:
    """Return None for what a template left out: it renders a missing value to the text None, or to nothing."""
    if value is not None and not (isinstance(value, str) and value.strip() in nothing):
        return value
    if required:
        raise MarketoInvalidRequestError(
            f"{parameter} is required, and nothing was given"
            if value is None
            else f"{parameter} is required, and the template rendered to {value!r}",
            parameter=parameter,
            remedy=None if value is None else "Check the XCom, Variable or parameter that the template reads.",
        )
    return None


def converted_items(
    parameter: str, value: Any, convert: Callable[[str, Any], Any], required: bool
) -> tuple[Any, ...] | None:
    """Return the items of a list, each converted; None if nothing was given."""
    found = as_list(parameter, value, required=required)
    if found is None:
        return None
    if len(found) == 1 and not isinstance(value, (list, tuple, Set)):
        return (convert(parameter, found[0]),)
    return tuple(convert(f"{parameter}[{place}]", item) for place, item in enumerate(found))


def _parsed_list(parameter: str, written: str) -> Any:
    """Return the list that a text spells, or the text itself."""
    stripped = written.strip()
    numbers = re.fullmatch(_RANGE_TEXT, stripped)
    if numbers is not None:
        spelled = range(*(int(number) for number in numbers.groups() if number is not None))
        return spelled if len(spelled) <= _LONGEST_RANGE else written
    inner = re.fullmatch(_LIST_CALL_TEXT, stripped)
    if inner is not None:
        stripped = inner.group(1).strip() or "()"
    if not re.fullmatch(_LIST_TEXT, stripped):
        return written
    if re.fullmatch(_SPACED_TEXT, stripped):
        items = re.findall(_SPACED_ITEM, stripped, re.DOTALL | re.ASCII)
        if "..." in items:
            raise MarketoInvalidRequestError(
                f"{parameter} is an array that was cut short when it became text",
                parameter=parameter,
                remedy="Give a list, such as array.tolist().",
            )
        return [_literal(item) for item in items]
    found = parsed(stripped, (list, tuple, Set))
    if isinstance(found, Set):
        return sorted(found, key=repr)
    return written if found is stripped else found


class _BareNumbers(ast.NodeTransformer):
    """Puts the number into the place of a call such as ``np.int64(7)`` or ``Decimal('8')``."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return the call's only argument if the call is one of a number."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return node.args[0] if re.fullmatch(_NUMBER_CALLS, name) and len(node.args) == 1 else node


def _literal(written: str) -> Any:
    return ast.literal_eval(_BareNumbers().visit(ast.parse(written.strip(), mode="eval")))


def parsed(written: str, kind: Any) -> Any:
    """Return the Python or JSON value that a text spells if it is of a kind, else the text itself."""
    for parse in (json.loads, _literal):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            found = parse(written)
            if isinstance(found, kind):
                return found
    return written


def as_text(parameter: str, value: Any) -> str:
    """Return a text without spaces at its ends; a number becomes a text."""
    if isinstance(value, str):
        return value.strip()
    if decimal(value) is None:
        raise MarketoInvalidRequestError(
            f"{parameter} is {named_type(value)}, not a text",
            parameter=_name(parameter),
            remedy="Give one text.",
        )
    number = whole(value)
    return str(value if number is None else number)


def as_text_or_none(parameter: str, value: Any) -> str | None:
    """Return a text as :func:`as_text` does, or None."""
    return None if value is None else as_text(parameter, value)


def as_id(parameter: str, value: Any) -> int:
    """Return one of Marketo's ids: a whole number of at least 1."""
    number = whole(value)
    if number is None or number < 1:
        raise MarketoInvalidRequestError(
            f"{parameter}={shown(value)} is not an id"
            if re.fullmatch(_NUMBERS, str(value))
            else f"{parameter} is {named_type(value)} that is not an id",  # it may be an e-mail address
            parameter=_name(parameter),
            remedy="Give a list such as [1001, 1002]."
            if isinstance(value, str) and "," in value
            else "Give a whole number, such as 1001. Marketo shows the ids of assets and people in their addresses.",
        )
    return number


def as_name_or_id(parameter: str, value: Any) -> str | int:
    """Return an id if the value is a number, else a name."""
    number = whole(value) if not isinstance(value, str) else None
    return number if number is not None else as_text(parameter, value)


def whole(value: Any) -> int | None:
    """Return a whole number, also from text and from a float or decimal that is one; None for anything else."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(_WHOLE, value) else None
    found = decimal(value)
    if found is None or not found.is_integer():
        return None
    return int(value)


def decimal(value: Any) -> float | None:
    """Return a number, also from text and from the numbers of other libraries; None for anything else."""
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        return None
    with suppress(ValueError, OverflowError, TypeError):
        found = float(value)
        return found if math.isfinite(found) else None
    return None


def _seconds(value: Any) -> timedelta | None:
    found = decimal(value)
    if found is None:
        return None
    with suppress(OverflowError):
        return timedelta(seconds=found)
    return None


def _iso_duration(written: str) -> timedelta | None:
    match = re.fullmatch(_ISO_DURATION, written.strip().upper())
    if match is None:
        return None
    parts = {name: float(part) for name, part in match.groupdict().items() if part is not None and name != "sign"}
    with suppress(OverflowError):
        return timedelta(**parts) * (-1 if match["sign"] == "-" else 1)
    return None


def _name(parameter: str) -> str:
    """Return the argument's name without the place in its list."""
    return parameter.partition("[")[0]


def shown(value: Any) -> str:
    """Return a value for an error: short, and without line breaks."""
    written = repr(value)
    return written if len(written) <= _LONGEST_SHOWN else f"{written[:_LONGEST_SHOWN]}..."
