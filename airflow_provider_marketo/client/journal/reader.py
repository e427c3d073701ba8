"""Reads a journal from a place to its present end, page by page."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.endpoint import is_munchkin_id
from airflow_provider_marketo.client.errors import ASK_ADOBE, MarketoDataError, MarketoJournalExpiredError
from airflow_provider_marketo.client.journal.events import Event, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_marketo.client.journal.client import JournalClient, Page

KEPT = timedelta(days=7)
"""How long Adobe keeps an event in the journal, from when it was written."""

CHECKED_EVERY = timedelta(hours=1)
"""
The time between two checks of an empty answer. An older journal returns nothing after a place that it has forgotten. So
events that came up to this long before an empty answer may be unread.
"""


@dataclass
class JournalReader:
    """
    Reads the events after a place.

    :param client: client of the journal.
    :param link: the place: a URL of :class:`~.address.JournalAddress`, or a stored link.
    :param instance: Munchkin ID of the instance whose events are wanted; a journal holds those of all instances of an
        organization.
    :param kind: prefix of the types of the wanted events.
    :param until: the last position that is wanted; empty for no event, None for all events.
    :param stored: when the place was last the journal's end; None if the place was not stored.
    :ivar link: where the next reading starts.
    :ivar last: the last position that was read; empty if no position was read.
    :ivar date: Adobe's clock at the last answer.
    :ivar calls: pages that were asked for.
    :ivar events: how many events were read, of any kind and instance.
    :ivar ours: how many of these belong to the wanted instance.
    :ivar others: how many of these belong to other instances, by Munchkin ID; the empty id for events without one.
    :ivar pause: seconds after which to ask again.
    """

    client: JournalClient
    link: str
    instance: str
    kind: str
    until: str | None = None
    stored: datetime | None = None
    last: str = ""
    date: datetime | None = None
    calls: int = 0
    events: int = 0
    ours: int = 0
    others: Counter[str] = field(default_factory=Counter)
    pause: float = 0.0
    _read: set[str] = field(default_factory=set)

    def pages(self) -> Iterator[list[Event]]:
        """
        Yield the wanted events, page by page, up to the present end.

        The next page is requested while the caller works on a page.

        :raises MarketoJournalExpiredError: Adobe has forgotten the place.
        :raises MarketoDataError: an answer has events but does not say where to continue, or it leads back.
        """
        if self.until == "":
            return
        page = self.client.page(self.link)
        while True:
            self.calls += 1
            self.date, self.pause = page.date, page.pause
            if not page.entries:
                self._check_place(page)
                self.link = self._following(page) if "next" in page.links else self.link
                return
            found, ended = self._take(page)
            # The page may continue after the last wanted position; another reading takes those events.
            place = self.client.address.since(self.last)
            self._read.add(self.client.address.relative(self.link))
            self.link = self.client.address.relative(place) if ended else self._following(page)
            coming = None if ended else _in_a_thread(self.client.page, self.link)
            yield found
            if coming is None:
                return
            page = coming.result()

    def _take(self, page: Page) -> tuple[list[Event], bool]:
        """Return the wanted events of a page, and whether the last wanted position is among them."""
        found = []
        for entry in page.entries:
            event = unwrap(entry)
            self.events += 1
            self.last = event.position or self.last
            if event.instance != self.instance:
                # Other names are counted together, because every key is kept and shown in a sentence.
                self.others[event.instance if is_munchkin_id(event.instance) else ""] += 1
            else:
                self.ours += 1
                if event.type.startswith(self.kind):
                    found.append(event)
            if self.until is not None and event.position == self.until:
                return found, True
        return found, False

    def _following(self, page: Page) -> str:
        link = page.links.get("next")
        if link is None and self.last:
            link = self.client.address.since(self.last)
        if link is None:
            raise MarketoDataError(
                "the journal sent events without a link to the next page, and without positions to continue from",
                operation="journal.read",
                remedy=ASK_ADOBE,
            )
        following = self.client.address.relative(link)
        if following in self._read:
            raise MarketoDataError(
                "the journal links back to a page that was read before, so reading would never end",
                operation="journal.read",
                remedy=ASK_ADOBE,
            )
        return following

    def _check_place(self, page: Page) -> None:
        """
        Distinguish the journal's end from a forgotten place: an older journal answers 204 at both.

        A place is as old as the event before it, whose age is not known. So a quiet journal is checked now and then.
        """
        due = self.calls == 1 and self.stored is not None and _turn(page.date) != _turn(self.stored)
        if due and not self.client.is_valid(page):
            raise MarketoJournalExpiredError(
                "Adobe no longer keeps the events that follow this position", operation="journal.read"
            )


def _in_a_thread(read: Callable[[str], Page], link: str) -> Future[Page]:
    """Begin to read a page. Its thread is a daemon: a task that is killed does not wait for Adobe."""
    coming: Future[Page] = Future()

    def run() -> None:
        try:
            coming.set_result(read(link))
        except BaseException as error:  # noqa: BLE001 - raised where the page is wanted
            coming.set_exception(error)

    threading.Thread(target=run, name="marketo-journal", daemon=True).start()
    return coming


def _turn(moment: datetime) -> int:
    return int(moment.timestamp() // CHECKED_EVERY.total_seconds())
