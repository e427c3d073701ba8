"""
The rules: which call may go at a given state and time, and what the outcome of a call changes.

Nothing here waits, reads a clock or knows where the state is kept. Each function changes the state in place; a store
runs it atomically.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
)
from airflow_provider_marketo.client.governor import EXTRACT, INTERACTIVE, POLL, QUEUE_LAPSE, spends_export_quota
from airflow_provider_marketo.client.limits import QUEUED_JOBS, WINDOW
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.quota_day import RESET_MARGIN, next_probe, next_reset

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_marketo.client.governor.state import Moment, State

log = printable_logger(__name__)

GUARD = 1 / 40
"""The guard band, as a part of the window: we count a call when it is sent, and Marketo counts it when it arrives."""

PATIENCE = {INTERACTIVE: 0.0, EXTRACT: 10.0, POLL: 30.0}
"""Seconds for which a call of each kind lets later, more urgent calls pass. No kind waits for ever."""

DECREASE = 0.8
"""A 606 lowers the limit to this part of the calls that Marketo accepted."""

PLATEAU = 2.0
"""Windows after a 606 until the limit is back where Marketo refused. It grows slowly there and fast above."""

LOWEST = 0.1
"""Smallest part of the rate limit that we keep, however much another integration uses."""

SLOT_RECOVERY = 30.0
"""Seconds without a 615 after which the concurrency limit rises by one."""

QUEUE_PLACES = QUEUED_JOBS - 2
"""Places that we take in each of Marketo's job queues: two are left to other integrations."""

_SLOT_POLL = 0.02
_PROBE_POLL = 1.0
_LAPSE = 1.0
_CLOCK_TOLERANCE = 1.0
_LATCHES = {codes.DAILY_QUOTA: "calls", codes.EXPORT_REFUSED: "export"}
_SPENT = {
    "calls": (codes.DAILY_QUOTA, "the daily call quota is spent"),
    "export": (codes.EXPORT_REFUSED, "the daily bulk export quota is spent"),
}


@dataclass(frozen=True)
class Limits:
    """
    What all processes that share the state may do together.

    :param rate: calls per window.
    :param parallel: calls at once.
    :param window: seconds; Marketo's is 20.
    :param paced: whether calls are spread evenly over the window, without bursts.
    """

    rate: int
    parallel: int
    window: float = WINDOW
    paced: bool = False

    @property
    def span(self) -> float:
        """The window with its guard band."""
        return self.window * (1 + GUARD)

    def share(self, part: float) -> Limits:
        """
        Return a part of the limits for one of several processes that cannot communicate.

        All parts together never exceed the whole. A part is paced, so that this also holds when one process takes over
        another's part within a window.

        :param part: between 0 and 1.
        """
        rate, parallel = self.rate * part, max(1, int(self.parallel * part + 1e-9))
        if rate >= 1:
            return Limits(int(rate + 1e-9), parallel, self.window, paced=True)
        return Limits(1, parallel, self.window / rate, paced=True)


@dataclass(frozen=True)
class CallRequest:
    """
    A call that waits for its turn.

    :param id: id of the lease it asks for.
    :param operation: the operation's name.
    :param kind: how urgent it is.
    :param hold: seconds after which the lease ends by itself.
    :param waited: seconds since it first asked.
    :param owner: for whom the call is made, such as a DAG.
    """

    id: str
    operation: str
    kind: str
    hold: float
    waited: float
    owner: str | None = None


def admit(state: State, limits: Limits, request: CallRequest, at: Moment) -> float:
    """
    Let a call go, or say when to ask again.

    :return: 0 if the call may go, which also counts it; otherwise the seconds to wait.
    :raises MarketoQuotaExhaustedError: a daily quota is spent, or the part of it that extracts may use.
    """
    now = _advance(state, limits, at)
    _check_reserve(state, request)
    probing, probed = _check_latches(state, request, at)
    rank = now - request.waited + PATIENCE[request.kind]
    ahead = sum(1 for other, (theirs, _) in state.waiting.items() if theirs < rank and other != request.id)
    wait = max(state.paused_until - now, _until_rate(state, limits, ahead, now), _PROBE_POLL if probed else 0.0)
    if wait <= 0 and len(state.leases) + ahead >= parallel_now(state, limits, now):
        wait = _SLOT_POLL
    if wait > 0:
        state.waiting[request.id] = (rank, now + wait + _LAPSE)
        return wait
    state.waiting.pop(request.id, None)
    state.sent.append(now)
    state.leases[request.id] = (now, now + request.hold)
    state.probes.update(dict.fromkeys(probing, request.id))
    _count(state, request)
    return 0.0


def renew(state: State, limits: Limits, lease_id: str, hold: float, at: Moment) -> None:
    """Keep the lease of a call that is still in flight."""
    now = _advance(state, limits, at)
    sent_at, _ = state.leases.get(lease_id, (now, now))
    state.leases[lease_id] = (sent_at, now + hold)


def settle(state: State, limits: Limits, lease_id: str, error: MarketoError | None, at: Moment) -> None:
    """
    Record the end of a call.

    :param error: the error of the call. This sets the ``until`` of an error about a quota.
    """
    now = _advance(state, limits, at)
    sent_at, _ = state.leases.pop(lease_id, (now, now))
    if isinstance(error, MarketoThrottledError):
        (_lose_a_slot if error.code == codes.CONCURRENCY_LIMIT else _cut)(state, limits, sent_at, now)
    elif isinstance(error, MarketoConnectionError) and sent_at in state.sent:
        state.sent.remove(sent_at)  # the call never reached Marketo
    _settle_latches(state, lease_id, error, at)


def enter_queue(
    state: State, limits: Limits, queue: str, job_id: str, at: Moment, *, seconds: float = QUEUE_LAPSE
) -> bool:
    """Take a place in a job queue; return False if all places are taken."""
    now = _advance(state, limits, at)
    jobs = state.queues.setdefault(queue, {})
    if job_id not in jobs and len(jobs) >= QUEUE_PLACES:
        return False
    jobs[job_id] = now + seconds
    return True


def queued(state: State, limits: Limits, queue: str, at: Moment) -> list[str]:
    """Return the jobs that hold places."""
    _advance(state, limits, at)
    return list(state.queues.get(queue, {}))


def leave_queue(state: State, queue: str, job_ids: Collection[str]) -> None:
    """Give back the places of jobs."""
    for job_id in job_ids:
        state.queues.get(queue, {}).pop(job_id, None)


def claim(state: State, limits: Limits, name: str, seconds: float, at: Moment) -> bool:
    """Give a chore to the caller for some seconds, unless another process has it."""
    now = _advance(state, limits, at)
    if state.claims.get(name, now) > now:
        return False
    state.claims[name] = now + seconds
    return True


def postpone(state: State, limits: Limits, name: str, seconds: float, at: Moment) -> None:
    """Record that a chore was done and is due again after some seconds."""
    state.claims[name] = _advance(state, limits, at) + seconds


def tell_used(state: State, limits: Limits, used: int, extracts_end: int, at: Moment) -> None:
    """Record how many calls of the day Marketo has counted."""
    _advance(state, limits, at)
    state.used, state.extracts_end = used, extracts_end


def rate_now(state: State, limits: Limits, now: float) -> float:
    """
    Return how many calls per window Marketo is likely to accept.

    After a 606 the limit is a cubic function of time. It soon returns near the ceiling and stays around it for a while,
    since another integration may still use the rest. Then it grows faster and faster, to notice that the other one has
    stopped.
    """
    if state.ceiling is None:
        return limits.rate
    x = (now - state.cut_at) / (PLATEAU * limits.window) - 1
    grown = state.ceiling + (1 - DECREASE) * max(state.ceiling, limits.rate / 2) * x**3
    return min(limits.rate, max(grown, LOWEST * limits.rate, 1.0))


def parallel_now(state: State, limits: Limits, now: float) -> int:
    """Return how many calls at once Marketo is likely to accept."""
    if state.slots is None:
        return limits.parallel
    return min(limits.parallel, state.slots + int((now - state.slot_lost_at) / SLOT_RECOVERY))


def _advance(state: State, limits: Limits, at: Moment) -> float:
    """Move the state to the present: forget what is over."""
    if at.now < state.clock - _CLOCK_TOLERANCE:
        log.warning("The clock went back by %.1f seconds; the limits continue from the new time", state.clock - at.now)
        state.shift(at.now - state.clock)
    now = state.clock = max(at.now, state.clock)
    if state.unknown:  # the window counts as used
        state.sent, state.unknown = [now] * limits.rate, False
    if state.back and now >= state.alone_until:
        state.back = []
    state.paused_until = min(state.paused_until, now + 2 * limits.span)
    state.sent = [sent for sent in state.sent if sent > now - limits.span]
    state.leases = {lease: times for lease, times in state.leases.items() if times[1] > now}
    state.waiting = {request: times for request, times in state.waiting.items() if times[1] > now}
    for queue, jobs in state.queues.items():
        state.queues[queue] = {job_id: lapses for job_id, lapses in jobs.items() if lapses > now}
    day_ends = next_reset(at.wall).timestamp()
    if state.day_ends != day_ends:  # a new day, or a clock that was wrong
        state.day_ends, state.used, state.extracts_end, state.calls_of = day_ends, None, None, {}
    if rate_now(state, limits, now) >= limits.rate:
        state.ceiling = None
    if parallel_now(state, limits, now) >= limits.parallel:
        state.slots = None
    return now


def _until_rate(state: State, limits: Limits, ahead: int, now: float) -> float:
    """Return the seconds until the window has room for the calls ahead and one more."""
    limit = rate_now(state, limits, now)
    wait = 0.0
    blocking = len(state.sent) - int(limit) + ahead
    if blocking >= 0:
        wait = state.sent[min(blocking, len(state.sent) - 1)] + limits.span - now if state.sent else limits.span
    if (limits.paced or limit < limits.rate) and state.sent:
        # While another integration is active, a burst would be rejected many times, and one rejection is enough.
        wait = max(wait, state.sent[-1] + (ahead + 1) * limits.span / limit - now)
    return wait


def _count(state: State, request: CallRequest) -> None:
    if state.used is not None:
        state.used += 1
    if request.owner is not None:
        state.calls_of[request.owner] = state.calls_of.get(request.owner, 0) + 1


def _check_reserve(state: State, request: CallRequest) -> None:
    if request.kind == EXTRACT and state.used is not None and state.used >= (state.extracts_end or 0):
        raise MarketoQuotaExhaustedError(
            f"{state.used} calls of the day are used, and bulk jobs and streams leave the rest to other calls",
            operation=request.operation,
            until=datetime.fromtimestamp(state.day_ends, timezone.utc) + RESET_MARGIN,
            remedy="Wait for the reset at midnight US Central time, or lower the connection's reserve.",
        )


def _cut(state: State, limits: Limits, sent_at: float, now: float) -> None:
    """
    Lower the limit because other integrations fill the window. All rejections of one burst lower it once.

    A ceiling below the last one counts half: a single busy moment of another integration is not its usual use.
    """
    if state.ceiling is not None and sent_at < state.cut_at:
        return
    taken = min(rate_now(state, limits, now), len(state.sent))
    state.ceiling = max(LOWEST * limits.rate, (taken + max(taken, state.ceiling or 0.0)) / 2)
    state.cut_at = now


def _lose_a_slot(state: State, limits: Limits, sent_at: float, now: float) -> None:
    if state.slots is None or sent_at >= state.slot_lost_at:
        state.slots = max(1, parallel_now(state, limits, now) - 1)
        state.slot_lost_at = now
    state.paused_until = max(state.paused_until, now + random.uniform(0.005, 0.1) * limits.window)


def _check_latches(state: State, request: CallRequest, at: Moment) -> tuple[list[str], bool]:
    """
    Refuse a call whose quota is spent. Once the quota may be back, one call tries and the others wait for it.

    :return: the quotas that this call tries, and whether another call is trying one.
    """
    probing = []
    probed = False
    for quota, latched in list(state.latches.items()):
        if quota == "export" and not spends_export_quota(request.operation):
            continue
        # Never later than the next try from now: the clock may have been wrong when the quota was found spent.
        until = state.latches[quota] = min(latched, next_probe(at.wall).timestamp())
        if at.wall.timestamp() < until:
            code, text = _SPENT[quota]
            raise MarketoQuotaExhaustedError(
                text,
                operation=request.operation,
                code=code,
                until=datetime.fromtimestamp(until, timezone.utc),
                quota=quota,
            )
        if state.probes.get(quota) in state.leases:
            probed = True
        else:
            probing.append(quota)
    return probing, probed


def _settle_latches(state: State, lease_id: str, error: MarketoError | None, at: Moment) -> None:
    answered = error is None or isinstance(error, MarketoInvalidRequestError)
    for quota, prober in list(state.probes.items()):
        if prober == lease_id:
            del state.probes[quota]
            if answered:
                state.latches.pop(quota, None)
    if isinstance(error, MarketoQuotaExhaustedError):
        error.until = error.until or next_probe(at.wall)
        if error.code in _LATCHES:
            state.latches[_LATCHES[error.code]] = error.until.timestamp()
