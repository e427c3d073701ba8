"""What a listing is: the operation that lists, the key of a row, and where its columns are in Marketo's records."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.dates import iso, parse_date_or_none
from airflow_provider_marketo.client.tabular.schema import Column, TableSchema
from airflow_provider_marketo.output.manifest import CHANGES, FULL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PARENT, POSITION = "^", "#"
"""Signs in a place: a member of the record that the row belongs to; the row's position in that record, from 1."""

VERSIONS = ("approved", "draft")
"""The versions of a Marketo asset. Marketo lists one of them in a call."""

_PAGE_SIZES = ("maxReturn", "batchSize")


@dataclass(frozen=True)
class ListingColumn:
    """
    A column of a listing.

    :param name: name in camel case, as Marketo's other names.
    :param type: Marketo's data type.
    :param places: where the value may be: names of members, from the outer to the inner. The first place with a value
        counts.
    """

    name: str
    type: str
    places: tuple[tuple[str, ...], ...]

    def value(self, record: Mapping[str, Any], parent: Mapping[str, Any], position: int) -> Any:
        """
        Return the value for a row: plain, or the JSON text of a list or an object; None if Marketo sent no value.

        :param record: the record of the row.
        :param parent: the record that it belongs to.
        :param position: its position in the parent.
        """
        if self.places == ((POSITION,),):
            return position
        found: Any = None
        for place in self.places:
            found = member(parent, place[1:]) if place[0] == PARENT else member(record, place)
            if found is not None:
                break
        if found is None:
            return None
        if isinstance(found, (list, dict)):
            return json.dumps(found, ensure_ascii=False)
        if self.type == "datetime" and isinstance(found, str):
            moment = parse_date_or_none(found)
            return iso(moment) if moment else found
        return found


def member(record: Any, place: Sequence[str]) -> Any:
    """
    Return a member of a record; None if the record lacks it.

    :param record: the record.
    :param place: names of members, from the outer to the inner.
    """
    for name in place:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def columns(text: str) -> tuple[ListingColumn, ...]:
    """
    Return the columns that a text describes, one word each: ``name``, ``name:type``, ``name:type=outer.inner``.

    :param text: such as ``id:integer name folderId:integer=folder.id|folder.value``. Without a type a column is
        ``string``; without a place it is the member of its name.
    """
    found = []
    for word in text.split():
        described, _, place = word.partition("=")
        name, _, data_type = described.partition(":")
        places = tuple(tuple(each.split(".")) for each in (place or name).split("|"))
        found.append(ListingColumn(name, data_type or "string", places))
    return tuple(found)


@dataclass(frozen=True)
class Listing:
    """
    One table of reference data.

    :param name: the word in ``object_types``, and the name of the table.
    :param operation: the operation that lists the records.
    :param key: names of the columns that make a row unique.
    :param columns: columns of the table.
    :param parameters: parameters of the operation, the same in every call.
    :param versions: whether records have an approved version and a draft. Both are listed.
    :param each: place of a list in the records whose items are the rows; empty if a record is a row.
    :param parent: the listing whose rows cost a call each, which lists what belongs to the row; None for a call per
        page.
    :param asks_with: map of the operation's parameters to the members of the parent's record that they take.
    :param follows_parent: whether rows change only if their parent's ``updatedAt`` does. If not, all are always read.
    :param looked_up_by: field by whose values Marketo looks records up; empty if Marketo lists the records.
    :param describe: operation that says which fields the records have; empty if ``columns`` has them all.
    :param made_of: names of the listings from whose records it is made; empty for a listing that reads its own records.
    :param complete: whether Marketo lists everything, so that a missing row is gone. False if Marketo forgets records.
    :param default: whether an operator lists it if its author names no tables.
    """

    name: str
    operation: str
    key: tuple[str, ...]
    columns: tuple[ListingColumn, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: bool = False
    each: str = ""
    parent: str | None = None
    asks_with: Mapping[str, str] = field(default_factory=dict)
    follows_parent: bool = True
    looked_up_by: str = ""
    describe: str = ""
    made_of: tuple[str, ...] = ()
    complete: bool = True
    default: bool = True

    @property
    def cost(self) -> Literal["page", "row"]:
        """Unit of a call: a ``page`` of rows, or each ``row`` of the parent."""
        return "page" if self.parent is None else "row"

    @property
    def source(self) -> tuple[Any, ...]:
        """What is read for the listing. Listings with the same source share their calls."""
        return (self.operation, self.made_of, self.versions, self.parent, json.dumps(self.parameters, sort_keys=True))

    @property
    def selects_by_date(self) -> bool:
        """Whether Marketo can list only the records that changed in a span."""
        return "earliestUpdatedAt" in operations.get(self.operation).parameters and not self.made_of

    @property
    def changes(self) -> bool:
        """Whether only changes are listed if an author names a start."""
        return self.selects_by_date or (self.parent is not None and self.follows_parent)

    @property
    def page(self) -> Mapping[str, int]:
        """The parameter that makes pages as large as Marketo allows; nothing if there are no pages."""
        known = operations.get(self.operation).parameters
        return {name: known[name].schema.maximum or 0 for name in _PAGE_SIZES if name in known}

    def described(self, fields: Iterable[Mapping[str, Any]]) -> Listing:
        """
        Return the listing with the columns that the instance has.

        :param fields: fields of the answer of ``describe``.
        """
        found = ((str(each["name"]), str(each.get("dataType", "string")).lower()) for each in fields)
        return replace(self, columns=tuple(ListingColumn(name, data_type, ((name,),)) for name, data_type in found))

    def kind(self, *, changed_only: bool) -> str:
        """
        Return what the rows mean to a reader: ``full`` if a missing row is gone, else ``changes``.

        :param changed_only: whether only what has changed in a span was read.
        """
        return FULL if self.complete and not changed_only else CHANGES

    def items(self, record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a record: the items of its list, or the record itself."""
        return (member(record, self.each.split(".")) or ()) if self.each else (record,)

    def key_of(self, record: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the key of a record, for a listing whose rows are records."""
        return tuple(column.value(record, record, 1) for column in self.columns if column.name in self.key)

    def schema(self, names: Sequence[str]) -> TableSchema:
        """
        Return the schema of the table.

        :param names: the columns that are wanted.
        """
        return TableSchema(tuple(Column(one.name, one.type) for one in self.columns if one.name in names), self.key)
