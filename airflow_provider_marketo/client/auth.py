"""The access token and its expiry."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.errors import MarketoAuthError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.client.clock import Clock
    from airflow_provider_marketo.client.secret import Secret

RENEW_BEFORE = 60.0
"""Remaining seconds at which the token is renewed: a token that expires in flight costs a call."""

_ASK_AGAIN_AFTER = 10.0
"""Seconds. Until the token expires, requesting it more often returns the same token."""


@dataclass(frozen=True)
class Token:
    """
    An access token.

    :param value: the value of the ``Authorization`` header.
    :param expires_in: seconds until it expires, counted from the answer; seldom the full hour.
    :param user: the API user that the token belongs to, an e-mail address; None if identity does not say.
    """

    value: Secret
    expires_in: float
    user: str | None = field(default=None, repr=False)


class TokenKeeper:
    """
    Holds one token for all threads of a process, which share each renewal.

    :param fetch: requests a token; raises a :class:`~.errors.MarketoError` if identity gives no token.
    :param clock: the clock.
    """

    def __init__(self, fetch: Callable[[], Token], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0

    def get(self) -> Secret:
        """Return a token that does not expire during the next call."""
        with self._lock:
            if self._token is None or self._clock.monotonic() >= self._renew_at:
                self._renew()
            assert self._token is not None
            return self._token.value

    @property
    def user(self) -> str | None:
        """The API user of the last token; None before the first one."""
        return None if self._token is None else self._token.user

    def replace(self, refused: Secret) -> Secret:
        """
        Return a new token in place of one that Marketo refused.

        Threads whose calls were refused with the same token share one renewal. Identity may return the refused token
        again. If that token has less than a minute left, this waits once until it expires.

        :param refused: the token that was sent.
        :raises MarketoAuthError: identity keeps returning the token that the instance refuses.
        """
        with self._lock:
            if self._token is not None and self._token.value != refused:
                return self._token.value
            token = self._renew()
            if token.value == refused and token.expires_in < RENEW_BEFORE:
                self._clock.sleep(token.expires_in + 1)
                token = self._renew()
            if token.value == refused:
                raise MarketoAuthError(
                    "Marketo's identity service returns a token that the instance refuses",
                    code=codes.TOKEN_INVALID,
                    remedy="Check that the connection's host and identity URL belong to the same Marketo instance.",
                )
            return token.value

    def _renew(self) -> Token:
        token = self._fetch()
        self._token = token
        life = max(token.expires_in - RENEW_BEFORE, min(_ASK_AGAIN_AFTER, token.expires_in))
        self._renew_at = self._clock.monotonic() + life
        return token
