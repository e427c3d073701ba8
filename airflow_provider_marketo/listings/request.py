"""What an author wants listed, checked before the first call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.bulk.plan import Window
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.listings.table import DEFAULT, LISTINGS

if TYPE_CHECKING:
    from airflow_provider_marketo.client.tabular.schema import TableSchema
    from airflow_provider_marketo.listings.listing import Listing

Names = Sequence[str] | Mapping[str, Sequence[str]]
"""Names of columns: of all tables that have them, or by table."""


@dataclass(frozen=True)
class ListingRequest(Serializable):
    """
    The wanted listings. Names and meanings are those of the operator's arguments.

    :param object_types: names of the listings.
    :param named: listings that the author named; they may not be skipped.
    :param start: list what has changed since then; None lists everything.
    :param looked_up_by: by table, the field of the given keys, if it is not the usual one.
    :param keys_in: for a table whose keys are in the rows of another listed table: that table and its field.
    :raises MarketoInvalidRequestError: no table has a column, or a column must stay as it is.
    """

    VERSION: ClassVar[int] = 2

    object_types: tuple[str, ...]
    named: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    file_format: str = "parquet"
    fields: Any = ()
    exclude_fields: Any = ()
    hash_fields: Any = ()
    on_type_error: str = "null"
    keys: Any = field(default_factory=dict)
    looked_up_by: Any = field(default_factory=dict)
    keys_in: Any = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.start is None and self.end is not None:
            raise MarketoInvalidRequestError(
                "end needs a start", parameter="start", remedy="Give both, or neither to list everything."
            )
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise MarketoInvalidRequestError(
                f"the span from {iso(self.start)} to {iso(self.end)} is empty", parameter="end"
            )
        self._check_keys()
        if not any(listing.describe for listing in self.listings):
            self.check_columns(self.listings)

    def check_columns(self, listings: Sequence[Listing]) -> None:
        """
        Refuse columns that no table has, or that must stay as they are.

        :param listings: listings with all of their columns.
        """
        for parameter in ("fields", "exclude_fields", "hash_fields"):
            self._check_columns(parameter, getattr(self, parameter) or (), listings)

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> ListingRequest:
        """
        Return the request that an operator's arguments make.

        :param arguments: the operator's arguments, rendered and converted.
        """
        names = arguments["object_types"]
        columns: dict[str, Any] = {name: arguments[name] or () for name in ("fields", "exclude_fields", "hash_fields")}
        others: dict[str, Any] = {name: arguments[name] for name in ("start", "end", "file_format", "on_type_error")}
        keys = arguments["keys"] or {}
        if not isinstance(keys, Mapping):
            raise MarketoInvalidRequestError("keys is not a mapping of tables to lists", parameter="keys")
        others["keys"] = {name: tuple(dict.fromkeys(values)) for name, values in keys.items()}
        others |= {name: arguments.get(name) or {} for name in ("looked_up_by", "keys_in")}
        named = tuple(dict.fromkeys(names or arguments.get("also") or ()))
        wanted = named if names else tuple(dict.fromkeys((*DEFAULT, *named)))
        return cls(object_types=wanted, named=named, **others, **columns)

    @property
    def listings(self) -> list[Listing]:
        """The wanted listings."""
        return [LISTINGS[name] for name in self.object_types]

    def span(self, now: datetime) -> Window | None:
        """
        Return the span whose changes are listed; None if everything is listed.

        :param now: Marketo's time, where the span ends if the author names no end.
        :raises MarketoInvalidRequestError: the span lies in the future.
        """
        if self.start is None:
            return None
        if self.start >= now:
            raise MarketoInvalidRequestError(
                f"the span from {iso(self.start)} lies in the future: Marketo's clock says {iso(now)}",
                parameter="start",
                remedy="Ask for a span that has begun.",
            )
        return Window(self.start, min(self.end or now, now))

    def schema(self, listing: Listing) -> TableSchema:
        """
        Return the wanted columns of a listing. The columns of its key are always among them.

        :param listing: the listing.
        """
        names = [column.name for column in listing.columns]
        wanted = self._of(self.fields, listing) or names
        excluded = self._of(self.exclude_fields, listing)
        return listing.schema(
            [name for name in names if name in listing.key or (name in wanted and name not in excluded)]
        )

    def hashed(self, listing: Listing) -> list[str]:
        """
        Return the columns of a listing that are replaced by digests.

        :param listing: the listing.
        """
        return self._of(self.hash_fields, listing)

    @property
    def all_hashed(self) -> list[str]:
        """The columns that are hashed in any table."""
        given = self.hash_fields
        return [name for names in given.values() for name in names] if isinstance(given, Mapping) else list(given)

    def excluded(self, listing: Listing) -> list[str]:
        """
        Return the columns of a listing that are left out because the author says so.

        :param listing: the listing.
        """
        return self._of(self.exclude_fields, listing)

    def fingerprint(self) -> str:
        """Return a digest of the request, so that a retry never continues another request."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def _of(self, names: Names, listing: Listing) -> list[str]:
        given = names.get(listing.name, ()) if isinstance(names, Mapping) else names
        known = {column.name for column in listing.columns}
        return [name for name in given if name in known]

    def _check_keys(self) -> None:
        needed = [listing.name for listing in self.listings if listing.looked_up_by]
        surplus = [name for name in self.keys if name not in needed]
        for name in needed:
            if not self.keys.get(name) and name not in self.keys_in and not surplus:
                raise MarketoInvalidRequestError(
                    f"Marketo does not list {name}: it only looks them up by {LISTINGS[name].looked_up_by}",
                    parameter="keys",
                    remedy=f"Give keys={{{name!r}: [...]}}.",
                )
        if surplus:
            raise MarketoInvalidRequestError(
                f"{with_nearest(surplus[0], needed)} is not among the tables that need keys",
                parameter="keys",
                remedy=f"Give keys for {', '.join(needed)}." if needed else "Leave keys out.",
            )

    def _check_columns(self, parameter: str, given: Names, every: Sequence[Listing]) -> None:
        by_table = given if isinstance(given, Mapping) else {None: given}
        for table, names in by_table.items():
            if table is not None and table not in self.object_types:
                raise MarketoInvalidRequestError(
                    f"{with_nearest(table, self.object_types)} is not among the tables that are listed",
                    parameter=parameter,
                    remedy=f"The task lists {', '.join(self.object_types)}; object_types can name others.",
                )
            listings = [listing for listing in every if table in (None, listing.name)]
            known = {column.name for listing in listings for column in listing.columns}
            unknown = [name for name in names if name not in known]
            if unknown:
                listed = ", ".join(with_nearest(name, known) for name in unknown)
                raise MarketoInvalidRequestError(
                    f"{table} has no column {listed}" if table else f"none of the tables has a column {listed}",
                    parameter=parameter,
                )
            for listing in listings if parameter != "fields" else ():
                for name in names:
                    if name in listing.key:
                        raise MarketoInvalidRequestError(
                            f"{name} tells the rows of {listing.name} apart and cannot be"
                            f" {'hashed' if parameter == 'hash_fields' else 'excluded'}",
                            parameter=parameter,
                            remedy="Leave it out."
                            if table is not None
                            else f"Name the tables whose column you mean: {parameter}={{'table': ['{name}']}}.",
                        )
