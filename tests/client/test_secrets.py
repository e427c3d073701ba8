"""No failure shows secrets in logs, representations or recorded tracebacks."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
import traceback
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client import errors, meanings, stored_errors
from airflow_provider_marketo.client.auth import Token
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.printable import printable
from airflow_provider_marketo.client.secret import Secret
from tests.client.hostile import answering, reply
from tests.client.test_answers import SECRET, client_of

FAULTS = [
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{",
    b"HTTP/9 what\r\n\r\n",
    reply({"success": False, "errors": [{"code": "601", "message": "no"}]}),
    reply({"success": False, "errors": [{"code": "1003", "message": "no"}]}),
    reply(b"<html>", status="502 Bad Gateway"),
    reply({"success": True, "result": 5}, status="302 Found"),
]


def recorded(error: BaseException) -> str:
    """Return what a tool records if it walks the whole chain of exceptions, with the variables of their frames."""
    seen, texts = [], []
    while error is not None and error not in seen:
        seen.append(error)
        texts += traceback.TracebackException.from_exception(error, capture_locals=True).format(chain=True)
        error = error.__cause__ or error.__context__
    frames = "".join(texts)
    # The test's own frames know the secret.
    return "\n".join(line for line in frames.splitlines() if "SECRET" not in line)


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
@pytest.mark.parametrize("at", ["identity", "call", "download"])
def test_recorded_tracebacks_show_neither_secret_nor_token(fault, at):
    with answering(fault, token={"access_token": "the-token", "expires_in": 3600}) as server:
        if at == "identity":
            server.token = lambda connection: connection.sendall(fault)
        client = client_of(server)
        with pytest.raises(errors.MarketoError) as caught:
            (download if at == "download" else call)(client)
    shown = recorded(caught.value)
    assert "airflow_provider_marketo" in shown
    assert SECRET not in shown
    assert "the-token" not in shown
    assert "client_secret=" not in shown


REPEATED = "no route to /identity/oauth/token?client_secret={0} with Bearer {0}"
REPEATS = {
    "a message": lambda text: reply({"message": REPEATED.format(text)}, status="502 Bad Gateway"),
    "an error": lambda text: reply({"errors": [{"code": text, "message": text}]}, status="403 Forbidden"),
    "an envelope": lambda text: reply(
        {"success": False, "requestId": text, "errors": [{"code": "1003", "message": REPEATED.format(text)}]}
    ),
    "its kind": lambda text: reply(b'{"success": false', f"Content-Type: application/json; {text}"),
}


@pytest.mark.parametrize("spelling", [str, quote], ids=["plain", "quoted"])
@pytest.mark.parametrize("answer", REPEATS.values(), ids=REPEATS)
@pytest.mark.parametrize("at", ["identity", "call", "download"])
def test_an_answer_that_repeats_the_request_shows_neither_secret_nor_token(answer, at, spelling):
    token, secret = "the+token:of=1", "the+secret/of 1"
    sent = secret if at == "identity" else token
    repeated = spelling(sent)
    with answering(answer(repeated), token={"access_token": token, "expires_in": 3600}) as server:
        if at == "identity":
            server.token = lambda connection: connection.sendall(answer(repeated))
        client = client_of(server, client_secret=secret)
        with pytest.raises(errors.MarketoError) as caught:
            (download if at == "download" else call)(client)
    shown = "\n".join(line for line in recorded(caught.value).splitlines() if not of_this_test(line))
    assert repeated not in str(caught.value)
    assert repeated not in shown


def of_this_test(line: str) -> bool:
    """Whether a line shows a variable of the test itself."""
    return line.strip().startswith(("repeated =", "sent =", "token =", "secret =", "answer =", "server ="))


def call(client: MarketoClient) -> None:
    client.call("leads.describe")


def download(client: MarketoClient) -> None:
    with client.download("bulk_export_leads.get_file", exportId="e") as opened:
        list(opened.blocks)


def test_recorded_tracebacks_show_no_secret_when_nothing_is_there():
    client = MarketoClient("http://127.0.0.1:1", "an-id", SECRET, proxy="http://user:hidden@127.0.0.1:1")
    with pytest.raises(errors.MarketoConnectionError) as caught:
        client._transport.fetch_token("an-id", Secret(SECRET))
    shown = recorded(caught.value)
    assert SECRET not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize("path", ["/identity/oauth/token", "https://host.example.com/identity/oauth/token"])
def test_urllib3_logs_no_query_whether_the_address_is_absolute_or_not(caplog, path):
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger("urllib3.connectionpool")
    log.debug('%s://%s:%s "%s %s %s" %s %s', "https", "h", 443, "POST", f"{path}?client_secret={SECRET}", "1.1", 200, 5)
    log.warning("Failed to parse headers (url=%s): %s", f"{path}?client_secret={SECRET}", ValueError(f"?{SECRET}"))
    assert SECRET not in caplog.text
    assert path in caplog.text


@pytest.mark.parametrize("show", [repr, str, format, "{:>20}".format, "%s".__mod__, lambda it: repr(Token(it, 1))])
def test_a_secret_shows_stars(show):
    assert "***" in show(Secret("hidden"))
    assert "hidden" not in show(Secret("hidden"))


def test_a_secret_is_copied_and_compared_and_not_pickled():
    secret = Secret("hidden")
    assert copy.deepcopy([secret]) == [Secret(secret)] == [copy.copy(secret)]
    assert secret not in ("hidden", Secret("other"))
    assert len({secret, Secret("hidden")}) == 1
    assert (bool(secret), Secret.optional(""), Secret.optional(None)) == (True, None, None)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


@given(st.text(), st.integers(1, 100))
def test_a_printable_text_is_one_line_of_bounded_length(text, longest):
    shown = printable(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + 30


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nlines\tand more", "two lines and more"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("turned \u202e around", "turned \\u202e around"),
        ("half \ud83d an emoji", "half \\ud83d an emoji"),
        ("Müller 会社 🎉", "Müller 会社 🎉"),
        (["a", 1], "['a', 1]"),
    ],
)
def test_unprintable_characters_are_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("entry", ["message", "code"])
def test_marketos_words_are_printable_and_bounded_wherever_they_enter(entry):
    words = "\x1b[2J\nINFO all is well\u202e" + "x" * 5_000_000
    error = meanings.from_reply("leads.sync", [{"code": "1003", "message": "no", entry: words}], words)
    for text in (
        str(error),
        *map(str, stored_errors.to_dict(error).values()),
        str(stored_errors.from_dict(stored_errors.to_dict(error))),
    ):
        assert text.isprintable()
        assert len(text) < 5000


def test_the_connections_proxy_and_certificates_win_over_the_environment(monkeypatch, tmp_path, requests_mock):
    bundle, other = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    bundle.touch()
    other.touch()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "https://123-abc-456.mktorest.com_proxy"):
        monkeypatch.setenv(name, "http://mitm.example.com:1")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    monkeypatch.setenv("NO_PROXY", "*")
    asked = everything_asked(requests_mock, proxy="http://ours.example.com:3128", ca_bundle=str(bundle))
    assert {request.verify for request in asked} == {str(bundle)}
    for request in asked:
        proxy = requests.utils.select_proxy(request.url, request.proxies)
        assert proxy == "http://ours.example.com:3128"


@pytest.mark.parametrize(
    ("name", "value", "verify", "proxy"),
    [
        ("HTTPS_PROXY", "http://corporate.example.com:3128", True, "http://corporate.example.com:3128"),
        ("REQUESTS_CA_BUNDLE", "/corporate.pem", "/corporate.pem", None),
        ("CURL_CA_BUNDLE", "/corporate.pem", "/corporate.pem", None),
    ],
)
def test_the_environment_applies_if_the_connection_names_no_proxy_and_no_certificates(
    monkeypatch, requests_mock, name, value, verify, proxy
):
    for each in (
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "NO_PROXY",
        "no_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, value)
    for request in everything_asked(requests_mock):
        assert request.verify == verify
        assert requests.utils.select_proxy(request.url, request.proxies) == proxy


def everything_asked(requests_mock, **options) -> list:
    """A request for a token, a call, an upload and a download, as they went to the network."""
    host = "https://123-abc-456.mktorest.com"
    requests_mock.post(f"{host}/identity/oauth/token", json={"access_token": "t", "expires_in": 3600})
    requests_mock.get(f"{host}/rest/v1/leads/describe.json", json={"success": True, "result": []})
    requests_mock.post(f"{host}/bulk/v1/leads.json", json={"success": True, "result": []})
    requests_mock.get(f"{host}/bulk/v1/leads/export/e/file.json", text="id\n1\n")
    client = MarketoClient("123-ABC-456", "an-id", SECRET, **options)
    client.call("leads.describe")
    client.call("bulk_import_leads.import", file=b"email\na@example.com\n", format="csv")
    with client.download("bulk_export_leads.get_file", exportId="e") as download:
        list(download.blocks)
    return requests_mock.request_history


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://[::1", "connection's host, identity_url and proxy"),
        ("http://proxy:port", "connection's host, identity_url and proxy"),
        ("socks5://127.0.0.1:1", "PySocks"),
    ],
)
@pytest.mark.parametrize("where", ["connection", "environment"])
def test_an_error_of_the_proxys_address_speaks_of_the_proxy(proxy, said, where, monkeypatch):
    monkeypatch.setitem(sys.modules, "socks", None)
    if where == "environment":
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
    client = MarketoClient("http://127.0.0.1:1", "an-id", SECRET, proxy=proxy if where == "connection" else None)
    with pytest.raises(errors.MarketoConnectionError, match=said):
        client._transport.fetch_token("an-id", Secret(SECRET))


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_of_the_environment_that_are_not_there_are_named(name, monkeypatch, tmp_path):
    for each in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, str(tmp_path / "gone.pem"))
    client = MarketoClient("https://127.0.0.1:1", "an-id", SECRET)
    with pytest.raises(errors.MarketoConnectionError, match=name):
        client._transport.fetch_token("an-id", Secret(SECRET))
