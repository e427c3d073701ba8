"""Values as Marketo takes them, encoded a column at a time: values that need no change cost next to nothing."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import has_zone, is_day, iso, parse_date, parse_date_or_none
from airflow_provider_marketo.client.tabular import schema
from airflow_provider_marketo.client.values import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_marketo.imports.fields import Field

_NULL = "null"
"""A word that Marketo may read as "no value" in an import file. It is counted, because a text may be the same word."""

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_INTEGER_LIMIT = 1 << 63
_DAY_LENGTH = len("2026-01-31")
_NONE = type(None)


class ValueFaultError(ValueError):
    """A value that Marketo cannot take. The message gives the reason, without the value."""


@dataclass
class Column:
    """
    Encodes the values of one field.

    :param field: the field.
    :param as_text: whether the values are encoded for a CSV file; otherwise for JSON.
    :param key: whether the field is part of the key.
    :param long: values so far that are longer than the field.
    :param null_words: values so far that are the word ``null``.
    :param naive: datetimes so far without a time zone, which are taken as UTC.
    """

    field: Field
    as_text: bool
    key: bool = False
    long: int = 0
    null_words: int = 0
    naive: int = 0
    _one: Callable[[Any], Any] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        kind = schema.Column(self.field.name, self.field.type).kind
        self._one = {
            schema.INTEGER: _integer,
            schema.FLOAT: _number,
            schema.DECIMAL: _number,
            schema.BOOLEAN: _boolean_text if self.as_text else _boolean,
            schema.DATE: _date,
            schema.DATETIME: self._datetime,
        }.get(kind, _text)
        self._is_text = self._one is _text
        self._plain = {str} if self._is_text else {int} if self._one in (_integer, _number) else set()

    def encode(self, values: Sequence[Any]) -> tuple[Sequence[Any], dict[int, str]]:
        """
        Encode values, and find those that Marketo cannot take.

        :param values: values of one column.
        :return: the encoded values, None for no value, and position to fault.
        """
        faults: dict[int, str] = {}
        together = joined(values) if self._is_text else None
        if together is None:  # not all are texts
            kinds = set(map(type, values)) - {_NONE}
            if not kinds <= self._plain or (kinds == {int} and not _in_range(values)):
                # Equal values may need different texts: a moment in two time zones, or 1.0 and 1.00.
                alike = len(kinds) == 1 and not kinds & {datetime, Decimal}
                values = self._each_once(values, faults) if alike else self._each(values, faults)
            if self._is_text:
                together = "".join(filter(None, values))
        if together:
            self._look_at_texts(values, together, faults)
            if self.key:
                values = [value and value.strip() for value in values]
        return values, faults

    def _each_once(self, values: Sequence[Any], faults: dict[int, str]) -> list[Any]:
        """Encode like :meth:`_each`, but each distinct value only once, because dates and booleans repeat."""
        try:
            counts = Counter(values)
        except TypeError:  # dictionaries and lists
            return self._each(values, faults)
        if len(counts) > len(values) // 2:
            return self._each(values, faults)
        distinct, wrong = list(counts), dict[int, str]()
        encoded = dict(zip(distinct, self._each(distinct, wrong), strict=True))
        if self._one == self._datetime:
            self.naive += sum((count - 1) * _is_naive(value) for value, count in counts.items())
        if wrong:
            texts = {distinct[at]: fault for at, fault in wrong.items()}
            faults.update((at, texts[value]) for at, value in enumerate(values) if value in texts)
        return [encoded[value] for value in values]

    def _each(self, values: Sequence[Any], faults: dict[int, str]) -> list[Any]:
        encoded: list[Any] = []
        for at, value in enumerate(values):
            try:
                encoded.append(self._nothing(value) if value is None or value == "" else self._one(value))
            except (ValueError, ArithmeticError, TypeError) as error:
                fault = str(error) if isinstance(error, ValueFaultError) else f"is not of type {self.field.type}"
                faults[at] = f"{self.field.name} {fault}"
                encoded.append(None if isinstance(value, (bytes, bytearray)) else str(value))
        return encoded

    def _nothing(self, value: Any) -> Any:
        """Return the value that empties the field: None, or for a text field the given None or empty text."""
        return value if self._is_text else None

    def _look_at_texts(self, values: Sequence[Any], together: str, faults: dict[int, str]) -> None:
        """Find faulty texts. Usually there are none, and a single check of all texts joined shows that."""
        allowed = self.field.allowed
        if allowed is not None and not set(values).issubset(allowed):
            for at, value in enumerate(values):
                if value and value not in allowed:
                    faults[at] = f"{self.field.name} is not one of {', '.join(allowed)}"
        if self.field.length is not None:
            self._count_long(values, self.field.length)
        if _NULL in together:
            self.null_words += values.count(_NULL)
        if _unfit(together, self.field.type):
            for at, value in enumerate(values):
                if value and (fault := _unfit(value, self.field.type)):
                    faults[at] = f"{self.field.name} {fault}"

    def _count_long(self, values: Sequence[Any], length: int) -> None:
        texts = list(filter(None, values))
        in_bytes = self.field.type == "text"
        if max(map(len, texts)) * (4 if in_bytes else 1) > length:
            self.long += sum(len(text.encode("utf-8", "replace") if in_bytes else text) > length for text in texts)

    def _datetime(self, value: Any) -> str:
        if not isinstance(value, (str, date)):
            raise ValueFaultError("is not a date and time")
        self.naive += _is_naive(value)
        if isinstance(value, str):
            return _moment(value)
        return iso(value) if isinstance(value, datetime) else f"{value.isoformat()}T00:00:00Z"


@lru_cache(maxsize=65_536)
def _moment(value: str) -> str:
    return iso(parse_date(value))


def _is_naive(value: Any) -> bool:
    """Whether a date and time has no time zone. A date alone is midnight in UTC."""
    if isinstance(value, str):
        return not value.endswith("Z") and parse_date_or_none(value) is not None and not has_zone(value)
    return isinstance(value, datetime) and value.tzinfo is None


def _in_range(values: Sequence[Any]) -> bool:
    numbers: list[int] = [value for value in values if value is not None]
    return min(numbers) >= -_INTEGER_LIMIT and max(numbers) < _INTEGER_LIMIT


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _boolean_text(value)
    if isinstance(value, datetime):
        return iso(value)
    return _number_text(value) if isinstance(value, (float, Decimal)) else _other_text(value)


def _number_text(value: float | Decimal) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(_finite(value))
    return f"{_finite(value):f}"


def _other_text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise ValueFaultError("holds bytes, which Marketo has no field for")
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return json.dumps(plain(value, ""), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueFaultError("is a boolean and must be a number")
    if isinstance(value, str):
        written = value.strip()
        if not _NUMBER.fullmatch(written):
            hint = "; write a point, not a comma" if "," in written else ""
            raise ValueFaultError(f"is not a number{hint}")
        value = Decimal(written)
    number = value if isinstance(value, int) else _finite(value)
    if abs(number) > sys.float_info.max:
        raise ValueFaultError("is outside the range of numbers that Marketo stores")
    return int(number) if number == int(number) else float(number)


def _integer(value: Any) -> int:
    number = _number(value)
    if not isinstance(number, int):
        raise ValueFaultError("is not a whole number")
    if not -_INTEGER_LIMIT <= number < _INTEGER_LIMIT:
        raise ValueFaultError("is outside the range of whole numbers that Marketo stores")
    return number


def _finite(value: Any) -> Any:
    if not (value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)):
        raise ValueFaultError("is not a finite number")
    return value


def _boolean(value: Any) -> bool:
    word = str(_number(value) if isinstance(value, (float, Decimal)) else value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueFaultError("is neither true nor false")


def _boolean_text(value: Any) -> str:
    return "true" if _boolean(value) else "false"


def _date(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    written = str(value).strip()
    day = written[:_DAY_LENGTH]
    if not is_day(day) or parse_date_or_none(written) is None:
        raise ValueFaultError("is not a date like 2026-01-31")
    return day


def joined(values: Sequence[Any]) -> str | None:
    """Join all values, so that one check covers them all; None if one is not a text."""
    try:
        return "".join(values)
    except TypeError:
        return None


def _unfit(value: str, kind: str) -> str | None:
    if "\0" in value:
        return "contains a NUL character"
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "contains half of a surrogate pair, which UTF-8 cannot encode"
    if kind == "email" and not value.isascii():
        return "is an e-mail address with a character that is not ASCII"
    return None


def encode_constant(column: Column, value: Any) -> Any:
    """
    Encode a value that every row gets.

    :raises ValueFaultError: Marketo cannot take it.
    """
    values, faults = column.encode([value])
    if faults:
        raise ValueFaultError(faults[0])
    return values[0]


def count_by_field(columns: Iterable[Column], what: str) -> dict[str, int]:
    """Return a counter of :class:`Column` by API name, without zeros."""
    return {column.field.name: getattr(column, what) for column in columns if getattr(column, what)}
