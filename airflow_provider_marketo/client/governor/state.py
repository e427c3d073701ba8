"""What the governor knows about an instance: the same in memory, in a file and in Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Moment:
    """
    A point in time on a store's clock.

    :param now: seconds on the store's clock, the same for all processes that share the store.
    :param wall: the date, aware.
    """

    now: float
    wall: datetime


@dataclass
class State:
    """
    The facts behind each decision. All times except those of the latches are seconds on the store's clock.

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
    :param claims: name of a task that only one process does to the time at which it is due again.
    :param day_ends: epoch second at which the quota day of the following fields ends.
    :param used: calls of all users today: Marketo's last count plus ours since; None before the first count.
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

    def dump(self) -> str:
        """Write the state as text."""
        return json.dumps(vars(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str | None) -> State:
        """
        Read a state from text. An empty text is the state of an instance without calls.

        :raises ValueError: the text is not a state.
        """
        try:
            return cls(**json.loads(text)) if text else cls()
        except TypeError as error:  # another release or another program wrote it
            raise ValueError(f"not a governor's state: {error}") from None

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
