"""Writes one listing as a typed table, in the formats of every other output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.records import MarketoMemberMissingError
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.client.tabular.transform import Rules
from airflow_provider_marketo.output.formats import FORMATS
from airflow_provider_marketo.output.manifest import ManifestFile, ManifestWindow

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.client.secret import Secret
    from airflow_provider_marketo.client.tabular.transform import Outcome
    from airflow_provider_marketo.listings.listing import Listing
    from airflow_provider_marketo.listings.request import ListingRequest
    from airflow_provider_marketo.output.folder import Staging

_LINES = 1_000
"""Rows that are converted together."""


@dataclass(frozen=True)
class TableRecord(Serializable):
    """
    What the manifest will say about a published table, kept for the next try.

    :param name: name of the listing.
    :param kind: ``full`` or ``changes``.
    :param as_of: Marketo's time when reading began; ISO 8601, UTC.
    :param window: rows and bytes, and the span whose changes were listed.
    :param files: the files; empty for a table without rows.
    :param type_errors: number of values that did not fit, by column.
    :param skipped: why Marketo refused the table; None for a table that was read.
    """

    VERSION: ClassVar[int] = 1

    name: str
    kind: str
    as_of: str
    window: ManifestWindow
    files: tuple[ManifestFile, ...] = ()
    type_errors: Mapping[str, int] = field(default_factory=dict)
    skipped: str | None = None


class TableWriter:
    """
    Takes records and writes the rows of one listing. A row that comes twice is written once.

    Marketo counts an offset in the assets of the moment, so pages overlap if an asset is added between two calls.

    :param listing: the listing.
    :param request: the request.
    :param span: the span whose changes are listed; None for all rows.
    :param staging: where files are kept until they are published.
    :param hash_key: key for hashed columns.
    """

    def __init__(
        self,
        listing: Listing,
        request: ListingRequest,
        span: Window | None,
        staging: Staging,
        hash_key: Secret | None,
    ) -> None:
        self.listing = listing
        self._span = span
        schema = request.schema(listing)
        names = [column.name for column in schema.columns]
        self._columns = [column for column in listing.columns if column.name in names]
        self._keys = [names.index(name) for name in listing.key]
        rules = Rules(
            schema=schema,
            name=f"{listing.name}/{self.window_name}",
            hashed=frozenset(request.hashed(listing)),
            hash_key=hash_key,
            on_type_error=request.on_type_error,
        )
        self._transform = FORMATS[request.file_format].transform(rules, None, staging.open)
        self._lines = [line(names)]
        self._seen: set[tuple[Any, ...]] = set()
        self._parent: Mapping[str, Any] | None = None
        self._rows_read = 0
        self._rows_duplicate = 0

    @property
    def window_name(self) -> str:
        """Name of the files: one for all runs that list everything, and one for each span of changes."""
        return f"{self.listing.name}_{self._span.name}" if self._span else self.listing.name

    def add(self, record: Mapping[str, Any], parent: Mapping[str, Any] | None = None) -> None:
        """
        Write the rows of a record.

        :param record: the record.
        :param parent: the record that it belongs to, of a listing that costs a call per row.
        :raises MarketoDataError: Marketo does not say which record it is.
        """
        if parent is not self._parent:  # the parent's id is a part of the key
            self._parent = parent
            self._seen.clear()
        outer = record if parent is None else parent
        with reading(self.listing.name):
            rows = [
                [column.value(item, outer, position) for column in self._columns]
                for position, item in enumerate(self.listing.items(record), 1)
            ]
        for values in rows:
            key = tuple(values[index] for index in self._keys)
            if key[0] is None:
                raise MarketoMemberMissingError(f"a record of {self.listing.operation} has no {self.listing.key[0]}")
            self._rows_read += 1
            if key in self._seen:
                self._rows_duplicate += 1
                continue
            self._seen.add(key)
            self._lines.append(line(values))
            if len(self._lines) >= _LINES:
                self._feed()

    def finish(self) -> Outcome:
        """Write what is left and close the files. Return what was written."""
        self._feed()
        outcome: Outcome = self._transform.finish()
        outcome.rows_read = self._rows_read
        outcome.rows_duplicate = self._rows_duplicate
        return outcome

    def abort(self) -> None:
        """Drop everything."""
        self._transform.abort()

    def _feed(self) -> None:
        self._transform.feed(b"".join(self._lines))
        self._lines.clear()
