"""
Dates as the simulator reads and writes them.

Patterns say which spellings it reads: Python's own ``fromisoformat`` reads more of them from version 3.11 on, and would
let the same request succeed on one version of Python and fail on another.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def parse_day(text: str) -> date:
    """
    Return a day from its only spelling, ``2026-01-31``.

    :raises ValueError: it has another format, or the calendar has no such day.
    """
    if _DAY.fullmatch(text) is None:
        raise ValueError(f"'{text}' is not a day such as 2026-01-31")
    return date.fromisoformat(text)


def parse_moment(text: str) -> datetime:
    """
    Return a point in time from ISO 8601, in UTC. A time without an offset is UTC.

    :raises ValueError: it has another format, or is outside the years 1 to 9999.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a point in time such as 2026-01-31T00:00:00Z")
    day, clock, fraction, offset = match.groups()
    if offset in (None, "Z"):
        offset = "+00:00"
    zone = f"{offset[:3]}:{offset[-2:]}"
    plain = f"{day}T{clock or '00:00'}{f'{fraction:0<7}' if fraction else ''}{zone}"
    try:
        return datetime.fromisoformat(plain).astimezone(timezone.utc)
    except OverflowError:
        raise ValueError(f"'{text}' is outside the years 1 to 9999") from None


def parse_timestamp(text: str) -> int:
    """Return the seconds since 1970 of a text that :func:`timestamp` wrote."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def start_of_day(of: date) -> int:
    """Return the first second of a day (UTC), in seconds since 1970."""
    return int(datetime(of.year, of.month, of.day, tzinfo=timezone.utc).timestamp())


def timestamp(seconds: int) -> str:
    """Return a time, given in seconds since 1970, as the lead database writes it."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def asset_timestamp(seconds: int) -> str:
    """Return a time as asset records write it: with both ``Z`` and an offset."""
    return f"{timestamp(seconds)}+0000"


def iso(moment: datetime) -> str:
    """Return a time as the lead database writes it: UTC, whole seconds."""
    return moment.astimezone(timezone.utc).replace(microsecond=0).isoformat().replace("+00:00", "Z")
