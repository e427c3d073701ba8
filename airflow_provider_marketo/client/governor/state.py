"""What is known about an instance's limits: small, plain, and the same in memory, in a file and in Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Moment:
    """
    A point in time, as a store tells it.

    :param now: seconds on the store's clock, the same for everybody who shares the store.
    :param wall: the date, aware.
    """

    now: float
    wall: datetime


@dataclass
class State:
    """
    All times but the latches' are seconds on the store's clock.

    :param clock: the latest time seen: it shows when the clock goes back.
    :param sent: when the calls of the window were sent, oldest first.
    :param leases: calls in flight, id to when it was sent and when it ends by itself.
    :param waiting: calls that wait for their turn, id to the rank in the queue (lowest first) and when it lapses.
    :param ceiling: calls per window at which Marketo last said 606; None when nothing is known to stand in the way.
    :param cut_at: when that was.
    :param slots: calls at once that were left after the last 615; None as above.
    :param slot_lost_at: when that was.
    :param paused_until: nobody calls before.
    :param latches: spent quota (``calls``, ``export``) to the epoch second at which to ask again.
    :param probes: spent quota to the lease of the one call that asks again.
    :param queues: Marketo's queue to our jobs in it, id to when its place is given up.
    :param claims: something that one of all should do now and then, to when it is due again.
    :param day_ends: the epoch second at which the quota day of what follows ends.
    :param used: calls of everybody today: what Marketo last said, and what was sent since; None before it was asked.
    :param extracts_end: of ``used``, where extracts have to stop.
    :param calls_of: our calls today by whom they were made for, such as a DAG.
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
        """As a text."""
        return json.dumps(vars(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str | None) -> State:
        """
        From a text; the state of an instance that nobody has called yet from an empty one.

        :raises ValueError: the text is no state.
        """
        try:
            return cls(**json.loads(text)) if text else cls()
        except TypeError as error:  # another version's, or somebody else's
            raise ValueError(f"not a governor's state: {error}") from None

    def shift(self, seconds: float) -> None:
        """Move every time of the store's clock, as if it had always shown that much more."""
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
        Count the calls of a state that was kept apart for a while.

        :param other: on the same clock.
        """
        self.sent = sorted([*self.sent, *other.sent])
        self.leases.update(other.leases)
        for quota, until in other.latches.items():
            self.latches[quota] = max(until, self.latches.get(quota, 0.0))
        for owner, calls in other.calls_of.items():
            self.calls_of[owner] = self.calls_of.get(owner, 0) + calls
