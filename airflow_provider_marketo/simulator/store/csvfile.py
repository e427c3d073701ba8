"""Cells of export files, written as Marketo writes them."""

from __future__ import annotations

import re
from typing import Any

NULL = "null"
DELIMITERS = {"CSV": ",", "TSV": "\t", "SSV": ";"}
_SPECIAL = re.compile(r"""[,;\t"\r\n]""")


def cell(value: Any) -> str:
    """
    Return a value as a cell of an export file.

    The text "null" and a missing value give the same cell, as in Marketo's files.

    :param value: bytes are written unchanged, including their quotes.
    """
    if value is None:
        return NULL
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return quoted(value) if _SPECIAL.search(value) else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return str(value)


def quoted(text: str) -> str:
    """Return a text in quotes, with its own quotes doubled."""
    return '"' + text.replace('"', '""') + '"'


def flag(value: Any) -> str:
    """Return a boolean of a program member: Marketo writes these as 1 and 0."""
    return NULL if value is None else "1" if value else "0"
