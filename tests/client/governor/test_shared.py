"""The governor when its store fails, and between threads and processes."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from airflow_provider_marketo.client.errors import MarketoQueueFullError, MarketoQuotaExhaustedError
from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.stores import MemoryStore, StoreUnavailableError, UnusableStore
from tests.support import ManualClock

TOGETHER, ALONE = Limits(90, 8), Limits(11, 1)


class FlakyStore(MemoryStore):
    """A store that can be switched off."""

    broken = False

    def update(self, change):
        if self.broken:
            raise StoreUnavailableError("the disk is full")
        return super().update(change)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock) -> FlakyStore:
    return FlakyStore(clock)


@pytest.fixture
def governor(store, clock) -> SharedGovernor:
    return SharedGovernor(store, TOGETHER, alone=ALONE, parallel=8, clock=clock)


def call(governor, times: int = 1) -> None:
    for _ in range(times):
        governor.release(governor.acquire("leads.describe"), None)


def test_a_store_that_never_worked_leaves_the_fixed_share(clock, caplog):
    governor = SharedGovernor(UnusableStore("/home is on nfs4"), TOGETHER, alone=ALONE, parallel=8, clock=clock)
    call(governor, 11)
    assert clock.monotonic() == 0
    call(governor)
    assert clock.monotonic() >= 20
    assert "/home is on nfs4" in caplog.text
    assert "11 calls in 20 seconds, 1 at once" in caplog.text


def test_a_store_that_fails_is_warned_of_once_and_the_window_that_all_have_filled_is_waited_out(
    governor, store, clock, caplog
):
    call(governor, 90)
    store.broken = True
    call(governor, 11)
    assert 20 <= clock.monotonic() <= 23
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_store_that_comes_back_learns_of_the_calls_made_meanwhile(governor, store, clock, caplog):
    caplog.set_level(logging.INFO)
    store.broken = True
    call(governor)
    clock.advance(60)
    call(governor, 5)  # tries the store again, in vain
    assert clock.monotonic() < 62
    store.broken = False
    clock.advance(60)
    governor._own.state.sent = [clock.monotonic() - 1] * 11
    lease = governor.acquire("leads.describe")
    assert len(store.state.sent) == 12
    assert "shared again" in caplog.text
    governor.release(lease, None)
    assert store.state.leases == {}


def test_a_lease_taken_before_the_store_failed_can_be_given_back_after(store, clock):
    governor = SharedGovernor(store, TOGETHER, alone=ALONE, parallel=1, clock=clock)
    lease = governor.acquire("leads.describe")
    store.broken = True
    governor.release(lease, None)
    assert governor.acquire("leads.describe").id != lease.id, "the one slot is free again"


def test_what_a_worker_knows_of_spent_quotas_all_know(governor, store, clock):
    governor.release(governor.acquire("leads.describe"), MarketoQuotaExhaustedError("607", code="607"))
    other = SharedGovernor(store, TOGETHER, clock=clock)
    with pytest.raises(MarketoQuotaExhaustedError):
        other.acquire("leads.describe")


def test_a_ninth_job_waits_for_a_place_in_the_queue(governor):
    for number in range(8):
        governor.enter_queue("export", f"job {number}")
    with pytest.raises(MarketoQueueFullError, match="8 places in Marketo's export queue"):
        governor.enter_queue("export", "job 8")
    governor.leave_queue("export", ["job 0"])
    governor.enter_queue("export", "job 8")


def test_a_process_has_no_more_in_flight_than_its_pool_slots(store):
    governor = SharedGovernor(store, TOGETHER, parallel=2)
    leases = [governor.acquire("leads.describe") for _ in range(2)]
    third = threading.Thread(target=lambda: leases.append(governor.acquire("leads.describe")))
    third.start()
    third.join(0.1)
    assert third.is_alive()
    governor.release(leases[0], None)
    third.join(5)
    assert not third.is_alive()


def test_a_child_process_starts_without_what_its_parents_threads_hold(store):
    governor = SharedGovernor(store, TOGETHER, parallel=1)
    governor.acquire("leads.describe")
    governor._lock.acquire()
    child = os.fork()
    if child == 0:  # the parent's lock and lease would keep it waiting for ever
        threading.Timer(10, os._exit, [1]).start()
        try:
            call(governor)
        finally:
            os._exit(0 if governor._in_flight == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
