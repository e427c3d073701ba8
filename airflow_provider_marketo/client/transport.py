"""Make one HTTP exchange: a prepared request in, a reply or a typed error out. Retries are decided elsewhere."""

from __future__ import annotations

import logging
import math
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_marketo.client import answer, codes, errors, packing
from airflow_provider_marketo.client.auth import Token
from airflow_provider_marketo.client.deadline import BoundedAdapter, Deadline, ends_at
from airflow_provider_marketo.client.printable import printable
from airflow_provider_marketo.client.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow_provider_marketo.client.operations import PreparedRequest

_IDENTITY_TIMEOUT = 40.0
NOT_IDENTITY = (403, 404, 405, 406, 407, 410, 411, 413, 415, 421, 451)
"""HTTP statuses that Marketo's identity service does not have. Another server, or something in between, answered."""

_TOKEN = re.compile(r"[!-~]{1,4096}")
"""A token that fits into a header: printable ASCII without spaces and line breaks."""

_PROXY = re.compile(r"(https?|socks5h?)://([^\s/@]*@)?[^\s/@]+/?")


@dataclass(frozen=True)
class Reply:
    """
    What Marketo answered.

    :param operation: the operation's name.
    :param body: the whole JSON body, of any shape.
    :param date: Marketo's clock when it answered, aware; None if the answer has no date.
    :param resent: whether an earlier sending may have run; an "exists already" may then be its result.
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
        """The ``result`` member, or the whole body of families without an envelope; an empty list if it is missing."""
        enveloped = isinstance(self.body, dict) and ("success" in self.body or "result" in self.body)
        result = self.body.get("result") if enveloped else self.body
        return [] if result is None else result

    @property
    def records(self) -> list[Any]:
        """The result as a list; empty if the answer has no result."""
        result = self.result
        if isinstance(result, dict):
            result = result.get("items", [result])
        return result if isinstance(result, list) else []

    @property
    def request_id(self) -> str | None:
        """Marketo's request id."""
        return _text(self._envelope.get("requestId"))

    @property
    def next_page_token(self) -> str | None:
        """The token of the next page; None on the last page."""
        return _text(self._envelope.get("nextPageToken"))

    @property
    def more_result(self) -> bool | None:
        """Marketo's ``moreResult``; None if it is absent, or neither true nor false."""
        more = self._envelope.get("moreResult")
        return more if isinstance(more, bool) else None

    @property
    def warnings(self) -> list[str]:
        """Marketo's warnings as printable texts. Some operations answer with texts, others with objects."""
        given = self._envelope.get("warnings")
        return [
            printable(warning.get("message", warning) if isinstance(warning, dict) else warning)
            for warning in (given if isinstance(given, list) else [given] if given else [])
        ]


def _text(value: Any) -> str | None:
    """Return a member as a text; None if it is empty, or neither a text nor a number."""
    return str(value) if value and isinstance(value, (str, int)) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Download:
    """
    A file that is being downloaded.

    :param blocks: the bytes.
    :param offset: position of the first byte in the file. It is 0 if Marketo ignored the requested range.
    """

    blocks: Iterator[bytes]
    offset: int


class _QueriesUnlogged(logging.Filter):
    """Cuts queries out of the URLs that urllib3 logs: they hold the client secret, or values of leads."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


def _without_query(value: object) -> object:
    if isinstance(value, (int, float)) or "?" not in (text := str(value)):
        return value
    return text.split("?", 1)[0] + "?..."


logging.getLogger("urllib3.connectionpool").addFilter(_QueriesUnlogged())


class Bearer(requests.auth.AuthBase):
    """
    Sets the token. It is an auth object because requests lets a ~/.netrc replace a plain Authorization header.

    :param token: the token; None to send none.
    :param header: the header that carries it.
    """

    def __init__(self, token: Secret | None, header: str = "Authorization") -> None:
        self._token = token
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the header of a request."""
        if self._token is not None:
            scheme = "Bearer " if self._header == "Authorization" else ""
            request.headers[self._header] = scheme + self._token.reveal()
        return request


class _Session(requests.Session):
    """Ignores redirects: to follow one, ``requests`` would read its whole body and parse any address."""

    def get_redirect_target(self, _: requests.Response) -> None:
        """Return None for every answer."""
        return


class Transport:
    """
    Sends requests to one instance.

    Some tools record tracebacks with local variables. Therefore no frame of this class holds a secret, and an error of
    ``requests``, whose frames hold URLs and headers, is dropped before this package raises its own.

    :param endpoint: scheme and host of the instance, without a path.
    :param identity: URL of the identity service, up to and including ``/identity``.
    :param ingestion: scheme and host of the data ingestion service.
    :param connect_timeout: seconds to establish a connection.
    :param read_timeout: seconds for a whole answer, except a file. Default: the operation's timeout, which is longer
        than Marketo's own.
    :param proxy: URL of an HTTP proxy. Default: that of the environment.
    :param ca_bundle: path of a file with certificates to trust. Default: those of the environment, or the usual ones.
    :param user_agent: value of the ``User-Agent`` header.
    :ivar date: Marketo's clock when it last answered, aware; None before the first answer.
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
        proxy: str | Secret | None = None,
        ca_bundle: str | None = None,
        user_agent: str = "airflow-provider-marketo",
    ) -> None:
        proxy = Secret.optional(proxy)
        self._endpoints = {"instance": endpoint, "ingestion": ingestion}
        self._identity = identity
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._proxy = proxy
        self._environments: dict[str, Any] = {}
        self._ca_bundle = ca_bundle
        self.date: datetime | None = None
        self._session = _Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": packing.ACCEPTED})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, BoundedAdapter(pool_connections=4, pool_maxsize=10, max_retries=0))
        if proxy and not _PROXY.fullmatch(proxy.reveal()):  # its text may hold a password
            raise errors.MarketoInvalidRequestError(
                "proxy is not a valid URL",
                parameter="proxy",
                remedy="Give its URL, such as http://proxy.example.com:3128.",
            )
        if ca_bundle and not Path(ca_bundle).exists():
            raise errors.MarketoInvalidRequestError(
                "ca_bundle is not a file on this host",
                parameter="ca_bundle",
                remedy="Put the file on every worker and triggerer.",
            )

    def send(self, request: PreparedRequest, token: Secret) -> Reply:
        """
        Send a request and read the whole answer.

        :raises MarketoError: Marketo refused or failed the request, or was not reached.
        """
        with self._exchange(request, token) as (response, _):
            return Reply(
                request.operation.name, answer.read_json(request.operation, response), answer.date_of(response)
            )

    @contextmanager
    def open(self, request: PreparedRequest, token: Secret, offset: int = 0) -> Iterator[Download]:
        """
        Send a request for a file.

        :param offset: first byte wanted.
        :raises MarketoError: Marketo answered with an error in place of the file; it may have the status HTTP 200.
        """
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._exchange(request, token, headers) as (response, deadline):
            if response.status_code == HTTPStatus.NO_CONTENT:
                yield Download(iter(()), 0)
                return
            blocks = answer.file_blocks(request.operation.name, response, deadline)
            yield Download(blocks, offset if response.status_code == HTTPStatus.PARTIAL_CONTENT else 0)

    def fetch_token(self, client_id: str, client_secret: Secret, partner_id: str | None = None) -> Token:
        """
        Ask identity for a token (``identity.post_token``).

        :raises MarketoAuthError: the client id or the secret is wrong, or the token is not usable.
        :raises MarketoTransientError: the answer has neither a token nor a reason.
        """
        name = "identity.post_token"
        request = requests.Request(
            "POST",
            f"{self._identity}/oauth/token",
            params={
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret.reveal(),
                "partner_id": partner_id or None,
            },
            auth=Bearer(None),
        )
        with self._send(name, request, self._read_timeout or _IDENTITY_TIMEOUT) as (response, _):
            if response.status_code in (400, 401):
                raise errors.MarketoAuthError(
                    "Marketo's identity service refuses this client id and secret",
                    operation=name,
                    code=codes.http(response.status_code),
                )
            if response.status_code in NOT_IDENTITY:
                raise errors.MarketoInvalidRequestError(
                    "no identity service of Marketo answers at this address",
                    parameter="host",
                    operation=name,
                    code=codes.http(response.status_code),
                    remedy="Check the connection's host and identity_url, and whether a proxy or a firewall answers.",
                )
            answer.raise_for_status(name, response)
            return read_token(name, response)

    @contextmanager
    def _exchange(
        self, request: PreparedRequest, token: Secret, headers: Mapping[str, str] | None = None
    ) -> Iterator[tuple[requests.Response, Deadline]]:
        operation = request.operation
        ingestion = operation.area == "ingestion"
        http_request = requests.Request(
            request.method,
            self._endpoints["ingestion" if ingestion else "instance"] + request.path,
            params=list(request.query),
            json=request.json,
            data=list(request.form) if request.form is not None else None,
            files=list(request.files) if request.files is not None else None,
            headers={**request.headers, **(headers or {})},
            auth=Bearer(token, "X-Mkto-User-Token" if ingestion else "Authorization"),
        )
        with self._send(operation.name, http_request, self._read_timeout or operation.timeout) as (response, deadline):
            answer.raise_for_status(operation.name, response)
            yield response, deadline

    @contextmanager
    def _send(
        self, operation: str, request: requests.Request, timeout: float
    ) -> Iterator[tuple[requests.Response, Deadline]]:
        """Send a request, and leave status and body to the caller. Nothing else in the client sends requests."""
        response: requests.Response | None = None
        failure: errors.MarketoError | None = None
        deadline = Deadline(timeout)
        try:
            prepared = self._session.prepare_request(request)
            with ends_at(deadline):
                response = self._session.send(
                    prepared,
                    timeout=(self._connect_timeout, timeout),
                    allow_redirects=False,
                    **self._environment(str(prepared.url)),
                )
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = answer.unreachable(operation, error, urlsplit(str(request.url)).netloc)
        # Raised outside the except block: inside it, our error would keep the error of requests, with its frames.
        if response is None:
            raise failure or errors.MarketoConnectionError("nothing was sent", operation=operation)
        with response:
            self.date = answer.date_of(response) or self.date
            yield response, deadline

    def _environment(self, url: str) -> Any:
        """
        Return proxies and certificates for a request: those of the connection, or else those of the environment.

        The environment overrides the proxies of a session, but not the one that a request has for the most specific
        key. All keys are set, because variables such as ``https://host_proxy`` exist.
        """
        parts = urlsplit(url)
        if self._proxy:
            keys = ("all", parts.scheme, f"all://{parts.hostname}", f"{parts.scheme}://{parts.hostname}")
            proxies = dict.fromkeys(keys, self._proxy.reveal())
            return self._session.merge_environment_settings(url, proxies, True, self._ca_bundle, None)
        server = f"{parts.scheme}://{parts.netloc}"
        if server not in self._environments:  # requests reads all variables each time
            self._environments[server] = self._session.merge_environment_settings(url, {}, True, self._ca_bundle, None)
        return self._environments[server]


def read_token(
    operation: str,
    response: requests.Response,
    *,
    service: str = "Marketo's identity service",
    address: str = "identity_url",
    remedy: str | None = None,
) -> Token:
    """
    Return the token in identity's answer. When an error is raised, no frame holds the token.

    :param operation: the operation's name.
    :param response: the answer.
    :param service: the service that answers.
    :param address: the extra of the connection with the address of the service.
    :param remedy: what to do if the service gives no token. Default: that of a wrong client id or secret.
    """
    body = answer.read_token_reply(operation, response)
    answer.raise_for_envelope(operation, body)
    facts: dict[str, Any] = body if isinstance(body, dict) else {}
    value, life = facts.pop("access_token", None), facts.pop("expires_in", None)
    token = Secret(value) if isinstance(value, str) and _TOKEN.fullmatch(value) else None
    is_silent = value is None and facts.get("error") is None
    del value
    seconds = _seconds(life)
    if token is not None and seconds is not None:
        return Token(token, seconds, _text(facts.get("scope")))
    reason = facts.get("error")
    if is_silent:  # the identity service refuses with HTTP 401, or with the error of OAuth
        raise errors.MarketoTransientError(
            f"{service} gave neither a token nor a reason",
            operation=operation,
            remedy=f"Check what answers at the connection's {address}, such as a proxy.",
        )
    if token is not None:
        said = ": the answer does not say how long the token is valid"
    elif isinstance(reason, str) and reason.isidentifier():
        said = f": {reason}"
    else:
        said = ""
    raise errors.MarketoAuthError(
        f"{service} gave no {'usable ' if token is not None else ''}token{said}", operation=operation, remedy=remedy
    )


def _seconds(life: Any) -> float | None:
    try:
        seconds = float(life)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and not isinstance(life, bool) else None
