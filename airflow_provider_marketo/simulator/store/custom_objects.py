"""Custom objects that hang on leads: one with a simple key, one whose key has two fields."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_provider_marketo.simulator.settings import Settings
from airflow_provider_marketo.simulator.store.fields import Field
from airflow_provider_marketo.simulator.store.leads import FIRST_ID
from airflow_provider_marketo.simulator.store.pools import Column, Computed, Pool, pools, stamp
from airflow_provider_marketo.simulator.store.table import Record, Table, day

SYSTEM_FIELDS = (
    Field("marketoGUID", "Marketo GUID", updateable=False),
    Field("createdAt", "Created At", "datetime", updateable=False),
    Field("updatedAt", "Updated At", "datetime", updateable=False),
)


@dataclass(frozen=True)
class CustomObjectType:
    """
    :param name: in the API.
    :param label: as marketers read it.
    :param plural: the same for several.
    :param dedupe: names of the fields that make a record unique.
    :param link: name of the field that holds a lead's id.
    :param fields: by name.
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
        """Keys by which records are found."""
        return [self.dedupe, ("marketoGUID",), *([(self.link,)] if (self.link,) != self.dedupe else [])]


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
    Records of one type, by ``marketoGUID``.

    :param settings: how many, since when, and the seed.
    :param kind: the type.
    :param number: of the type, which tells its ids from those of other types.
    """

    def __init__(self, settings: Settings, kind: CustomObjectType, number: int) -> None:
        self.type = kind
        prefix = f"{number:08x}-{settings.seed % 0x10000:04x}-4000-8000-"

        def row_of(guid: str) -> int | None:
            return int(guid[24:], 16) if re.fullmatch(re.escape(prefix) + "[0-9a-f]{12}", guid) else None

        leads = max(1, settings.leads)
        own: dict[str, Column] = {
            "marketoGUID": Computed(lambda row: f"{prefix}{row:012x}", row_of),
            # Walks through all leads before it comes round, so that a key of lead and course is one of a kind.
            kind.link: Computed(lambda row: FIRST_ID + row % leads),
        }
        if "vin" in kind.fields:
            own["vin"] = Computed(lambda row: f"SIM{row:014d}", _row_of_vin)
        if "courseCode" in kind.fields:
            own["courseCode"] = Computed(lambda row: f"C-{row // leads:04d}")
        if "make" in kind.fields:
            own["make"] = Pool(["Audi", "BMW", "Citroën", "Tesla", "VW"])
        super().__init__(
            settings.custom_objects,
            day(settings.leads_since),
            day(settings.end),
            key="marketoGUID",
            key_of=lambda row: f"{prefix}{row:012x}",
            row_of=row_of,
            columns={**pools(settings.seed, kind.name, kind.fields.values()), **own},
        )

    def create(self, values: Record, now: int) -> str:
        """
        A new record.

        :return: its ``marketoGUID``.
        """
        guid = str(uuid.uuid4())
        moment = {"createdAt": stamp(now), "updatedAt": stamp(now)}
        self.write({**dict.fromkeys(self.type.fields), **values, "marketoGUID": guid, **moment}, now)
        return guid

    def update(self, record: Record, values: Record, now: int) -> None:
        """Change a record."""
        self.write({**record, **values, "updatedAt": stamp(now)}, now)

    def with_key(self, values: Record) -> list[Any]:
        """Keys of the records that have all of some values: in practice one, or none."""
        (first, value), *others = values.items()
        return [
            key
            for key in self.find(first, [value])
            if all(str((self.get(key) or {}).get(name)).lower() == str(other).lower() for name, other in others)
        ]

    def of_leads(self, lead_ids: Iterable[int]) -> Iterator[Any]:
        """Keys of the records that hang on leads."""
        return self.find(self.type.link, lead_ids)


def _row_of_vin(text: str) -> int | None:
    return int(text[3:]) if re.fullmatch(r"sim\d{14}", text) else None
