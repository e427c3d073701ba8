"""
The only definition of the value of a cell.

Every format and every path through the code gives a cell this value. :mod:`.arrow` reads whole columns faster, but only
in spellings that give the same result; a property test compares the two.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import dates
from airflow_provider_marketo.client.tabular import schema as kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DECIMAL_DIGITS, DECIMAL_SCALE = 20, 4
"""Digits of a decimal, and how many of them stand after the point."""

Value = str | int | float | Decimal | bool | date | datetime

_STEP = Decimal(1).scaleb(-DECIMAL_SCALE)
_DECIMAL_LIMIT = Decimal(1).scaleb(DECIMAL_DIGITS - DECIMAL_SCALE)
_INTEGER_LIMIT = 1 << 63
_INTEGER = re.compile(r"([+-]?)0*(\d{1,19})(?:\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def read(text: str, kind: str) -> Value | None:
    """
    Read a cell that is not null.

    :param text: the cell's text. White space around it means nothing, except in a text.
    :param kind: one of the words of :mod:`.schema`.
    :return: the value; None if the cell is blank, or does not fit the kind. :func:`is_blank` tells these cases apart.
    """
    return _READERS[kind](text.strip()) if kind in _READERS else text


def is_blank(text: str) -> bool:
    """Whether a cell holds white space alone: no value, except in a text."""
    return not text.strip()


def shown(value: Value) -> str:
    """Write a value as the text that stands for it in the name of a folder; equal values give equal texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return dates.exact(value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value or 0) if isinstance(value, float) else str(value)


def _integer(text: str) -> int | None:
    match = _INTEGER.fullmatch(text)
    number = int(match[1] + match[2]) if match else _INTEGER_LIMIT
    return number if -_INTEGER_LIMIT <= number < _INTEGER_LIMIT else None


def _float(text: str) -> float | None:
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def _decimal(text: str) -> Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
        written = number.quantize(_STEP) + 0 if abs(number) < _DECIMAL_LIMIT else None  # + 0 makes -0 a 0
    except ArithmeticError:  # an exponent beyond all bounds
        return None
    return written if written == number else None


_READERS: Mapping[str, Callable[[str], Value | None]] = {
    kinds.INTEGER: _integer,
    kinds.FLOAT: _float,
    kinds.DECIMAL: _decimal,
    kinds.BOOLEAN: lambda text: _BOOLEANS.get(text.lower()),
    kinds.DATE: dates.parse_day_or_none,
    kinds.DATETIME: dates.parse_date_or_none,
}
