"""
What DAG authors and their templates write as arguments, checked and converted in one place.

An operator or sensor names the kind of each argument in ``argument_checks``. What is no template is checked when the
DAG file is parsed, so that a mistake is an import error and not a failed task. Everything is checked again when the
task runs, before a call is spent.
"""

from __future__ import annotations

import json
import logging
import math
import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, ClassVar, get_args

from airflow_provider_marketo.client.dates import as_utc as in_utc
from airflow_provider_marketo.client.dates import has_zone, parse_date_or_none, without_zone
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

log = logging.getLogger(__name__)

Check = Callable[[str, Any], Any]
"""Takes the name and the value of an argument; returns the value as the calls take it, or refuses it."""

_STORED_AS = {"dry_run": "_preview"}
"""An argument and its attribute have the same name, but for this one: ``BaseOperator.dry_run`` is a method."""

_TEMPLATE_MARKS = ("{{", "{%", "{#")
_LIST_TEXT = re.compile(r"(?:\[.*\]|\(.*\)|\{.*\})", re.DOTALL)
_SET_TEXT = re.compile(r"(?:frozen)?set\((.*)\)", re.DOTALL)
_ISO_DURATION = re.compile(
    r"(?P<sign>[+-])?P(?!$)(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)
_NUMBERS = re.compile(r"[\d\s,;.+\-\[\](){}]*", re.ASCII)
_LONGEST_SHOWN = 80


class ChecksArguments:
    """
    Mixin of operators and sensors: arguments are checked at parse time and converted at run time.

    A subclass extends ``argument_checks`` as it extends ``template_fields``, and calls :meth:`check_arguments` at the
    end of its ``__init__``.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {}

    def check_arguments(self) -> None:
        """
        Check what is known when the DAG file is parsed.

        :raises MarketoInvalidRequestError: an argument is wrong; the text names it and a right way to write it.
        """
        given = vars(self)
        for name, check in self.argument_checks.items():
            stored = _STORED_AS.get(name, name)
            if stored in given and not is_filled_in_later(given[stored]):
                check(name, given[stored])

    def argument(self, name: str) -> Any:
        """
        Return an argument as the calls take it, after templates were rendered.

        :param name: of the argument.
        :raises MarketoInvalidRequestError: the argument is wrong.
        """
        return self.argument_checks[name](name, getattr(self, _STORED_AS.get(name, name)))

    def checked_arguments(self) -> dict[str, Any]:
        """
        Return all arguments as the calls take them.

        :raises MarketoInvalidRequestError: an argument is wrong.
        """
        given = vars(self)
        found = {name: self.argument(name) for name in self.argument_checks if _STORED_AS.get(name, name) in given}
        for name, value in found.items():
            if isinstance(value, datetime) and as_utc(name, given[name])[1]:
                log.info("%s=%s has no time zone and is taken as UTC", name, given[name])
        return found


def is_filled_in_later(value: Any) -> bool:
    """Whether a value, or a part of it, is known only when the task runs: a template or another task's result."""
    if isinstance(value, str):
        return any(mark in value for mark in _TEMPLATE_MARKS)
    if hasattr(value, "iter_references"):  # an XComArg, or an argument of a mapped task
        return True
    if isinstance(value, Mapping):
        return any(map(is_filled_in_later, value.values()))
    if isinstance(value, (list, tuple, Set)):
        return any(map(is_filled_in_later, value))
    return False


# --- the kinds of arguments ----------------------------------------------------------------------------------------


def choice(kind: Any, *, required: bool = True) -> Check:
    """
    One of a closed set of values.

    :param kind: a ``Literal``.
    :param required: whether ``None`` is refused.
    """
    return lambda parameter, value: one_of(parameter, value, get_args(kind), required=required)


def texts(*, required: bool = False, none_allowed: bool = False) -> Check:
    """
    A list of names or other short texts; numbers become texts. Returns a tuple, or None if nothing is given.

    :param required: whether a missing list is refused.
    :param none_allowed: whether an item may be None.
    """
    convert = _text_or_none if none_allowed else _text
    return lambda parameter, value: _items(parameter, value, convert, required)


def values(*, required: bool = False) -> Check:
    """Values to look leads up by. Returns a list of texts, each once, or None if nothing is given."""

    def check(parameter: str, value: Any) -> list[str] | None:
        if required:
            _given(parameter, value, required=True)
        found = as_list(parameter, value)
        return None if found is None else checked_values(found, parameter)

    return check


def choices(kind: Any, *, required: bool = False) -> Check:
    """
    A list of values from a closed set. Returns a tuple, or None if nothing is given.

    :param kind: a ``Literal``.
    :param required: whether ``None`` is refused.
    """
    return lambda parameter, value: _items(
        parameter, value, lambda name, item: one_of(name, item, get_args(kind)), required
    )


def ids(*, required: bool = False) -> Check:
    """A list of Marketo's ids. Returns a tuple of numbers, or None if nothing is given."""
    return lambda parameter, value: _items(parameter, value, _id, required)


def names_or_ids(*, required: bool = False) -> Check:
    """A list of names or ids, such as activity types. Returns a tuple, or None if nothing is given."""
    return lambda parameter, value: _items(parameter, value, _name_or_id, required)


def texts_or_word(word: str, *, required: bool = False) -> Check:
    """A list of texts, or one word that stands for all of them, such as ``all``."""
    check = texts(required=required)
    return lambda parameter, value: word if value == word else check(parameter, value)


def flag_or_texts() -> Check:
    """True or False, or a list of names. Returns a bool or a tuple, or None if nothing is given."""
    check_flag, check_texts = flag(), texts()
    written = ("true", "false")

    def check(parameter: str, value: Any) -> bool | tuple[str, ...] | None:
        is_flag = isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in written)
        found: bool | tuple[str, ...] | None = (check_flag if is_flag else check_texts)(parameter, value)
        return found

    return check


def one_id(*, required: bool = False) -> Check:
    """A single id. Returns a number, or None if it is not given."""

    def check(parameter: str, value: Any) -> int | None:
        value = _given(parameter, value, required)
        return None if value is None else _id(parameter, value)

    return check


def count(*, minimum: int = 0, required: bool = True) -> Check:
    """A whole number."""

    def check(parameter: str, value: Any) -> int | None:
        value = _given(parameter, value, required)
        if value is None:
            return None
        number = _whole(value)
        if number is None or number < minimum:
            raise MarketoInvalidRequestError(
                f"{parameter}={_shown(value)} is not a whole number of {minimum} or more", parameter=parameter
            )
        return number

    return check


def number(*, required: bool = True) -> Check:
    """A number greater than zero, with or without decimals."""

    def check(parameter: str, value: Any) -> float | None:
        value = _given(parameter, value, required)
        if value is None:
            return None
        found = _decimal(value)
        if found is None or found <= 0:
            raise MarketoInvalidRequestError(
                f"{parameter}={_shown(value)} is not a number greater than zero", parameter=parameter
            )
        return found

    return check


def flag() -> Check:
    """True or False; a template renders to the text of either."""

    def check(parameter: str, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in ("true", "false"):
            raise MarketoInvalidRequestError(
                f"{parameter}={_shown(value)} is neither True nor False", parameter=parameter
            )
        return bool(word == "true")

    return check


def mapping(*, required: bool = False) -> Check:
    """A mapping, or the text that a template makes of one (Python or JSON). Returns a dict, or None if not given."""

    def check(parameter: str, value: Any) -> dict[str, Any] | None:
        value = _given(parameter, value, required)
        if isinstance(value, str):
            value = _parsed(value, Mapping)
        if value is not None and not isinstance(value, Mapping):
            raise MarketoInvalidRequestError(
                f"{parameter} is a {type(value).__name__}, not a mapping", parameter=parameter
            )
        return None if value is None else dict(value)

    return check


def duration(*, positive: bool = True, required: bool = True) -> Check:
    """A length of time: a timedelta, seconds, or an ISO 8601 duration. Returns a timedelta."""

    def check(parameter: str, value: Any) -> timedelta | None:
        value = _given(parameter, value, required)
        return None if value is None else as_duration(parameter, value, positive=positive)

    return check


def period(*, minimum: timedelta = timedelta(0), required: bool = True) -> Check:
    """A length of calendar time: a timedelta or an ISO 8601 duration, never a bare number. Returns a timedelta."""

    def check(parameter: str, value: Any) -> timedelta | None:
        value = _given(parameter, value, required)
        return None if value is None else as_period(parameter, value, minimum=minimum)

    return check


def moment(*, required: bool = False, needs_zone: bool = False) -> Check:
    """
    A date or time. Returns an aware datetime in UTC, or None if it is not given.

    :param required: whether ``None`` is refused.
    :param needs_zone: whether a time without a zone is refused; otherwise it is UTC.
    """

    def check(parameter: str, value: Any) -> datetime | None:
        value = _given(parameter, value, required)
        found, naive = as_utc(parameter, value)
        if naive and needs_zone and found is not None:
            written = without_zone(found)
            raise MarketoInvalidRequestError(
                f"{parameter}={written} has no time zone",
                parameter=parameter,
                remedy=f"Write {written}Z for UTC, or add the offset, such as {written}+02:00.",
            )
        return found

    return check


def text(*, required: bool = False) -> Check:
    """One text, such as a name or a path. Returns it, or None if it is not given."""

    def check(parameter: str, value: Any) -> str | None:
        value = _given(parameter, value, required)
        return None if value is None else _text(parameter, value)

    return check


def name(*, required: bool = False) -> Check:
    """One text under which something is kept. Returns it, or None if it is not given. It has no blank at its ends."""
    check_text = text(required=required)

    def check(parameter: str, value: Any) -> str | None:
        found: str | None = check_text(parameter, value)
        if found is not None and isinstance(value, str) and found != value:
            raise MarketoInvalidRequestError(
                f"{parameter}={value!r} starts or ends with a blank, which would not tell it from {found!r}",
                parameter=parameter,
                remedy=f"Write {parameter}={found!r}.",
            )
        return found

    return check


def place(*, required: bool = False) -> Check:
    """A folder or program of Marketo. Returns ``{"id": 12, "type": "Folder"}`` or ``"Program"``, or None."""

    def check(parameter: str, value: Any) -> dict[str, Any] | None:
        value = _given(parameter, value, required)
        if value is None:
            return None
        found = _parsed(value, Mapping) if isinstance(value, str) else value
        if not isinstance(found, Mapping):
            found = {}
        kind = str(found.get("type")).capitalize()
        if "id" not in found or kind not in ("Folder", "Program"):
            raise MarketoInvalidRequestError(
                f"{parameter} does not say whether it is a folder or a program, and the same number may be both",
                parameter=parameter,
                remedy=f'Write {parameter}={{"id": 12, "type": "Folder"}}, or "type": "Program".',
            )
        return {"id": _id(f"{parameter}['id']", found["id"]), "type": kind}

    return check


# --- the conversions -----------------------------------------------------------------------------------------------


def one_of(parameter: str, value: Any, choices: Sequence[Any], *, required: bool = True) -> Any:
    """
    Refuse a value that is not among the choices, and name the nearest of them.

    :param parameter: name of the argument, for the error.
    :param value: what was given.
    :param choices: what there is.
    :param required: whether ``None`` is refused.
    """
    if value is None and not required:
        return None
    if isinstance(value, (str, int, bool)) and value in choices:
        return value
    near = nearest(str(value), map(str, choices))
    listed = ", ".join(repr(each) for each in choices)
    raise MarketoInvalidRequestError(
        f"{parameter}={_shown(value)} is not one of {listed}",
        parameter=parameter,
        remedy=did_you_mean([repr(each) for each in near]) if near else None,
    )


def as_list(parameter: str, value: Any) -> tuple[Any, ...] | None:
    """
    Return the items of a list as authors, XComs and templates give it.

    Lists, tuples, sets and the text that a template makes of any of them (Python or JSON) are lists. Other text is one
    value: it is never taken apart at commas. ``None``, the text ``None`` and an empty text count as not given.

    :param parameter: name of the argument, for the error.
    :param value: what was given.
    :return: None if nothing was given.
    """
    value = _given(parameter, value, required=False)
    if value is None:
        return None
    if isinstance(value, str):
        value = _parsed_list(value)
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    if isinstance(value, (Mapping, bytes, bytearray)):
        raise MarketoInvalidRequestError(f"{parameter} is a {type(value).__name__}, not a list", parameter=parameter)
    # The order of a set differs between processes, and what a task wants must not.
    return tuple(sorted(value, key=repr) if isinstance(value, Set) else value)


def as_utc(parameter: str, value: Any) -> tuple[datetime | None, bool]:
    """
    Return a date as authors give it, and whether it came without a zone and was taken as UTC.

    :param parameter: name of the argument, for the error.
    :param value: a datetime, a date, an ISO 8601 text, or nothing.
    """
    value = _given(parameter, value, required=False)
    if value is None:
        return None, False
    if isinstance(value, str):
        naive = not has_zone(value)
        found = parse_date_or_none(value)
        if found is None:
            raise MarketoInvalidRequestError(
                f"{parameter}={_shown(value)} is not a date",
                parameter=parameter,
                remedy="Give ISO 8601, such as 2026-01-31 or 2026-01-31T00:00:00Z.",
            )
        return found.replace(microsecond=0), naive
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(0), timezone.utc)
    if not isinstance(value, datetime):
        raise MarketoInvalidRequestError(f"{parameter} is a {type(value).__name__}, not a date", parameter=parameter)
    return in_utc(value).replace(microsecond=0), value.tzinfo is None


def as_duration(parameter: str, value: Any, *, positive: bool = True) -> timedelta:
    """
    Return a length of time.

    :param parameter: name of the argument, for the error.
    :param value: a timedelta, a number of seconds, or text with either a number of seconds or an ISO 8601 duration.
    :param positive: whether zero is refused, too.
    """
    found = value if isinstance(value, timedelta) else _seconds(value)
    if found is None and isinstance(value, str):
        found = _iso_duration(value)
    if found is None:
        raise MarketoInvalidRequestError(
            f"{parameter}={_shown(value)} is not a length of time",
            parameter=parameter,
            remedy="Give seconds, a timedelta, or an ISO 8601 duration such as 'PT1H'.",
        )
    if found < timedelta(0) or (positive and not found):
        raise MarketoInvalidRequestError(
            f"{parameter}={_shown(value)} is {'not longer' if positive else 'shorter'} than no time at all",
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
    found = value if isinstance(value, timedelta) else None
    if isinstance(value, str):
        found = _iso_duration(value)
    if found is None:
        number = _seconds(value)
        # A number of days is what was meant most often.
        days = int(number.total_seconds()) if number is not None and number >= timedelta(seconds=1) else 7
        raise MarketoInvalidRequestError(
            f"{parameter}={_shown(value)} has no unit"
            if number is not None
            else f"{parameter}={_shown(value)} is not a length of time",
            parameter=parameter,
            remedy=f"Write timedelta(days={days}) or 'P{days}D'.",
        )
    found = timedelta(days=found.days, seconds=found.seconds)
    if found < minimum:
        raise MarketoInvalidRequestError(
            f"{parameter}={_shown(value)} is shorter than {minimum}"
            if minimum
            else f"{parameter}={_shown(value)} is negative",
            parameter=parameter,
        )
    return found


def checked_values(values: Iterable[Any], parameter: str = "filter_values") -> list[str]:
    """
    Return the values of a filter as texts, each once.

    :param values: what to look for; None and empty texts are passed over.
    :param parameter: name of the argument, for the error.
    :raises MarketoInvalidRequestError: a value contains a comma, which Marketo reads as two values.
    """
    found = list(dict.fromkeys(written for value in values if value is not None and (written := str(value).strip())))
    with_comma = sum("," in written for written in found)
    if with_comma:
        raise MarketoInvalidRequestError(
            f"{with_comma} of {len(found)} values contain a comma, which Marketo reads as two values",
            parameter=parameter,
            remedy="Look these leads up by another field.",
        )
    return found


# --- the pieces ----------------------------------------------------------------------------------------------------


def _given(parameter: str, value: Any, required: bool) -> Any:
    """Return None for what a template left out: it renders a missing value to the text None, or to nothing."""
    if value is not None and not (isinstance(value, str) and value.strip() in ("", "None")):
        return value
    if required:
        raise MarketoInvalidRequestError(
            f"{parameter} is required, and nothing was given"
            if value is None
            else f"{parameter} is required, and the template rendered to {value!r}",
            parameter=parameter,
        )
    return None


def _items(parameter: str, value: Any, convert: Callable[[str, Any], Any], required: bool) -> tuple[Any, ...] | None:
    found = as_list(parameter, value)
    if found is None:
        if required:
            _given(parameter, value, required=True)
        return None
    if len(found) == 1 and not isinstance(value, (list, tuple, Set)):
        return (convert(parameter, found[0]),)
    return tuple(convert(f"{parameter}[{place}]", item) for place, item in enumerate(found))


def _parsed_list(written: str) -> Any:
    """Return the list that a text spells, or the text itself."""
    stripped = written.strip()
    inner = _SET_TEXT.fullmatch(stripped)
    if inner is not None:
        stripped = inner.group(1).strip() or "()"
    if not _LIST_TEXT.fullmatch(stripped):
        return written
    found = _parsed(stripped, (list, tuple, Set))
    if isinstance(found, Set):
        return sorted(found, key=repr)
    return written if found is stripped else found


def _parsed(written: str, kind: Any) -> Any:
    """Return the Python or JSON value that a text spells if it is of a kind, else the text itself."""
    for parse in (json.loads, literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            found = parse(written)
            if isinstance(found, kind):
                return found
    return written


def _text(parameter: str, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if _decimal(value) is None:
        raise MarketoInvalidRequestError(
            f"{parameter} is a {type(value).__name__}, not a text", parameter=_name(parameter)
        )
    whole = _whole(value)
    return str(value if whole is None else whole)


def _text_or_none(parameter: str, value: Any) -> str | None:
    return None if value is None else _text(parameter, value)


def _id(parameter: str, value: Any) -> int:
    number = _whole(value)
    if number is None or number < 1:
        raise MarketoInvalidRequestError(
            f"{parameter}={_shown(value)} is not an id"
            if _NUMBERS.fullmatch(str(value))
            else f"{parameter} is a {type(value).__name__} that is not an id",  # it may be an e-mail address
            parameter=_name(parameter),
            remedy="Give a list such as [1001, 1002]." if isinstance(value, str) and "," in value else None,
        )
    return number


def _name_or_id(parameter: str, value: Any) -> str | int:
    number = _whole(value) if not isinstance(value, str) else None
    return number if number is not None else _text(parameter, value)


def _whole(value: Any) -> int | None:
    """Return a whole number, also from text and from a float or decimal that is one; None for anything else."""
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    found = _decimal(value)
    if found is None or not found.is_integer():
        return None
    return int(value)


def _decimal(value: Any) -> float | None:
    """Return a number, also from text and from the numbers of other libraries; None for anything else."""
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        return None
    with suppress(ValueError, OverflowError):
        found = float(value)
        return found if math.isfinite(found) else None
    return None


def _seconds(value: Any) -> timedelta | None:
    found = _decimal(value)
    if found is None:
        return None
    with suppress(OverflowError):
        return timedelta(seconds=found)
    return None


def _iso_duration(written: str) -> timedelta | None:
    match = _ISO_DURATION.fullmatch(written.strip().upper())
    if match is None:
        return None
    parts = {name: float(part) for name, part in match.groupdict().items() if part is not None and name != "sign"}
    with suppress(OverflowError):
        return timedelta(**parts) * (-1 if match["sign"] == "-" else 1)
    return None


def _name(parameter: str) -> str:
    """Return the argument's name without the place in its list."""
    return parameter.partition("[")[0]


def _shown(value: Any) -> str:
    """Return a value for an error: short, and without line breaks."""
    written = repr(value)
    return written if len(written) <= _LONGEST_SHOWN else f"{written[:_LONGEST_SHOWN]}..."
