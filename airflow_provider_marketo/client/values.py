"""Convert Python values to what a request carries: JSON values, text, dates in UTC."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from airflow_provider_marketo.client.dates import iso

_LARGEST = sys.float_info.max


class FaultError(ValueError):
    """
    A value that a request cannot carry. The text never shows the value, which may be a lead's.

    :param parameter: its place, such as ``input[2].email``.
    :param text: the fault, as the part of a sentence that follows the parameter.
    :param remedy: how to correct it, as a sentence.
    """

    def __init__(self, parameter: str, text: str, remedy: str | None = None) -> None:
        super().__init__(f"{parameter} {text}")
        self.parameter = parameter
        self.remedy = remedy


def inside(where: str, name: str) -> str:
    """Return the place of a member, such as ``input[2].email``."""
    return f"{where}.{name}" if where else name


def plain(value: Any, where: str) -> Any:  # noqa: PLR0911 - one for each kind of value
    """
    Convert a value to one of JSON.

    :param value: any Python value, such as a datetime, a decimal, a tuple or an enumeration.
    :param where: its place, for the error.
    :raises FaultError: JSON cannot express the value.
    """
    if isinstance(value, Enum):
        return plain(value.value, where)
    if isinstance(value, str):
        return _utf8(value, where)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        if not math.isfinite(value) or not -_LARGEST <= value <= _LARGEST:
            raise FaultError(where, "is not a finite number")
        return int(value) if isinstance(value, Decimal) and value == int(value) else float(value)
    if isinstance(value, datetime):
        try:
            return iso(value)
        except OverflowError:  # the first or last hours of the calendar, in another zone
            raise FaultError(where, "is not a date of the years 1 to 9999 in UTC") from None
    if isinstance(value, (date, UUID)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(member, inside(where, str(name))) for name, member in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [plain(item, f"{where}[{n}]") for n, item in enumerate(value)]
    raise FaultError(where, f"is of type {type(value).__name__}, which cannot be sent in a request")


def is_utf8(value: str) -> bool:
    """Whether a text can be encoded in UTF-8: half of a surrogate pair cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _utf8(value: str, where: str) -> str:
    if not is_utf8(value):
        raise FaultError(where, "contains half of a surrogate pair, which UTF-8 cannot encode")
    return value


def text(value: Any) -> str:
    """Write a value of JSON as the text in a query or a form; objects and lists stay JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)
