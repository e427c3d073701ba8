"""Compare the header of the input with Marketo's fields, before a row is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import operations as catalogue
from airflow_provider_marketo.client.custom_objects import naming_type
from airflow_provider_marketo.client.errors import ASK_ADOBE, MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.suggest import with_nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_marketo.client.client import MarketoClient


log = printable_logger(__name__)

PRIMARY_VALUE = "primaryAttributeValue"
"""Adobe's name of an activity's primary value. Each activity type has its own name for this value."""


@dataclass(frozen=True)
class Field:
    """
    A field that can be written.

    :param name: REST API name.
    :param type: Marketo's data type, in lower case.
    :param length: largest number of characters, or bytes for type ``text``; None if Marketo names no limit.
    :param display: the name that marketers see.
    :param writable: whether the API may change it.
    :param allowed: the only values that the field takes; None if it takes any.
    """

    name: str
    type: str = "string"
    length: int | None = None
    display: str = ""
    writable: bool = True
    allowed: tuple[str, ...] | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Field | None:
        """Read a field's record, as any describe operation returns it. Return None for a field outside the REST API."""
        if not isinstance(record, Mapping) or not isinstance(record.get("rest") or {}, Mapping):
            raise MarketoDataError("Marketo describes a field in an unknown way", remedy=ASK_ADOBE)
        rest = record.get("rest")
        name = (rest or record).get("name")
        if not name:
            return None
        length = record.get("length")
        writable = not rest.get("readOnly", False) if rest is not None else bool(record.get("updateable", True))
        return cls(
            name=str(name),
            type=str(record.get("dataType", "string")).lower(),
            length=int(length) if length else None,
            display=str(record.get("displayName") or ""),
            writable=writable,
        )


@dataclass(frozen=True)
class Description:
    """
    Marketo's description of a kind of record.

    :param fields: fields by API name.
    :param dedupe: names of the dedupe fields, as Marketo describes them; empty for leads.
    :param id_field: name of Marketo's own id of a record.
    """

    fields: Mapping[str, Field]
    dedupe: tuple[str, ...] = ()
    id_field: str = "id"


def describe(
    client: MarketoClient,
    operations: Iterable[str],
    custom_object: str | None = None,
    activity_type: str | None = None,
) -> Description:
    """
    Return Marketo's description of a kind of record.

    :param client: the instance.
    :param operations: operations of the catalogue that describe it. Their fields are combined.
    :param custom_object: API name of the type, for operations that describe one custom object type.
    :param activity_type: API name of the type, for operations that describe one custom activity type.
    """
    fields: dict[str, Field] = {}
    dedupe: tuple[str, ...] = ()
    id_field = "id"
    for operation in operations:
        types = {"customObjectName": custom_object, "apiName": activity_type}
        path = {name: types[name] for name in catalogue.get(operation).parameters if name in types}
        with naming_type(path.get("customObjectName")):
            records = client.call(operation, **path).records
        with reading(operation):
            if len(records) == 1 and "fields" in records[0]:
                names = records[0].get("dedupeFields") or []
                if not isinstance(records[0]["fields"] or [], list) or not _are_names(names):
                    raise MarketoDataError("Marketo describes an object without a list of its fields", remedy=ASK_ADOBE)
                dedupe = tuple(names)
                id_field = str(records[0].get("idField") or id_field)
                records = records[0]["fields"] or []
            elif len(records) == 1 and "attributes" in records[0]:
                records = _attributes(records[0])
            for field in filter(None, map(Field.from_record, records)):
                fields.setdefault(field.name, field)
    return Description(fields, dedupe, id_field)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _attributes(kind: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the attributes of an activity type in the form in which other objects' fields are described."""
    named = [(each.get("apiName"), each) for each in kind["attributes"]]
    if kind.get("primaryAttribute"):
        named.append((PRIMARY_VALUE, kind["primaryAttribute"]))
    return [{**each, "displayName": each.get("name"), "name": name} for name, each in named]


def header(
    columns: Sequence[str],
    described: Description,
    *,
    mapping: Mapping[str, str],
    constants: Mapping[str, Any],
    key: Sequence[str],
) -> list[tuple[int | None, Field]]:
    """
    Decide which column of the input, or which constant, goes into which field.

    The key comes first. Marketo's reports drop columns that are empty in every row, and a report whose first column is
    empty cannot be read.

    :param columns: columns of the input.
    :param described: Marketo's fields.
    :param mapping: column to API name; only these columns are sent.
    :param constants: API name to the value that every row gets.
    :param key: API names of the fields that every record must have.
    :return: position in the input (None for a constant) and field.
    :raises MarketoInvalidRequestError: a name is unknown, read-only, missing or given twice.
    """
    absent = [name for name in mapping if name not in columns]
    if absent:
        raise _refused(
            f"the input has no column {', '.join(with_nearest(name, columns) for name in absent)}",
            "columns",
            f"Its columns are {', '.join(columns)}.",
        )
    targets = [*mapping.values(), *constants]
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if twice:
        raise _refused(f"more than one column or constant fills {', '.join(twice)}", "columns")
    _check_names(targets, described, key)
    alike = sorted({name for name in targets if [other.lower() for other in targets].count(name.lower()) > 1})
    if alike:
        log.warning("%s differ only by case: each is written to the field that has exactly this name", ", ".join(alike))
    places = {target: columns.index(name) for name, target in mapping.items()}
    ordered = [*key, *(name for name in targets if name not in key)]
    return [(places.get(name), described.fields.get(name, Field(name))) for name in ordered]


def _check_names(targets: Sequence[str], described: Description, key: Sequence[str]) -> None:
    unknown = [name for name in targets if name not in described.fields and name not in key]
    if unknown:
        fields = described.fields.values()
        spellings = {field.name: field.name for field in fields} | {field.display: field.name for field in fields}
        hints = [with_nearest(name, spellings, likeness=0.75) for name in unknown]
        raise _refused(
            f"Marketo has no field {', '.join(hints)}",
            "columns",
            "Name columns by Marketo's API names, or map them with columns. For leads, Admin > Field Management has"
            " the REST API names.",
        )
    fixed = [
        name for name in targets if name in described.fields and not described.fields[name].writable and name not in key
    ]
    if fixed:
        raise _refused(
            f"{', '.join(fixed)} cannot be written: Marketo does not let the API change such fields",
            "columns",
            "Leave them out.",
        )
    lacking = [name for name in key if name not in targets]
    if lacking:
        hints = [with_nearest(name, targets) for name in lacking]
        raise _refused(
            f"the input has no {', '.join(hints)}, which Marketo needs in every record",
            "columns",
            "Add the column, or map one to it with the argument columns.",
        )


def _refused(text: str, parameter: str, remedy: str | None = None) -> MarketoInvalidRequestError:
    return MarketoInvalidRequestError(text, parameter=parameter, remedy=remedy)
