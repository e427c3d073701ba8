"""
The governor's rules beside an unknown neighbour, in simulated time and with other constants.

    python -m benchmarks.throttling_model           half a minute

Eight workers call without a pause for 460 seconds. For the first 260, a neighbour takes 55 of Marketo's 100 calls in 20
seconds and never holds back. After three windows, ten windows are measured. Marketo also counts rejected calls.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from airflow_provider_marketo.client.errors import MarketoThrottledError
from airflow_provider_marketo.client.governor import EXTRACT, rules
from airflow_provider_marketo.client.governor.rules import CallRequest, Limits
from airflow_provider_marketo.client.governor.state import Moment, State

LIMITS = Limits(rate=90, parallel=8)
WORKERS = 8
NEIGHBOUR = 55
LIMIT = 100
"""Calls that Marketo accepts in 20 seconds."""
RECOVERED = 85
"""95 % of our rate limit, in calls of a window."""
NOON = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)
GONE, END = 260.0, 460.0

Calls = list[tuple[float, bool]]
Waits = Generator[float, float, None]
"""A worker. It yields the time at which it wants to continue, and is sent the time at which it does continue."""
"""When calls arrived, and whether Marketo accepted them."""


class Instance:
    """Counts calls as Marketo does: all calls of the past 20 seconds by arrival, including rejected calls."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()

    def takes(self, now: float) -> bool:
        """Return whether the instance takes a call now."""
        while self._arrived and self._arrived[0] <= now - 20:
            self._arrived.popleft()
        self._arrived.append(now)
        return len(self._arrived) <= LIMIT


def simulate(
    seconds: float, neighbour: tuple[float, float], *, even: bool = True, seed: int = 7
) -> tuple[Calls, Calls]:
    """
    Simulate the workers and the neighbour.

    :param seconds: seconds to simulate.
    :param neighbour: when the neighbour begins and ends.
    :param even: whether the neighbour's calls are evenly spaced; otherwise they are random.
    :return: our calls and the neighbour's.
    """
    chance, number, state, instance = random.Random(seed), itertools.count(), State(), Instance()
    ours: Calls = []
    theirs: Calls = []
    agenda: list[tuple[float, int, Waits]] = []

    def worker(now: float) -> Waits:
        while True:
            name, since = f"{next(number)}", now
            while wait := rules.admit(state, LIMITS, CallRequest(name, "a.b", EXTRACT, 60.0, now - since), _at(now)):
                now = yield now + min(wait, 2.0) + chance.uniform(0, 0.003)
            now = yield now + chance.uniform(0.03, 0.08)
            ours.append((now, instance.takes(now)))
            error = None if ours[-1][1] else MarketoThrottledError("606", code="606")
            now = yield now + chance.uniform(0.05, 0.15)
            rules.settle(state, LIMITS, name, error, _at(now))

    def another(now: float) -> Waits:
        while now < neighbour[1]:
            now = yield now + 20 / NEIGHBOUR * (1 if even else chance.expovariate(1))
            theirs.append((now, instance.takes(now)))

    for start, coroutine in [(chance.random(), worker), *((neighbour[0], another) for _ in (1,) if neighbour[1])]:
        crowd = WORKERS if coroutine is worker else 1
        for _ in range(crowd):
            running = coroutine(start)
            heapq.heappush(agenda, (next(running), next(number), running))
    while agenda and agenda[0][0] < seconds:
        now, _, running = heapq.heappop(agenda)
        try:
            heapq.heappush(agenda, (running.send(now), next(number), running))
        except StopIteration:
            continue
    return ours, theirs


def _at(now: float) -> Moment:
    return Moment(now, NOON + timedelta(seconds=now))


def share(calls: Calls, start: float, end: float) -> float:
    """Return the share of the calls in a span that Marketo accepted."""
    fates = [taken for now, taken in calls if start <= now < end]
    return sum(fates) / len(fates)


@dataclass(frozen=True)
class Outcome:
    """
    The worst figures of several runs.

    :param rejected: share of our calls that Marketo rejected.
    :param lost: share of the neighbour's calls that Marketo rejected.
    :param used: share that we used of the calls that the neighbour leaves.
    :param back: seconds until a window holds 95 % of the rate limit again.
    """

    rejected: float
    lost: float
    used: float
    back: float


def outcome(*, even: bool) -> Outcome:
    """Return the outcome of the rules with their present constants."""
    runs = [_outcome(*simulate(END, (0.0, GONE), even=even, seed=seed)) for seed in range(6)]
    return Outcome(
        max(run.rejected for run in runs),
        max(run.lost for run in runs),
        min(run.used for run in runs),
        max(run.back for run in runs),
    )


def _outcome(ours: Calls, theirs: Calls) -> Outcome:
    start = 60.0
    there = sum(start <= now < GONE for now, _ in theirs)
    done = sum(taken for now, taken in ours if start <= now < GONE)
    times = [now for now, taken in ours if taken]
    full = (
        now
        for index, now in enumerate(times)
        if now > GONE and index >= RECOVERED and times[index - RECOVERED] > now - 20
    )
    return Outcome(
        1 - share(ours, start, GONE),
        1 - share(theirs, start, GONE),
        done / (100 * (GONE - start) / 20 - there),
        next(full, float("inf")) - GONE,
    )


@contextmanager
def _with(**constants: object) -> Iterator[None]:
    before = {name: getattr(rules, name) for name in constants}
    for name, value in constants.items():
        setattr(rules, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(rules, name, value)


def _linear(decrease: float, step: float) -> Callable[[State, Limits, float], float]:
    """Replace the recovery with AIMD: down by a factor, up by a step every eighth of a window."""

    def rate_now(state: State, limits: Limits, now: float) -> float:
        if state.ceiling is None:
            return limits.rate
        steps = int((now - state.cut_at) / (limits.window / 8))
        return min(limits.rate, max(decrease * state.ceiling, 10.0) + steps * step * limits.rate)

    return rate_now


VARIANTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("cubic, 0.8, 2 windows (ours)", {}),
    ("cubic, 0.7, 2 windows", {"DECREASE": 0.7}),
    ("cubic, 0.9, 2 windows", {"DECREASE": 0.9}),
    ("cubic, 0.8, 1 window", {"PLATEAU": 1.0}),
    ("cubic, 0.8, 3 windows", {"PLATEAU": 3.0}),
    ("AIMD, 0.7, 1/40 every 2.5 s", {"rate_now": _linear(0.7, 1 / 40)}),
    ("AIMD, 0.7, 1/160 every 2.5 s", {"rate_now": _linear(0.7, 1 / 160)}),
)


def main() -> None:
    """Run the command."""
    print("| Rule | Neighbour | Our calls rejected | Neighbour's calls lost | Our share of the rest | Back after |")
    print("|---|---|---|---|---|---|")
    for name, constants in VARIANTS:
        with _with(**constants):
            for even in (True, False):
                found = outcome(even=even)
                print(
                    f"| {name} | {'even' if even else 'at random'} | {found.rejected:.1%} | {found.lost:.1%} | "
                    f"{found.used:.0%} | {found.back:.0f} s |"
                )


if __name__ == "__main__":
    main()
