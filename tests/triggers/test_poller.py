"""One poll serves all triggers that wait, and each of them gets an answer."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoError,
    MarketoQuotaExhaustedError,
    MarketoTransientError,
)
from airflow_provider_marketo.triggers.poller import FAILURES_IN_A_ROW, Poller, wait_for_answer
from tests.support import in_virtual_time


class Answers:
    """Answers polls from a script: one entry per poll, and after the last entry always that one."""

    def __init__(self, *script) -> None:
        self.script = list(script)
        self.looks: list[frozenset[str]] = []

    async def __call__(self, conditions):
        self.looks.append(frozenset(conditions))
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(entry, Exception):
            raise entry
        return entry


def test_equal_conditions_are_asked_once_and_different_ones_together():
    answers = Answers({}, {"a": 1}, {"b": 2})

    async def scenario():
        poller = Poller(answers)
        return await asyncio.gather(*(poller.wait(each, 0) for each in "ab" for _ in range(50)))

    assert asyncio.run(scenario()) == [1] * 50 + [2] * 50
    assert answers.looks == [frozenset("ab"), frozenset("ab"), frozenset("b")]


def test_an_error_of_one_condition_does_not_reach_others():
    answers = Answers({"a": MarketoAuthError("refused"), "b": 2})

    async def scenario():
        poller = Poller(answers)
        return await asyncio.gather(*(poller.wait(each, 0) for each in "ab"), return_exceptions=True)

    refused, found = asyncio.run(scenario())
    assert isinstance(refused, MarketoAuthError)
    assert found == 2


def test_failed_polls_are_repeated_until_there_are_too_many():
    bad = MarketoTransientError("502")
    assert asyncio.run(Poller(Answers(*[bad] * (FAILURES_IN_A_ROW - 1), {"a": 1})).wait("a", 0)) == 1
    with pytest.raises(MarketoTransientError):
        asyncio.run(Poller(Answers(bad)).wait("a", 0))


def test_a_spent_quota_does_not_end_the_wait():
    spent = MarketoQuotaExhaustedError("spent")
    assert asyncio.run(Poller(Answers(*[spent] * (FAILURES_IN_A_ROW * 3), {"a": 1})).wait("a", 0)) == 1


def test_an_unexpected_exception_ends_the_wait():
    with pytest.raises(MarketoError, match="KeyError: 'x'"):
        asyncio.run(Poller(Answers(KeyError("x"))).wait("a", 0))


def test_without_a_waiting_trigger_there_is_no_poll():
    answers = Answers({})

    async def scenario():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(Poller(answers).wait("a", 0), timeout=0.05)
        before = len(answers.looks)
        for _ in range(20):
            await asyncio.sleep(0)
        return before

    assert len(answers.looks) - asyncio.run(scenario()) <= 1


def test_a_group_shares_a_poller_while_a_trigger_of_it_waits():
    made = []

    def make():
        made.append(Answers({}, {"a": 1, "b": 2}))
        return made[-1]

    async def scenario():
        await asyncio.gather(*(wait_for_answer("group", make, each, 0) for each in "ab"))
        await wait_for_answer("group", make, "a", 0)
        await wait_for_answer("another", make, "b", 0)

    asyncio.run(scenario())
    assert len(made) == 3


class TimedLooks:
    """Notes when it is asked and answers from the given moment on; a poll takes a while."""

    def __init__(self, answer_from: float, takes: float = 0.0) -> None:
        self.times: list[float] = []
        self._answer_from = answer_from
        self._takes = takes

    async def __call__(self, conditions):
        now = asyncio.get_running_loop().time()
        self.times.append(now)
        await asyncio.sleep(self._takes)
        return dict.fromkeys(conditions, "yes") if now >= self._answer_from else {}


def test_polls_are_an_interval_apart_however_long_they_take():
    looks = TimedLooks(answer_from=180, takes=6)
    in_virtual_time(Poller(looks).wait("a", 60))
    assert looks.times == [60, 120, 180]


def test_the_poll_after_a_late_call_is_late_too():
    looks = TimedLooks(answer_from=180, takes=20)
    in_virtual_time(Poller(looks).wait("a", 60))
    assert looks.times == [60, 134, 208]


@pytest.mark.parametrize(("first", "polls"), [(None, [60, 134]), (0, [60, 80])], ids=["can wait", "cannot wait"])
def test_a_trigger_that_joined_during_a_late_call_waits_with_the_others_if_it_can(first, polls):
    looks = TimedLooks(answer_from=70, takes=20)

    async def scenario():
        poller = Poller(looks)
        earlier = asyncio.ensure_future(poller.wait("a", 60))
        await asyncio.sleep(61)
        await asyncio.gather(earlier, poller.wait("b", 60, first=first))

    in_virtual_time(scenario())
    assert looks.times == polls


def test_a_poll_that_takes_long_leaves_as_much_time_to_others():
    looks = TimedLooks(answer_from=180, takes=56)
    in_virtual_time(Poller(looks).wait("a", 60))
    assert looks.times == [60, 172, 284]


def test_a_new_trigger_with_a_shorter_interval_does_not_wait_for_the_longer_one():
    looks = TimedLooks(answer_from=75)

    async def scenario():
        poller = Poller(looks)
        patient = asyncio.ensure_future(poller.wait("a", 60))
        await asyncio.sleep(5)
        await asyncio.gather(patient, poller.wait("b", 10, first=2))

    in_virtual_time(scenario())
    assert looks.times == [7, 17, 27, 37, 47, 57, 67, 77]
