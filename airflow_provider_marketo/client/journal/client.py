"""Calls of Adobe's identity service and of a journal: one exchange each, with typed errors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_marketo.client import answer, codes, errors
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.journal.address import links_of
from airflow_provider_marketo.client.journal.token import SharedToken, TokenStore
from airflow_provider_marketo.client.retry import send_with_retries
from airflow_provider_marketo.client.transport import NOT_IDENTITY, Bearer, Transport, read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_marketo.client.auth import Token
    from airflow_provider_marketo.client.journal.address import JournalAddress
    from airflow_provider_marketo.client.secret import Secret

READ, TOKEN = "journal.read", "ims.token"

PAUSE = 10.0
"""Seconds until a journal is read again, if its answer does not name them."""

LONGEST_PAUSE = 60.0

_TIMEOUT = 60.0
_CHECK_CREDENTIAL = "Check the connection's login and password: Developer Console > project > OAuth Server-to-Server."
_FORBIDDEN_STEP = (
    "Add the I/O Management API to the same project of Adobe's Developer Console, which is the step that is easily"
    " missed; then check that ims_org is the organization of the journal and that scopes has adobeio_api."
)
_OTHER_ORGANIZATION = (
    "Check that the connection's ims_org is the organization of the journal, and that both belong to this credential."
    " If they do, add the I/O Management API to the project."
)


@dataclass(frozen=True)
class Page:
    """
    A page of a journal.

    :param entries: entries ``{"position", "event"}``; empty if nothing is new.
    :param links: links by relation, such as ``next`` and ``validate``.
    :param pause: seconds after which to ask again, if nothing is new.
    :param date: Adobe's clock when it answered, aware.
    """

    entries: Sequence[Mapping[str, Any]] = field(repr=False)
    links: Mapping[str, str]
    pause: float
    date: datetime


class _Transport(Transport):
    """Sends requests to the journal and to IMS; like :class:`Transport`, it holds no secret in a frame."""

    def get(self, url: str, headers: Mapping[str, str], token: Secret) -> Page:
        request = requests.Request("GET", url, headers=dict(headers), auth=Bearer(token))
        with self._send(READ, request, self._read_timeout or _TIMEOUT) as (response, _):
            _raise_for_status(response)
            date = answer.date_of(response) or datetime.now(timezone.utc)
            pause = _pause(response.headers.get("Retry-After"), date)
            content = b"" if response.status_code == HTTPStatus.NO_CONTENT else answer.read_body(READ, response)
            return Page(_entries(content, response), links_of(response.headers), pause, date)

    def token(self, form: Mapping[str, str], secret: Secret) -> Token:
        request = requests.Request(
            "POST",
            f"{self._identity}/ims/token/v3",
            data={**form, "client_secret": secret.reveal()},
            auth=Bearer(None),
        )
        with self._send(TOKEN, request, self._read_timeout or _TIMEOUT) as (response, _):
            if response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
                raise _refused_by_ims(response)
            if response.status_code in NOT_IDENTITY:
                raise errors.MarketoInvalidRequestError(
                    "IMS does not answer at this address",
                    parameter="ims_url",
                    operation=TOKEN,
                    code=codes.http(response.status_code),
                    remedy="Check the connection's ims_url, and whether a proxy or a firewall answers.",
                )
            answer.raise_for_status(TOKEN, response)
            return read_token(TOKEN, response, service="IMS", address="ims_url", remedy=_CHECK_CREDENTIAL)


class JournalClient:
    """
    Reads one journal. Safe to share between threads; its requests do not count as calls of Marketo's API.

    :param address: where the journal and IMS are.
    :param client_id: client id of the OAuth server-to-server credential; it is also the API key.
    :param client_secret: client secret of the credential.
    :param ims_org: id of the organization, which ends in ``@AdobeOrg``.
    :param scopes: scopes of the token.
    :param store: where processes share the token; None for this process alone.
    :param clock: the clock.
    :param on_secret: called with each new token, so that logs can hide it.
    :param transport: timeouts, proxy, certificates: as :class:`~..transport.Transport` takes them.
    :raises MarketoInvalidRequestError: the proxy or the CA bundle is wrong.
    """

    def __init__(
        self,
        address: JournalAddress,
        client_id: str,
        client_secret: Secret,
        *,
        ims_org: str,
        scopes: Sequence[str],
        store: TokenStore | None = None,
        clock: Clock | None = None,
        on_secret: Callable[[str], Any] = lambda _: None,
        **transport: Any,
    ) -> None:
        self.address = address
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "scope": ",".join(scopes)}
        self._secret = client_secret
        self._headers = {"x-api-key": client_id, "x-ims-org-id": ims_org}
        self._clock: Clock = clock or SystemClock()
        self._on_secret = on_secret
        self._transport = _Transport(address.base, identity=address.ims, ingestion="", **transport)
        self._token = SharedToken(self._fetch_token, self._clock, store)

    def page(self, link: str) -> Page:
        """
        Return the page at a link of this journal.

        :param link: a URL or the stored part of one; see :class:`~.address.JournalAddress`.
        :raises MarketoJournalExpiredError: Adobe no longer has the events at this position.
        :raises MarketoAuthError: IMS refuses the credential, or the journal keeps refusing its token.
        :raises MarketoPermissionError: the credential may not read this journal.
        :raises MarketoNotFoundError: there is no such journal.
        :raises MarketoError: Adobe failed, or was not reached.
        """
        url = self.address.resolve(link)
        return send_with_retries(lambda: self._exchange(url), operation=READ, retry_class="read", clock=self._clock)

    def is_valid(self, page: Page) -> bool:
        """
        Return whether a position still has its events. An older journal answers 204 at a forgotten position.

        :param page: an empty page, with its link ``validate``.
        """
        link = page.links.get("validate")
        if link is None:
            return True
        try:
            self.page(link)
        except errors.MarketoJournalExpiredError:
            return False
        except errors.MarketoInvalidRequestError as error:
            if error.code == codes.http(HTTPStatus.BAD_REQUEST):
                return False
            raise
        return True

    def authenticate(self) -> None:
        """
        Get a token unless one is held already.

        :raises MarketoAuthError: IMS refuses the credential.
        """
        self._token.get()

    def _fetch_token(self) -> Token:
        token = self._transport.token(self._form, self._secret)
        self._on_secret(token.value.reveal())
        return token

    def _exchange(self, url: str) -> Page:
        token = self._token.get()
        try:
            return self._get(url, token)
        except errors.MarketoAuthError as error:
            if error.operation != READ:
                raise
        return self._get(url, self._token.replace(token))

    def _get(self, url: str, token: Secret) -> Page:
        try:
            return self._transport.get(url, self._headers, token)
        except errors.MarketoThrottledError as error:
            self._clock.sleep(min(LONGEST_PAUSE, error.wait))
            raise


def _pause(after: str | None, now: datetime) -> float:
    """Return the seconds of a ``retry-after``, which is a number of seconds or a date, or is missing."""
    text = (after or "").strip()
    if text.isdecimal():
        return min(LONGEST_PAUSE, float(text))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return PAUSE
    until = until if until.tzinfo else until.replace(tzinfo=timezone.utc)
    return min(LONGEST_PAUSE, max(1.0, (until - now).total_seconds()))


def _entries(content: bytes, response: requests.Response) -> Sequence[Mapping[str, Any]]:
    if not content:
        return ()
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    entries = body.get("events", ()) if isinstance(body, dict) else None
    if isinstance(entries, (list, tuple)) and all(isinstance(each, dict) for each in entries):
        return entries
    raise errors.MarketoTransientError(
        f"something other than a journal answered ({answer.content_type(response)})",
        operation=READ,
        code=codes.http(response.status_code),
        executed=True,
        remedy="Check the connection's host and the proxy.",
    )


def _said(response: requests.Response) -> str:
    """Return Adobe's own words about a failure, as the end of a sentence; empty without such words."""
    body = answer.json_or_none(READ, response)
    facts = body if isinstance(body, dict) else {}
    words = [facts.get(name) for name in ("error", "error_code", "error_description", "message", "reason")]
    said = " ".join(str(each) for each in words if isinstance(each, (str, int)))
    return f": {said}" if said else ""


def _raise_for_status(response: requests.Response) -> None:
    status = response.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    facts: dict[str, Any] = {"operation": READ, "code": codes.http(status)}
    if status < HTTPStatus.BAD_REQUEST:
        raise errors.MarketoConnectionError("the journal's host redirects instead of answering", **facts)
    if status == HTTPStatus.GONE:
        raise errors.MarketoJournalExpiredError("Adobe no longer keeps the events that follow this position", **facts)
    said = _said(response)
    if status == HTTPStatus.UNAUTHORIZED:
        raise errors.MarketoAuthError(
            f"the journal refuses the token of this credential{said}", remedy=_FORBIDDEN_STEP, **facts
        )
    if status == HTTPStatus.FORBIDDEN:
        step = _OTHER_ORGANIZATION if "organization" in said.lower() else _FORBIDDEN_STEP
        raise errors.MarketoPermissionError(
            f"Adobe does not let this credential read the journal{said}", remedy=step, **facts
        )
    if status == HTTPStatus.NOT_FOUND:
        raise errors.MarketoNotFoundError(
            f"Adobe has no journal at this address{said}",
            parameter="host",
            remedy="A new registration has a new address. Copy it from Adobe's Developer Console"
            " into the connection's host.",
            **facts,
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        date = answer.date_of(response) or datetime.now(timezone.utc)
        error = errors.MarketoThrottledError(
            f"Adobe wants this journal to be read less often{said}",
            remedy="Read the journal less often, or read each type of event with one stream only.",
            **facts,
        )
        error.wait = _pause(response.headers.get("Retry-After"), date)
        raise error
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.MarketoTransientError(f"Adobe's journal failed{said}", executed=True, **facts)
    raise errors.MarketoInvalidRequestError(f"the journal refuses the request{said}", remedy="", **facts)


def _refused_by_ims(response: requests.Response) -> errors.MarketoError:
    facts: dict[str, Any] = {"operation": TOKEN, "code": codes.http(response.status_code)}
    body = answer.json_or_none(TOKEN, response)
    reason = body.get("error") if isinstance(body, dict) else None
    if reason == "invalid_scope":
        return errors.MarketoPermissionError(
            "IMS gives this credential no token with the scopes of the connection (invalid_scope)",
            remedy=_FORBIDDEN_STEP,
            **facts,
        )
    what = f" ({reason})" if isinstance(reason, str) and reason.isidentifier() else ""
    return errors.MarketoAuthError(
        f"IMS refuses this client id and secret{what}",
        remedy=_CHECK_CREDENTIAL,
        **facts,
    )
