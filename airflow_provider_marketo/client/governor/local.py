"""The governor of one process: a rolling window, leases, and what rejections teach about the neighbours."""

from __future__ import annotations

import random
import threading
from collections import deque
from datetime import datetime

from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
)
from airflow_provider_marketo.client.governor import LIMIT_WINDOW, LONGEST_WAIT, Lease, spends_export_quota
from airflow_provider_marketo.client.quota_day import next_probe

_GUARD = 0.5
"""Seconds added to the window: we count when a call is sent, Marketo when it arrives."""

_DECREASE = 0.7
_LOWEST_LIMIT = 10
_RECOVERY_STEPS = 40
_RECOVERY_EVERY = 1 / 8  # of the window
_CONCURRENCY_RECOVERY = 30.0


class LocalGovernor:
    """
    Threads of one process share it; it knows nothing of other processes but what their calls do to ours.

    After a 606 the limit shrinks and every thread pauses for part of the window, then it recovers in small steps;
    after a 615 one call fewer runs at once for a while.

    :param rate_limit: calls in ``window`` seconds.
    :param parallel: calls at once.
    :param window: seconds; Marketo's is 20.
    :param clock: the time.
    """

    def __init__(
        self, *, rate_limit: int = 90, parallel: int = 1, window: float = LIMIT_WINDOW, clock: Clock | None = None
    ) -> None:
        self._rate_limit = rate_limit
        self._parallel = parallel
        self._window = window
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()
        self._in_flight = 0
        self._limit = float(rate_limit)
        self._recovered_at = 0.0
        self._slots = parallel
        self._slot_lost_at = 0.0
        self._paused_until = 0.0
        self._latches: dict[str, datetime] = {}
        self.calls = 0
        self.rejected = 0
        self.waited = 0.0

    def acquire(self, operation: str) -> Lease:
        start = self._clock.monotonic()
        while True:
            with self._lock:
                self._refuse_if_latched(operation)
                now = self._clock.monotonic()
                pause = self._pause(now)
                if pause <= 0:
                    self._sent.append(now)
                    self._in_flight += 1
                    self.calls += 1
                    self.waited += now - start
                    return Lease(operation, now - start)
            if now + pause - start > LONGEST_WAIT:
                raise MarketoThrottledError(
                    f"no turn for this call within {LONGEST_WAIT:.0f} seconds", operation=operation
                )
            self._clock.sleep(pause)

    def release(self, lease: Lease, error: MarketoError | None) -> None:
        with self._lock:
            self._in_flight -= 1
            if isinstance(error, MarketoThrottledError):
                self.rejected += 1
                if error.code == "615":
                    self._lose_a_slot()
                else:
                    self._shrink()
            elif isinstance(error, MarketoQuotaExhaustedError):
                if error.until is None:
                    error.until = next_probe(self._clock.now())
                self._latches[error.quota] = error.until

    def _pause(self, now: float) -> float:
        """Seconds until a call may be tried; 0 when it may go now."""
        self._recover(now)
        if now < self._paused_until:
            return self._paused_until - now
        span = self._window + _GUARD
        while self._sent and self._sent[0] <= now - span:
            self._sent.popleft()
        if len(self._sent) >= int(self._limit):
            # The call that must leave the window before this one may enter; the limit may have shrunk meanwhile.
            blocking = self._sent[len(self._sent) - int(self._limit)]
            return blocking + span - now
        if self._in_flight >= self._slots:
            return 0.05
        return 0.0

    def _recover(self, now: float) -> None:
        every = self._window * _RECOVERY_EVERY
        steps = int((now - self._recovered_at) / every)
        if steps > 0:
            self._limit = min(self._rate_limit, self._limit + steps * self._rate_limit / _RECOVERY_STEPS)
            self._recovered_at = now if self._limit >= self._rate_limit else self._recovered_at + steps * every
        if self._slots < self._parallel and now - self._slot_lost_at >= _CONCURRENCY_RECOVERY:
            self._slots += 1
            self._slot_lost_at = now

    def _shrink(self) -> None:
        now = self._clock.monotonic()
        if now >= self._paused_until:  # one decrease per rejection burst, not one per thread
            self._limit = max(_LOWEST_LIMIT, _DECREASE * min(self._limit, len(self._sent)))
            self._recovered_at = now
        self._paused_until = now + self._window * random.uniform(0.15, 0.35)

    def _lose_a_slot(self) -> None:
        now = self._clock.monotonic()
        self._slots = max(1, self._slots - 1)
        self._slot_lost_at = now
        self._paused_until = max(self._paused_until, now + random.uniform(0.1, 2.0))

    def _refuse_if_latched(self, operation: str) -> None:
        for quota in ("calls", "export"):
            until = self._latches.get(quota)
            if until is None or (quota == "export" and not spends_export_quota(operation)):
                continue
            if self._clock.now() < until:
                raise MarketoQuotaExhaustedError(
                    f"the daily {'call' if quota == 'calls' else 'bulk export'} quota is spent",
                    operation=operation,
                    code="607" if quota == "calls" else "1029",
                    until=until,
                    quota=quota,
                )
            del self._latches[quota]


_governors: dict[str, LocalGovernor] = {}
_registry_lock = threading.Lock()


def governor_of(instance: str, *, rate_limit: int, parallel: int) -> LocalGovernor:
    """
    The one governor of an instance in this process, however many connections lead there.

    :param instance: the Munchkin ID, or the host for anything else.
    :param rate_limit: calls per 20 seconds; the first connection's value holds for all.
    :param parallel: calls at once; the first connection's value holds for all.
    """
    with _registry_lock:
        if instance not in _governors:
            _governors[instance] = LocalGovernor(rate_limit=rate_limit, parallel=parallel)
        return _governors[instance]
