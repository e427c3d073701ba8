"""What a handler gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Envelope:
    """
    JSON in Marketo's envelope.

    :param result: the ``result`` member; None leaves it out.
    :param more: further members, such as ``nextPageToken`` or ``warnings``.
    """

    result: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)


NOTHING_FOUND = Envelope(None, {"warnings": ["No assets found for the given search criteria."]})
"""How asset queries say that there is nothing, or nothing more."""


@dataclass(frozen=True)
class Bare:
    """
    JSON without an envelope.

    :param body: what is sent.
    :param status: HTTP status.
    """

    body: Any
    status: int = 200


@dataclass(frozen=True)
class Bytes:
    """
    Content that is not JSON.

    :param content: the body.
    :param content_type: its type.
    :param status: HTTP status.
    :param headers: further headers.
    """

    content: bytes
    content_type: str = "text/plain;charset=UTF-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """
    A file on disk, or a part of it.

    :param path: where it lies.
    :param offset: first byte that is sent.
    :param length: how many bytes are promised.
    :param status: 200 or 206.
    :param headers: further headers.
    :param cut_after: the connection is closed after so many bytes; None sends them all.
    :param spoilt: send one byte that is wrong.
    """

    path: Path
    offset: int
    length: int
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    spoilt: bool = False


Reply = Envelope | Bare | Bytes | File
