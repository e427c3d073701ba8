"""
What a watcher has handed over, and what it is about to: at least once, and the same batch under the same id.

A batch is written down before it is handed to Airflow, and crossed out when Airflow has stored it. Whoever starts after
a crash hands the written batch over again, so nothing is missed; and since it carries the same id, the DAG can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.dates import parse_date, without_zone
from airflow_provider_marketo.client.plain import Plain

if TYPE_CHECKING:
    from datetime import timedelta

Activity = Mapping[str, Any]


@dataclass
class WatchState(Plain):
    """
    Where a watcher stands. Plain JSON, of ids and times.

    :param instance: where.
    :param since: activities before it are none of the watcher's; ISO 8601.
    :param time: up to when the feed was read, by Marketo's clock.
    :param seen: ids of activities that were handed over and that the next look may show again.
    :param pending: the batch that is being handed over, as the event's payload has it; None for none.
    """

    VERSION: ClassVar[int] = 1

    instance: str
    since: str
    time: str
    seen: list[str] = field(default_factory=list)
    pending: dict[str, Any] | None = None


class Handover:
    """
    The batches of a watcher, one at a time.

    :param state: where it stands; the caller writes it down after every call.
    :param batch_size: most activities in a batch.
    :param overlap: how late an activity may be shown; what is dated further back than that was handed over, or is lost.
    """

    def __init__(self, state: WatchState, batch_size: int, overlap: timedelta) -> None:
        self.state = state
        self._batch_size = batch_size
        self._overlap = overlap
        self._backlog: list[Activity] = []
        self._look: tuple[str, list[str]] | None = None

    def take(self, until: str, shown: Sequence[Activity]) -> None:
        """
        Note what a look has shown. Only when nothing is pending.

        :param until: up to when the look went.
        :param shown: activities, those of earlier looks included.
        """
        seen, oldest = set(self.state.seen), self._oldest(self.state.time)
        self._backlog = [each for each in shown if each["id"] not in seen and each["date"][:19] >= oldest]
        self._look = (until, [each["id"] for each in shown if each["date"][:19] >= self._oldest(until)])
        self._settle()

    def next_batch(self) -> dict[str, Any] | None:
        """
        The batch to hand over, written into the state; None while there is none.

        :return: the event's payload.
        """
        if self.state.pending is None and self._backlog:
            batch, self._backlog = self._backlog[: self._batch_size], self._backlog[self._batch_size :]
            ids = [each["id"] for each in batch]
            self.state.pending = {
                "batch_id": hashlib.sha256("\n".join([self.state.instance, *sorted(ids)]).encode()).hexdigest()[:20],
                "activities": ids,
                "lead_ids": sorted({int(each["lead_id"]) for each in batch}),
            }
        return self.state.pending

    def confirm(self) -> None:
        """Airflow has stored the pending batch."""
        if self.state.pending is not None:
            self.state.seen += self.state.pending["activities"]
            self.state.pending = None
        self._settle()

    def _oldest(self, time: str) -> str:
        """Where the overlap begins of whoever has read up to a time, without the zone."""
        return without_zone(parse_date(time) - self._overlap)

    def _settle(self) -> None:
        """A look counts when all that it has shown is handed over."""
        if not self._backlog and self.state.pending is None and self._look is not None:
            (self.state.time, self.state.seen), self._look = self._look, None
