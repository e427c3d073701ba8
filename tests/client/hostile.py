"""A server whose answers Marketo would never give, for tests of how a client handles them."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

TOKEN = {"access_token": "a-token", "expires_in": 3600}


class HostileServer:
    """
    Answers requests for a token as usual, and everything else with one answer.

    :param answer: the bytes, or a function that gets the connection and writes to it.
    :param token: identity's answer.
    """

    def __init__(self, answer: bytes | Callable[[socket.socket], None] = b"", token: Any = TOKEN) -> None:
        self.answer = answer
        self.token = token
        self.requests: list[str] = []
        """First line of each request."""
        self.headers: list[str] = []
        """Headers of each request."""
        self._over = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> HostileServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def drip(self, before: bytes, piece: bytes) -> Callable[[socket.socket], None]:
        """Return an answer that begins and then continues in pieces, twenty a second, as long as the test lasts."""

        def answer(connection: socket.socket) -> None:
            connection.sendall(before)
            while not self._over.wait(0.05):
                connection.sendall(piece)

        return answer

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                first = self.rfile.readline().decode()
                if not first:
                    return
                server.requests.append(first.strip())
                headers = list(iter(self.rfile.readline, b"\r\n"))
                server.headers.append(b"".join(headers).decode("latin-1"))
                length = sum(int(each.split(b":")[1]) for each in headers if each.lower().startswith(b"content-length"))
                self.rfile.read(length)
                answer = server.answer
                if "/oauth/token" in first:
                    answer = server.token if callable(server.token) else reply(server.token)
                try:
                    if isinstance(answer, bytes):
                        self.connection.sendall(answer)
                    else:
                        answer(self.connection)
                except OSError:
                    pass  # the client has gone

        return Handler


def reply(body: Any, *headers: str, status: str = "200 OK") -> bytes:
    """Return an HTTP answer; a body that is not bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + content


@contextmanager
def answering(answer: bytes | Callable[[socket.socket], None] = b"", token: Any = TOKEN) -> Iterator[HostileServer]:
    """Start a server that gives one answer."""
    with HostileServer(answer, token) as server:
        yield server
