"""The kinds of reply that a handler returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Envelope:
    """
    JSON in Marketo's envelope.

    :param result: the ``result`` member; None leaves it out.
    :param more: other members, such as ``nextPageToken`` or ``warnings``.
    """

    result: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)


NOTHING_FOUND = Envelope(None, {"warnings": ["No assets found for the given search criteria."]})
"""The reply of asset queries that find nothing, or nothing more."""


@dataclass(frozen=True)
class Bare:
    """
    JSON without an envelope.

    :param body: the JSON value.
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
    :param headers: additional headers; one with a list is sent for each item.
    :param cut_after: close the connection after this many bytes; None sends all.
    """

    content: bytes
    content_type: str = "text/plain;charset=UTF-8"
    status: int = 200
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    cut_after: int | None = None


@dataclass(frozen=True)
class File:
    """
    A file on disk, or a part of it.

    :param path: path of the file.
    :param offset: first byte that is sent.
    :param length: bytes announced in ``Content-Length``.
    :param status: 200 or 206.
    :param headers: additional headers.
    :param cut_after: close the connection after this many bytes; None sends all.
    :param spoilt: send one wrong byte.
    :param endless: announce no length, and send it again and again.
    :param drip: real seconds before each byte.
    """

    path: Path
    offset: int
    length: int
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    spoilt: bool = False
    endless: bool = False
    drip: float = 0.0


Reply = Envelope | Bare | Bytes | File
