"""
Who may call now.

Marketo's limits belong to the instance, not to a connection, a task or a thread. Every call asks the governor of its
instance for a lease and gives it back with the outcome, so that the rule is in one place and can be shared.

:mod:`.rules` decides, :mod:`.state` is what it decides upon, a store keeps the state where everybody who must agree
can reach it (:mod:`.stores`, :mod:`.sqlite`, :mod:`.redis`), and :mod:`.shared` puts the three together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_provider_marketo.client.errors import MarketoError

LONGEST_WAIT = 60.0
"""Seconds that a call may be held back. Beyond that the caller is told until when, and can give its worker away."""

LEASE_MARGIN = 30.0
"""Seconds that a lease outlives the call's own timeout: what a killed worker holds is free again after that."""

CREATES_EXPORT = frozenset({"create_job", "enqueue_job"})
"""The operations of the bulk export families that the export quota refuses."""

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
    :param waited: seconds that it took to get.
    :param id: by which the governor knows it.
    :param hold: seconds after which it ends by itself, unless it is renewed.
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
        """Keep a lease while a download goes on; may be called for every block."""
        ...

    def release(self, lease: Lease, error: MarketoError | None) -> None:
        """
        Give a lease back.

        :param lease: what :meth:`acquire` returned.
        :param error: what the call ended in, or None if Marketo did what was asked.
        """
        ...

    def enter_queue(self, queue: str, job_id: str) -> None:
        """
        Take one of our places in a job queue of Marketo's, before the job is put into it. A job that has one keeps it.

        :param queue: :data:`EXPORT_QUEUE` or :data:`IMPORT_QUEUE`.
        :param job_id: Marketo's id of the job.
        :raises MarketoQueueFullError: other jobs of ours hold all places; nothing was sent.
        """
        ...

    def leave_queue(self, queue: str, job_ids: Collection[str]) -> None:
        """Give the places of jobs back that have ended. A place that nobody gives back is free after two hours."""
        ...

    def claim(self, name: str, seconds: float) -> bool:
        """
        Whether the caller should do now what one of all does now and then, such as asking for the day's usage.

        :param name: of what is to be done.
        :param seconds: for which nobody else is told to.
        """
        ...

    def postpone(self, name: str, seconds: float) -> None:
        """What was claimed is done, and need not be done again for so many seconds."""
        ...

    def tell_used(self, used: int, extracts_end: int) -> None:
        """
        Let all know what Marketo said of the day's calls.

        :param used: of everybody.
        :param extracts_end: how many of them there may be before extracts have to stop.
        """
        ...

    def calls_of(self) -> dict[str, int]:
        """Our calls today by whom they were made for, of all who share."""
        ...

    def latches(self) -> dict[str, datetime]:
        """Quotas that are spent, ``calls`` or ``export``, and when they are asked for again."""
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
