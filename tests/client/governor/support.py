"""Processes that call as fast as they may."""

from __future__ import annotations

import multiprocessing
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor

_LONGEST = 60.0
"""Seconds within which all processes have begun."""


def count_calls(make_store: Callable[[], Any], limits: Limits, *, processes: int, seconds: float) -> list[float]:
    """
    Return when the calls of all processes were allowed to go, by the machine's clock.

    The processes inherit nothing: a fork of a process with threads may hang.
    """
    context = multiprocessing.get_context("spawn")
    results: Any = context.SimpleQueue()
    together = context.Barrier(processes)
    workers = [
        context.Process(target=_call, args=(make_store, limits, seconds, together, results)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    sent = sorted(now for _ in workers for now in results.get())
    for worker in workers:
        worker.join()
    return sent


def _call(make_store: Callable[[], Any], limits: Limits, seconds: float, together: Any, results: Any) -> None:
    sent: list[float] = []
    try:
        governor = SharedGovernor(make_store(), limits)
        together.wait(_LONGEST)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            lease = governor.acquire("leads.describe")
            sent.append(time.monotonic())
            governor.release(lease, None)
    finally:
        results.put(sent)


def most_in_a_window(sent: list[float], window: float) -> int:
    """The largest number of calls in any window."""
    return max(bisect_right(sent, now + window) - number for number, now in enumerate(sent))
