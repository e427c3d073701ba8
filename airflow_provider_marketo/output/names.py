"""Checks of the names of folders and files: names that lead to another place are refused."""

from __future__ import annotations

import re

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable

_OTHER_PLACES = (
    (re.compile(r"[\t\r\n\0]"), "has a line break, a tab or a NUL in it"),
    (re.compile(r"://.*::"), "has :: in it, which chains file systems"),
    (re.compile(r"[?#]$|\?#"), "ends in ? or #, or has ?# in it"),
    (re.compile(r"^(?:abfss?|az)://.*\\"), "has a backslash in it, which Azure reads as /"),
)
"""Parts of a URL that Python or a library drops or interprets, and the words of the error about them."""


def refuse_other_place(url: str, parameter: str) -> None:
    """
    Refuse a folder that libraries would read as another one.

    :param url: URL of the folder.
    :param parameter: the operator's name for it.
    :raises MarketoInvalidRequestError: libraries would read it as another folder.
    """
    found = next((what for pattern, what in _OTHER_PLACES if pattern.search(url)), None)
    if found is not None:
        raise MarketoInvalidRequestError(
            f"{parameter}={printable(repr(url))} {found}",
            parameter=parameter,
            remedy="Give the folder another name: with this one, libraries would use a different folder.",
        )


def contained(name: str) -> str:
    """
    Return the name of a file of a folder.

    :param name: name relative to the folder, with slashes.
    :raises MarketoInvalidRequestError: the name is empty, or it may lead out of the folder.
    """
    if not is_contained(name):
        raise outside(name)
    return name


def outside(name: str) -> MarketoInvalidRequestError:
    """
    Return the error for a name that leads out of its folder.

    :param name: name relative to the folder.
    """
    return MarketoInvalidRequestError(
        f"{printable(repr(name))} is not the name of a file in the output folder",
        parameter="output_path",
        remedy="Give a relative path. No part of it may be . or .. or a link that leads out of the folder.",
    )


def is_contained(name: str) -> bool:
    """
    Whether a name is that of a file in its folder, and leads nowhere else.

    :param name: name relative to the folder, with slashes.
    """
    parts = str(name).replace("\\", "/").split("/")
    return bool(parts[0]) and "\0" not in name and "://" not in name and {".", ".."}.isdisjoint(parts)
