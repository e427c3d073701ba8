"""Counts and articles that agree with their nouns: ``1 row``, ``2 rows``, ``an int``."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """
    Write a number with its noun.

    :param number: how many.
    :param noun: the noun for one.
    :param plural: the noun for any other number. Default: the noun with an ``s``.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def named_type(value: object) -> str:
    """Write the type of a value with its article, such as ``a list`` or ``an int``."""
    name = type(value).__name__
    return f"{'an' if name.startswith(tuple('aeioAEIO')) else 'a'} {name}"
