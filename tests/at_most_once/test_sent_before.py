"""If runs overlap in time, rows that both would send are sent by one of them."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_marketo.at_most_once.sent_before import SentBefore
from airflow_provider_marketo.output.folder import OutputFolder

BOTH_WANT = {"x", "y"}


class Run(SentBefore):
    """A run of a task in a thread, which may be held after it has written a state."""

    def __init__(self, folder, name):
        super().__init__(OutputFolder(str(folder)), "_marketo_sent/7", name, None, self._wait)
        self.holds = {}
        self.waited = 0
        self.waits = threading.Event()
        self.awaited = threading.Event()
        self.written = {state: threading.Event() for state in ("reserving", "reserved")}
        self.sends = None

    def _write(self, digests, state):
        self.holds.get(f"before {state}", lambda: None)()
        super()._write(digests, state)
        self.written[state].set()
        self.holds.get(state, lambda: None)()

    def _wait(self, seconds):
        self.waited += 1
        self.waits.set()
        self.awaited.wait(10)

    def go(self, others=()):
        def run():
            self.sends = self.reserve({*BOTH_WANT, *others})

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def runs(tmp_path):
    return Run(tmp_path, "a"), Run(tmp_path, "b")


def test_of_two_runs_that_wrote_before_either_looked_the_first_by_name_sends(runs):
    first, second = runs
    both = threading.Barrier(2)
    first.holds = {step: lambda: both.wait(10) for step in ("before reserving", "reserving")}
    second.holds = {**first.holds, "before reserved": lambda: first.waits.wait(10)}
    first.awaited = second.written["reserved"]
    for thread in (first.go({"mine"}), second.go({"yours"})):
        thread.join(20)
    assert (first.sends, second.sends) == ({*BOTH_WANT, "mine"}, {"yours"})


def test_a_run_that_had_looked_before_the_other_wrote_sends_and_the_other_waits_for_it(runs):
    first, second = runs
    has_looked = threading.Event()

    def until_the_first_waits():
        has_looked.set()
        first.waits.wait(10)

    second.holds = {"before reserved": until_the_first_waits}
    first.awaited = second.written["reserved"]
    late = second.go()
    has_looked.wait(10)
    first._others = answers_first({}, first._others)  # it looks for the first time before the other has written
    first.go({"mine"}).join(20)
    late.join(20)
    assert (first.sends, second.sends) == ({"mine"}, BOTH_WANT)
    assert first.waited == 1


def test_what_a_dead_run_may_have_meant_to_send_is_left_to_its_retry(runs, tmp_path):
    first, second = runs
    second._write(BOTH_WANT, "reserving")
    first._others = answers_first({}, first._others)
    first.awaited.set()
    assert first.reserve({*BOTH_WANT, "mine"}) == {"mine"}
    assert first.waited > 10
    retry = Run(tmp_path, "b")
    assert retry.reserve(BOTH_WANT) == BOTH_WANT


def answers_first(answer, then):
    """Return a function that gives one answer at its first call, and calls another function after that."""
    given = [answer]
    return lambda: given.pop() if given else then()
