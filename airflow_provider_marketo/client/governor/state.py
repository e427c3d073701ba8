"""What the governor knows about an instance: the same in memory, in a file and in Redis."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

log = printable_logger(__name__)


@dataclass(frozen=True)
class Moment:
    """
    A point in time on a store's clock.

    :param now: seconds on the store's clock, the same for all processes that share the store.
    :param wall: the date and time, aware.
    """

    now: float
    wall: datetime


@dataclass
class State:
    """
    The facts behind each decision.

    It is not a :class:`~airflow_provider_marketo.client.serializable.Serializable`. Each call of an instance reads
    and writes it inside a transaction that all processes share, and its own codec takes a fifth of the time. A
    damaged state must not stop a task either: its facts are a day old at most, so a state without history takes its
    place. It has no version: a release refuses members that it does not know, and continues with its fixed share of
    the limits. A member whose meaning changes gets a new name.

    All times except those of the latches are seconds on the store's clock.

    :param clock: the latest time seen: it shows when the clock goes back.
    :param sent: when the calls of the window were sent, oldest first.
    :param leases: calls in flight, id to when it was sent and when it ends by itself.
    :param waiting: calls that wait for their turn, id to the rank in the queue (lowest first) and when it lapses.
    :param ceiling: calls per window at which Marketo last answered 606; None if the full limit applies.
    :param cut_at: time of that 606.
    :param slots: concurrency limit after the last 615; None if the full limit applies.
    :param slot_lost_at: time of that 615.
    :param paused_until: no call goes before this time.
    :param latches: spent quota (``calls``, ``export``) to the epoch second of the next try.
    :param probes: spent quota to the lease of the one call that tries it.
    :param queues: queue of Marketo to our jobs in it: job id to the time at which its place lapses.
    :param claims: name of a chore to the time at which it is due again; only one process does the chore.
    :param day_ends: epoch second at which the quota day of the following fields ends.
    :param used: calls of all users today: Marketo's last count plus ours since; None before the first count.
    :param unknown: whether the history is lost: other processes may have filled the window.
    :param alone_until: until then processes may still continue without the store, each with its fixed share.
    :param back: processes that worked without the store and now use it again.
    :param extracts_end: value of ``used`` at which extracts have to stop.
    :param calls_of: our calls today by owner, such as a DAG.
    """

    clock: float = 0.0
    sent: list[float] = field(default_factory=list)
    leases: dict[str, tuple[float, float]] = field(default_factory=dict)
    waiting: dict[str, tuple[float, float]] = field(default_factory=dict)
    ceiling: float | None = None
    cut_at: float = 0.0
    slots: int | None = None
    slot_lost_at: float = 0.0
    paused_until: float = 0.0
    latches: dict[str, float] = field(default_factory=dict)
    probes: dict[str, str] = field(default_factory=dict)
    queues: dict[str, dict[str, float]] = field(default_factory=dict)
    claims: dict[str, float] = field(default_factory=dict)
    day_ends: float = 0.0
    used: int | None = None
    extracts_end: int | None = None
    calls_of: dict[str, int] = field(default_factory=dict)
    unknown: bool = False
    alone_until: float = 0.0
    back: list[str] = field(default_factory=list)

    def dump(self) -> str:
        """Write the state as text."""
        return json.dumps(vars(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str | None) -> State:
        """
        Read a state from text. An empty text is the state of an instance without calls.

        A state with values of the wrong type is replaced by one that does not know its history.

        :raises ValueError: another program or another release wrote the text.
        """
        if not text:
            return cls()
        try:
            facts = json.loads(text)
        except RecursionError:
            facts = None
        if not isinstance(facts, dict) or not _CHECKS.keys() >= facts.keys():
            raise ValueError("not a governor's state")
        try:
            return cls(**{name: _CHECKS[name](value) for name, value in facts.items()})
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            log.warning("The stored counts of calls to a Marketo instance were damaged and begin again (%s)", error)
            return cls(unknown=True)

    def shift(self, seconds: float) -> None:
        """Add seconds to every time on the store's clock."""
        self.clock += seconds
        self.sent = [sent + seconds for sent in self.sent]
        for held in (self.leases, self.waiting):
            for key, (first, second) in held.items():
                held[key] = (first + seconds, second + seconds)
        self.cut_at += seconds
        self.slot_lost_at += seconds
        self.paused_until += seconds
        self.alone_until += seconds
        self.claims = {name: due + seconds for name, due in self.claims.items()}
        for jobs in self.queues.values():
            for job_id in jobs:
                jobs[job_id] += seconds

    def absorb(self, other: State) -> None:
        """
        Add the calls of a state that was kept separately for a while.

        :param other: a state on the same clock.
        """
        self.sent = sorted([*self.sent, *other.sent])
        self.leases.update(other.leases)
        for quota, until in other.latches.items():
            self.latches[quota] = max(until, self.latches.get(quota, 0.0))
        for owner, calls in other.calls_of.items():
            self.calls_of[owner] = self.calls_of.get(owner, 0) + calls


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("not a number")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a flag")
    return value


def _pair(value: Any) -> tuple[float, float]:
    first, second = map(_number, value)
    return first, second


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _list_of(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: sorted(map(check, value)) if isinstance(value, list) else _number(None)


def _map_of(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: {key: check(each) for key, each in value.items()}


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "clock": _number,
    "sent": _list_of(_number),
    "leases": _map_of(_pair),
    "waiting": _map_of(_pair),
    "ceiling": _optional(_number),
    "cut_at": _number,
    "slots": _optional(_count),
    "slot_lost_at": _number,
    "paused_until": _number,
    "latches": _map_of(_number),
    "probes": _map_of(_text),
    "queues": _map_of(_map_of(_number)),
    "claims": _map_of(_number),
    "day_ends": _number,
    "used": _optional(_count),
    "extracts_end": _optional(_count),
    "calls_of": _map_of(_count),
    "unknown": _flag,
    "alone_until": _number,
    "back": _list_of(_text),
}
"""How each field of a state is checked when it is read."""
