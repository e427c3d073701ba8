"""Identity: one access token per custom service, the same one until it expires."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Bare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.clock import Clock
    from airflow_provider_marketo.simulator.settings import ApiUser, Settings

_WRONG = {"error": "invalid_client", "error_description": "Bad client credentials"}


@dataclass
class _Token:
    text: str
    user: ApiUser
    until: datetime
    missed: bool = False


class Tokens:
    """
    All access tokens of an instance.

    Marketo answers the first use of an expired token with 602. It answers later uses, and unknown tokens, with 601.

    :param settings: the API users and the lifetime of a token.
    :param clock: the time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._current: dict[str, _Token] = {}
        self._all: dict[str, _Token] = {}

    def grant(self, parameters: Mapping[str, str]) -> Bare:
        """
        Answer a call of identity.

        :param parameters: parameters of the query or of the form.
        """
        user = next(
            (each for each in self._settings.users if each.client_id == parameters.get("client_id")),
            None,
        )
        if parameters.get("grant_type") != "client_credentials":
            return Bare({"error": "unsupported_grant_type", "error_description": "Unsupported grant type"}, 400)
        if user is None or user.client_secret != parameters.get("client_secret"):
            return Bare(_WRONG, 401)
        token = self._current.get(user.client_id)
        now = self._clock.now()
        if token is None or token.until <= now:
            life = timedelta(seconds=self._settings.token_life * self._clock.scale)
            token = _Token(f"{uuid.uuid4()}:sim", user, now + life)
            self._current[user.client_id] = self._all[token.text] = token
        left = (token.until - now).total_seconds() / self._clock.scale
        return Bare(
            {
                "access_token": token.text,
                "token_type": "bearer",
                "expires_in": max(0, int(left)),
                "scope": user.user_id,
            }
        )

    def user(self, text: str | None) -> ApiUser:
        """
        Return the API user of a token.

        :raises ApiError: 603 without a token, 602 or 601 for one that is not valid.
        """
        if not text:
            raise ApiError("603")
        token = self._all.get(text)
        if token is None or token.missed:
            raise ApiError("601")
        if token.until <= self._clock.now():
            token.missed = True
            raise ApiError("602")
        return token.user

    def expire(self) -> None:
        """Expire every token now: calls get 602, then 601."""
        for token in self._all.values():
            token.until = min(token.until, self._clock.now())

    def revoke(self) -> None:
        """Forget every token: calls get 601. Identity still returns the same tokens."""
        self._all.clear()


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token in the ``Authorization`` header; None without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
