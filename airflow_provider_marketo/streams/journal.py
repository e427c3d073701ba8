"""One run of a stream that is read from the journal of Adobe I/O Events (experimental)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoJournalExpiredError
from airflow_provider_marketo.client.journal import events
from airflow_provider_marketo.client.journal.reader import CHECKED_EVERY, KEPT, JournalReader
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.retention import DELETE_LEAD
from airflow_provider_marketo.client.tabular.sources import JOURNAL as FROM_JOURNAL
from airflow_provider_marketo.client.tabular.sources import RAW, SOURCE
from airflow_provider_marketo.streams.feeds import USER_AUDITS
from airflow_provider_marketo.streams.journal_keys import JournalOverlap, remove_old, with_segment
from airflow_provider_marketo.streams.run import RESTORE, Range, StreamRun, first_time, refuse_future

if TYPE_CHECKING:
    from airflow_provider_marketo.client.journal.client import JournalClient
    from airflow_provider_marketo.client.journal.events import Event
    from airflow_provider_marketo.extract.plan import ExtractPlan
    from airflow_provider_marketo.streams.position import Position
    from airflow_provider_marketo.streams.request import Pass, StreamRequest

log = printable_logger(__name__)

Record = Mapping[str, Any]

NEXT, JOURNAL = "next", "journal"
"""Keys of a position in a journal: the link to the events that follow, and the journal's address."""

OVERLAP = timedelta(hours=2)
"""How far a stream that changes from the feed to the journal reads back. It leaves out rows that it has, by key."""

MARGIN = timedelta(days=1)
"""How much more than the gap is read by bulk extract: the journal gets some events late."""

_AT_A_TIME = 200
"""Events that become records together: a page has thousands."""

_TYPES = {USER_AUDITS: events.USER_AUDIT}
_FILL_OR_SKIP = (
    "Use on_gap='fill', which reads what is missing by bulk extract, or 'skip', which continues with the oldest event."
    " Nothing is missing if the instance had no activity since then."
)
_SKIP = (
    "Use on_gap='skip', which continues with the oldest event: no other source has what is missing. Nothing is missing"
    " if the instance had no audit events since then."
)
_CHECK_INSTANCE = (
    "Nothing was published. Check that adobe_conn_id and marketo_conn_id belong together. If the instance has had no"
    " event yet, name it in the extra munchkin_ids of the journal's connection, with all other instances of the"
    " organization."
)


@dataclass(frozen=True)
class JournalRange(Range):
    """
    What one run reads: from a place in the journal to the last event that it found. A repeated run reads the same.

    :param last: position of the last event; empty without events, None while the run has not read to the end.
    :param published: the segments of keys that count, with the URL of their output.
    :param gap: start and end of the gap in the journal that a bulk extract has to fill; empty without a gap.
    """

    VERSION: ClassVar[int] = 1

    last: str | None = None
    published: Mapping[str, str] = field(default_factory=dict)
    gap: tuple[datetime, ...] = ()


@dataclass
class _Pages:
    """
    What the publisher reads: the records of the journal, and before them those that fill a gap.

    :param run: the run that reads these records.
    :param filled: pages of records from elsewhere.
    """

    run: JournalRun
    filled: Iterable[Sequence[Record]]

    def read(self, passes: Sequence[Pass], parallel: int) -> Iterator[Sequence[Record]]:
        """Yield the records. The arguments are those of a feed's reader; a journal needs neither."""
        yield from self.filled
        yield from self.run.records()


class JournalRun(StreamRun):
    """
    One run of a stream that is read from a journal.

    :param request: the request, without dates.
    :param arguments: the base's arguments.
    :param journal: the journal.
    :param instance: Munchkin ID of the instance whose events are wanted.
    :param is_certain: whether the connection says that the journal has events of the instance.
    :param horizon: how far back repetitions are recognized.
    :param more: other keyword arguments of the base.
    """

    def __init__(
        self,
        request: StreamRequest,
        *arguments: Any,
        journal: JournalClient,
        instance: str,
        is_certain: bool,
        horizon: timedelta | None,
        **more: Any,
    ) -> None:
        # A journal is read by one cursor, and has no pages of a scan that may be empty.
        super().__init__(request, *arguments, parallel=1, max_empty_pages=0, **more)
        self._overlap = JournalOverlap
        self._journal = journal
        self._instance = instance
        self._is_certain = is_certain
        self._horizon = KEPT if horizon is None else horizon
        self._is_new = False
        self._plan: ExtractPlan | None = None
        self._types: frozenset[int] = frozenset()
        self._range: JournalRange | None = None
        self._done: dict[str, Any] | None = None
        self._reader: JournalReader | None = None
        self._pages: Iterator[list[Event]] = iter(())

    def settle(self, since: datetime | None) -> tuple[datetime, datetime] | None:
        """
        Settle what this run reads, and write it down.

        :param since: where a new stream starts.
        :return: the gap that a bulk extract has to fill before :meth:`publish`; None for no gap.
        :raises MarketoInvalidRequestError: the request is wrong, or the journal no longer has the events.
        """
        self._folder.check_writable()
        position = self._position()
        self._is_new = position is None
        recorded = self._folder.read_state(JournalRange, self._place, remedy=RESTORE)
        begun = recorded or self._first_range(position, since)
        one = self._open(begun)
        if one is None:
            return None
        if recorded is None:
            refuse_future(one.start, one.end, "Adobe")
            self._folder.write_state(self._place, one)
        elif one.gap != recorded.gap:
            one = replace(one, published=recorded.published)
            self._folder.write_state(self._place, one)
        self._range = one
        return (one.gap[0], one.gap[1]) if one.gap else None

    def publish(self, filled: Iterable[Sequence[Record]] = ()) -> dict[str, Any]:
        """
        Read to the journal's present end, publish, and move the position.

        :param filled: pages of records that fill the gap.
        :return: the manifest.
        """
        if self._done is not None:
            return self._done
        one = self._range
        assert one is not None  # settle() came before
        if one.start >= one.end:
            log.info("Nothing to read: the stream is published up to %s", iso(one.start))
            return self._nothing(one)
        plan = replace(self._settled_plan(), as_of=iso(one.end))
        manifest = self._publish(plan, one, _Pages(self, filled), one.published)
        reader = self._reader
        assert reader is not None
        since = one.end - self._horizon
        name = self._window(one).name if manifest.rows else None
        segments = with_segment(one.published, name, self._folder, since=since)
        remove_old(self._folder, since - KEPT)
        self._positions.advance(self._moved(one, {NEXT: reader.link, JOURNAL: self._journal.address.name}, segments))
        log.info(
            "Published %s that arrived from %s to %s: %s (%d repeated) in %s; %s, no API call%s",
            self._request.describe(),
            iso(one.start),
            iso(one.end),
            counted(manifest.rows, "row"),
            manifest.rows_duplicate,
            counted(len(manifest.files), "file"),
            counted(reader.calls, "page"),
            _left_out(reader),
        )
        return manifest.to_xcom()

    def records(self) -> Iterator[Sequence[Record]]:
        """Yield the wanted records to the journal's present end, page by page, and write down that end."""
        reader, one = self._reader, self._range
        assert reader is not None
        assert one is not None
        since = iso(one.since)
        for page in self._pages:
            for some in batches(page, _AT_A_TIME):
                wanted = [record for event in some if (record := self._record(event, since)) is not None]
                if wanted:
                    yield wanted
        self._check_instance(reader)
        if one.last is None:
            self._range = replace(one, last=reader.last)
            self._folder.write_state(self._place, self._range)

    def _record(self, event: Event, since: str) -> Record | None:
        """Return the record of an event; None if it is not wanted."""
        request = self._request
        if request.object_type == USER_AUDITS:
            record = events.user_audit(event)
        else:
            record = events.activity(event)
            kind = record["activityTypeId"]
            if (self._types and kind not in self._types) or not fits(record, request):
                return None
            if not self._types and record["activityType"] == DELETE_LEAD:
                return None
        if str(record["activityDate"] or since) < since:
            return None
        record[SOURCE] = FROM_JOURNAL
        if request.include_raw:
            record[RAW] = events.raw(event)
        return record

    def _check_instance(self, reader: JournalReader) -> None:
        """
        Refuse the journal of another instance, when a stream begins.

        :raises MarketoInvalidRequestError: the journal has events, but none of this instance.
        """
        if self._is_new and not self._is_certain and reader.others and not reader.ours:
            found = ", ".join(sorted(filter(None, reader.others))) or "unnamed instances"
            raise MarketoInvalidRequestError(
                f"the journal has {counted(reader.events, 'event')} of {found}, and none of {self._instance}",
                parameter="adobe_conn_id",
                remedy=_CHECK_INSTANCE,
            )

    def _settled_plan(self) -> ExtractPlan:
        if self._plan is None:
            plan = self._request.plan(self._client)
            # Rows are not cut by their date: an event that arrives late belongs to the run in which it arrives.
            self._plan = replace(plan, schema=replace(plan.schema, date=None))
            self._types = frozenset(plan.activity_types) if self._request.activity_types else frozenset()
        return self._plan

    def _open(self, begun: JournalRange) -> JournalRange | None:
        """Read the first page of a range, so that the range has an end; None if the run has nothing left to do."""
        self._settled_plan()
        is_open = begun.last is None
        try:
            if begun.gap:  # settled by this run, before it waited for the bulk extract
                self._begin_reading(self._journal.address.oldest(), begun)
                return begun
            if not begun.pages and begun.start < self._oldest_kept:
                raise MarketoJournalExpiredError("the stream begins before the journal's oldest event")
            now = self._begin_reading(begun.pages.get(NEXT) or self._seek(begun), begun)
            return replace(begun, end=now) if is_open and begun.end == begun.start else begun
        except MarketoJournalExpiredError:
            return self._with_gap(begun)

    def _with_gap(self, begun: JournalRange) -> JournalRange | None:
        manifest = self._manifest_of(begun) if begun.end > begun.start else None
        if manifest is not None:
            log.warning("The journal no longer has this run's range; what the run has published stays as it is")
            self._done = manifest.to_xcom()
            return None
        if begun.pages and begun.start >= self._oldest_kept:
            # A quiet week: the journal has forgotten the last event, but none that came after the run before.
            now = self._begin_reading(self._seek(begun, CHECKED_EVERY), begun)
            return replace(begun, end=now) if begun.last is None and begun.end == begun.start else begun
        oldest = max(self._oldest_kept, begun.start)
        gap = f"the journal no longer has all that came since {iso(begun.start)}; it keeps events for {KEPT.days} days"
        if self._on_gap == "fail":
            raise MarketoInvalidRequestError(
                gap,
                parameter="on_gap",
                remedy=_SKIP if self._request.object_type == USER_AUDITS else _FILL_OR_SKIP,
            )
        place = replace(begun, pages={NEXT: self._journal.address.relative(self._journal.address.oldest())}, last=None)
        now = self._begin_reading(self._journal.address.oldest(), place)
        one = replace(place, end=now if begun.end == begun.start else begun.end)
        if self._on_gap == "skip":
            log.warning("%s. Continuing with the oldest event, as on_gap='skip' says", gap)
            return one
        start, end = max(begun.start - MARGIN, begun.since), min(now, oldest + MARGIN)
        log.warning("%s. Reading %s to %s by bulk extract, as on_gap='fill' says", gap, iso(start), iso(end))
        return replace(one, gap=(start, end))

    def _begin_reading(self, link: str, one: JournalRange) -> datetime:
        """Read the first page, and return Adobe's time."""
        self._reader = reader = JournalReader(
            self._journal,
            link,
            self._instance,
            _TYPES.get(self._request.object_type, events.ACTIVITY),
            until=one.last,
            stored=one.start if link == one.pages.get(NEXT) else None,
        )
        pages = reader.pages()
        first = next(pages, None)
        self._pages = chain([] if first is None else [first], pages)
        return (reader.date or one.end).replace(microsecond=0)

    @property
    def _oldest_kept(self) -> datetime:
        return self._now - KEPT

    @property
    def _now(self) -> datetime:
        """Return Adobe's time in the last page, or in an answer without events before the first page."""
        if self._reader is not None and self._reader.date is not None:
            return self._reader.date
        return self._first_date

    @cached_property
    def _first_date(self) -> datetime:
        return self._journal.page(self._journal.address.latest()).date

    def _seek(self, begun: JournalRange, spare: timedelta = timedelta(minutes=1)) -> str:
        return self._journal.address.seek(self._now - begun.read_from + spare)

    def _first_range(self, position: Position | None, since: datetime | None) -> JournalRange:
        if position is None:
            begin = first_time(since)
            return JournalRange(begin, begin, begin, begin, {})
        position.refuse_sibling(self._run)
        start, begin = parse_date(position.time), parse_date(position.since)
        segments = position.published
        if position.pages.get(JOURNAL) == self._journal.address.name:
            return JournalRange(start, start, start, begin, {NEXT: position.pages[NEXT]}, published=segments)
        what = "another journal" if JOURNAL in position.pages else "Marketo's feed"
        log.warning("The stream was read from %s up to %s; reading the journal from two hours before", what, iso(start))
        return JournalRange(start, start, max(begin, start - OVERLAP), begin, {}, published=segments)

    def _request_for(self, one: Range) -> StreamRequest:
        return replace(self._request, start=one.start, end=one.end, lookback=timedelta(0))


def fits(record: Record, request: StreamRequest) -> bool:
    """
    Return whether a record is of the wanted leads and assets.

    :param record: an activity's record.
    :param request: the request.
    """
    return (not request.lead_ids or record["leadId"] in request.lead_ids) and (
        not request.asset_ids or record["primaryAttributeValueId"] in request.asset_ids
    )


def _left_out(reader: JournalReader) -> str:
    if not reader.others:
        return ""
    listed = ", ".join(f"{count} of {name or 'an unnamed instance'}" for name, count in sorted(reader.others.items()))
    return f"; left out events of other instances: {listed}"
