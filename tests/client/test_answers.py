"""For any answer, the client's memory and time are bounded, and it raises only a MarketoError."""

from __future__ import annotations

import gzip
import json
import time
import traceback
import tracemalloc
from datetime import timezone
from functools import cache

import pytest
import requests
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection

from airflow_provider_marketo.client import answer
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoAuthError,
    MarketoDataError,
    MarketoError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.client.operations import get, prepare
from airflow_provider_marketo.client.secret import Secret
from tests.client.hostile import TOKEN, HostileServer, answering, reply
from tests.support import ManualClock

SECRET = "the-client-secret"
BEGIN = b"HTTP/1.1 200 OK\r\n"


def client_of(server: HostileServer, client_secret: str = SECRET, **options) -> MarketoClient:
    clock = ManualClock()
    options = {"read_timeout": 30.0} | options
    return MarketoClient(
        server.url, "an-id", client_secret, clock=clock, governor=LocalGovernor(parallel=4, clock=clock), **options
    )


def failure_of(server: HostileServer, **options) -> MarketoError:
    with pytest.raises(MarketoError) as caught:
        client_of(server, **options).call("leads.describe")
    return caught.value


ODD = [
    [],
    5,
    None,
    "text",
    {"success": True, "result": [None]},
    {"success": True, "result": [[1]]},
    {"success": True, "result": "done"},
    {"success": True, "result": 0},
    {"success": True, "result": False},
    {"success": None},
    {"success": "false"},
    {"success": 0, "errors": "broken"},
    {"success": False, "errors": [1]},
    {"success": False, "errors": [None, [], {}]},
    {"success": False, "errors": {"code": 611, "message": ["a", "list"]}},
    {"success": False, "errors": [{"code": {"a": 1}, "message": 5}], "requestId": {"b": 2}},
    {"success": False, "errors": [{"code": None, "message": None}], "requestId": 7},
]


@pytest.mark.parametrize("body", ODD, ids=json.dumps)
def test_an_odd_reply_is_a_typed_error(body):
    with answering(reply(body)) as server:
        assert type(failure_of(server)) is not MarketoError


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 None", "500 Error", "302 Found", "429 Many"])
@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, {"errors": [1]}, {"errors": 5}, {"message": ["x"]}])
def test_an_odd_error_is_a_typed_error(status, body):
    with answering(reply(body, status=status)) as server:
        assert failure_of(server).code


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b"\xff\xfe", b"NaN", b'"\\ud83d"']
)
def test_an_answer_that_python_cannot_read_is_a_typed_error(content):
    with answering(reply(content)) as server:
        assert isinstance(failure_of(server), MarketoTransientError)


@pytest.mark.parametrize(
    "odd", [{"nextPageToken": [1]}, {"moreResult": "no"}, {"warnings": 5}, {"warnings": [{}, None]}, {"requestId": []}]
)
def test_members_of_the_wrong_type_count_as_absent(odd):
    with answering(reply({"success": True, "result": [{"id": 1}], **odd})) as server:
        answered = client_of(server).call("leads.describe")
        assert (answered.records, answered.next_page_token, answered.more_result) == ([{"id": 1}], None, None)
        assert all(isinstance(warning, str) for warning in answered.warnings)


@pytest.mark.parametrize(
    "given",
    ["Nothing was found", ["Nothing was found"], {"message": "Nothing was found"}, [{"message": "Nothing was found"}]],
)
def test_warnings_are_texts_in_each_form_in_which_marketo_sends_them(given):
    with answering(reply({"success": True, "result": [], "warnings": given})) as server:
        assert client_of(server).call("leads.describe").warnings == ["Nothing was found"]


@pytest.mark.parametrize("date", ["Thu, 15 Jan 2026 12:00:00 GMT", "Thu, 15 Jan 2026 12:00:00 -0000"])
def test_the_date_of_a_reply_is_aware(date):
    with answering(reply({"success": True, "result": []}, f"Date: {date}")) as server:
        assert client_of(server).call("leads.describe").date.astimezone(timezone.utc).hour == 12


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Jan 99999 12:00:00 GMT"])
def test_a_date_that_cannot_be_read_is_left_out(date):
    with answering(reply({"success": True, "result": []}, f"Date: {date}")) as server:
        assert client_of(server).call("leads.describe").date is None


@pytest.mark.parametrize(
    "token",
    [
        {"access_token": "a\r\nb", "expires_in": 3600},
        {"access_token": "a b", "expires_in": 3600},
        {"access_token": "ä", "expires_in": 3600},
        {"access_token": "", "expires_in": 3600},
        {"access_token": ["a"], "expires_in": 3600},
        {"access_token": "x" * 5000, "expires_in": 3600},
        {"access_token": "a-token", "expires_in": None},
        {"access_token": "a-token", "expires_in": "soon"},
        {"access_token": "a-token", "expires_in": float("inf")},
        {"access_token": "a-token"},
        {"error": ["x"]},
    ],
    ids=str,
)
def test_an_invalid_token_is_a_typed_error_that_does_not_show_it(token):
    with answering(token=token) as server:
        error = failure_of(server)
    assert isinstance(error, MarketoAuthError)
    assert "a-token" not in "".join(traceback.format_exception(error))


@cache
def bomb(times: int) -> bytes:
    """Return an answer of 100 MB, compressed once or several times."""
    packed = b'{"success": true, "result": "' + b" " * (100 << 20) + b'"}'
    for _ in range(times):
        packed = gzip.compress(packed, 1)
    return packed


@pytest.mark.parametrize("where", ["call", "identity"])
@pytest.mark.parametrize(
    ("packed", "packing", "said"),
    [
        (lambda: bomb(1), "gzip", "the answer is larger than"),
        (lambda: bomb(2), "gzip, gzip", "compressed as 'gzip, gzip'"),
        (lambda: b"\x1b", "br", "compressed as 'br'"),
        (lambda: b"\x28", "zstd", "compressed as 'zstd'"),
        (lambda: b"\x78", "deflate", "compressed as 'deflate'"),
        (lambda: gzip.compress(b"{}")[:-9], "gzip", "the compressed answer is damaged or cut off"),
        (lambda: b"{}", "gzip", "the compressed answer is damaged or cut off"),
    ],
    ids=["once", "twice", "br", "zstd", "deflate", "cut off", "not packed"],
)
def test_an_answer_that_unpacks_to_a_hundred_megabytes_is_not_unpacked(where, packed, packing, said):
    content = reply(packed(), f"Content-Encoding: {packing}")
    with answering(content, token=(lambda sock: sock.sendall(content)) if where == "identity" else TOKEN) as server:
        tracemalloc.start()
        error = failure_of(server)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert said in error.message
    assert error.executed  # the request may have run
    assert peak < 60 << 20


def gzipped(body: bytes) -> bytes:
    """Compress a body as two members and some padding, as a server that compresses piece by piece may do."""
    return gzip.compress(body[:99_999]) + gzip.compress(body[99_999:]) + b"\0" * 8


@pytest.mark.parametrize(
    ("pack", "packing"),
    [(gzip.compress, "GZIP"), (gzipped, "x-gzip"), (bytes, "identity"), (bytes, "none"), (bytes, "UTF-8")],
)
def test_a_packed_answer_is_read_whole(pack, packing):
    body = json.dumps({"success": True, "result": [{"id": 1, "name": "é" * 100_000}]}).encode()
    with answering(reply(pack(body), f"Content-Encoding: {packing}")) as server:
        assert client_of(server).call("leads.describe").result == json.loads(body)["result"]


def test_a_packed_file_is_refused():
    """Marketo does not compress files, and announces the digest of the uncompressed file."""
    content = reply(gzip.compress(b"id\n1\n"), "Content-Encoding: gzip", "Content-Type: text/csv")
    with answering(content) as server:
        client = client_of(server)
        with pytest.raises(MarketoDataError, match=r"compressed as 'gzip'.*proxy"):
            client.download("bulk_export_leads.get_file", exportId="e").__enter__()


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/", "http://[bad", "file:///etc/passwd"])
def test_of_a_redirect_neither_the_body_nor_the_target_is_read(target):
    content = reply(bomb(1), "Content-Encoding: gzip", f"Location: {target}", status="302 Found")
    with answering(content) as server:
        tracemalloc.start()
        error = failure_of(server)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "redirects" in error.message
    assert peak < 10 << 20


@pytest.mark.parametrize("status", [403, 404, 405, 406, 407, 410, 411, 413, 415, 421, 451])
def test_the_error_says_that_an_address_has_no_identity_service(status):
    """The remedies of Marketo's own statuses speak of ids, permissions and parameters."""
    with answering(token=lambda sock: sock.sendall(reply(b"<html>", status=f"{status} No"))) as server:
        error = failure_of(server)
    assert "no identity service of Marketo answers" in error.message
    assert error.parameter == "host"
    assert "identity_url" in str(error.remedy)
    assert len(server.requests) == 1


def test_a_cookie_that_an_answer_sets_is_not_sent():
    with answering(reply({"success": True, "result": []}, "Set-Cookie: balancer=a; Path=/")) as server:
        client = client_of(server)
        client.call("leads.describe")
        client.call("leads.describe")
    assert len(server.headers) == 3
    assert "cookie" not in "".join(server.headers).lower()
    assert all("Accept-Encoding: gzip" in headers for headers in server.headers)
    assert all("User-Agent: airflow-provider-marketo" in headers for headers in server.headers)


def test_an_answer_with_two_lengths_may_have_run():
    two = BEGIN + b"Content-Length: 5\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with answering(two) as server:
        client = client_of(server)
        with pytest.raises(MarketoAmbiguousOutcomeError):
            client.call("campaigns.schedule", campaignId=1)
    assert len([request for request in server.requests if "schedule" in request]) == 1


@pytest.mark.parametrize("status", ["400 Bad", "500 Error"])
def test_an_error_is_read_up_to_a_megabyte(status):
    with answering(reply(b'{"errors": [], "message": "' + b"x" * (2 << 20) + b'"}', status=status)) as server:
        assert len(str(failure_of(server))) < 1000


@pytest.mark.parametrize(
    ("before", "piece"),
    [
        (BEGIN + b"Content-Length: 1000000\r\n\r\n", b" "),
        (BEGIN + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (BEGIN, b"X-Header: 1\r\n"),
        (b"HTTP/1.1 200 ", b"O"),
    ],
    ids=["body", "chunks", "headers", "status"],
)
def test_an_answer_that_drips_ends_at_the_timeout(before, piece):
    with HostileServer() as server:
        server.answer = server.drip(before, piece)
        start = time.monotonic()
        with pytest.raises(MarketoTransientError, match="did not answer in time"):
            client_of(server, read_timeout=0.3)._transport.send(_request(), _token(server))
        assert time.monotonic() - start < 20  # without a timeout it drips until the server is closed


def test_an_identity_that_drips_ends_at_the_timeout():
    with HostileServer() as server:
        server.token = server.drip(BEGIN + b"Content-Length: 1000000\r\n\r\n", b" ")
        with pytest.raises(MarketoTransientError, match="did not answer in time"):
            client_of(server, read_timeout=0.3)._transport.fetch_token("an-id", Secret(SECRET))


def test_an_answer_through_a_socks_proxy_ends_at_the_timeout(monkeypatch):
    """A SOCKS proxy has connections of its own. These do what PySocks does after its greeting: connect to the host."""

    class OwnConnection(HTTPConnection):
        pass

    class OwnPool(HTTPConnectionPool):
        ConnectionCls = OwnConnection

    class OwnManager(PoolManager):
        def __init__(self, proxy_url, username, password, num_pools, **options):
            super().__init__(num_pools, **{name: options[name] for name in ("maxsize", "block")})
            self.pool_classes_by_scheme = {"http": OwnPool}

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", OwnManager)
    with HostileServer() as server:
        server.answer = server.drip(BEGIN + b"Content-Length: 1000000\r\n\r\n", b" ")
        through_proxy = client_of(server, read_timeout=0.3, proxy="socks5h://proxy.example.com:1080")
        with pytest.raises(MarketoTransientError, match="did not answer in time"):
            through_proxy._transport.send(_request(), _token(server))


def test_a_file_has_time_for_each_block(monkeypatch):
    monkeypatch.setattr(answer, "_BLOCK_TIME", 0.3)
    with HostileServer() as server:
        server.answer = server.drip(BEGIN + b"Content-Length: 1000000\r\n\r\n", b"x")
        request = prepare(get("bulk_export_leads.get_file"), {"exportId": "e"})
        with (
            pytest.raises(MarketoTransientError, match="the download broke"),
            client_of(server)._transport.open(request, _token(server)),
        ):
            pass


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_json_in_place_of_a_file_is_read_up_to_a_megabyte(size):
    with answering(reply(b'{"success": true, "a": "' + b"x" * size + b'"}')) as server:
        tracemalloc.start()
        with (
            pytest.raises(MarketoDataError, match="in place of the file"),
            client_of(server).download("bulk_export_leads.get_file", exportId="e"),
        ):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("length", ["abc", "-5", "1e9", ""])
def test_an_odd_length_of_a_file_is_not_a_crash(length):
    content = BEGIN + f"Content-Length: {length}\r\nConnection: close\r\n\r\nid\n1\n".encode()
    with answering(content) as server:
        try:
            with client_of(server).download("bulk_export_leads.get_file", exportId="e") as download:
                assert b"".join(download.blocks) == b"id\n1\n"
        except MarketoError:
            pass  # typed


def _request():
    return prepare(get("leads.describe"), {})


def _token(server: HostileServer):
    return Secret(TOKEN["access_token"])
