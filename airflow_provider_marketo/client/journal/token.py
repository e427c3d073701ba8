"""The IMS token: valid for a day, shared by the processes of a host, renewed by one of them."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.client.auth import Token
    from airflow_provider_marketo.client.clock import Clock
    from airflow_provider_marketo.client.secret import Secret

RENEW_BEFORE = timedelta(minutes=5)
"""How long before its expiry a token is renewed. If its whole life is less than twice as long, at half of its life."""


@dataclass(frozen=True)
class HeldToken:
    """
    A token and the time of its renewal.

    :param value: the token.
    :param renew_at: when it is renewed, aware.
    """

    value: Secret
    renew_at: datetime


class TokenStore(Protocol):
    """Where processes share a token. Adobe throttles clients that ask for too many."""

    def lock(self) -> AbstractContextManager[object]:
        """Return a lock: one process renews, the others wait and find the new token."""
        ...

    def load(self) -> HeldToken | None:
        """Return the stored token; None if it is missing or cannot be read."""
        ...

    def save(self, token: HeldToken) -> None:
        """Store a token."""
        ...


class NoStore:
    """A store that keeps nothing: the token belongs to one process."""

    def lock(self) -> AbstractContextManager[object]:
        """Return no lock: no other process shares the token."""
        return nullcontext()

    def load(self) -> HeldToken | None:
        """Return None."""
        return None

    def save(self, token: HeldToken) -> None:
        """Store nothing."""


class SharedToken:
    """
    Holds the token for the threads of a process, and shares it with other processes.

    :param fetch: requests a token from IMS.
    :param clock: the clock.
    :param store: where processes share the token.
    """

    def __init__(self, fetch: Callable[[], Token], clock: Clock, store: TokenStore | None = None) -> None:
        self._fetch = fetch
        self._clock = clock
        self._store = store or NoStore()
        self._lock = threading.Lock()
        self._held: HeldToken | None = None

    def get(self) -> Secret:
        """Return a token that does not expire during the next call."""
        with self._lock:
            return self._get(None)

    def replace(self, refused: Secret) -> Secret:
        """
        Return another token in place of one that Adobe refused.

        If another thread or process has renewed it meanwhile, that token is returned.

        :param refused: the token that was sent.
        """
        with self._lock:
            return self._get(refused)

    def _get(self, refused: Secret | None) -> Secret:
        if not self._fits(self._held, refused):
            with self._store.lock():
                stored = self._store.load()
                self._held = stored if self._fits(stored, refused) else self._renew()
        assert self._held is not None
        return self._held.value

    def _fits(self, token: HeldToken | None, refused: Secret | None) -> bool:
        return token is not None and token.value != refused and self._clock.now() < token.renew_at

    def _renew(self) -> HeldToken:
        token = self._fetch()
        life = timedelta(seconds=token.expires_in)
        held = HeldToken(token.value, self._clock.now() + life - min(RENEW_BEFORE, life / 2))
        self._store.save(held)
        return held
