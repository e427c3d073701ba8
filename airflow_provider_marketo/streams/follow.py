"""A cursor that is read again and again while its process runs."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import paging
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.streams.read import MAX_EMPTY_PAGES, call_feed, check_empty, refuses_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.transport import Reply
    from airflow_provider_marketo.streams.request import Pass

log = printable_logger(__name__)

ACTIVITIES = "activities.get_lead_activities"
_START_LATER = (
    "Give a later start. A watcher that has a stored position also needs another stream name: a stored position takes"
    " precedence over start."
)

OVERLAP = timedelta(minutes=15)
"""How far back each poll goes, for activities that Marketo shows late. It costs no call: a page holds 300."""


class FeedFollower:
    """
    Reads a feed of activities to its end, again and again.

    Each poll starts where the feed ended some time ago. It also finds activities that became visible late after that
    place, and repeats those that earlier polls have found.

    :param client: the instance.
    :param one: the filter; it cannot change while the process runs.
    :param since: where to start.
    :param overlap: how far back each poll goes.
    """

    def __init__(self, client: MarketoClient, one: Pass, since: datetime, overlap: timedelta = OVERLAP) -> None:
        self._client = client
        self._pass = one
        self._since = since
        self._overlap = overlap
        self._ends: deque[tuple[datetime, str]] = deque()  # the start, and where each poll ended

    @property
    def until(self) -> datetime:
        """The time up to which the feed was read, by Marketo's clock."""
        return self._ends[-1][0] if self._ends else self._since

    def look(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """
        Yield the records of one poll, page by page.

        :raises MarketoDataError: the feed goes on and on without a record.
        """
        reply, page = self._first()
        empty = 0
        while True:
            yield reply.records
            empty = 0 if reply.records else empty + 1
            following = paging.by_date(reply, {"nextPageToken": page})
            if following is None:
                break
            check_empty(empty, MAX_EMPTY_PAGES, self._pass, ACTIVITIES, _START_LATER)
            page = following["nextPageToken"]
            reply = self._call(page)
        self._ends.append((reply.date or datetime.now(timezone.utc), reply.next_page_token or page))

    def _first(self) -> tuple[Reply, str]:
        while len(self._ends) > 1 and self._ends[1][0] <= self.until - self._overlap:
            self._ends.popleft()
        if self._ends:
            since, page = self._ends[0]
            try:
                return self._call(page), page
            except MarketoInvalidRequestError as error:
                if not refuses_page(error):
                    raise
                log.warning(
                    "Marketo no longer accepts a paging token; reading the feed again from %s. %s", since, error
                )
        else:
            since = self._since
        page = str(self._client.call("activities.get_paging_token", sinceDatetime=iso(since)).next_page_token)
        reply = self._call(page)
        if self._ends:
            self._ends.popleft()
        self._ends.appendleft((since, page))
        return reply, page

    def _call(self, page: str) -> Reply:
        return call_feed(self._client, ACTIVITIES, self._pass, page)
