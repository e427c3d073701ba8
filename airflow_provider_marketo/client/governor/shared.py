"""The governor: waits until the rules let a call go, wherever their state is kept."""

from __future__ import annotations

import math
import os
import threading
import uuid
import weakref
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.clock import Clock, SystemClock
from airflow_provider_marketo.client.counts import duration
from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoQueueFullError,
    MarketoThrottledError,
)
from airflow_provider_marketo.client.governor import LONGEST_WAIT, QUEUE_LAPSE, Lease, kind_of, rules
from airflow_provider_marketo.client.governor.rules import CallRequest, Limits
from airflow_provider_marketo.client.governor.state import Moment, State
from airflow_provider_marketo.client.governor.stores import Answer, GovernorStore, MemoryStore, StoreUnavailableError
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

log = printable_logger(__name__)

_LONGEST_NAP = 2.0
"""Longest pause in seconds between two checks: a call's turn may come earlier than predicted."""

_OWN_SLOT_POLL = 0.02
_TRY_STORE_AGAIN = 60.0


class SharedGovernor:
    """
    Decides each call to one instance, together with all processes that share the store.

    If the store fails, the governor continues with a fixed share of this process and tries the store again a minute
    later. The calls made meanwhile are then counted for all.

    :param store: where the state is kept.
    :param limits: limits of all processes that share the store.
    :param alone: limits of this process while the store fails; None if it cannot fail.
    :param parallel: calls that this process may have in flight.
    :param clock: the clock, for waiting.
    :ivar owner: for whom this process calls, such as a DAG.
    :ivar provisional: whether its limits hold only until it knows more about the other processes.
    """

    def __init__(
        self,
        store: GovernorStore,
        limits: Limits,
        *,
        alone: Limits | None = None,
        parallel: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self.limits = limits
        self.parallel = parallel
        self.owner: str | None = None
        self.provisional = False
        self._store = store
        self._alone = alone
        self._clock = clock or SystemClock()
        self._own = MemoryStore(self._clock)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._try_store_at = -math.inf
        self._store_worked = False
        self._alone_since: float | None = None
        self._renewed_at: dict[str, float] = {}
        self._id = uuid.uuid4().hex[:12]
        _instances.add(self)

    def acquire(self, operation: str, *, hold: float = LONGEST_WAIT) -> Lease:
        """Wait for the turn of a call, and return its lease."""
        start = self._clock.monotonic()
        lease_id, kind = uuid.uuid4().hex[:12], kind_of(operation)
        while True:
            waited = self._clock.monotonic() - start
            wait = self._admit(CallRequest(lease_id, operation, kind, hold, waited, self.owner))
            if wait <= 0:
                return Lease(operation, waited, lease_id, hold)
            if waited + wait > LONGEST_WAIT:
                # A shorter wait only says when to ask again for a slot.
                hint = f", which may come in {duration(wait)}" if wait > _LONGEST_NAP else ""
                raise MarketoThrottledError(
                    f"this call would wait longer than {LONGEST_WAIT:.0f} seconds for its turn{hint}",
                    operation=operation,
                    remedy="Run fewer tasks at once, or set deferrable=True if the operator has this argument.",
                )
            self._clock.sleep(min(wait, _LONGEST_NAP))

    def renew(self, lease: Lease) -> None:
        """Keep a lease that would expire while its call still runs."""
        now = self._clock.monotonic()
        if now - self._renewed_at.setdefault(lease.id, now) > lease.hold / 3:
            self._renewed_at[lease.id] = now
            self._update(lambda state, limits, at: rules.renew(state, limits, lease.id, lease.hold, at))

    def release(self, lease: Lease, error: MarketoError | None) -> None:
        """Give a lease back, with the error of its call, if it had one."""
        with self._lock:
            self._in_flight -= 1
        self._renewed_at.pop(lease.id, None)
        self._update(lambda state, limits, at: rules.settle(state, limits, lease.id, error, at))

    def enter_queue(self, queue: str, job_id: str, seconds: float = QUEUE_LAPSE) -> None:
        """Take a place for a job in one of Marketo's queues."""
        if not self._update(
            lambda state, limits, at: rules.enter_queue(state, limits, queue, job_id, at, seconds=seconds)
        ):
            raise MarketoQueueFullError(
                f"other jobs of this Airflow hold the {rules.QUEUE_PLACES} places that Airflow uses in Marketo's"
                f" {queue} queue"
            )

    def leave_queue(self, queue: str, job_ids: Collection[str]) -> None:
        """Give back the places of jobs."""
        if job_ids:
            self._update(lambda state, limits, at: rules.leave_queue(state, queue, job_ids))

    def queued(self, queue: str) -> list[str]:
        """Return the jobs that have a place in a queue."""
        return self._update(lambda state, limits, at: rules.queued(state, limits, queue, at))

    def claim(self, name: str, seconds: float) -> bool:
        """Claim a chore for some seconds; return whether the caller should do it."""
        return self._update(lambda state, limits, at: rules.claim(state, limits, name, seconds, at))

    def postpone(self, name: str, seconds: float) -> None:
        """Record that a chore is done, so that no process claims it for some seconds."""
        self._update(lambda state, limits, at: rules.postpone(state, limits, name, seconds, at))

    def tell_used(self, used: int, extracts_end: int) -> None:
        """Share Marketo's count of the day's calls."""
        self._update(lambda state, limits, at: rules.tell_used(state, limits, used, extracts_end, at))

    def calls_of(self) -> dict[str, int]:
        """Return today's calls by owner, such as a DAG."""
        return self._update(lambda state, limits, at: dict(state.calls_of))

    def latches(self) -> dict[str, datetime]:
        """Return the quotas that are spent, and until when."""
        latches = self._update(lambda state, limits, at: dict(state.latches))
        return {quota: datetime.fromtimestamp(until, timezone.utc) for quota, until in latches.items()}

    def after_fork(self) -> None:
        """Reset a child process after a fork: it does not own the leases of the parent's threads."""
        self._lock = threading.Lock()
        self._in_flight = 0
        self._store.after_fork()
        self._own.after_fork()

    def _admit(self, ask: CallRequest) -> float:
        with self._lock:
            if self._in_flight >= self.parallel:
                return _OWN_SLOT_POLL
            self._in_flight += 1
        wait = math.inf
        try:
            wait = self._update(lambda state, limits, at: rules.admit(state, limits, ask, at))
        finally:
            if wait > 0:
                with self._lock:
                    self._in_flight -= 1
        return wait

    def _update(self, change: Callable[[State, Limits, Moment], Answer]) -> Answer:
        if self._clock.monotonic() >= self._try_store_at:
            try:
                answer = self._store.update(
                    lambda state, at: change(self._with_own(state, at), self._limits_at(state, at), at)
                )
            except StoreUnavailableError as error:
                self._go_alone(error)
            else:
                self._come_back()
                return answer
        alone = self._alone or self.limits
        return self._own.update(lambda state, at: change(state, alone, at))

    def _go_alone(self, error: StoreUnavailableError) -> None:
        now = self._clock.monotonic()
        alone = self._alone or self.limits
        log.warning(
            "The limits of this Marketo instance cannot be shared (%s). This process continues with a fixed share: %d "
            "calls in %g seconds, %d at once.",
            error,
            alone.rate,
            alone.window,
            alone.parallel,
        )
        if self._store_worked:  # all processes together may have filled the window
            self._own.state.paused_until = now + self.limits.span
        self._store_worked = False
        self._alone_since = now
        self._try_store_at = now + _TRY_STORE_AGAIN

    def _limits_at(self, state: State, at: Moment) -> Limits:
        """
        Return the limits of all processes that use the store at a moment.

        After a failure, other processes may work alone for a while, each with its share. Meanwhile, processes that use
        the store again keep to their shares.
        """
        alone = self._alone
        if alone is None or at.now >= state.alone_until:
            return self.limits
        together = max(1, len(state.back))
        return Limits(
            min(self.limits.rate, alone.rate * together),
            min(self.limits.parallel, alone.parallel * together),
            alone.window,
            paced=True,
        )

    def _with_own(self, state: State, at: Moment) -> State:
        """Add the calls that this process made alone since the store failed."""
        if self._alone_since is not None:
            own = State.load(self._own.state.dump())
            own.shift(at.now - self._clock.monotonic())
            state.absorb(own)
            state.alone_until = at.now + _TRY_STORE_AGAIN
            state.back = [*state.back, self._id]
        return state

    def _come_back(self) -> None:
        self._store_worked = True
        if self._alone_since is not None:
            log.info("The limits of this Marketo instance are shared again")
            self._alone_since = None
            self._own = MemoryStore(self._clock)


_instances: weakref.WeakSet[SharedGovernor] = weakref.WeakSet()


def _after_fork() -> None:
    for governor in _instances:
        governor.after_fork()


os.register_at_fork(after_in_child=_after_fork)
