"""In-process governor; not shared."""

from __future__ import annotations

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.governor.shared import SharedGovernor
from airflow_provider_marketo.client.governor.stores import MemoryStore


class LocalGovernor(SharedGovernor):
    """
    Governor for the threads of one process. It notices other processes only when Marketo rejects a call.

    :param rate_limit: calls in ``window`` seconds.
    :param parallel: calls at once.
    :param window: seconds; Marketo's is 20.
    :param clock: the clock.
    """

    def __init__(
        self,
        *,
        rate_limit: int = limits.OUR_CALLS,
        parallel: int = 1,
        window: float = limits.WINDOW,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(MemoryStore(clock), Limits(rate_limit, parallel, window), parallel=parallel, clock=clock)
