"""How much of Marketo a task has used, and how much it may use."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoBudgetError, MarketoError, MarketoThrottledError
from airflow_provider_marketo.client.serializable import Serializable

MEGABYTE = 1_000_000
"""Bytes. This is the smaller of a megabyte's two meanings, so that a budget ends early rather than late."""

_TIDIES_UP = ".cancel_job"

_COUNTS = ("calls", "waited", "rows", "bytes", "exported")

Observer = Callable[[str, float, "MarketoError | None"], None]
"""Called at the end of every call, with its operation, the seconds that it waited for its turn, and its error."""


@dataclass(frozen=True)
class Counts(Serializable):
    """
    The counts of a tally, as another process reads them.

    :param calls: calls that were made.
    :param waited: seconds that the calls waited for their turn.
    :param rows: records that were read or written.
    :param bytes: bytes of files that were received or sent.
    :param exported: bytes of export files.
    :param rejected: calls that Marketo rejected as too many, by code.
    """

    VERSION: ClassVar[int] = 1
    calls: int = 0
    waited: float = 0.0
    rows: int = 0
    bytes: int = 0
    exported: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)


class Tally:
    """
    Counts what a client does. Threads and clients may share it.

    :param max_calls: calls that may be made; None for no limit.
    :param observer: called at the end of every call.
    """

    def __init__(self, *, max_calls: int | None = None, observer: Observer | None = None) -> None:
        self.max_calls = max_calls
        self.calls = 0
        self.waited = 0.0
        self.rejected: Counter[str] = Counter()
        self.rows = 0
        self.bytes = 0
        self.exported = 0
        self._observer = observer
        self._lock = threading.Lock()

    def begin(self, operation: str) -> None:
        """
        Count a call that is about to be made.

        :raises MarketoBudgetError: the budget is spent. Calls that cancel jobs are always allowed.
        """
        with self._lock:
            most = self.max_calls
            if most is not None and self.calls >= most and not operation.endswith(_TIDIES_UP):
                raise MarketoBudgetError(
                    f"the {counted(most, 'call')} that this task may make {'is' if most == 1 else 'are'} used up",
                    operation=operation,
                    parameter="max_calls",
                )
            self.calls += 1

    def withdraw(self) -> None:
        """Take back a call that was counted but not made."""
        with self._lock:
            self.calls -= 1

    def end(self, operation: str, waited: float, error: MarketoError | None) -> None:
        """Record the end of a call."""
        with self._lock:
            self.waited += waited
            if isinstance(error, MarketoThrottledError) and error.code:
                self.rejected[error.code] += 1
        if self._observer is not None:
            self._observer(operation, waited, error)

    def moved(self, size: int) -> None:
        """Add bytes of a file that were received or sent."""
        with self._lock:
            self.bytes += size

    def add_rows(self, rows: int) -> None:
        """Add records that were read or written."""
        with self._lock:
            self.rows += rows

    def add_export(self, size: int) -> None:
        """Add the bytes of an export file, which count toward the day's quota."""
        with self._lock:
            self.exported += size

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON."""
        with self._lock:
            return Counts(**{name: getattr(self, name) for name in _COUNTS}, rejected=dict(self.rejected)).to_dict()

    def add(self, counts: Mapping[str, Any]) -> None:
        """
        Add the counts that :meth:`to_dict` of another process returned.

        :raises LaterFormatError: a later release counted them.
        """
        added = Counts.from_dict(counts)
        with self._lock:
            for name in _COUNTS:
                setattr(self, name, getattr(self, name) + getattr(added, name))
            self.rejected.update(added.rejected)

    def summary(self) -> str:
        """Return the counts in one line for the log."""
        return (
            f"{counted(self.calls, 'call')} ({self.waited:.1f} s of waiting for a turn,"
            f" {self.rejected[codes.RATE_LIMIT]} rejected with 606, {self.rejected[codes.CONCURRENCY_LIMIT]} with 615),"
            f" {counted(self.rows, 'row')}, {self.bytes / MEGABYTE:.1f} MB"
        )
