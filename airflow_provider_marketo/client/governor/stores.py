"""Where the state of an instance's limits is kept, and by whose clock it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from airflow_provider_marketo.client.clock import Clock
from airflow_provider_marketo.client.governor.state import Moment, State

Answer = TypeVar("Answer")
Change = Callable[[State, Moment], Answer]


class StoreUnavailableError(Exception):
    """The state cannot be reached or read; the text says why, and what to do."""


class GovernorStore(Protocol):
    """Keeps a state for all who share it."""

    def update(self, change: Change[Answer]) -> Answer:
        """
        Change the state, atomically.

        :param change: given the state and the time on the store's clock, changes the state in place. It may be called
            several times. When it raises, nothing is changed.
        :return: what it returned.
        :raises StoreUnavailableError: the state cannot be reached or read.
        """
        ...

    def after_fork(self) -> None:
        """Called in a child process, before it uses the store."""
        ...


class MemoryStore:
    """
    For the threads of one process.

    :param clock: the time.
    :param taken_over: seconds since somebody else may last have called with our share; None if nobody has.
    """

    def __init__(self, clock: Clock, taken_over: float | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.state = State() if taken_over is None else State(sent=[clock.monotonic() - taken_over])

    def update(self, change: Change[Answer]) -> Answer:
        with self._lock:
            return change(self.state, Moment(self._clock.monotonic(), self._clock.now()))

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self.state = State()


class UnusableStore:
    """
    For a place that is known not to do.

    :param reason: what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def update(self, change: Change[Answer]) -> Answer:
        raise StoreUnavailableError(self._reason)

    def after_fork(self) -> None:
        """Nothing to do."""
