"""The task of listing: from an operator's arguments to published tables and their manifest."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import (
    MarketoError,
    MarketoFeatureUnavailableError,
    MarketoPermissionError,
    MarketoStoppedError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.hooks.work import Wait, Work
from airflow_provider_marketo.listings import read
from airflow_provider_marketo.listings.assets import AssetCatalogue
from airflow_provider_marketo.listings.manifest import publish
from airflow_provider_marketo.listings.request import ListingRequest
from airflow_provider_marketo.listings.table import ASSETS, LISTINGS
from airflow_provider_marketo.listings.write import TableRecord, TableWriter
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.manifest import ManifestFile, ManifestWindow, remember_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.client.stored import State
    from airflow_provider_marketo.client.tabular.transform import Outcome
    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.listings.listing import Listing
    from airflow_provider_marketo.output.manifest import Manifest

log = printable_logger(__name__)

_REMEDY = "Delete the file and clear the task: it lists again what is missing."


@dataclass(frozen=True)
class ListingState(Serializable):
    """
    What a run lists, settled by its first try.

    :param request: fingerprint of the request.
    :param now: Marketo's time then; ISO 8601, UTC.
    """

    VERSION: ClassVar[int] = 1

    request: str
    now: str


class ListingWork(Work):
    """
    One try. It never waits: it publishes the tables that it has read, and the next try continues with the missing ones.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :raises MarketoInvalidRequestError: the arguments do not go together.
    """

    def __init__(self, context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> None:
        self._request = ListingRequest.of(arguments)
        self._folder = OutputFolder.for_task(arguments["output_path"], context["ti"])
        self._run = layout.task_folder(context["ti"])
        self._client = hook.get_conn()
        self._parallel = hook.parallel
        self._hash_key = hook.settings.hash_key(self._request.all_hashed)
        self._stopped = Event()
        self._span: Window | None = None
        self._run_id = str(context["ti"].run_id)
        self._assets: AssetCatalogue | None = None
        self._listings: dict[str, Listing] = {}
        self._manifest: Manifest | None = None

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """List everything that no earlier try of this run has listed, then publish the manifest."""
        self._folder.check_writable()
        self._span = self._request.span(parse_date(self._begin().now))
        self._listings = self._described()
        done = {record.name: record for record in map(self._recorded, self._request.object_types) if record}
        missing = [name for name in self._request.object_types if name not in done]
        if done:
            log.info("An earlier try has listed %s", ", ".join(done))
        made = [LISTINGS[name] for name in missing if LISTINGS[name].made_of]
        if made:
            self._assets = AssetCatalogue(self._folder, self._run_id)
        as_of = iso(self._client.marketo_time())
        done |= {record.name: record for record in self._read(read.families(missing, self._request.keys_in))}
        done |= {record.name: record for record in self._make(made, as_of)}
        records = [done[name] for name in self._request.object_types]
        self._manifest = publish(self._folder, self._request, self._span, records, self._listings, run_folder=self._run)
        self._folder.tidy_up(self._run)
        return None

    def finish(self) -> dict[str, Any]:
        """Return the manifest."""
        assert self._manifest is not None  # advance() has returned before
        return self._manifest.to_xcom()

    def kill(self) -> None:
        """Stop reading in all threads."""
        self._stopped.set()

    def _begin(self) -> ListingState:
        """Return what the first try has settled. If the request has changed since, start over."""
        place = f"{self._run}/begun.json"
        begun = self._revived(ListingState, place)
        if begun is None or begun.request != self._request.fingerprint():
            self._folder.delete_tree(self._run)
            now = self._client.marketo_time().replace(microsecond=0)
            begun = ListingState(self._request.fingerprint(), iso(now))
            self._folder.write_json(place, begun.to_dict())
        return begun

    def _described(self) -> dict[str, Listing]:
        """Return the wanted listings. Some have columns that only the instance knows, so it is asked."""
        found = {listing.name: listing for listing in self._request.listings}
        for name, listing in found.items():
            if listing.describe:
                fields = self._client.call(listing.describe).records[0].get("fields") or ()
                found[name] = listing.described(fields)
        for name, key_field in self._request.looked_up_by.items():
            found[name] = replace(found[name], looked_up_by=key_field)
        self._request.check_columns(list(found.values()))
        return found

    def _recorded(self, name: str) -> TableRecord | None:
        return self._revived(TableRecord, layout.slice_record(self._run, name))

    def _revived(self, kind: type[State], name: str) -> State | None:
        return self._folder.read_state(kind, name, remedy=_REMEDY)

    def _read(self, families: Sequence[read.Family]) -> list[TableRecord]:
        """Read as many families in parallel as the task may make calls."""
        if not families:
            return []
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="marketo-listing") as pool:
            reading = [pool.submit(self._read_family, family) for family in families]
            try:
                for ended in wait(reading, return_when=FIRST_EXCEPTION).done:
                    ended.result()
            except BaseException:  # the other families need not be read
                self._stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return [record for each in reading for record in each.result()]

    def _read_family(self, family: read.Family) -> list[TableRecord]:
        as_of = iso(self._client.marketo_time())
        follows = [group[0] for group in family.children.values()]
        parents: dict[tuple[Any, ...], read.Record] = {}
        keys: dict[str, list[Any]] = {name: [] for name in family.found}
        makes_assets = self._assets is not None and family.root.name in ASSETS
        is_first = makes_assets and self._assets is not None and self._assets.is_first
        whole = is_first or not all(listing.follows_parent for listing in follows)
        span = None if whole else self._span

        def records() -> Iterable[tuple[read.Record, None]]:
            for record in self._records(family.root, span):
                if follows:
                    parents.setdefault(family.root.key_of(record), record)
                for name, key_field in family.found.items():
                    keys[name].append(record.get(key_field))
                if self._assets is not None and makes_assets:
                    self._assets.add(family.root, record)
                yield record, None

        try:
            written = self._write(family.tables, records(), as_of, span if family.root.selects_by_date else None)
        except (MarketoPermissionError, MarketoFeatureUnavailableError) as error:
            if makes_assets:
                raise
            return [self._skipped(listing, error, as_of) for listing in family.listings]
        changed = {key: record for key, record in parents.items() if read.has_changed(record, self._span)}
        read.check_budget(
            self._client,
            [(listing, len(changed if listing.follows_parent else parents)) for listing in follows],
            has_start=self._span is not None,
        )
        for group in family.children.values():
            try:
                followed, of_span = (changed, self._span) if group[0].follows_parent else (parents, None)
                written += self._write(group, self._belongings(group[0], followed.values()), as_of, of_span)
            except (MarketoPermissionError, MarketoFeatureUnavailableError) as error:
                written += [self._skipped(listing, error, as_of) for listing in group]
        for name, some in keys.items():
            found = ((record, None) for record in self._looked_up(name, read.whole_keys(name, some)))
            written += self._write([LISTINGS[name]], found, as_of, None)
        return written

    def _records(self, listing: Listing, span: Window | None) -> Iterable[read.Record]:
        if listing.looked_up_by:
            return self._looked_up(listing.name, self._request.keys[listing.name])
        return read.records(self._client, listing, span)

    def _looked_up(self, name: str, keys: Sequence[str]) -> Iterable[read.Record]:
        return read.looked_up(self._client, self._listings[name], keys)

    def _make(self, listings: Sequence[Listing], as_of: str) -> list[TableRecord]:
        """Write the tables that are made from other tables' records, and keep the assets for the next run."""
        if self._assets is None:
            return []
        selected = [name for name in ASSETS if LISTINGS[name].selects_by_date and self._span is not None]
        rows = self._assets.rows(changed_only=() if self._assets.is_first else selected)
        tables = {"assets": rows.values(), "asset_changes": self._assets.changes(rows, as_of)}
        written = [
            record
            for listing in listings
            for record in self._write([listing], ((row, None) for row in tables[listing.name]), as_of, None)
        ]
        self._assets.keep(rows)
        return written

    def _belongings(
        self, listing: Listing, parents: Iterable[read.Record]
    ) -> Iterable[tuple[read.Record, read.Record]]:
        for parent in parents:
            for record in read.records_of(self._client, listing, parent):
                yield record, parent

    def _write(
        self,
        listings: Sequence[Listing],
        records: Iterable[tuple[read.Record, read.Record | None]],
        as_of: str,
        span: Window | None,
    ) -> list[TableRecord]:
        """Write the tables that are made from the same records, and publish them."""
        with ExitStack() as stack:
            staging = stack.enter_context(self._folder.staging())
            writers = [
                TableWriter(self._listings[each.name], self._request, span, staging, self._hash_key)
                for each in listings
            ]
            for writer in writers:
                stack.callback(writer.abort)
            for record, parent in records:
                if self._stopped.is_set():
                    raise MarketoStoppedError("the task was killed, or another table could not be read")
                for writer in writers:
                    writer.add(record, parent)
            outcomes = [writer.finish() for writer in writers]
            names = [file.name for outcome in outcomes for file in outcome.files]
            remember_leftovers(self._folder, self._run, names)
            staging.publish(names)
            return [
                self._record(writer, outcome, as_of, span) for writer, outcome in zip(writers, outcomes, strict=True)
            ]

    def _record(self, writer: TableWriter, outcome: Outcome, as_of: str, span: Window | None) -> TableRecord:
        listing = writer.listing
        files = tuple(ManifestFile(file.name, file.rows, file.size, file.sha256) for file in outcome.files)
        window = ManifestWindow(
            writer.window_name,
            start=iso(span.start) if span else None,
            end=iso(span.end) if span else None,
            rows_read=outcome.rows_read,
            rows=outcome.rows,
            rows_duplicate=outcome.rows_duplicate,
            bytes=sum(file.bytes for file in files),
        )
        kind = listing.kind(changed_only=span is not None)
        record = TableRecord(listing.name, kind, as_of, window, files, dict(outcome.type_errors))
        self._folder.write_json(layout.slice_record(self._run, listing.name), record.to_dict())
        log.info("%s: %s%s", listing.name, counted(outcome.rows, "row"), " changed" if span else "")
        return record

    def _skipped(self, listing: Listing, error: MarketoError, as_of: str) -> TableRecord:
        """
        Return the record of a table that Marketo refuses.

        :raises MarketoError: the author named the table.
        """
        is_named = listing.name in self._request.named
        if is_named or (isinstance(error, MarketoPermissionError) and error.code != codes.ACCESS_DENIED):
            raise error
        log.warning("%s is skipped: %s", listing.name, error)
        kind = listing.kind(changed_only=False)
        return TableRecord(listing.name, kind, as_of, ManifestWindow(listing.name), skipped=str(error))
