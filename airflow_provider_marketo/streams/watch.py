"""
The batches of a watcher: each is passed to Airflow at least once, and always under the same id.

The watcher writes each batch down before passing it to Airflow, and deletes it a while after Airflow has confirmed it.
The next watcher passes again what is still written down, so nothing is missed. The DAG recognizes a batch by its id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import parse_date, without_zone
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.serializable import Serializable

log = printable_logger(__name__)

Activity = Mapping[str, Any]

Condition = TypeVar("Condition", bound=Any)

REMEMBERED = 5000
"""Number of a journal's activities that are kept to recognize repetitions. A Variable should not hold more."""

KEPT = 20
"""Batches that are kept after Airflow has confirmed them. Airflow needs a second or two for each."""

FILLED = "filled"
"""Marks an activity that the journal has forgotten, and that was read elsewhere."""


@dataclass
class WatchState(Serializable):
    """
    The state of a watcher: plain JSON, of ids and times.

    :param instance: the instance that it watches.
    :param since: the watcher leaves out activities before this time; ISO 8601.
    :param time: the time up to which the feed was read, by Marketo's clock.
    :param seen: ids of activities that were passed to Airflow and that the next poll may show again.
    :param pending: the batch that is being passed to Airflow, in the form of the event's payload; None without one.
    :param link: where to continue in the journal; empty for a watcher of the feed.
    :param journal: the journal of ``link``.
    :param passed: the last batches that Airflow has confirmed. If a DAG is paused, Airflow confirms the events that are
        on their way, and drops them: so the watcher that starts when the DAG is unpaused passes these batches again.
    """

    VERSION: ClassVar[int] = 1

    instance: str
    since: str
    time: str
    seen: list[str] = field(default_factory=list)
    pending: dict[str, Any] | None = None
    link: str = ""
    journal: str = ""
    passed: list[dict[str, Any]] = field(default_factory=list)


class Handover:
    """
    The batches of a watcher, one at a time.

    :param state: the watcher's state; the caller writes it down after every call.
    :param batch_size: largest number of activities in a batch.
    :param overlap: how late Marketo may show an activity. Activities that it shows later are lost.
    """

    def __init__(self, state: WatchState, batch_size: int, overlap: timedelta) -> None:
        self.state = state
        self._batch_size = batch_size
        self._overlap = overlap
        self._backlog: list[Activity] = []
        self._again: list[dict[str, Any]] = []
        self._look: tuple[str, list[str]] | None = None

    def repeat(self) -> None:
        """Pass again the batches that an earlier watcher passed last, before all others."""
        self._again = list(self.state.passed)

    def forget(self) -> None:
        """Note that Airflow has not dropped the batches that were passed."""
        self.state.passed = []

    def take(self, until: str, shown: Sequence[Activity], link: str = "") -> None:
        """
        Take what a poll has shown. Call it only when nothing is pending.

        :param until: the time up to which the poll has read.
        :param shown: activities, including those of earlier polls.
        :param link: where to continue in a journal; empty for a feed.
        """
        seen, oldest = set(self.state.seen), self._oldest(self.state.time)
        self._backlog = [each for each in shown if each["id"] not in seen and each["date"][:19] >= oldest]
        self._look = (until, [each["id"] for each in shown if each["date"][:19] >= self._oldest(until)])
        self._settle()

    def asking(self, condition: Condition) -> Condition:
        """
        Return the condition to check at the next poll.

        :param condition: what the watcher wants.
        """
        return condition

    def next_batch(self) -> dict[str, Any] | None:
        """
        Return the next batch, which is written into the state; None if there is nothing to pass.

        :return: the event's payload.
        """
        if self.state.pending is None and self._again:
            self.state.pending = self._again.pop(0)
        elif self.state.pending is None and self._backlog:
            batch, self._backlog = self._backlog[: self._batch_size], self._backlog[self._batch_size :]
            ids = [each["id"] for each in batch]
            self.state.pending = {
                "batch_id": hashlib.sha256("\n".join([self.state.instance, *sorted(ids)]).encode()).hexdigest()[:20],
                "activities": ids,
                "lead_ids": sorted({int(each["lead_id"]) for each in batch}),
            }
        return self.state.pending

    def confirm(self) -> None:
        """Note that Airflow has confirmed the pending batch."""
        batch = self.state.pending
        if batch is not None:
            seen = set(self.state.seen)
            self.state.seen += [each for each in batch["activities"] if each not in seen]
            if batch not in self.state.passed:
                self.state.passed = [*self.state.passed, batch][-KEPT:]
            self.state.pending = None
        self._settle()

    def _oldest(self, time: str) -> str:
        """Return where the overlap before a time begins, without the zone."""
        return without_zone(parse_date(time) - self._overlap)

    def _settle(self) -> None:
        """Move the state past a poll, once everything that the poll has shown is passed to Airflow."""
        if not self._backlog and self.state.pending is None and self._look is not None:
            (self.state.time, self.state.seen), self._look = self._look, None


class JournalHandover(Handover):
    """
    The batches of a journal's watcher. The journal shows each activity once, even if late, but may repeat it.

    :param state: the watcher's state; the caller writes it down after every call.
    :param batch_size: largest number of activities in a batch.
    :param journal: the journal.
    """

    def __init__(self, state: WatchState, batch_size: int, journal: str) -> None:
        super().__init__(state, batch_size, timedelta(0))
        self._journal = journal
        self._place: tuple[str, str] | None = None

    def asking(self, condition: Condition) -> Condition:
        """Return the condition that continues after the last place that was passed to Airflow."""
        read_on = self.state.link if self.state.journal == self._journal else ""
        return replace(condition, link=read_on, time=self.state.time) if read_on else condition

    def take(self, until: str, shown: Sequence[Activity], link: str = "") -> None:
        """Take what has arrived, without repetitions; the arguments are those of the base."""
        arrived = list({each["id"]: each for each in shown}.values())
        seen = set(self.state.seen)
        filled = [each["date"][:19] for each in arrived if each.get(FILLED) and each["id"] in seen]
        oldest = min(filled, default="") if len(seen) >= REMEMBERED else ""
        new = [each for each in arrived if each["id"] not in seen]
        self._backlog = [each for each in new if not each.get(FILLED) or each["date"][:19] >= oldest]
        if len(self._backlog) < len(new):
            log.warning(
                "Left out %s from before %s, because the watcher may have passed them on before. It remembers only its"
                " last %d activities",
                counted(len(new) - len(self._backlog), "activity", "activities"),
                oldest,
                REMEMBERED,
            )
        self._place = (until or self.state.time, link)
        self._settle()

    def _settle(self) -> None:
        if not self._backlog and self.state.pending is None and self._place is not None:
            (self.state.time, self.state.link), self._place = self._place, None
            self.state.journal = self._journal
            self.state.seen = self.state.seen[-REMEMBERED:]
