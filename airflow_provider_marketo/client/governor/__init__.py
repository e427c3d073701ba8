"""
Decide which call may go now.

Marketo's limits belong to the instance, not to a connection, a task or a thread. Every call asks the governor of its
instance for a lease and gives the lease back with the outcome. So the rule is in one place and can be shared.

:mod:`.rules` decides on the facts in :mod:`.state`. A store keeps the state where all processes that share it can reach
it (:mod:`.stores`, :mod:`.sqlite`, :mod:`.redis`). :mod:`.shared` puts the three together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from airflow_provider_marketo.client.errors import MarketoError

__all__ = [
    "CREATES_EXPORT",
    "EXPORT_QUEUE",
    "EXTRACT",
    "IMPORT_QUEUE",
    "INTERACTIVE",
    "LEASE_MARGIN",
    "LONGEST_WAIT",
    "POLL",
    "QUEUE_LAPSE",
    "Governor",
    "Lease",
    "kind_of",
    "spends_export_quota",
]

LONGEST_WAIT = 60.0
"""Seconds that a call may wait for its turn. A longer wait is an error that says until when: tasks can defer."""

LEASE_MARGIN = 30.0
"""Seconds that a lease outlives the call's own timeout. The lease of a killed worker is free after that."""

CREATES_EXPORT = frozenset({"create_job", "enqueue_job"})
"""The operations of the bulk export families that the export quota refuses."""

QUEUE_LAPSE = 7200.0
"""Seconds after which the place of a job in a queue is free again, if it was not given back."""

EXPORT_QUEUE, IMPORT_QUEUE = "export", "import"
"""Marketo's two job queues. Each holds ten, for all integrations together."""

INTERACTIVE, EXTRACT, POLL = "interactive", "extract", "poll"
"""Kinds of calls, most urgent first."""

_POLLS = frozenset({"get_jobs", "get_job_status", "get_status"})
_STREAMS = frozenset({"get_lead_activities", "get_lead_changes", "get_deleted_leads", "get_paging_token"})


@dataclass(frozen=True)
class Lease:
    """
    Permission for one call.

    :param operation: the operation's name.
    :param waited: seconds that the caller waited for it.
    :param id: the governor's id of the lease.
    :param hold: seconds after which the lease ends by itself, unless it is renewed.
    """

    operation: str
    waited: float
    id: str = ""
    hold: float = LONGEST_WAIT


class Governor(Protocol):
    """Decides each call to one instance."""

    def acquire(self, operation: str, *, hold: float = LONGEST_WAIT) -> Lease:
        """
        Wait for the turn of a call.

        :param operation: the operation's name in the catalogue.
        :param hold: seconds after which the lease of a caller that died is free again: longer than the call can take.
        :raises MarketoThrottledError: the turn does not come within :data:`LONGEST_WAIT` seconds.
        :raises MarketoQuotaExhaustedError: a daily quota is known to be spent; nothing was sent.
        """
        ...

    def renew(self, lease: Lease) -> None:
        """Keep a lease while a download continues; may be called for every block."""
        ...

    def release(self, lease: Lease, error: MarketoError | None) -> None:
        """
        Give a lease back.

        :param lease: what :meth:`acquire` returned.
        :param error: the error of the call; None if the call succeeded.
        """
        ...

    def enter_queue(self, queue: str, job_id: str, seconds: float = QUEUE_LAPSE) -> None:
        """
        Take one of our places in a job queue of Marketo, before the job enters it. A job that has a place keeps it.

        :param queue: :data:`EXPORT_QUEUE` or :data:`IMPORT_QUEUE`.
        :param job_id: Marketo's id of the job, or a name by which it can be asked for.
        :param seconds: seconds after which the place is free again, if it is not given back.
        :raises MarketoQueueFullError: our other jobs hold all places; nothing was sent.
        """
        ...

    def leave_queue(self, queue: str, job_ids: Collection[str]) -> None:
        """Give back the places of jobs that have ended."""
        ...

    def queued(self, queue: str) -> list[str]:
        """Return the jobs that hold our places in a queue, also those that other processes have started."""
        ...

    def claim(self, name: str, seconds: float) -> bool:
        """
        Claim a chore that one process does now and then for all, such as reading the day's usage.

        :param name: name of the chore.
        :param seconds: seconds for which no other process gets it.
        :return: whether the caller should do it now.
        """
        ...

    def postpone(self, name: str, seconds: float) -> None:
        """Say that a claimed chore is done and need not be done again for some seconds."""
        ...

    def tell_used(self, used: int, extracts_end: int) -> None:
        """
        Share Marketo's count of the day's calls.

        :param used: calls of all users and integrations.
        :param extracts_end: the count at which extracts have to stop.
        """
        ...

    def calls_of(self) -> dict[str, int]:
        """Return today's calls by owner, counted over all processes that share the state."""
        ...

    def latches(self) -> dict[str, datetime]:
        """Return the spent quotas, ``calls`` or ``export``, and when each is tried again."""
        ...


def spends_export_quota(operation: str) -> bool:
    """Whether Marketo refuses the operation once the day's export volume is used up."""
    family, _, action = operation.partition(".")
    return family.startswith("bulk_export_") and action in CREATES_EXPORT


def kind_of(operation: str) -> str:
    """How urgent a call is: :data:`INTERACTIVE`, :data:`EXTRACT` or :data:`POLL`."""
    family, _, action = operation.partition(".")
    if family.startswith("bulk_") and action in _POLLS:
        return POLL
    if family.startswith("bulk_") or (family == "activities" and action in _STREAMS):
        return EXTRACT
    return INTERACTIVE
