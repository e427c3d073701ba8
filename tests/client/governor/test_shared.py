"""The governor when its store fails, and between threads and processes."""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from dataclasses import fields

import pytest

from airflow_provider_marketo.client.errors import MarketoQueueFullError, MarketoQuotaExhaustedError
from airflow_provider_marketo.client.governor.rules import CallRequest, Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.state import State
from airflow_provider_marketo.client.governor.stores import MemoryStore, StoreUnavailableError, UnusableStore
from tests.client.governor.support import most_in_a_window
from tests.support import ManualClock

EXTRACTING = "activities.get_lead_activities"
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
    governor._own.state.sent = [clock.monotonic() - 1] * 10
    lease = governor.acquire("leads.describe")
    assert len(store.state.sent) == 11
    assert "shared again" in caplog.text
    governor.release(lease, None)
    assert store.state.leases == {}


def test_a_lease_taken_before_the_store_failed_can_be_given_back_after(store, clock):
    governor = SharedGovernor(store, TOGETHER, alone=ALONE, parallel=1, clock=clock)
    lease = governor.acquire("leads.describe")
    store.broken = True
    governor.release(lease, None)
    assert governor.acquire("leads.describe").id != lease.id, "the one slot is free again"


def test_all_workers_know_a_quota_that_one_has_found_spent(governor, store, clock):
    governor.release(governor.acquire("leads.describe"), MarketoQuotaExhaustedError("607", code="607"))
    other = SharedGovernor(store, TOGETHER, clock=clock)
    with pytest.raises(MarketoQuotaExhaustedError):
        other.acquire("leads.describe")


def test_a_chore_is_for_one_process_until_it_is_due_again(governor, store, clock):
    other = SharedGovernor(store, TOGETHER, clock=clock)
    assert governor.claim("usage", 60)
    assert not other.claim("usage", 60)
    assert other.claim("another chore", 60)
    clock.advance(59)
    assert not governor.claim("usage", 60)
    clock.advance(1)
    assert other.claim("usage", 60)


def test_a_chore_that_was_done_is_put_off_for_all(governor, store, clock):
    other = SharedGovernor(store, TOGETHER, clock=clock)
    assert governor.claim("usage", 10)
    governor.postpone("usage", 300)
    clock.advance(299)
    assert not other.claim("usage", 10)
    clock.advance(1)
    assert other.claim("usage", 10)


def test_the_calls_of_each_owner_are_counted_until_the_day_ends(governor, store, clock):
    governor.owner = "a_dag"
    call(governor, 3)
    other = SharedGovernor(store, TOGETHER, clock=clock)
    call(other)
    other.owner = "another_dag"
    call(other)
    assert governor.calls_of() == {"a_dag": 3, "another_dag": 1}
    clock.advance(24 * 3600)
    call(governor)
    assert other.calls_of() == {"a_dag": 1}


def test_extracts_end_where_the_reserve_begins_and_all_calls_count(governor, store, clock):
    governor.tell_used(98, 100)
    call(governor)
    extract = SharedGovernor(store, TOGETHER, clock=clock)
    extract.release(extract.acquire(EXTRACTING), None)
    with pytest.raises(
        MarketoQuotaExhaustedError, match="100 calls of the day are used, and bulk jobs and streams leave the rest"
    ):
        extract.acquire(EXTRACTING)
    call(governor)


def test_an_extract_may_use_the_whole_day_before_the_calls_are_counted(governor):
    lease = governor.acquire(EXTRACTING)
    governor.release(lease, None)
    assert lease.waited == 0


def test_a_long_download_keeps_its_place_while_it_is_renewed(store, clock):
    one_at_once = Limits(90, 1)
    governor = SharedGovernor(store, one_at_once, parallel=1, clock=clock)
    lease = governor.acquire("leads.describe", hold=30)
    for _ in range(10):
        clock.advance(11)
        governor.renew(lease)
    other = SharedGovernor(store, one_at_once, parallel=1, clock=clock)
    assert other.acquire("leads.describe").waited > 15, "until the renewed lease ends by itself"


def test_a_ninth_job_waits_for_a_place_in_the_queue(governor):
    for number in range(8):
        governor.enter_queue("export", f"job {number}")
    with pytest.raises(MarketoQueueFullError, match="8 places that Airflow uses in Marketo's export queue"):
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
    third.join(60)
    assert not third.is_alive()


def test_a_child_process_does_not_inherit_the_leases_of_its_parents_threads(store):
    governor = SharedGovernor(store, TOGETHER, parallel=1)
    governor.acquire("leads.describe")
    governor._lock.acquire()
    child = os.fork()
    if child == 0:  # with the parent's lock and lease it would wait forever
        threading.Timer(10, os._exit, [1]).start()
        try:
            call(governor)
        finally:
            os._exit(0 if governor._in_flight == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0


class TestWithoutHistory:
    """The other processes' calls are unknown: the store was lost or damaged, or others continued without it."""

    def test_the_window_counts_as_used(self, store, clock):
        store.state = State(unknown=True)
        governor = SharedGovernor(store, TOGETHER, alone=ALONE, parallel=8, clock=clock)
        call(governor)
        assert 20 <= clock.monotonic() < 22
        call(governor, 89)
        assert clock.monotonic() < 22, "the first call waits, and no other"

    def test_processes_that_went_alone_and_those_that_came_back_stay_within_the_limits(self, store, clock):
        governors = [SharedGovernor(store, TOGETHER, alone=ALONE, parallel=8, clock=clock) for _ in range(8)]
        store.broken = True
        for governor in governors:
            clock.advance(5)  # each notices at a time of its own, and tries the store again a minute later
            call(governor)
        clock.advance(30)
        store.broken, store.state, sent = False, State(unknown=True), []
        asked = {governor: (uuid.uuid4().hex, clock.monotonic()) for governor in governors}
        while clock.monotonic() < 250:
            for governor, (ask, since) in asked.items():
                waited = clock.monotonic() - since
                if not governor._admit(CallRequest(ask, "leads.describe", "interactive", 0.1, waited)):
                    sent.append(clock.monotonic())
                    governor._in_flight -= 1
                    asked[governor] = uuid.uuid4().hex, clock.monotonic()
            clock.advance(0.2)
        assert most_in_a_window(sent, 20) <= 100
        assert most_in_a_window([at for at in sent if at > 200], 20) >= 85, "the whole limit is used again"

    @pytest.mark.parametrize("name", [each.name for each in fields(State)])
    @pytest.mark.parametrize("value", [None, "x", 5, -1.5, [1, None], {"a": "b"}, {"a": [1]}, [[1]], True, 1e400])
    def test_a_state_of_wrong_types_is_healed(self, clock, name, value):
        store = TextStore(clock, json.dumps({name: value}))
        governor = SharedGovernor(store, TOGETHER, parallel=8, clock=clock)
        call(governor, 3)
        assert governor.latches() is not None
        assert clock.monotonic() < 60
        assert isinstance(State.load(store.text), State)

    @pytest.mark.parametrize("text", ["5", "[]", "null", '"x"', "{", '{"other": 1}', "[" * 100_000, "1e999"])
    def test_a_text_that_is_not_a_state_is_bypassed(self, clock, text):
        governor = SharedGovernor(TextStore(clock, text), TOGETHER, alone=ALONE, parallel=8, clock=clock)
        call(governor, 3)
        assert clock.monotonic() < 60


class TextStore(MemoryStore):
    """A store that keeps a text, as files and servers do."""

    def __init__(self, clock, text: str) -> None:
        super().__init__(clock)
        self.text = text

    def update(self, change):
        try:
            self.state = State.load(self.text)
        except ValueError as error:
            raise StoreUnavailableError(str(error)) from error
        answer = super().update(change)
        self.text = self.state.dump()
        return answer
