"""Custom objects linked to leads: one type with a simple key, one with a compound key."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import start_of_day, timestamp
from airflow_provider_marketo.simulator.store.columns import Column, ComputedColumn, CyclicColumn, cyclic_columns
from airflow_provider_marketo.simulator.store.fields import Field
from airflow_provider_marketo.simulator.store.leads import FIRST_ID
from airflow_provider_marketo.simulator.store.table import Record, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_marketo.simulator.settings import Settings

SYSTEM_FIELDS = (
    Field("marketoGUID", "Marketo GUID", updateable=False),
    Field("createdAt", "Created At", "datetime", updateable=False),
    Field("updatedAt", "Updated At", "datetime", updateable=False),
)


@dataclass(frozen=True)
class CustomObjectType:
    """
    A custom object type.

    :param name: the API name.
    :param label: the display name that marketers see.
    :param plural: the display name in the plural.
    :param dedupe: names of the fields that make a record unique.
    :param link: name of the field that holds the lead's id.
    :param fields: fields by API name.
    :param description: free text.
    """

    name: str
    label: str
    plural: str
    dedupe: tuple[str, ...]
    link: str
    fields: dict[str, Field]
    description: str = ""

    @property
    def searchable(self) -> list[tuple[str, ...]]:
        """The keys by which records can be looked up, each a tuple of field names."""
        return [self.dedupe, ("marketoGUID",), *([(self.link,)] if self.link and (self.link,) != self.dedupe else [])]


def _type(name: str, label: str, plural: str, dedupe: tuple[str, ...], link: str, *fields: Field) -> CustomObjectType:
    named = {field.name: field for field in (*SYSTEM_FIELDS, *fields)}
    return CustomObjectType(name, label, plural, dedupe, link, named)


TYPES = (
    _type(
        "car_c", "Car", "Cars", ("vin",), "ownerId",
        Field("vin", "VIN"),
        Field("ownerId", "Owner Id", "integer"),
        Field("make", "Make"),
        Field("model", "Model"),
        Field("year", "Year", "integer"),
        Field("price", "Price", "currency"),
        Field("electric", "Electric", "boolean"),
        Field("soldOn", "Sold On", "date"),
        Field("lastServiceAt", "Last Service At", "datetime"),
        Field("notes", "Notes", "text"),
    ),
    _type(
        "enrollment_c", "Enrollment", "Enrollments", ("studentId", "courseCode"), "studentId",
        Field("studentId", "Student Id", "integer"),
        Field("courseCode", "Course Code"),
        Field("grade", "Grade", "float"),
        Field("passed", "Passed", "boolean"),
    ),
)  # fmt: skip


class CustomObjects(Table):
    """
    Records of one custom object type, by ``marketoGUID``.

    :param settings: number of records, time span and seed.
    :param kind: the custom object type.
    :param number: number of the type, which makes its ids differ from those of other types.
    """

    def __init__(self, settings: Settings, kind: CustomObjectType, number: int) -> None:
        self.type = kind
        prefix = f"{number:08x}-{settings.seed % 0x10000:04x}-4000-8000-"

        def row_of(guid: str) -> int | None:
            return int(guid[24:], 16) if re.fullmatch(re.escape(prefix) + "[0-9a-f]{12}", guid) else None

        leads = max(1, settings.leads)
        own: dict[str, Column] = {
            "marketoGUID": ComputedColumn(lambda row: f"{prefix}{row:012x}", row_of),
            # Every lead gets one record before any lead gets a second, so that a key of lead and course is unique.
            kind.link: ComputedColumn(lambda row: FIRST_ID + row % leads),
        }
        if "vin" in kind.fields:
            own["vin"] = ComputedColumn(lambda row: f"SIM{row:014d}", _row_of_vin)
        if "courseCode" in kind.fields:
            own["courseCode"] = ComputedColumn(lambda row: f"C-{row // leads:04d}")
        if "make" in kind.fields:
            own["make"] = CyclicColumn(["Audi", "BMW", "Citroën", "Tesla", "VW"])
        super().__init__(
            settings.custom_objects,
            start_of_day(settings.dates.leads_since),
            start_of_day(settings.dates.end),
            key="marketoGUID",
            key_of=lambda row: f"{prefix}{row:012x}",
            row_of=row_of,
            columns={**cyclic_columns(settings.seed, kind.name, kind.fields.values()), **own},
        )

    def create(self, values: Record, now: int) -> str:
        """
        Create a record.

        :return: the record's ``marketoGUID``.
        """
        guid = str(uuid.uuid4())
        moment = {"createdAt": timestamp(now), "updatedAt": timestamp(now)}
        self.write({**dict.fromkeys(self.type.fields), **values, "marketoGUID": guid, **moment}, now)
        return guid

    def update(self, record: Record, values: Record, now: int) -> None:
        """Change fields of a record."""
        self.write({**record, **values, "updatedAt": timestamp(now)}, now)

    def with_key(self, values: Record) -> list[Any]:
        """Return the keys of the records that have all of the values; at most one for a dedupe key."""
        (first, value), *others = values.items()
        return [
            key
            for key in self.find(first, [value])
            if all(str((self.get(key) or {}).get(name)).lower() == str(other).lower() for name, other in others)
        ]

    def of_leads(self, lead_ids: Iterable[int]) -> Iterator[Any]:
        """Iterate over the keys of the records that are linked to the leads."""
        return self.find(self.type.link, lead_ids)


def _row_of_vin(text: str) -> int | None:
    return int(text[3:]) if re.fullmatch(r"sim\d{14}", text) else None
