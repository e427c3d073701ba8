"""One run of a stream: settle the range, read, publish, and only then move the stream's position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airflow_provider_marketo.client.bulk.jobs import COMPLETED, ExportJob
from airflow_provider_marketo.client.bulk.plan import Slice, Window
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.retention import kept
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.extract.manifest import write_manifest
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.foreign import host, mark_of
from airflow_provider_marketo.output.manifest import Manifest, remember_leftovers
from airflow_provider_marketo.streams.feeds import ACTIVITIES, SKEW
from airflow_provider_marketo.streams.overlap import NoOverlap, Overlap
from airflow_provider_marketo.streams.position import NoPosition, Position, PositionStore
from airflow_provider_marketo.streams.read import FeedReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_marketo.client.bulk.fetch import Consumer
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.client.tabular.transform import Outcome
    from airflow_provider_marketo.extract.plan import ExtractPlan
    from airflow_provider_marketo.output.folder import OutputFolder
    from airflow_provider_marketo.streams.request import Pass, StreamRequest

log = printable_logger(__name__)

_OPEN = datetime.max.replace(tzinfo=timezone.utc)
"""The end of a range if the author names no end."""

_SKIP = "continue with on_gap='skip', which reads from the end of this span on."
_EXTRACT = f"Export the activities of this span that Marketo still has with MarketoBulkExtractOperator, then {_SKIP}"
_COMPARE = f"Compare the table with a full extract of the leads, then {_SKIP}"

RESTORE = (
    "Restore the file. If you cannot, delete it: the run then reads what follows the stream's position. To read the"
    " run's own range as well, use a stream of another name with the run's start and end."
)


@dataclass(frozen=True)
class Range(Serializable):
    """
    What one run of a stream reads. A repeated run reads the same.

    :param start: where the stream stood when the run began.
    :param end: first second that is left to the next run.
    :param read_from: where reading begins: before the start if rows may become visible late.
    :param since: where the stream begins.
    :param pages: Marketo's paging tokens for the start, by pass.
    :param wanted: the end that was asked for, if it lay in the future.
    """

    VERSION: ClassVar[int] = 1

    start: datetime
    end: datetime
    read_from: datetime
    since: datetime
    pages: Mapping[str, str]
    wanted: datetime | None = None


class Reader(Protocol):
    """A source of the records that a run publishes."""

    def read(self, passes: Sequence[Pass], parallel: int) -> Iterator[Sequence[Mapping[str, Any]]]:
        """
        Yield pages of records.

        :param passes: the cursors to read.
        :param parallel: calls in flight at a time.
        """


class StreamRun:
    """
    One run.

    :param request: the request, without dates.
    :param stream: the stream's name; None for a range that is read for its own sake, without a position.
    :param folder: the output.
    :param client: the instance.
    :param context: the running task's context.
    :param hash_key: key for hashed fields.
    :param parallel: calls in flight at a time.
    :param max_empty_pages: largest number of empty pages in a row.
    :param on_gap: ``fail`` or ``skip`` when Marketo no longer has the next records.
    """

    def __init__(
        self,
        request: StreamRequest,
        stream: str | None,
        folder: OutputFolder,
        client: MarketoClient,
        context: Mapping[str, Any],
        *,
        hash_key: Secret | None,
        parallel: int,
        max_empty_pages: int,
        on_gap: str,
    ) -> None:
        self._request = request
        self._folder = folder
        self._client = client
        self._hash_key = hash_key
        self._parallel = parallel
        self._max_empty_pages = max_empty_pages
        self._on_gap = on_gap
        self._overlap: type[Overlap] = NoOverlap if stream is None else Overlap
        self._positions = NoPosition() if stream is None else PositionStore(stream, folder, context)
        self._run = layout.task_folder(context["ti"])
        self._place = f"{self._run}/range.json"

    def run(self, since: datetime | None, end: datetime | None) -> dict[str, Any]:
        """
        Read this run's range and publish it.

        :param since: where a new stream starts.
        :param end: where this run's range ends, now by default and at the latest.
        :return: the manifest.
        :raises MarketoInvalidRequestError: the request is wrong, or Marketo no longer has the records.
        """
        self._folder.check_writable()
        plan = self._request.plan(self._client)
        position = self._position()
        recorded = self._recorded()
        begun = recorded or self._next_range(position, since, end)
        first_page, now = self._page_at(begun.read_from)
        plan = replace(plan, as_of=iso(now))
        if recorded is None:
            refuse_future(begun.start, now, "Marketo")
        oldest = self._oldest(plan, now)
        if recorded and begun.start < oldest and (manifest := self._manifest_of(begun)):
            log.warning("Marketo no longer has all of this run's range; what the run has published stays as it is")
            return manifest.to_xcom()
        one = self._settle(begun, oldest, now, again=recorded is not None)
        if one.read_from != begun.read_from:
            first_page, _ = self._page_at(one.read_from)
        if one.start >= one.end:
            log.info("Nothing to read: the stream is published up to %s", iso(one.start))
            return self._nothing(one)
        reader = FeedReader(
            self._client,
            self._request.feed.operation,
            first_page,
            one.end,
            # An overlap is read by its time: it begins before the stored page.
            stored=one.pages if one.read_from == one.start else {},
            max_empty_pages=self._max_empty_pages,
        )
        manifest = self._publish(plan, one, reader, position.published if position else {})
        moved = self._moved(one, reader.resume, position.published if position else {})
        ranges = moved.with_range(self._window(one).name, self._folder.url)
        self._positions.advance(replace(moved, published=ranges))
        log.info(
            "Published %s from %s to %s: %s (%d seen before) in %s, %s",
            self._request.describe(),
            iso(one.start),
            iso(one.end),
            counted(manifest.rows, "row"),
            manifest.rows_duplicate,
            counted(len(manifest.files), "file"),
            counted(reader.calls, "call"),
        )
        return manifest.to_xcom()

    def _position(self) -> Position | None:
        """Return where the stream stands; None for a new one."""
        position = self._positions.load(self._client.instance)
        if position is not None:
            position.refuse_foreign(self._folder)
        return position

    def _moved(self, one: Range, pages: Mapping[str, str], published: Mapping[str, str]) -> Position:
        """Return where the stream stands after a range."""
        return Position(
            self._client.instance,
            iso(one.since),
            iso(one.end),
            pages,
            published=published,
            moved_by=self._run,
            host=host(),
            mark=mark_of(self._folder) if self._folder.is_local else "",
        )

    def _recorded(self) -> Range | None:
        """
        Return the range of this run, as it was when the run began.

        A run that has published nothing yet reads no overlap if its author no longer wants one.
        """
        one = self._folder.read_state(Range, self._place, remedy=RESTORE)
        if one and not self._request.lookback and not self._folder.read_json(self._manifest_place(one)):
            return replace(one, read_from=max(one.start, one.read_from))
        return one

    def _settle(self, one: Range, oldest: datetime, now: datetime, *, again: bool) -> Range:
        """Return what is read of a range, and write it down for later tries of this run."""
        if again:
            log.info("Reading the range of this run again: %s to %s", iso(one.start), iso(one.end))
        else:
            wanted = one.end if now < one.end < _OPEN else None
            one = replace(one, end=min(one.end, now), wanted=wanted)
        if one.start < oldest:
            self._tell_gap(one.start, oldest, now)
            one = replace(one, start=oldest, read_from=oldest, end=max(one.end, oldest))
        if not again:
            self._folder.write_state(self._place, one)
        return one

    def _next_range(self, position: Position | None, since: datetime | None, end: datetime | None) -> Range:
        end = end or _OPEN
        if position is not None:
            position.refuse_sibling(self._run)
            start, begin = parse_date(position.time), parse_date(position.since)
            if since is not None and since < end <= begin:
                log.info("The stream begins at %s: this run's interval is older, so it is read separately", iso(begin))
                return Range(since, end, since, since, {})
            return Range(start, end, max(start - self._request.lookback, begin), begin, position.pages)
        begin = first_time(since)
        return Range(begin, end, begin, begin, {})

    def _page_at(self, when: datetime) -> tuple[str, datetime]:
        """Return a paging token for a time, and the time on Marketo's clock, beyond which nothing can be read."""
        reply = self._client.call("activities.get_paging_token", sinceDatetime=iso(when))
        here = datetime.now(timezone.utc)
        now = reply.date or here
        if abs(now - here) > SKEW:
            log.warning(
                "This host's clock says %s, and Marketo's %s. The task uses Marketo's time", iso(here), iso(now)
            )
        return str(reply.next_page_token), now.replace(microsecond=0)

    def _oldest(self, plan: ExtractPlan, now: datetime) -> datetime:
        return now - (self._request.feed.kept or min(kept(kind.name) for kind in plan.activity_types.values()))

    def _tell_gap(self, start: datetime, oldest: datetime, now: datetime) -> None:
        what, days = self._request.object_type.replace("_", " "), (now - oldest).days
        differs = self._request.object_type == ACTIVITIES  # the type that is kept for the shortest time decides
        gap = f"Marketo keeps these {what} for {days} days; {iso(start)} to {iso(oldest)} is gone"
        if differs:
            lost = f"those from {iso(start)} to {iso(oldest)} may be gone"
            gap = f"Marketo keeps these {what} for at least {days} days; {lost}"
        if self._on_gap != "skip":
            raise MarketoInvalidRequestError(
                gap,
                parameter="start",
                remedy=_EXTRACT if differs else _COMPARE,
            )
        log.warning("%s. Reading the records that are left, as on_gap='skip' says", gap)

    def _request_for(self, one: Range) -> StreamRequest:
        return replace(self._request, start=one.start, end=one.end, lookback=one.start - one.read_from)

    def _window(self, one: Range) -> Window:
        """Return what a range reads."""
        request = self._request_for(one)
        return Window(one.start - request.lookback, one.end)

    def _manifest_place(self, one: Range) -> str:
        return layout.manifest(self._request_for(one).name)

    def _manifest_of(self, one: Range) -> Manifest | None:
        """Return the manifest that this run has published, if its request is still the same."""
        request = self._request_for(one)
        facts: dict[str, Any] = self._folder.read_json(self._manifest_place(one)) or {}
        return Manifest.from_dict(facts) if facts.get("request") == request.fingerprint() else None

    def _publish(self, plan: ExtractPlan, one: Range, reader: Reader, recorded: Mapping[str, str]) -> Manifest:
        request = self._request_for(one)
        window = self._window(one)
        overlap = self._overlap(self._folder, request.name.removesuffix(window.name), window, recorded)
        publisher = _Publisher(request, plan, self._folder, self._run, hash_key=self._hash_key, overlap=overlap)

        def fetch(consumer: Any) -> Outcome:
            outcome = _write(consumer(), self._lines(plan, reader, request))
            overlap.claim()
            # If this try is killed before it has written its manifest, the next removes files that it does not need.
            remember_leftovers(self._folder, self._run, (file.name for file in outcome.files))
            return outcome

        record = publisher.publish(Slice(request.name, {}, window), ExportJob("", COMPLETED), fetch)
        manifest = write_manifest(
            self._folder,
            request,
            plan,
            [replace(record, export_id=None)],
            run_folder=self._run,
            requested_end=one.wanted,
        )
        overlap.release()
        self._folder.delete_tree(f"{self._run}/slices")
        return manifest

    def _lines(self, plan: ExtractPlan, reader: Reader, request: StreamRequest) -> Iterator[bytes]:
        """Yield the feed in the form of an export file."""
        helper = [plan.schema.helper] if plan.schema.helper else []
        columns = [*helper, *(column.name for column in plan.schema.columns)]
        yield line(columns)
        for records in reader.read(request.passes(plan), self._parallel):
            rows = [row for record in records for row in request.feed.rows(record)]
            if rows:
                yield b"".join([line(map(row.get, columns)) for row in rows])

    def _nothing(self, one: Range) -> dict[str, Any]:
        nothing = Manifest(
            object_type=self._request.object_type,
            output=self._folder.url,
            file_format=self._request.file_format,
            kind=self._request.kind,
            start=iso(one.start),
            end=iso(one.start),
        )
        return nothing.to_xcom()


def refuse_future(start: datetime, now: datetime, whose: str) -> None:
    """
    Refuse a stream that starts in the future.

    :param start: where it starts.
    :param now: the time by the clock of the source.
    :param whose: owner of that clock, for the error.
    :raises MarketoInvalidRequestError: the stream starts in the future.
    """
    if start > now + SKEW:
        raise MarketoInvalidRequestError(
            f"the stream starts at {iso(start)}, which lies in the future: {whose}'s clock says {iso(now)}",
            parameter="start",
            remedy="Give a time that has passed.",
        )


def first_time(since: datetime | None) -> datetime:
    """
    Return where a new stream starts.

    :param since: the start that the author or the run gives.
    :raises MarketoInvalidRequestError: neither gives a start.
    """
    if since is None:
        raise MarketoInvalidRequestError(
            "the stream has no position yet, and the run has no data interval",
            parameter="start",
            remedy="Give the time at which the stream begins.",
        )
    return since


class _Publisher(SlicePublisher):
    """
    Writes a run's rows, without those that other runs have published.

    :param overlap: what other runs have published.
    """

    def __init__(self, *arguments: Any, overlap: Overlap, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._overlap = overlap

    def _keys_of_other_slices(self) -> SeenKeys:
        return self._overlap.seen()

    def _remember(self, one: Slice, keys: SeenKeys | None) -> None:
        self._overlap.save(keys or SeenKeys())


def _write(consumer: Consumer[Outcome], lines: Iterator[bytes]) -> Outcome:
    try:
        for some in lines:
            consumer.feed(some)
        return consumer.finish()
    except BaseException:
        consumer.abort()
        raise
