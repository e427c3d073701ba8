"""
Many processes keep the limits of a simulated Marketo that enforces them.

    python -m benchmarks.throttling                 everything, about 13 minutes
    python -m benchmarks.throttling host redis      only these scenarios
    python -m benchmarks.throttling --scale 1       unscaled windows throughout

The number of allowed calls is rate_limit x time / window. ``--scale`` applies to all windows but the neighbour's, and
to the guard. Redis must be installed; the benchmark starts a server of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.governor.redis import RedisStore
from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.client.governor.stores import GovernorStore, MemoryStore
from benchmarks.table import Row, markdown
from benchmarks.throttling_load import (
    CONTEXT,
    Calls,
    Fleet,
    Neighbour,
    client_of,
    done,
    during,
    marketo,
    rejected,
)
from tools.services import running_services

RATE, PARALLEL, WINDOW = 90, 8, 20.0
OUTSIDE = 2
WARM_UP, MEASURED = 1, 3
Stores = Callable[[], GovernorStore]


class Bench:
    """
    The scenarios and what they need.

    :param scale: factor of the windows.
    :param folder: folder for the files of ``host``.
    :param redis: URL of a Redis server.
    """

    def __init__(self, scale: float, folder: Path, redis: str) -> None:
        self._window = WINDOW * scale
        self._folder = folder
        self._redis = redis
        self._runs = 0

    def turn(self) -> Iterator[Row]:
        """The cost of a turn with a full window."""
        for name, store, target in (("host", self._file(), 0.5), ("redis", self._key(), 2.0)):
            shared = store()
            governor = SharedGovernor(shared, Limits(RATE, PARALLEL))
            took = []
            for _ in range(500):
                shared.update(lambda state, at: state.sent.__setitem__(slice(None), [at.now] * (RATE - 1)))
                begun = time.perf_counter()
                governor.release(governor.acquire("leads.describe"), None)
                took.append((time.perf_counter() - begun) * 1000)
            yield Row(
                f"acquire and release, {name}", "one process", f"{statistics.median(took):.2f} ms, median",
                f"{statistics.quantiles(took, n=20)[-1]:.2f} ms, 95 %", statistics.median(took), target, at_most=True
            )  # fmt: skip

    def host(self) -> Iterator[Row]:
        """8 processes of one host."""
        yield from self._shared("host", self._file())

    def redis(self) -> Iterator[Row]:
        """8 processes that share a Redis."""
        yield from self._shared("redis", self._key())

    def skewed(self) -> Iterator[Row]:
        """The same, with four clocks two seconds ahead."""
        yield from self._shared("redis, clocks skewed by 2 s", self._key(), skew=2.0)

    def pool(self) -> Iterator[Row]:
        """5 tasks that share nothing."""
        limits = Limits(RATE - OUTSIDE, 5, self._window).share(1 / 5)
        yield from self._measure(
            "pool, max_parallel=5", 5, lambda number: SharedGovernor(MemoryStore(SystemClock(), 0.0), limits), 0.90
        )

    def cluster(self) -> Iterator[Row]:
        """50 worker processes whose tasks take turns in a pool of 8 slots, one task right after the other."""
        limits = Limits(RATE - OUTSIDE, PARALLEL, self._window).share(1 / PARALLEL)
        seconds = self._window * (WARM_UP + MEASURED)
        with marketo(self._window) as where:
            slots, results = CONTEXT.Semaphore(PARALLEL), CONTEXT.SimpleQueue()
            end = time.monotonic() + seconds
            workers = [
                CONTEXT.Process(target=_short_tasks, args=(where, limits, slots, end, number, results), daemon=True)
                for number in range(50)
            ]
            for worker in workers:
                worker.start()
            calls = sorted(call for _ in workers for call in results.get())
            for worker in workers:
                worker.join()
        yield Row(
            "606 and 615, pool", f"50 workers, 8 slots, {seconds:g} s", f"{done(calls)} calls", "none allowed",
            rejected(calls), 0, at_most=True
        )  # fmt: skip

    def kill(self) -> Iterator[Row]:
        """A worker is killed while it holds every lease."""
        hold, store = 5.0, self._file()
        limits = Limits(RATE, PARALLEL)
        ready = CONTEXT.Event()

        def die() -> None:
            governor = SharedGovernor(store(), limits, parallel=PARALLEL)
            for _ in range(PARALLEL):
                governor.acquire("leads.describe", hold=hold)
            ready.set()
            signal.pause()

        victim = CONTEXT.Process(target=die)
        victim.start()
        ready.wait()
        time.sleep(hold / 10)  # in the middle of the calls
        os.kill(victim.pid or 0, signal.SIGKILL)
        killed = time.monotonic()
        victim.join()
        governor = SharedGovernor(store(), limits, parallel=PARALLEL)
        for _ in range(PARALLEL):
            governor.acquire("leads.describe", hold=hold)
        took = time.monotonic() - killed
        yield Row(
            "full concurrency after SIGKILL", f"host, leases of {hold:g} s", f"{took:.2f} s", "lease time", took / hold,
            1.0, at_most=True
        )  # fmt: skip

    def neighbour(self) -> Iterator[Row]:
        """Another integration takes 55 % of the rate and never holds back. Windows are not scaled."""
        before, measured, after = 3 * WINDOW, 10 * WINDOW, 10 * WINDOW
        with marketo(WINDOW) as where:
            start = time.monotonic()
            store = self._file()
            limits = Limits(RATE, PARALLEL)
            fleet = Fleet(where, 8, lambda number: SharedGovernor(store(), limits), before + measured + after)
            another = Neighbour(where, 55, before + measured)
            theirs, ours = another.calls(), fleet.calls()
        begin, end = start + before, start + before + measured
        while_there, its_own = during(ours, begin, end), during(theirs, begin, end)
        left = 100 * measured / WINDOW - len(its_own)
        on = "host, 8 processes, a neighbour of 55 calls in 20 s"
        yield Row(
            "our calls rejected", on, f"{rejected(while_there)} of {len(while_there)}", "",
            rejected(while_there) / len(while_there), 0.05, at_most=True
        )  # fmt: skip
        yield Row(
            "what the neighbour loses", on, f"{rejected(its_own)} of {len(its_own)}", "what it gets alone: all",
            rejected(its_own) / len(its_own), 0.10, at_most=True
        )  # fmt: skip
        yield Row(
            "what we use of the rest", on, f"{done(while_there)} calls", f"{left:.0f} calls",
            done(while_there) / left, 0.80
        )  # fmt: skip
        yield Row(
            "seconds until 95 % of rate_limit", "after the neighbour has gone", "", "",
            _back_after(ours, end), 180, at_most=True
        )  # fmt: skip

    def _shared(self, name: str, store: Stores, *, skew: float = 0.0) -> Iterator[Row]:
        limits = Limits(RATE, PARALLEL, self._window)
        yield from self._measure(name, 8, lambda number: SharedGovernor(store(), limits), 0.95, skew=skew)

    def _measure(
        self, name: str, size: int, governor: Callable[[int], Any], target: float, *, skew: float = 0.0
    ) -> Iterator[Row]:
        with marketo(self._window) as where:
            start = time.monotonic()
            calls = Fleet(where, size, governor, self._window * (WARM_UP + MEASURED), skew=skew).calls()
        counted = during(calls, start + self._window * WARM_UP, start + self._window * (WARM_UP + MEASURED))
        allowed = RATE * MEASURED
        on = f"{size} processes, mixed load, windows of {self._window:g} s"
        yield Row(
            f"606 and 615, {name}", on, f"{len(calls)} calls", "none allowed", rejected(calls), 0, at_most=True
        )  # fmt: skip
        yield Row(
            f"use of the limit, {name}", on, f"{done(counted)} calls", f"{allowed} allowed", done(counted) / allowed,
            target
        )  # fmt: skip

    def _file(self) -> Stores:
        self._runs += 1
        name = f"run-{self._runs}"
        return lambda: SQLiteStore(self._folder, name)

    def _key(self) -> Stores:
        self._runs += 1
        name = f"run-{self._runs}"
        return lambda: RedisStore(Redis.from_url(self._redis, socket_timeout=2), name)


def _short_tasks(  # noqa: PLR0917 - the target of a process
    where: Any, limits: Limits, slots: Any, end: float, number: int, results: Any
) -> None:
    calls: Calls = []
    while time.monotonic() < end:
        with slots:
            client = client_of(where, SharedGovernor(MemoryStore(SystemClock(), 0.0), limits), calls)
            for _ in range(1 + number % 3):
                try:
                    client.call("leads.describe")
                except MarketoError as error:
                    print(f"process {number}: {error}")
    results.put(calls)


def _back_after(calls: Calls, gone: float) -> float:
    """Return the seconds until a window holds 95 % of the rate limit."""
    times = [now for now, code in calls if not code]
    first = 0
    for last, now in enumerate(times):
        while times[first] <= now - WINDOW:
            first += 1
        if now > gone and last - first + 1 >= 0.95 * RATE:
            return now - gone
    return float("inf")


SCENARIOS = ("turn", "host", "redis", "skewed", "pool", "cluster", "kill", "neighbour")


def main() -> int:
    """Run the scenarios that the command line names; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", default=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--scale", type=float, default=0.5, help="factor of the windows (default: 0.5)")
    arguments = parser.parse_args()
    unknown = set(arguments.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    with running_services(Path(sys.executable).parent) as servers, tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments.scale, Path(folder), servers["TEST_REDIS"])
        for name in arguments.scenario:
            print(f"-- {name}: {getattr(Bench, name).__doc__}", file=sys.stderr, flush=True)
            rows += getattr(bench, name)()
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
