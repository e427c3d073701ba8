"""The data ingestion service: another host's manners, and work that is taken in now and done later."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from airflow_provider_marketo.simulator.clock import Clock
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Reply
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
"""What the service says where the instance has a code of its own."""


class IngestionError(ApiError):
    """The service says no: an HTTP status, and a code that begins with it."""

    @classmethod
    def of(cls, error: ApiError) -> IngestionError:
        """The service's way to say what the instance would say with a code of its own."""
        if len(error.code) >= len(NOT_FOUND):
            return cls(error.code, error.message)
        data = INVALID if len(error.code) == len("1003") else _FAILED
        return cls(_CODES.get(error.code, data), error.message)

    @property
    def status(self) -> int:
        """Of HTTP."""
        return int(self.code[:3])

    def body(self, request_id: str) -> dict[str, Any]:
        """What is sent."""
        return {"error_code": self.code, "message": self.message}


Work = Callable[[], Reply]
"""What is left to do of a request; gives what the lead database says of each record, which no caller gets to see."""


class Ingestion:
    """
    Work that waits. Not safe between threads: the instance calls it under its lock.

    :param settings: how long it waits, and how many objects come in a day.
    :param clock: the time.
    :param run: does it.
    """

    def __init__(self, settings: Settings, clock: Clock, run: Callable[[Work], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._run = run
        self._waiting: deque[tuple[datetime, Work]] = deque()
        self._objects: Counter[date] = Counter()

    def submit(self, works: Sequence[Work], objects: int) -> None:
        """
        Take work in.

        :param objects: how many records there are in all of it.
        :raises ApiError: the day's objects are used up.
        """
        now = self._clock.now()
        if self._settings.limits and self._objects[now.date()] + objects > self._settings.ingestion_daily_objects:
            raise ApiError(_QUOTA_SPENT, "Daily quota reached")
        self._objects[now.date()] += objects
        due = now + timedelta(seconds=self._settings.ingestion_seconds)
        self._waiting.extend((due, work) for work in works)

    def settle(self) -> None:
        """Do what is due by now, in the order in which it came."""
        while self._waiting and self._waiting[0][0] <= self._clock.now():
            self._run(self._waiting.popleft()[1])
