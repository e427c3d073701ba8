"""The compression of an answer's body, which its header ``Content-Encoding`` names."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import codes, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

ACCEPTED = "gzip"
"""``Accept-Encoding`` of every request for JSON, as Adobe recommends."""

_PIECE = 1 << 15
"""Bytes that are read at a time, and bytes that are uncompressed at a time."""

_GZIP = frozenset({"gzip", "x-gzip"})
_PACKINGS = _GZIP | {"br", "compress", "deflate", "x-compress", "zstd"}
"""Other words, such as ``none`` and ``UTF-8``, come from proxies and say nothing about compression."""

_GZIP_BITS = zlib.MAX_WBITS | 16
_MOST_SHOWN = 40


def packing_of(response: requests.Response) -> str:
    """
    Return how a body is compressed, such as ``gzip``; an empty text if it is not compressed.

    :param response: the answer.
    """
    named = response.headers.get("Content-Encoding", "").strip().lower()
    return named[:_MOST_SHOWN] if _PACKINGS & set(named.replace(",", " ").split()) else ""


def unpacked(operation: str, response: requests.Response) -> Iterator[bytes]:
    """
    Yield the body in small pieces. ``requests`` would uncompress a whole read at once, to any size.

    :param operation: the operation's name.
    :param response: the answer.
    :raises MarketoTransientError: the body is compressed in a way that the request does not accept.
    :raises zlib.error: the body is damaged or cut off.
    """
    packing = packing_of(response)
    blocks: Iterator[bytes] = iter(lambda: response.raw.read(_PIECE, decode_content=False), b"")
    if not packing:
        yield from blocks
    elif packing in _GZIP:
        yield from _gunzipped(blocks)
    else:
        raise errors.MarketoTransientError(
            f"the answer is compressed as {packing!r}, and the request accepts {ACCEPTED}",
            operation=operation,
            code=codes.http(response.status_code),
            remedy="Try again later; if it happens again, exempt this host from the proxy that compresses the answers.",
            executed=True,
        )


def _gunzipped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    member = None
    for block in blocks:
        rest = block
        while rest:
            if member is None or member.eof:
                rest = rest.lstrip(b"\0") if member else rest  # zeros may follow a member, and so may another member
                if not rest:
                    break
                member = zlib.decompressobj(_GZIP_BITS)
            yield member.decompress(rest, _PIECE)
            rest = member.unused_data if member.eof else member.unconsumed_tail
    if member and not member.eof:
        yield member.flush()
        if not member.eof:
            raise zlib.error("the body is cut off")
