"""Counts, lengths of time and articles that agree with their nouns: ``1 row``, ``1 day 6 hours``, ``an int``."""

from __future__ import annotations

from datetime import timedelta

_UNITS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """
    Write a number with its noun.

    :param number: how many.
    :param noun: the noun for one.
    :param plural: the noun for any other number. Default: the noun with an ``s``.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def duration(length: timedelta | float) -> str:
    """
    Write a length of time in its two largest units, such as ``1 day 6 hours`` or ``30 seconds``.

    :param length: a timedelta or seconds; fractions of a second are rounded.
    """
    left = round(length.total_seconds() if isinstance(length, timedelta) else length)
    parts = []
    for unit, size in _UNITS.items():
        number, left = divmod(left, size)
        if number:
            parts.append(counted(number, unit))
    return " ".join(parts[:2]) or "0 seconds"


def named_type(value: object) -> str:
    """Write the type of a value with its article, such as ``a list`` or ``an int``."""
    name = type(value).__name__
    return f"{'an' if name.startswith(tuple('aeioAEIO')) else 'a'} {name}"
