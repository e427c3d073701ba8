"""The data ingestion service: its own errors, and work that is accepted now and done later."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Reply

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.clock import Clock
    from airflow_provider_marketo.simulator.settings import Settings

BASE = "/subscriptions/"
TOKEN_HEADER = "x-mkto-user-token"
REFUSED, INVALID, NO_TOKEN, FOREIGN, NOT_FOUND = "4000801", "4000802", "403010", "4030801", "404040"
_QUOTA_SPENT, _FAILED = "4290801", "5000801"

_CODES = {
    "601": "401013",
    "602": "401013",
    "603": FOREIGN,
    "605": NOT_FOUND,
    "606": "429001",
    "607": _QUOTA_SPENT,
    "609": REFUSED,
    "610": NOT_FOUND,
    "612": REFUSED,
    "615": "429001",
    "1013": NOT_FOUND,
}
"""Codes of the service for the instance's codes."""


class IngestionError(ApiError):
    """The service refuses a call with an HTTP status, which the code begins with."""

    @classmethod
    def of(cls, error: ApiError) -> IngestionError:
        """Return the service's error for an error of the instance."""
        if len(error.code) >= len(NOT_FOUND):
            return cls(error.code, error.message)
        data = INVALID if len(error.code) == len("1003") else _FAILED
        return cls(_CODES.get(error.code, data), error.message)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.code[:3])

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body of the reply."""
        return {"error_code": self.code, "message": self.message}


Work = Callable[[], Reply]
"""The work of an accepted request. It returns the lead database's reply, which no caller receives."""


class Ingestion:
    """
    Work that waits. Not thread-safe: the instance calls it under its lock.

    :param settings: how long work waits, and how many objects a day are accepted.
    :param clock: the time.
    :param run: does the work.
    """

    def __init__(self, settings: Settings, clock: Clock, run: Callable[[Work], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._run = run
        self._waiting: deque[tuple[datetime, Work]] = deque()
        self._objects: Counter[date] = Counter()

    def submit(self, works: Sequence[Work], objects: int) -> None:
        """
        Accept work.

        :param objects: how many records all of it has.
        :raises ApiError: the daily quota of objects is used up.
        """
        now = self._clock.now()
        if self._settings.limits and self._objects[now.date()] + objects > self._settings.ingestion_daily_objects:
            raise ApiError(_QUOTA_SPENT, "Daily quota reached")
        self._objects[now.date()] += objects
        due = now + timedelta(seconds=self._settings.ingestion_seconds)
        self._waiting.extend((due, work) for work in works)

    def settle(self) -> None:
        """Do the work that is due, in the order of its arrival."""
        while self._waiting and self._waiting[0][0] <= self._clock.now():
            self._run(self._waiting.popleft()[1])
