"""A cursor that is read again and again for as long as its process lives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_marketo.client.bulk.plan import iso
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.streams.read import BATCH
from airflow_provider_marketo.streams.request import Pass

ACTIVITIES = "activities.get_lead_activities"

OVERLAP = timedelta(minutes=15)
"""How far back each look goes, for activities that Marketo shows late. It costs no call: a page holds 300."""


class FeedFollower:
    """
    Reads a feed of activities to its end at every look, from where it ended some time ago: what became visible late
    behind that place is seen, too, and what was seen before is seen again.

    :param client: the instance.
    :param one: the filter; it cannot be changed under way.
    :param since: where to start.
    :param overlap: how far back each look goes.
    """

    def __init__(self, client: MarketoClient, one: Pass, since: datetime, overlap: timedelta = OVERLAP) -> None:
        self._client = client
        self._pass = one
        self._since = since
        self._overlap = overlap
        self._ends: deque[tuple[datetime, str]] = deque()  # the start, and where each look ended

    @property
    def until(self) -> datetime:
        """Up to when the feed was read, by Marketo's clock."""
        return self._ends[-1][0] if self._ends else self._since

    def look(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """The records of one look, page by page."""
        page = self._start()
        while True:
            reply = self._client.call(ACTIVITIES, nextPageToken=page, batchSize=BATCH, **self._pass.parameters)
            yield reply.records
            page = reply.next_page_token or page
            if not reply.more_result:
                self._ends.append((reply.date or datetime.now(timezone.utc), page))
                return

    def _start(self) -> str:
        if not self._ends:
            reply = self._client.call("activities.get_paging_token", sinceDatetime=iso(self._since))
            self._ends.append((self._since, str(reply.next_page_token)))
        while len(self._ends) > 1 and self._ends[1][0] <= self.until - self._overlap:
            self._ends.popleft()
        return self._ends[0][1]
