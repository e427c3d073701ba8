"""The governor of one process, tested with a model of how Marketo counts."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.client.errors import (
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.governor import rules
from airflow_provider_marketo.client.governor.local import LocalGovernor
from tests.support import ManualClock


class Instance:
    """Counts as Marketo does: calls in the past 20 seconds, by arrival."""

    def __init__(self, clock: ManualClock, limit: int = 100) -> None:
        self.clock = clock
        self.limit = limit
        self.arrived: deque[float] = deque()
        self.rejected = 0

    def call(self) -> MarketoThrottledError | None:
        now = self.clock.monotonic()
        while self.arrived and self.arrived[0] <= now - 20:
            self.arrived.popleft()
        self.arrived.append(now)
        if len(self.arrived) > self.limit:
            self.rejected += 1
            return MarketoThrottledError("606", code="606")
        return None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def work(governor, instance, clock, seconds):
    done, until = 0, clock.monotonic() + seconds
    while clock.monotonic() < until:
        lease = governor.acquire("leads.describe")
        clock.advance(0.01)
        error = instance.call()
        governor.release(lease, error)
        done += error is None
    return done


def test_the_rate_is_used_to_the_full_and_never_passed(clock):
    instance = Instance(clock)
    done = work(LocalGovernor(rate_limit=90, clock=clock), instance, clock, 200)
    assert instance.rejected == 0
    assert done >= 0.95 * 90 * 200 / 20


def test_after_rejections_it_makes_room_and_then_comes_back(clock):
    instance = Instance(clock, limit=45)  # other users take the rest
    governor = LocalGovernor(rate_limit=90, clock=clock)
    work(governor, instance, clock, 100)
    rejected = instance.rejected
    assert rejected < 0.1 * 45 * 5
    instance.limit = 100
    work(governor, instance, clock, 100)
    assert work(governor, instance, clock, 100) >= 0.95 * 90 * 5


def test_no_more_calls_at_once_than_slots(clock):
    governor = LocalGovernor(parallel=2, clock=clock)
    leases = [governor.acquire("leads.describe") for _ in range(2)]
    # It is not known when a slot becomes free.
    with pytest.raises(MarketoThrottledError, match=r"this call would wait longer than 60 seconds for its turn\. Run"):
        governor.acquire("leads.describe")
    governor.release(leases[0], None)
    governor.acquire("leads.describe")


def test_a_call_whose_turn_is_too_far_away_says_when_it_may_come(clock, monkeypatch):
    monkeypatch.setattr(rules, "admit", lambda *_: 90.0)
    with pytest.raises(MarketoThrottledError, match="for its turn, which may come in 1 minute 30 seconds"):
        LocalGovernor(clock=clock).acquire("leads.describe")


def test_a_615_takes_a_slot_away_for_a_while(clock):
    governor = LocalGovernor(parallel=2, clock=clock)
    governor.release(governor.acquire("leads.describe"), MarketoThrottledError("615", code="615"))
    governor.acquire("leads.describe")
    begun = clock.monotonic()
    governor.acquire("leads.describe")
    assert 30 <= clock.monotonic() - begun + 2 <= 35


def test_other_failures_do_not_slow_anybody_down(clock):
    governor = LocalGovernor(clock=clock)
    for _ in range(20):
        governor.release(governor.acquire("leads.describe"), MarketoTransientError("502"))
    assert clock.monotonic() == 0


def test_a_spent_call_quota_stops_every_call_until_the_reset(clock):
    governor = LocalGovernor(clock=clock)
    error = MarketoQuotaExhaustedError("607", code="607")
    governor.release(governor.acquire("leads.describe"), error)
    assert error.until == datetime(2026, 1, 16, 6, 5, tzinfo=timezone.utc)
    with pytest.raises(MarketoQuotaExhaustedError) as caught:
        governor.acquire("leads.describe")
    assert caught.value.until == error.until
    clock.advance((error.until - clock.now()).total_seconds())
    governor.acquire("leads.describe")


def test_a_spent_export_quota_stops_new_exports_only(clock):
    governor = LocalGovernor(clock=clock)
    lease = governor.acquire("bulk_export_leads.enqueue_job")
    governor.release(lease, MarketoQuotaExhaustedError("1029", code="1029", quota="export"))
    governor.release(governor.acquire("bulk_export_leads.get_file"), None)
    with pytest.raises(MarketoQuotaExhaustedError, match="bulk export quota"):
        governor.acquire("bulk_export_activities.create_job")
