"""
Dates: every spelling of Marketo and ISO 8601 in, one spelling out.

Reading does not use ``datetime.fromisoformat``, which accepts other texts in Python 3.10 than in 3.11. Writing does not
use ``strftime("%Y")``, which leaves out leading zeros on Linux.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import cache

_DATE = r"(\d{4})-?(\d\d)-?(\d\d)"
_CLOCK = r"(\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d{0,3})?"
_OFFSET = r"([+-](?:[01]\d|2[0-3])):?([0-5]\d)"

COLUMN_WITH_OFFSET = rf"^{_DATE}[Tt ]{_CLOCK}[Zz]?[Tt]?{_OFFSET}$", r"\1-\2-\3T\4\5\6:\7"
"""
Pattern and replacement for a whole column of texts (RE2), such as ``2024-01-02T03:04:05-08:00``, ``...Z+0000`` and
``20240102T03:04:05.0t+0000``. Only frequent spellings have a pattern; :func:`parse_date` reads the others.
"""

COLUMN_IN_UTC = rf"^{_DATE}[Tt ]{_CLOCK}[Zz]?$", r"\1-\2-\3T\4\5Z"
"""The same for a time without an offset, which is UTC."""

COLUMN_DAY = rf"^{_DATE}$", r"\1-\2-\3T00:00:00Z"
"""The same for a date without a time, which means midnight in UTC."""

COLUMN_MIDNIGHT = rf"^{_DATE}(?:[Tt ]00:00:00(?:\.0{{1,9}})?[Zz]?(?:{_OFFSET})?)?$", r"\1-\2-\3"
"""The same for a column of dates: a date, or a midnight, which adds nothing to its date in any zone."""

_DAY = r"(?a)\d{4}-\d\d-\d\d"
_ANY = rf"""
    {_DATE}
    (?: [Tt\ ]
        (\d\d) (?: :?(\d\d) (?: :?(\d\d) (?: \.(\d{{1,9}}) )? )? )?
        (?P<zone> [Zz] | [Zz]?[Tt]? (?P<hours>[+-](?:[01]\d|2[0-3])) (?: :?(?P<minutes>[0-5]\d) )? )?
    )?
    """


@cache
def _spelling() -> re.Pattern[str]:
    """Return the pattern of a date. It is compiled when the first one is read: most DAG files have none."""
    return re.compile(_ANY, re.ASCII | re.VERBOSE)


def parse_date(text: str) -> datetime:
    """
    Read a date and time.

    :param text: ISO 8601 as Python, Airflow's templates or Marketo write it: a ``T`` or a space before the time, up to
        nine digits of a second (six are kept), ``Z``, ``-08``, ``-0800``, ``-08:00`` or ``Z+0000`` after it. A text
        without a time means midnight, and one without a zone means UTC.
    :return: the time in UTC.
    :raises ValueError: the text is not a date. The message does not show the text.
    """
    found = parse_date_or_none(text)
    if found is None:
        raise ValueError("not a date")
    return found


def parse_date_or_none(text: str) -> datetime | None:
    """Read a date and time as :func:`parse_date` does; return None for any other text."""
    match = _spelling().fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction = match.groups()[:7]
    try:
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=timezone.utc,
        )
        return local - _offset(match)
    except (ValueError, OverflowError):
        return None


def parse_day_or_none(text: str) -> date | None:
    """Read a date, or a midnight of any time zone as :func:`parse_date` reads it; None for any other text."""
    match = _spelling().fullmatch(text.strip())
    if match is None or any(int(part or 0) for part in match.groups()[3:7]):
        return None
    try:
        return date(*map(int, match.groups()[:3]))
    except ValueError:
        return None


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar as Marketo writes it: ``2026-01-31`` and nothing else."""
    return re.fullmatch(_DAY, text) is not None and parse_day_or_none(text) is not None


def _offset(match: re.Match[str]) -> timedelta:
    if not match["hours"]:
        return timedelta(0)
    offset = timedelta(hours=int(match["hours"][1:]), minutes=int(match["minutes"] or 0))
    return -offset if match["hours"][0] == "-" else offset


def has_zone(text: str) -> bool:
    """Whether a date says its time zone. :func:`parse_date` reads a date without one as UTC."""
    match = _spelling().fullmatch(text.strip())
    return match is not None and match["zone"] is not None


def as_utc(when: datetime) -> datetime:
    """
    Convert a datetime to UTC; one without a zone is UTC already.

    The result is of Python's own class. Airflow gives pendulum's subclass, and the difference of two of those cannot be
    divided by a timedelta.
    """
    utc = when.astimezone(timezone.utc) if when.tzinfo else when
    return datetime(
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=timezone.utc
    )


def iso(when: datetime) -> str:
    """Write a date as Marketo takes it: UTC, whole seconds, ``2026-01-31T23:59:59Z``."""
    return written(as_utc(when), "%Y-%m-%dT%H:%M:%SZ")


def exact(when: datetime) -> str:
    """Write a date in UTC with the microseconds that it has: ``2026-01-31T23:59:59.500000Z``."""
    return as_utc(when).isoformat().replace("+00:00", "Z")


def stamp(when: datetime | None = None) -> str:
    """
    Write a date as our records have it: UTC, whole seconds, ``2026-01-31T23:59:59+00:00``.

    :param when: the date. Default: now.
    """
    return as_utc(when or datetime.now(timezone.utc)).isoformat(timespec="seconds")


def compact(when: datetime) -> str:
    """Write a date for a file's name: UTC, whole seconds, ``20260131T235959Z``."""
    return written(as_utc(when), "%Y%m%dT%H%M%SZ")


def without_zone(when: datetime) -> str:
    """Write a date without its zone: UTC, whole seconds, ``2026-01-31T23:59:59``."""
    return written(as_utc(when), "%Y-%m-%dT%H:%M:%S")


def written(when: date, pattern: str) -> str:
    """
    Write a date by a pattern of ``strftime``, with four digits for the year.

    :param when: the date, in the zone in which it is to be written.
    :param pattern: the pattern, such as ``%Y-%m-%d``.
    """
    return when.strftime(pattern.replace("%Y", f"{when.year:04}"))
