"""Processes that call as fast as they may."""

from __future__ import annotations

import multiprocessing
import time
from bisect import bisect_right
from typing import Any

from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor


def count_calls(store: Any, limits: Limits, *, processes: int, seconds: float) -> list[float]:
    """When calls were allowed to go, those of all processes, on the machine's clock."""
    context = multiprocessing.get_context("fork")
    results: Any = context.SimpleQueue()
    workers = [context.Process(target=_call, args=(store, limits, seconds, results)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    sent = sorted(now for _ in workers for now in results.get())
    for worker in workers:
        worker.join()
    return sent


def _call(store: Any, limits: Limits, seconds: float, results: Any) -> None:
    governor = SharedGovernor(store, limits)
    sent = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lease = governor.acquire("leads.describe")
        sent.append(time.monotonic())
        governor.release(lease, None)
    results.put(sent)


def most_in_a_window(sent: list[float], window: float) -> int:
    """The largest number of calls in any window."""
    return max(bisect_right(sent, now + window) - number for number, now in enumerate(sent))
