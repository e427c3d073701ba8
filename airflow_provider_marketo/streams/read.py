"""Read the pages of a feed up to a given time, with several cursors at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_marketo.client import meanings, paging
from airflow_provider_marketo.client.dates import parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.transport import Reply
    from airflow_provider_marketo.streams.request import Pass

log = printable_logger(__name__)

Item = TypeVar("Item")
Record = Mapping[str, Any]

BATCH = 300
DISORDER = timedelta(days=1)
"""
How far a feed may stray from the order of dates.

Reading stops at a page whose rows are all later than the end by more than this.
"""

_TOO_EMPTY = "This try published nothing. Raise max_empty_pages, or let each run read a shorter span of time."
MAX_EMPTY_PAGES, LOGGED_EMPTY_PAGES = 1000, 50


@dataclass
class FeedReader:
    """
    Reads a feed.

    :param client: the instance.
    :param operation: the catalogue's name of the operation that is paged through.
    :param start: a paging token for the time at which reading starts.
    :param end: first moment that is not wanted.
    :param stored: for each pass, the token that an earlier run has stored. A token that Marketo no longer accepts is
        replaced by ``start``.
    :param max_empty_pages: largest number of empty pages in a row. Marketo scans in blocks and sends pages without a
        record: many of them if the filter fits few records.
    :ivar calls: pages that were asked for.
    :ivar resume: for each pass, the token of the first page that may hold something from ``end`` on.
    """

    client: MarketoClient
    operation: str
    start: str
    end: datetime
    stored: Mapping[str, str] = field(default_factory=dict)
    max_empty_pages: int = MAX_EMPTY_PAGES
    calls: int = 0
    resume: dict[str, str] = field(default_factory=dict)

    def read(self, passes: Sequence[Pass], parallel: int) -> Iterator[Sequence[Record]]:
        """
        Yield the records of all passes, page by page in turn. The next page of each pass is fetched meanwhile.

        :param passes: the cursors.
        :param parallel: calls in flight at a time.
        :raises MarketoDataError: a feed goes on and on without a record.
        """
        return together([self._pages(one) for one in passes], parallel)

    def _pages(self, one: Pass) -> Iterator[Sequence[Record]]:
        reply, asked = self._first(one)
        empty = 0
        while True:
            records = reply.records
            dates = [
                moment for record in records if (moment := parse_date_or_none(str(record.get("activityDate") or "")))
            ]
            if one.name not in self.resume and any(moment >= self.end for moment in dates):
                self.resume[one.name] = asked
            yield records
            empty = 0 if records else empty + 1
            check_empty(empty, self.max_empty_pages, one, self.operation, _TOO_EMPTY)
            following = paging.by_date(reply, {"nextPageToken": asked})
            if following is None or (dates and min(dates) >= self.end + DISORDER):
                self.resume.setdefault(one.name, reply.next_page_token or asked)
                return
            asked = following["nextPageToken"]
            reply = self._call(one, asked)

    def _first(self, one: Pass) -> tuple[Reply, str]:
        stored = self.stored.get(one.name)
        if stored is not None:
            try:
                return self._call(one, stored), stored
            except MarketoInvalidRequestError as error:
                if not refuses_page(error):
                    raise
                log.warning(
                    "Marketo no longer accepts the stored paging token; reading from the range's start. %s", error
                )
        return self._call(one, self.start), self.start

    def _call(self, one: Pass, page: str) -> Reply:
        self.calls += 1
        return call_feed(self.client, self.operation, one, page)


def call_feed(client: MarketoClient, operation: str, one: Pass, page: str) -> Reply:
    """
    Return a page of a feed.

    :param page: token of the page.
    :raises MarketoInvalidRequestError: Marketo refuses the filter or the token.
    """
    try:
        reply = client.call(operation, nextPageToken=page, batchSize=BATCH, **one.parameters)
    except MarketoInvalidRequestError as error:
        if "listId" in one.parameters and meanings.exceeds_limit(error):
            error.parameter = "list_id"
            error.remedy = (
                "Marketo filters a feed only by a list with fewer than 10,000 members: take a smaller list,"
                " or omit list_id."
            )
        raise
    if not all(isinstance(record, Mapping) for record in reply.records):
        raise MarketoDataError(
            f"a page of the feed holds something that is not a record ({one.name})",
            operation=operation,
            request_id=reply.request_id,
            remedy="Try again; if it happens again, ask Adobe's support with the request id.",
        )
    return reply


def refuses_page(error: MarketoInvalidRequestError) -> bool:
    """Return whether Marketo refuses the token, and not the filter."""
    return error.code is not None and not error.parameter


def check_empty(empty: int, most: int, one: Pass, operation: str, remedy: str) -> None:
    """
    Stop at too many pages without a record.

    :param empty: such pages in a row.
    :param most: how many are allowed.
    :raises MarketoDataError: there are more.
    """
    if empty and empty % LOGGED_EMPTY_PAGES == 0:
        log.info("%d pages in a row without a record; at most %d are allowed (%s)", empty, most, one.name)
    if empty > most:
        raise MarketoDataError(
            f"Marketo sent {empty} pages in a row without a record and says that more follow ({one.name})",
            operation=operation,
            remedy=remedy,
        )


_END: Any = object()


def together(sources: Sequence[Iterator[Item]], threads: int) -> Iterator[Item]:
    """
    Yield the items of several iterators in turn, so that a repeated run has the same order; each is one item ahead.

    :param sources: the iterators; each is advanced by one thread at a time.
    :param threads: how many iterators are advanced at a time.
    """
    with ThreadPoolExecutor(max(1, min(threads, len(sources))), thread_name_prefix="marketo-feed") as pool:

        def advance(source: Iterator[Item]) -> Future[Any]:
            return pool.submit(next, source, _END)

        running = {number: advance(source) for number, source in enumerate(sources)}
        try:
            while running:
                for number in tuple(running):
                    item = running.pop(number).result()
                    if item is not _END:
                        running[number] = advance(sources[number])
                        yield item
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
