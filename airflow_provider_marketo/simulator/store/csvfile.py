"""How export files are written."""

from __future__ import annotations

import re
from typing import Any

NULL = "null"
DELIMITERS = {"CSV": ",", "TSV": "\t", "SSV": ";"}
_SPECIAL = re.compile(r"""[,;\t"\r\n]""")


def cell(value: Any) -> str:
    """
    A value as it stands in a file. A text "null" cannot be told from no value, as with Marketo.

    :param value: bytes are written as they are, quotes and all.
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
    """In quotes."""
    return '"' + text.replace('"', '""') + '"'


def flag(value: Any) -> str:
    """A boolean of a program member: they come as 1 and 0 there."""
    return NULL if value is None else "1" if value else "0"
