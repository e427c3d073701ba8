"""
Who may call now.

Marketo's limits belong to the instance, not to a connection, a task or a thread. Every call asks the governor of its
instance for a lease and gives it back with the outcome, so that the rule is in one place and can be shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from airflow_provider_marketo.client.errors import MarketoError

LONGEST_WAIT = 60.0
"""Seconds that a call may be held back. Beyond that the caller is told until when, and can give its worker away."""

LIMIT_WINDOW = 20.0
"""Seconds over which Marketo counts calls."""

CREATES_EXPORT = frozenset({"create_job", "enqueue_job"})
"""The operations of the bulk export families that the export quota refuses."""


@dataclass(frozen=True)
class Lease:
    """Permission for one call. ``waited`` is how many seconds it took to get."""

    operation: str
    waited: float


class Governor(Protocol):
    """Decides each call to one instance."""

    def acquire(self, operation: str) -> Lease:
        """
        Wait for the turn of a call.

        :param operation: the operation's name in the catalogue.
        :raises MarketoThrottledError: the turn does not come within :data:`LONGEST_WAIT` seconds.
        :raises MarketoQuotaExhaustedError: a daily quota is known to be spent; nothing was sent.
        """
        ...

    def release(self, lease: Lease, error: MarketoError | None) -> None:
        """
        Give a lease back.

        :param lease: what :meth:`acquire` returned.
        :param error: what the call ended in, or None if Marketo did what was asked.
        """
        ...


def spends_export_quota(operation: str) -> bool:
    """Whether Marketo refuses the operation once the day's export volume is used up."""
    family, _, action = operation.partition(".")
    return family.startswith("bulk_export_") and action in CREATES_EXPORT
