"""
A bound on the time of a whole answer.

The timeout of ``requests`` starts again with each byte, so an answer that arrives in drops never reaches it. Here,
every read from the socket also ends at the answer's deadline: the reads of the status line, the headers and the body.
"""

from __future__ import annotations

import io
import math
import threading
import time
from contextlib import contextmanager
from functools import cache
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from urllib3 import HTTPConnectionPool, PoolManager


class Deadline:
    """
    When an answer has to be complete.

    :param seconds: time for the answer, counted from when the request was sent.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = math.inf

    def start(self, seconds: float | None = None) -> None:
        """
        Count from now.

        :param seconds: time for the next block of a file. Default: the time for the answer.
        """
        self._at = time.monotonic() + (self._seconds if seconds is None else seconds)

    @property
    def left(self) -> float:
        """Seconds that are left; negative after the deadline."""
        return self._at - time.monotonic()


_current = threading.local()


@contextmanager
def ends_at(deadline: Deadline) -> Iterator[None]:
    """Set the deadline of the answers to all requests that this thread sends inside the ``with`` block."""
    before = getattr(_current, "deadline", None)
    _current.deadline = deadline
    try:
        yield
    finally:
        _current.deadline = before


class BoundedAdapter(HTTPAdapter):
    """Sends requests whose answers keep the deadline of :func:`ends_at`, directly or through any kind of proxy."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool of connections, each with its time limit."""
        super().init_poolmanager(*arguments, **options)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> PoolManager:
        """Return the pool of connections through a proxy, each with its time limit."""
        return _bound(super().proxy_manager_for(*arguments, **options))


def _bound(manager: PoolManager) -> PoolManager:
    """Make a manager create bounded pools. The special pools and connections of a SOCKS proxy stay in use."""
    manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
    return manager


@cache
def _bounded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    if getattr(pool.ConnectionCls, "response_class", None) is _Answer:
        return pool
    connection = type(f"Bounded{pool.ConnectionCls.__name__}", (pool.ConnectionCls,), {"response_class": _Answer})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        deadline = getattr(_current, "deadline", None)
        if deadline is not None:
            deadline.start()
            self.fp = io.BufferedReader(_BoundedReader(self.fp, sock, deadline))


class _BoundedReader(io.RawIOBase):
    """The bytes of a socket, until the deadline."""

    def __init__(self, buffered: Any, sock: socket.socket, deadline: Deadline) -> None:
        self._buffered = buffered
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline.left
        if left <= 0:
            raise TimeoutError("the answer took too long")
        usual = self._sock.gettimeout()
        self._sock.settimeout(left if usual is None else min(left, usual))
        try:
            read: int | None = self._buffered.raw.readinto(buffer)
        finally:
            self._sock.settimeout(usual)
        return read

    def close(self) -> None:
        self._buffered.close()
        super().close()
