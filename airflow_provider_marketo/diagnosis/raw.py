"""Calls of ``airflow marketo verify``: Marketo's replies as they are, where the client would already have read them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.errors import MarketoAuthError, MarketoBudgetError, MarketoConnectionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

MOST_CALLS = 40
_PAUSE = 0.25
"""Seconds between two calls: all of them together stay below Marketo's 100 calls in 20 seconds."""

_THROTTLED = {"606", "615"}
_UNCHARGED = {"601", "602", "604", "605", "608", "611"}
_LARGEST = 64 << 20
_TIMEOUT = 310.0


@dataclass(frozen=True)
class RawReply:
    """
    A reply of Marketo, unread.

    :param status: HTTP status.
    :param headers: HTTP headers; their names have no case.
    :param content: the body, unpacked.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON; empty if it is no JSON object."""
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

    @property
    def codes(self) -> list[str]:
        """The codes of the errors, as texts."""
        errors = self.body.get("errors")
        return [str(each.get("code")) for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []


class RawInstance:
    """
    Calls one instance, one call after the other, and refuses to exceed the number of calls that was announced.

    :param settings: the connection.
    :ivar calls: calls that were made, those for tokens included.
    :ivar charged: calls that should count toward the daily quota.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint.parse(settings.host, settings.identity_url)
        self._session = requests.Session()
        self._token: Secret | str = ""
        self._sent_at = 0.0
        self.calls = 0
        self.charged = 0

    def fetch_token(self) -> RawReply:
        """Ask identity for a token, and use it from now on."""
        parameters = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.reveal(),
        }
        if self._settings.partner_id:
            parameters["partner_id"] = self._settings.partner_id
        reply = self._send("POST", f"{self._endpoint.identity}/oauth/token", params=parameters)
        self._token = str(reply.body.get("access_token") or "")
        if not self._token:
            raise MarketoAuthError("identity gave no token", operation="identity.post_token")
        return reply

    def get(self, path: str, *, token: str | None = None, headers: Mapping[str, str] | None = None) -> RawReply:
        """
        Read something.

        :param path: from ``/rest`` or ``/bulk`` on, with the query.
        :param token: in place of the valid one.
        :param headers: more headers.
        """
        return self._call("GET", path, token, headers)

    def post(self, path: str, body: Any = None) -> RawReply:
        """
        Create, enqueue or cancel an export job. Nothing else is posted.

        :param path: of a bulk export.
        :param body: as JSON.
        """
        if not path.startswith("/bulk/v1/") or "/export/" not in path:
            raise ValueError(f"{path} is no bulk export")
        return self._call("POST", path, None, None, body)

    def _call(
        self, method: str, path: str, token: str | None, headers: Mapping[str, str] | None, body: Any = None
    ) -> RawReply:
        sent = {"authorization": f"bearer {self._token if token is None else token}", **(headers or {})}
        reply = self._send(method, f"{self._endpoint.base}{path}", headers=sent, json=body)
        if set(reply.codes) & _THROTTLED and self.calls < MOST_CALLS:
            time.sleep(limits.WINDOW)
            reply = self._send(method, f"{self._endpoint.base}{path}", headers=sent, json=body)
        if not set(reply.codes) & _UNCHARGED:
            self.charged += 1
        return reply

    def _send(self, method: str, url: str, **request: Any) -> RawReply:
        if self.calls >= MOST_CALLS:
            raise MarketoBudgetError(f"verify makes at most {MOST_CALLS} calls")
        self.calls += 1
        time.sleep(max(0.0, self._sent_at + _PAUSE - time.monotonic()))
        failure = ""
        try:
            reply = self._session.request(
                method,
                url,
                timeout=(self._settings.connect_timeout, self._settings.read_timeout or _TIMEOUT),
                auth=_unchanged,
                allow_redirects=False,
                stream=True,
                proxies=self._proxies(),
                verify=self._settings.ca_bundle or True,
                **request,
            )
            with reply:
                content = reply.raw.read(_LARGEST, decode_content=True)
        except (requests.RequestException, OSError) as error:
            failure = type(error).__name__
        finally:
            self._sent_at = time.monotonic()
        if failure:  # outside of the except block: the error of requests shows the URL with the secret
            raise MarketoConnectionError(f"{urlsplit(url).netloc} did not answer ({failure})")
        return RawReply(reply.status_code, reply.headers, content)

    def _proxies(self) -> dict[str, str] | None:
        if self._settings.proxy is None:
            return None
        return dict.fromkeys(("http", "https"), self._settings.proxy.reveal())


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the headers as they are: without an auth object, a ~/.netrc would replace the token."""
    return request
