"""The web server in front of an instance."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.call import Call
from airflow_provider_marketo.simulator.control import PREFIX, control
from airflow_provider_marketo.simulator.problems import ApiError, ConnectionDropError, HttpError
from airflow_provider_marketo.simulator.reply import Bare, Bytes, Envelope, File, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.simulator.gateway import Gateway

_JSON = "application/json;charset=UTF-8"
_GZIP_FROM = 1024
_BLOCK = 1 << 20


class Server(ThreadingHTTPServer):
    """
    Listens on the loopback interface, with a thread for each connection.

    :param gateway: answers the calls.
    :param port: 0 for a free one.
    :param host: address to listen on.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, gateway: Gateway, port: int = 0, host: str = "127.0.0.1") -> None:
        self.gateway = gateway
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a request, and remember its connection."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, and forget it."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Close the socket, and the connections that clients keep open."""
        super().server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback of a bug; a client that disconnected is not a bug."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Marketo-Simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Server

    def _serve(self) -> None:
        path = self.path.partition("?")[0]
        body = self._body(path)
        if body is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.command, self.path, headers, body)
        if path.startswith(PREFIX):
            self._send(control(self.server.gateway, call), call)
            return
        try:
            with self.server.gateway.exchange(call) as reply:
                self._send(reply, call)
        except ApiError as error:
            self._json(error.body(_request_id()), call, error.status)
        except HttpError as error:
            page = error.text.startswith("<html")
            self._plain(error.status, error.text, "text/html" if page else "text/plain;charset=UTF-8")
        except ConnectionDropError:
            self._reset()
        except ConnectionError:
            raise
        except Exception as error:
            self._plain(500, f"The simulator has a bug: {error!r}")
            raise

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _serve

    def _body(self, path: str) -> bytes | None:
        """Return the whole body; None if it was refused."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            self.server.gateway.instance.note("chunked body")
            self._refuse(411, "Length Required")
            return None
        declared = self.headers.get("Content-Length") or "0"
        if not declared.isdecimal():
            self._refuse(400, "Bad Request")
            return None
        length = int(declared)
        if length > self.server.gateway.largest_body(path):
            self.server.gateway.instance.note("body too large")
            self._refuse(413, "Request Entity Too Large")
            # Read on for a while, because closing a connection with unread bytes would lose the answer.
            with suppress(OSError):
                self.connection.settimeout(1)
                while length > 0 and (part := self.rfile.read(min(length, _BLOCK))):
                    length -= len(part)
            return None
        return self.rfile.read(length) if length else b""

    def _refuse(self, status: int, text: str) -> None:
        self.server.gateway.refused(status)
        self.close_connection = True
        self._plain(status, text)
        self.wfile.flush()

    def _send(self, reply: Reply, call: Call) -> None:
        if isinstance(reply, File):
            self._file(reply)
        elif isinstance(reply, Bytes):
            self._head(reply.status, reply.content_type, len(reply.content), reply.headers)
            self.wfile.write(reply.content[: reply.cut_after])
            self.close_connection |= reply.cut_after is not None
        elif isinstance(reply, Bare):
            self._json(reply.body, call, reply.status)
        else:
            self._json(_enveloped(reply, call.path), call)

    def _json(self, body: Any, call: Call, status: int = 200) -> None:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        zipped = "gzip" in call.headers.get("accept-encoding", "") and not call.path.startswith("/bulk/")
        if zipped and len(content) >= _GZIP_FROM:
            self._body_of(status, gzip.compress(content, 1), _JSON, {"Content-Encoding": "gzip"})
        else:
            self._body_of(status, content, _JSON)

    def _plain(self, status: int, text: str, content_type: str = "text/plain;charset=UTF-8") -> None:
        self._body_of(status, text.encode(), content_type)

    def _body_of(
        self, status: int, content: bytes, content_type: str, headers: Mapping[str, str | Sequence[str]] | None = None
    ) -> None:
        self._head(status, content_type, len(content), headers or {})
        self.wfile.write(content)

    def _head(
        self, status: int, content_type: str, length: int | None, headers: Mapping[str, str | Sequence[str]]
    ) -> None:
        self.send_response(status)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", content_type)
            if length is not None:
                self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            for each in [value] if isinstance(value, str) else value:
                self.send_header(name, each)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _file(self, reply: File) -> None:
        if reply.endless or reply.drip:
            self._slow_file(reply)
            return
        self._head(reply.status, "text/csv;charset=UTF-8", reply.length, reply.headers)
        self.wfile.flush()
        count = reply.length if reply.cut_after is None else min(reply.cut_after, reply.length)
        with reply.path.open("rb") as file:
            if reply.spoilt:
                file.seek(reply.offset)
                content = bytearray(file.read(count))
                # Flip a bit of the last byte before the line end, which is neither a quote nor a comma.
                content[-2 if len(content) > 1 else -1] ^= 0x01
                self.connection.sendall(content)
            elif count:
                self.connection.sendfile(file, reply.offset, count)
        self.server.gateway.downloaded(count)
        if count < reply.length:
            self.close_connection = True

    def _slow_file(self, reply: File) -> None:
        """Send a file that never ends, or whose bytes come one by one."""
        self.close_connection = True
        length = None if reply.endless else reply.length
        self._head(reply.status, "text/csv;charset=UTF-8", length, reply.headers)
        self.wfile.flush()
        content = reply.path.read_bytes()[reply.offset : reply.offset + reply.length]
        while True:
            for piece in [content[at : at + 1] for at in range(len(content))] if reply.drip else [content]:
                time.sleep(reply.drip)
                self.connection.sendall(piece)
                self.server.gateway.downloaded(len(piece))
            if not reply.endless:
                return

    def _reset(self) -> None:
        """Reset the connection, as a failing machine does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the Date header by the clock of the instance, which also dates its data."""
        return super().date_time_string(
            self.server.gateway.instance.clock.now().timestamp() if timestamp is None else timestamp
        )

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the report counts the calls."""


def _enveloped(reply: Envelope, path: str) -> dict[str, Any]:
    body: dict[str, Any] = {"requestId": _request_id(), "success": True}
    if path.startswith("/rest/asset/v1/"):
        body = {"success": True, "errors": [], "requestId": body["requestId"], "warnings": []}
    if reply.result is not None:
        body["result"] = reply.result
    return {**body, **reply.more}


def _request_id() -> str:
    return f"{secrets.token_hex(2)}#{secrets.token_hex(6)[1:]}"
