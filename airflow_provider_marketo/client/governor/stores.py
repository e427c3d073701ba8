"""Stores of the governor's state. Each has a clock of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from airflow_provider_marketo.client.governor.state import Moment, State

if TYPE_CHECKING:
    from airflow_provider_marketo.client.clock import Clock

Answer = TypeVar("Answer")
Change = Callable[[State, Moment], Answer]


class StoreUnavailableError(Exception):
    """The state cannot be reached or read; the message says why."""


class GovernorStore(Protocol):
    """Keeps the state for all processes that share it."""

    def update(self, change: Change[Answer]) -> Answer:
        """
        Change the state, atomically.

        :param change: given the state and the time on the store's clock, changes the state in place. It may be called
            several times. When it raises, nothing is changed.
        :return: the result of ``change``.
        :raises StoreUnavailableError: the state cannot be reached or read.
        """
        ...

    def after_fork(self) -> None:
        """Prepare the store for use in a child process."""
        ...


class MemoryStore:
    """
    A store for the threads of one process.

    :param clock: the clock.
    :param taken_over: seconds since another process may last have made calls from this process's share of the limit;
        None if there was no such process.
    """

    def __init__(self, clock: Clock, taken_over: float | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.state = State() if taken_over is None else State(sent=[clock.monotonic() - taken_over])

    def update(self, change: Change[Answer]) -> Answer:
        """Change the state, which only the threads of this process share."""
        with self._lock:
            return change(self.state, Moment(self._clock.monotonic(), self._clock.now()))

    def after_fork(self) -> None:
        """Reset the store in a child process after a fork: a thread that only its parent has may hold the lock."""
        self._lock = threading.Lock()
        self.state = State()


class UnusableStore:
    """
    A store that always fails, with the reason.

    :param reason: why the place cannot be used.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def update(self, change: Change[Answer]) -> Answer:
        """Raise an error with the reason."""
        raise StoreUnavailableError(self._reason)

    def after_fork(self) -> None:
        """Do nothing."""
