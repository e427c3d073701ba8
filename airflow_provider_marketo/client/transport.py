"""Make one HTTP exchange: a prepared request in, a reply or a typed error out. Retries are decided elsewhere."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from airflow_provider_marketo.client import codes, errors
from airflow_provider_marketo.client.auth import Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow_provider_marketo.client.operations import Operation, PreparedRequest

_BLOCK = 1 << 20
_SNIFF = 4096
_PROXY = re.compile(r"(https?|socks5h?)://([^\s/@]*@)?[^\s/@]+/?")


@dataclass(frozen=True)
class Reply:
    """
    What Marketo answered.

    :param operation: the operation's name.
    :param body: the whole JSON body, whatever its shape.
    :param date: Marketo's clock when it answered, aware; None where it does not say.
    :param resent: whether an earlier sending of the same request may have run: "exists already" may be its work.
    """

    operation: str
    body: Any = field(repr=False)
    date: datetime | None = None
    resent: bool = False

    @property
    def _envelope(self) -> Mapping[str, Any]:
        return self.body if isinstance(self.body, dict) else {}

    @property
    def result(self) -> Any:
        """The ``result`` member, or the bare body of the families that have no envelope; None when there is none."""
        if isinstance(self.body, dict) and ("success" in self.body or "result" in self.body):
            return self.body.get("result")
        return self.body

    @property
    def records(self) -> list[Any]:
        """The result as a list, empty when Marketo left it out."""
        result = self.result
        if isinstance(result, dict):
            return list(result.get("items", [result]))
        return result if isinstance(result, list) else []

    @property
    def request_id(self) -> str | None:
        """Marketo's request id."""
        return self._envelope.get("requestId")

    @property
    def next_page_token(self) -> str | None:
        """Where the next page starts, if Marketo says so."""
        return self._envelope.get("nextPageToken") or None

    @property
    def more_result(self) -> bool | None:
        """Marketo's ``moreResult``; None when it is absent."""
        return self._envelope.get("moreResult")

    @property
    def warnings(self) -> list[str]:
        """Marketo's warnings as texts; Adobe delivers them as texts here and as objects there."""
        return [
            str(warning.get("message", warning)) if isinstance(warning, dict) else str(warning)
            for warning in self._envelope.get("warnings") or []
        ]


@dataclass(frozen=True)
class Download:
    """
    A file as it comes in.

    :param blocks: the bytes.
    :param offset: where in the file they start; 0 although more was asked for means that the range was ignored.
    """

    blocks: Iterator[bytes]
    offset: int


class _QueriesUnlogged(logging.Filter):
    """At DEBUG urllib3 logs every URL: identity's holds the client secret, a lead query the filter values."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                value.split("?", 1)[0] + "?..."
                if isinstance(value, str) and value.startswith("/") and "?" in value
                else value
                for value in record.args
            )
        return True


logging.getLogger("urllib3.connectionpool").addFilter(_QueriesUnlogged())


class _Bearer(requests.auth.AuthBase):
    """As an auth object, since requests lets a ~/.netrc replace a plain Authorization header."""

    def __init__(self, token: str | None, header: str = "Authorization") -> None:
        self._token = token
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers[self._header] = f"Bearer {self._token}" if self._header == "Authorization" else self._token
        return request


class Transport:
    """
    Sends requests to one instance.

    :param endpoint: scheme and host of the instance, without a path.
    :param identity: URL of the identity service, up to and including ``/identity``.
    :param ingestion: scheme and host of the data ingestion service.
    :param connect_timeout: seconds to establish a connection.
    :param read_timeout: seconds of silence from Marketo; None takes the operation's own, which outlasts Marketo's.
    :param proxy: URL of an HTTP proxy; None follows the environment.
    :param ca_bundle: path of a file with certificates to trust; None takes the usual ones.
    :param user_agent: value of the ``User-Agent`` header.
    :raises MarketoInvalidRequestError: the CA bundle does not exist, or the proxy is not a valid URL.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        identity: str,
        ingestion: str,
        connect_timeout: float = 10.0,
        read_timeout: float | None = None,
        proxy: str | None = None,
        ca_bundle: str | None = None,
        user_agent: str = "airflow-provider-marketo",
    ) -> None:
        self._endpoints = {"instance": endpoint, "ingestion": ingestion}
        self._identity = identity
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=10, max_retries=0))
        if proxy:
            if not _PROXY.fullmatch(proxy):  # its text may hold a password
                raise errors.MarketoInvalidRequestError(
                    "proxy is not a valid URL",
                    parameter="proxy",
                    remedy="Give its URL, such as http://proxy.example.com:3128.",
                )
            self._session.proxies = {"http": proxy, "https": proxy}
        if ca_bundle:
            if not Path(ca_bundle).exists():
                raise errors.MarketoInvalidRequestError(
                    f"ca_bundle {ca_bundle} does not exist",
                    parameter="ca_bundle",
                    remedy="Put the file on every worker and triggerer.",
                )
            self._session.verify = ca_bundle

    def send(self, request: PreparedRequest, token: str) -> Reply:
        """
        Send a request and read the whole answer.

        :raises MarketoError: whatever the answer stands for.
        """
        with self._exchange(request, token) as response:
            return Reply(request.operation.name, _read_json(request.operation, response), _date(response))

    @contextmanager
    def open(self, request: PreparedRequest, token: str, offset: int = 0) -> Iterator[Download]:
        """
        Send a request for a file.

        :param offset: first byte wanted.
        :raises MarketoError: whatever came in the file's place, a JSON error with HTTP 200 included.
        """
        name = request.operation.name
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._exchange(request, token, headers=headers, stream=True) as response:
            if response.status_code == 204:
                yield Download(iter(()), 0)
                return
            blocks = _blocks(name, response)
            first = next(blocks, b"")
            # The rest of a file may begin with anything, the attributes of an activity included.
            if response.status_code != 206 and _looks_like_json(first, response):
                rest = b"".join(blocks)
                _raise_for_envelope(name, _parse_json(name, first + rest, response))
                raise errors.MarketoDataError("a JSON document came in place of the file", operation=name)
            yield Download(_chain(first, blocks), offset if response.status_code == 206 else 0)

    def fetch_token(self, client_id: str, client_secret: str, partner_id: str | None = None) -> Token:
        """
        Ask identity for a token (``identity.post_token``).

        :raises MarketoAuthError: wrong client id or secret.
        """
        name = "identity.post_token"
        query = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        if partner_id:
            query["partner_id"] = partner_id
        try:
            response = self._session.post(
                f"{self._identity}/oauth/token",
                params=query,
                auth=_Bearer(None),
                timeout=(self._connect_timeout, self._read_timeout or 40),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise _unreachable(name, error) from None  # its text holds the URL, and the URL holds the secret
        if response.status_code in (400, 401):
            raise errors.MarketoAuthError(
                "identity refuses this client id and secret", operation=name, code=codes.http(response.status_code)
            )
        _raise_for_status(name, response)
        body = _parse_json(name, response.content, response)
        _raise_for_envelope(name, body)
        if not isinstance(body, dict) or "access_token" not in body:
            reason = str(body.get("error", "")) if isinstance(body, dict) else ""
            raise errors.MarketoAuthError(
                f"identity gave no token{f': {reason}' if reason.isidentifier() else ''}", operation=name
            )
        return Token(str(body["access_token"]), float(body.get("expires_in", 0)))

    @contextmanager
    def _exchange(
        self,
        request: PreparedRequest,
        token: str,
        *,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> Iterator[requests.Response]:
        operation = request.operation
        ingestion = operation.area == "ingestion"
        try:
            response = self._session.request(
                request.method,
                self._endpoints["ingestion" if ingestion else "instance"] + request.path,
                params=list(request.query),
                json=request.json,
                data=list(request.form) if request.form is not None else None,
                files=list(request.files) if request.files is not None else None,
                headers={**request.headers, **(headers or {})},
                auth=_Bearer(token, "X-Mkto-User-Token" if ingestion else "Authorization"),
                timeout=(self._connect_timeout, self._read_timeout or operation.timeout),
                allow_redirects=False,
                stream=stream,
            )
        except requests.RequestException as error:
            raise _unreachable(operation.name, error) from None  # its text holds the URL: filter values, e-mails
        with response:
            _raise_for_status(operation.name, response)
            yield response


def _unreachable(operation: str, error: requests.RequestException) -> errors.MarketoError:
    """Tell a connection that was never made, so nothing ran, from one that broke, so the request may have run."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    never_there = isinstance(
        error,
        # ValueError: the URL is invalid.
        (requests.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError, ValueError),
    ) or isinstance(reason, (NewConnectionError, ConnectTimeoutError))
    if never_there:
        host = urlsplit(str(error.request.url)).netloc if error.request else "Marketo"
        return errors.MarketoConnectionError(
            f"cannot connect to {host} ({type(reason or error).__name__})", operation=operation
        )
    if isinstance(error, requests.Timeout):
        return errors.MarketoTransientError("Marketo did not answer in time", operation=operation, executed=True)
    return errors.MarketoTransientError(
        f"the connection broke before the answer was complete ({type(reason or error).__name__})",
        operation=operation,
        executed=True,
    )


_STATUS: Mapping[int, tuple[type[errors.MarketoError], str, str]] = {
    401: (errors.MarketoAuthError, "Marketo refuses the access token", ""),
    403: (errors.MarketoPermissionError, "Marketo refuses this call", ""),
    404: (errors.MarketoNotFoundError, "Marketo has nothing at this address", ""),
    413: (errors.MarketoInvalidRequestError, "the request is larger than Marketo takes", "Send fewer records at once."),
    414: (
        errors.MarketoInvalidRequestError,
        "the address is longer than Marketo takes",
        "Ask for fewer values at once.",
    ),
}


def _raise_for_status(operation: str, response: requests.Response) -> None:
    status = response.status_code
    if status < 300:
        return
    facts: dict[str, Any] = {"operation": operation, "code": codes.http(status)}
    if status < 400:
        raise errors.MarketoConnectionError("the host redirects instead of answering", **facts)
    said = _json_or_none(response)
    body: Mapping[str, Any] = said if isinstance(said, dict) else {}
    if isinstance(body.get("errors"), list) and body["errors"]:
        error = errors.from_reply(operation, body["errors"], body.get("requestId"))
        if status < 500 or not isinstance(error, errors.MarketoInvalidRequestError):
            raise error
        facts |= {"code": error.code or facts["code"], "request_id": error.request_id}
        raise errors.MarketoTransientError(error.message, executed=True, **facts)
    # Data ingestion answers with a code of its own and a text.
    facts["code"] = str(body.get("error_code") or facts["code"])
    reason = f": {body['message']}" if body.get("message") else ""
    if facts["code"] == codes.INGESTION_DAILY_QUOTA:
        raise errors.MarketoQuotaExhaustedError(f"the daily quota of data ingestion is spent{reason}", **facts)
    if status == 429:
        raise errors.MarketoThrottledError(f"too many requests{reason}", **facts)
    if status >= 500:
        raise errors.MarketoTransientError(f"Marketo's gateway failed{reason}", executed=True, **facts)
    kind, text, remedy = _STATUS.get(status, (errors.MarketoInvalidRequestError, "Marketo refuses the request", ""))
    raise kind(text + reason, remedy=remedy or None, **facts)


def _date(response: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        return None


def _json_or_none(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, requests.RequestException):
        return None


def _read_json(operation: Operation, response: requests.Response) -> Any:
    if not response.content and operation.reply != "envelope":
        return None
    body = _parse_json(operation.name, response.content, response)
    _raise_for_envelope(operation.name, body)
    return body


def _parse_json(operation: str, content: bytes, response: requests.Response) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except ValueError:
        raise errors.MarketoTransientError(
            f"something other than Marketo answered ({response.headers.get('Content-Type', 'no content type')})",
            operation=operation,
            code=codes.http(response.status_code),
            executed=True,
        ) from None


def _raise_for_envelope(operation: str, body: Any) -> None:
    if isinstance(body, dict) and body.get("success") is False:
        raise errors.from_reply(operation, body.get("errors") or [], body.get("requestId"))


def _looks_like_json(first: bytes, response: requests.Response) -> bool:
    """Export files are served from a ``.json`` address as CSV, and so are errors, with HTTP 200."""
    return first[:_SNIFF].lstrip().startswith(b"{") and (
        b'"success"' in first[:_SNIFF] or "json" in response.headers.get("Content-Type", "")
    )


def _blocks(operation: str, response: requests.Response) -> Iterator[bytes]:
    """The body in blocks; a break in the middle is an error that says that reading may go on where it stopped."""
    expected = response.headers.get("Content-Length")
    received = 0
    try:
        while block := response.raw.read(_BLOCK):
            received += len(block)
            yield block
    except (HTTPError, OSError) as error:
        raise errors.MarketoTransientError(
            f"the download broke after {received} bytes ({type(error).__name__})", operation=operation
        ) from None
    if expected is not None and received < int(expected):
        raise errors.MarketoTransientError(
            f"the download ended after {received} of {expected} bytes", operation=operation
        )


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
