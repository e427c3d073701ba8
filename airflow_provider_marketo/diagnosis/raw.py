"""Calls of ``airflow marketo verify``: they return Marketo's replies unread, which the client would interpret."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_marketo.client import answer, codes, limits
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoAuthError, MarketoBudgetError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.transport import Bearer, Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.hooks.settings import ConnectionSettings

MOST_CALLS = 40
_PAUSE = 0.25
"""Seconds between two calls, so that all calls together stay below Marketo's 100 calls in 20 seconds."""

_THROTTLED = {codes.RATE_LIMIT, codes.CONCURRENCY_LIMIT}
_UNCHARGED = {
    codes.TOKEN_INVALID,
    codes.TOKEN_EXPIRED,
    codes.TIMED_OUT,
    codes.METHOD_UNSUPPORTED,
    codes.TEMPORARILY_UNAVAILABLE,
    codes.SYSTEM_ERROR,
}
"""Codes of calls that do not count towards the daily quota."""

_LARGEST = 64 << 20
_TIMEOUT = 310.0


@dataclass(frozen=True)
class RawReply:
    """
    A reply of Marketo, unread.

    :param status: HTTP status.
    :param headers: HTTP headers; their names ignore case.
    :param content: the body, uncompressed.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON; empty if it is not a JSON object."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of the result."""
        result = self.body.get("result")
        return [record for record in result if isinstance(record, dict)] if isinstance(result, list) else []

    def members(self, name: str) -> list[Any]:
        """
        Return what the lists of a member hold, of all records together.

        :param name: name of the member.
        """
        listed = [record.get(name) for record in self.records]
        return [each for found in listed if isinstance(found, list) for each in found]

    @property
    def errors(self) -> list[Any]:
        """The errors; empty if the body has no list of them."""
        errors = self.body.get("errors")
        return errors if isinstance(errors, list) else []

    @property
    def codes(self) -> list[str]:
        """The codes of the errors, as texts."""
        return [str(each.get("code")) for each in self.errors if isinstance(each, dict)]


class RawInstance:
    """
    Calls one instance, one call after the other, and refuses to exceed the number of calls that was announced.

    :param settings: the connection.
    :ivar calls: calls that were made, those for tokens included.
    :ivar charged: calls that should count toward the daily quota.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        endpoint = Endpoint.parse(settings.host, settings.identity_url)
        self._endpoint = endpoint
        self._transport = _Transport(
            endpoint.base,
            identity=endpoint.identity,
            ingestion="",
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            proxy=settings.proxy,
            ca_bundle=settings.ca_bundle,
        )
        self._token: Secret | None = None
        self._sent_at = 0.0
        self.calls = 0
        self.charged = 0

    def fetch_token(self) -> RawReply:
        """Ask identity for a token, and use it from now on."""
        parameters = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.reveal(),
            "partner_id": self._settings.partner_id,
        }
        request = requests.Request("POST", f"{self._endpoint.identity}/oauth/token", params=parameters)
        del parameters
        reply = self._send(request, None)
        token = reply.body.get("access_token")
        self._token = Secret.optional(token if isinstance(token, str) else None)
        del token
        if self._token is None:
            raise MarketoAuthError("Marketo's identity service gave no token", operation="identity.post_token")
        return reply

    def get(self, path: str, *, token: str | None = None, headers: Mapping[str, str] | None = None) -> RawReply:
        """
        Read something.

        :param path: from ``/rest`` or ``/bulk`` on, with the query.
        :param token: a token to send instead of the valid one.
        :param headers: further HTTP headers.
        """
        return self._call("GET", path, token, headers)

    def post(self, path: str, body: Any = None) -> RawReply:
        """
        Create, enqueue or cancel an export job. Nothing else is posted.

        :param path: the path of a bulk export.
        :param body: as JSON.
        """
        if not path.startswith("/bulk/v1/") or "/export/" not in path:
            raise ValueError(f"{path} is not a bulk export")
        return self._call("POST", path, None, None, body)

    def _call(
        self, method: str, path: str, token: str | None, headers: Mapping[str, str] | None, body: Any = None
    ) -> RawReply:
        request = requests.Request(method, f"{self._endpoint.base}{path}", headers=dict(headers or {}), json=body)
        sent = self._token if token is None else Secret(token)
        reply = self._send(request, sent)
        if set(reply.codes) & _THROTTLED and self.calls < MOST_CALLS:
            time.sleep(limits.WINDOW)
            reply = self._send(request, sent)
        if not set(reply.codes) & _UNCHARGED:
            self.charged += 1
        return reply

    def _send(self, request: requests.Request, token: Secret | None) -> RawReply:
        if self.calls >= MOST_CALLS:
            raise MarketoBudgetError(
                f"verify makes at most {MOST_CALLS} calls",
                remedy="Run the command again when other integrations make fewer calls.",
            )
        self.calls += 1
        time.sleep(max(0.0, self._sent_at + _PAUSE - time.monotonic()))
        request.auth = _LowerCaseBearer(token)
        try:
            return self._transport.exchange(request)
        finally:
            self._sent_at = time.monotonic()


class _Transport(Transport):
    """Sends a request and leaves the reply unread, within bounds of size and time."""

    def exchange(self, request: requests.Request) -> RawReply:
        with self._send("verify", request, self._read_timeout or _TIMEOUT) as (response, _):
            return RawReply(response.status_code, response.headers, answer.read_body("verify", response, _LARGEST))


class _LowerCaseBearer(Bearer):
    """Sends the token as a part of Marketo's documentation spells the header."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["authorization"] = f"bearer {self._token.reveal()}"
        return request
