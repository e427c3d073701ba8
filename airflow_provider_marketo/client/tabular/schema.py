"""The columns of a table. They depend on what Marketo says about its fields, never on the data."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_marketo.client.errors import ASK_ADOBE, MarketoDataError
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.serializable import Serializable

STRING, INTEGER, FLOAT, DECIMAL = "string", "integer", "float", "decimal"
BOOLEAN, DATE, DATETIME, ATTRIBUTES = "boolean", "date", "datetime", "attributes"

KINDS: Mapping[str, str] = {
    "integer": INTEGER,
    "percent": INTEGER,
    "score": INTEGER,
    "float": FLOAT,
    "currency": DECIMAL,
    "boolean": BOOLEAN,
    "date": DATE,
    "datetime": DATETIME,
    "attributes": ATTRIBUTES,
}
"""The kind of each of Marketo's data types that is not text. Every other type, known or new, is text."""


def kind_of(data_type: str) -> str:
    """Return the kind of one of Marketo's data types."""
    return KINDS.get(data_type, STRING)


_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")
_SPACING = re.compile(r"[\s_\-.,:;'\"()/?!]+")

_ACTIVITY_TYPES: Mapping[str, str] = {
    "leadId": "integer",
    "activityDate": "datetime",
    "activityTypeId": "integer",
    "campaignId": "integer",
    "primaryAttributeValueId": "integer",
    "attributes": "attributes",
}


@dataclass(frozen=True)
class Column:
    """
    A column.

    :param name: the name in the file's header.
    :param type: Marketo's data type, in lower case.
    """

    name: str
    type: str

    @property
    def kind(self) -> str:
        """The kind of its values: one of the words above."""
        return kind_of(self.type)


@dataclass(frozen=True)
class TableSchema(Serializable):
    """
    The columns of a table, and what makes a row unique.

    :param columns: columns in the order of the output.
    :param key: names of the columns that make a row unique; empty where rows cannot be told apart.
    :param date: name of the column by which rows are cut to a span; None if they are not cut. It may be
        missing in ``columns``.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    date: str | None = None

    @property
    def helper(self) -> str | None:
        """The column that is read only to cut rows by it, and is not written; None if no such column is needed."""
        return None if self.date in {column.name for column in self.columns} else self.date


@dataclass(frozen=True)
class ActivityType(Serializable):
    """
    An activity type.

    :param id: Marketo's id.
    :param name: as marketers read it, such as ``Send Email``.
    :param attributes: data types of the secondary attributes, by display name.
    """

    id: int
    name: str
    attributes: Mapping[str, str]

    @property
    def folder(self) -> str:
        """The name in snake case: ``send_email``."""
        return snake_case(self.name)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ActivityType:
        """Read an item of ``activities.get_types``."""
        attributes = {
            str(item["name"]): str(item.get("dataType", "string")).lower() for item in record.get("attributes") or ()
        }
        return cls(id_of(record, "an activity type"), str(record["name"]), attributes)


def activity_types(records: Iterable[Mapping[str, Any]]) -> dict[int, ActivityType]:
    """
    Return the activity types by id.

    :param records: records of ``activities.get_types``.
    :raises MarketoDataError: a record is not an activity type, or Marketo lists none, although every instance has some.
    """
    with reading("activities.get_types"):
        found = {kind.id: kind for kind in map(ActivityType.from_record, records)}
    if not found:
        raise MarketoDataError(
            "activities.get_types: Marketo lists no activity types, and every instance has some",
            remedy=ASK_ADOBE,
        )
    return found


def snake_case(name: str) -> str:
    """Return a display name as an identifier: ``Client IP Address`` becomes ``client_ip_address``."""
    return re.sub(r"[^0-9a-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def is_plain_name(name: str) -> bool:
    """Whether a display name is words of ASCII letters and digits with a space between them, as most names are."""
    return _PLAIN_NAME.fullmatch(name) is not None


def identifier(name: str) -> str:
    """
    Return an identifier of a display name that no other name shares, and that other names cannot change.

    A plain name becomes its snake case, which it may share with a name in other capitals. Any other name ends in a
    digest, since snake case loses a part of it: all of 会社, the accents of Société, the sign of C#.
    """
    if is_plain_name(name):
        return snake_case(name)
    composed = unicodedata.normalize("NFC", name)
    without_accents = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return f"{snake_case(without_accents) or 'attribute'}_{name_digest(composed)}"


def name_digest(name: str) -> str:
    """Return a few characters that tell a name from others."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def folded(name: str) -> str:
    """Return what a display name has in common with the spellings that Adobe has given it: letters, digits, signs."""
    return _SPACING.sub("", unicodedata.normalize("NFKC", name).casefold())


def activity_schema(fields: Sequence[str]) -> TableSchema:
    """
    Return the schema of exported activities.

    :param fields: names of the exported columns, in order.
    """
    columns = tuple(Column(name, _ACTIVITY_TYPES.get(name, "string")) for name in fields)
    return TableSchema(columns, ("marketoGUID",), "activityDate")


def from_describe(
    items: Iterable[Mapping[str, Any]], fields: Sequence[str], *, key: Sequence[str], date: str | None
) -> TableSchema:
    """
    Return the schema of fields that describe lists.

    :param items: fields as an operation that describes them returns them. The name of a field is in ``name``, or in
        ``rest.name`` with ``leads.describe``.
    :param fields: names of the columns, in order. A name that describe does not list is an id that Marketo adds.
    :param key: names of the columns that make a row unique.
    :param date: name of the column by which rows are cut.
    """
    types: dict[str, str] = {}
    for item in items:
        name = (item.get("rest") or item).get("name")
        if name:
            types.setdefault(str(name), str(item.get("dataType", "string")).lower())
    columns = tuple(Column(name, types.get(name, "integer" if name in key else "string")) for name in fields)
    return TableSchema(columns, tuple(key), date)


def describe_change(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[dict[str, str]]:
    """
    Return the differences of two schemas, as plain JSON: columns that were added, were removed or changed their type.

    :param old: a schema's dictionary; None without one.
    :param new: a schema's dictionary.
    """
    if old is None:
        return []
    before = {column["name"]: column["type"] for column in old["columns"]}
    after = {column["name"]: column["type"] for column in new["columns"]}
    return [
        *({"column": name, "change": "removed"} for name in before if name not in after),
        *({"column": name, "change": "added"} for name in after if name not in before),
        *(
            {"column": name, "change": f"{before[name]} became {after[name]}"}
            for name in after
            if name in before and before[name] != after[name]
        ),
    ]
