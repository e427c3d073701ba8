"""A simulated Marketo that enforces its limits, and processes that call it as fast as their governors allow."""

from __future__ import annotations

import multiprocessing
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
import time_machine

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.tally import Tally
from airflow_provider_marketo.simulator import ApiUser, Settings, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_marketo.client.governor import Governor

CONTEXT = multiprocessing.get_context("fork")
OURS = ApiUser("ours", "secret-of-ours", "ours@example.org")
NEIGHBOUR = ApiUser("neighbour", "secret-of-the-neighbour", "neighbour@example.org")
LOAD = {"interactive": ("leads.describe", {}), "extract": ("bulk_export_leads.get_jobs", {"batchSize": 1})}
MIXED = ("interactive", "extract")

Calls = list[tuple[float, str]]
"""When each call ended, by the machine's monotonic clock, and its error code; empty if Marketo executed it."""


@dataclass(frozen=True)
class Marketo:
    """
    A running instance.

    :param url: URL of the instance.
    :param window: seconds over which it counts calls.
    """

    url: str
    window: float


@contextmanager
def marketo(window: float) -> Iterator[Marketo]:
    """
    Run an instance in a process of its own: 100 calls in a window, 10 at once, 120 ms each.

    :param window: seconds of the window; Marketo's is 20.
    """
    ours, theirs = CONTEXT.Pipe()
    server = CONTEXT.Process(target=_serve, args=(window, theirs), daemon=True)
    server.start()
    try:
        yield Marketo(ours.recv(), window)
    finally:
        server.terminate()
        server.join()


def _serve(window: float, pipe: Any) -> None:
    settings = Settings(
        leads=10, activities=10, rate=100, rate_window=window, concurrency=10, latency=0.12, users=(OURS, NEIGHBOUR)
    )
    with Simulator(settings) as simulator:
        pipe.send(simulator.url)
        threading.Event().wait()


class Fleet:
    """
    Processes that call without a pause, each with a governor of its own; their governors may share a store.

    :param where: the instance.
    :param size: the number of processes.
    :param governor: makes a process's governor; called in the process, with its number.
    :param seconds: how long they call.
    :param skew: seconds by which the clock of every second process is wrong.
    """

    def __init__(
        self, where: Marketo, size: int, governor: Callable[[int], Governor], seconds: float, *, skew: float = 0.0
    ) -> None:
        self._results = CONTEXT.SimpleQueue()
        self._processes = [
            CONTEXT.Process(
                target=_work,
                args=(where, governor, number, time.monotonic() + seconds, skew * (number % 2), self._results),
                daemon=True,
            )
            for number in range(size)
        ]
        for process in self._processes:
            process.start()

    def calls(self) -> Calls:
        """Wait for all processes; return their calls."""
        calls = sorted(call for _ in self._processes for call in self._results.get())
        for process in self._processes:
            process.join()
        return calls


def _work(  # noqa: PLR0917 - the target of a process
    where: Marketo, governor: Callable[[int], Governor], number: int, end: float, skew: float, results: Any
) -> None:
    calls: Calls = []
    client = client_of(where, governor(number), calls)
    operation, parameters = LOAD[MIXED[number % len(MIXED)]]
    with time_machine.travel(time.time() + skew, tick=True) if skew else _no_travel():
        while time.monotonic() < end:
            try:
                client.call(operation, **parameters)
            except MarketoError as error:
                print(f"process {number}: {error}")
    results.put(calls)


@contextmanager
def _no_travel() -> Iterator[None]:
    yield


def client_of(where: Marketo, governor: Governor, calls: Calls) -> MarketoClient:
    """Return a client that records how each call ends, including the calls that it sends again."""

    def observe(operation: str, waited: float, error: MarketoError | None) -> None:
        calls.append((time.monotonic(), error.code or "unknown" if error else ""))

    return MarketoClient(
        where.url, OURS.client_id, OURS.client_secret, governor=governor, tally=Tally(observer=observe)
    )


class Neighbour:
    """
    Another integration, which calls at its own rate regardless of the answers, and never retries.

    :param where: the instance.
    :param calls_per_window: the rate.
    :param seconds: how long it calls.
    """

    def __init__(self, where: Marketo, calls_per_window: float, seconds: float) -> None:
        self._where = where
        self._pause = where.window / calls_per_window
        self._seconds = seconds
        self._results = CONTEXT.SimpleQueue()
        self._process = CONTEXT.Process(target=self._run, daemon=True)
        self._process.start()

    def calls(self) -> Calls:
        """Wait for the neighbour's end; return its calls."""
        calls: Calls = sorted(self._results.get())
        self._process.join()
        return calls

    def _run(self) -> None:
        session, calls, threads = requests.Session(), [], []
        query = {
            "grant_type": "client_credentials",
            "client_id": NEIGHBOUR.client_id,
            "client_secret": NEIGHBOUR.client_secret,
        }
        token = session.post(f"{self._where.url}/identity/oauth/token", params=query, timeout=10).json()["access_token"]

        def call() -> None:
            reply = session.get(
                f"{self._where.url}/rest/v1/leads/describe.json",
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
            ).json()
            calls.append((time.monotonic(), "" if reply["success"] else str(reply["errors"][0]["code"])))

        start = time.monotonic()
        for number in range(int(self._seconds / self._pause)):
            time.sleep(max(0.0, start + number * self._pause - time.monotonic()))
            threads.append(threading.Thread(target=call))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self._results.put(calls)


def during(calls: Calls, start: float, end: float) -> Calls:
    """Return the calls of a span of time."""
    return [call for call in calls if start <= call[0] < end]


def done(calls: Calls) -> int:
    """Return the number of calls that Marketo accepted."""
    return sum(not code for _, code in calls)


def rejected(calls: Calls) -> int:
    """Return the number of calls that Marketo rejected with 606 or 615."""
    return sum(code in ("606", "615") for _, code in calls)
