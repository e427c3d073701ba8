"""Dates in all of Marketo's spellings."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

DATE = r"(\d{4})-?(\d\d)-?(\d\d)"
TIME = r"(\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*"
OFFSET = r"([+-]\d\d):?(\d\d)"

WITH_OFFSET = rf"^{DATE}[Tt ]{TIME}[Zz]?[Tt]?{OFFSET}$"
"""Such as ``2024-01-02T03:04:05-08:00``, ``...Z+0000`` and ``20240102T03:04:05.0t+0000``."""

IN_UTC = rf"^{DATE}[Tt ]{TIME}[Zz]?$"
"""Without an offset it is UTC."""

MIDNIGHT = rf"^{DATE}(?:[Tt ]00:00:00(?:\.0+)?[Zz]?(?:[+-]\d\d:?\d\d)?)?$"
"""A date, or a moment that is no more than one."""

_MOMENT = re.compile(rf"^{DATE}(?:[Tt ]{TIME}(?:[Zz]|[Zz]?[Tt]?{OFFSET})?)?$", re.ASCII)
_UTC_OFFSET = timedelta(0)


def parse(text: str) -> datetime | None:
    """A text as a moment in UTC; None where it is none."""
    match = _MOMENT.match(text)
    if match is None:
        return None
    year, month, day, time, hours, minutes = match.groups()
    clock, _, fraction = (time or "00:00:00").partition(".")
    hour, minute, second = map(int, clock.split(":"))
    try:
        moment = datetime(
            int(year), int(month), int(day), hour, minute, second, int(fraction.ljust(6, "0")), tzinfo=timezone.utc
        )
        return moment - _offset(hours, minutes)
    except (ValueError, OverflowError):
        return None


def _offset(hours: str | None, minutes: str | None) -> timedelta:
    if hours is None or minutes is None:
        return _UTC_OFFSET
    size = timedelta(hours=int(hours[1:]), minutes=int(minutes))
    return -size if hours[0] == "-" else size
