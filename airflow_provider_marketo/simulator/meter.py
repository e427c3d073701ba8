"""Limits on calls: the rolling window, concurrent calls, the daily quota; and the counts that usage shows."""

from __future__ import annotations

from collections import Counter, deque
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow_provider_marketo.simulator.problems import UNCHARGED, ApiError

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.clock import Clock
    from airflow_provider_marketo.simulator.settings import ApiUser, Settings

DAYS_SHOWN = 7


class Meter:
    """
    Counts calls and refuses those above a limit. Not thread-safe: the instance calls it under its lock.

    A refused call counts like any other, unless its code is one of the few that cost nothing.

    :param settings: the limits.
    :param clock: the time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._zone = ZoneInfo(settings.reset_zone)
        self._recent: deque[float] = deque()
        self._running = 0
        self.calls: dict[date, Counter[str]] = {}
        self.errors: dict[date, Counter[str]] = {}
        self.peak_window = 0
        self.peak_running = 0

    def today(self) -> date:
        """Return the current quota day."""
        return self.day_of(self._clock.now())

    def day_of(self, moment: datetime) -> date:
        """Return the quota day of a time."""
        return moment.astimezone(self._zone).date()

    def last_days(self) -> list[date]:
        """Return the quota days that usage shows, today first."""
        return [self.today() - timedelta(days=back) for back in range(DAYS_SHOWN)]

    def enter(self, user: ApiUser) -> None:
        """
        Count a call that starts. The caller must call :meth:`leave` even if the call fails.

        :raises ApiError: 607, 606 or 615.
        """
        now = self._clock.now().timestamp()
        while self._recent and self._recent[0] <= now - self._settings.rate_window:
            self._recent.popleft()
        spent = self.calls.get(self.today(), Counter()).total()
        in_window = len(self._recent)
        self.spend(user.user_id)
        self._recent.append(now)
        self._running += 1
        self.peak_window = max(self.peak_window, in_window + 1)
        self.peak_running = max(self.peak_running, self._running)
        if not self._settings.limits:
            return
        if spent >= self._settings.daily_quota:
            raise ApiError("607", f"Daily API Request Limit '{self._settings.daily_quota}' exceeded")
        if in_window >= self._settings.rate:
            raise ApiError(
                "606",
                f"Max rate limit '{self._settings.rate}' exceeded with in '{self._settings.rate_window:g}' secs",
            )
        if self._running > self._settings.concurrency:
            raise ApiError("615", "Concurrent access limit reached")

    def fail(self, user: ApiUser | None, code: str) -> None:
        """Count a call that failed, and refund it if its error costs nothing."""
        self.errors.setdefault(self.today(), Counter())[code] += 1
        charged = self.calls.get(self.today(), Counter())
        if user is not None and code in UNCHARGED and charged[user.user_id] > 0:
            charged[user.user_id] -= 1
            if self._recent:
                self._recent.pop()

    def leave(self) -> None:
        """Count a call as finished: its reply is sent."""
        self._running -= 1

    def spend(self, user_id: str, calls: int = 1) -> None:
        """Count calls of an API user toward today's quota."""
        self.calls.setdefault(self.today(), Counter())[user_id] += calls
