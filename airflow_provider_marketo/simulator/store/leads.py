"""The lead table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import start_of_day, timestamp
from airflow_provider_marketo.simulator.store.columns import ComputedColumn, CyclicColumn, cyclic_columns
from airflow_provider_marketo.simulator.store.fields import LEAD_FIELDS, Field, by_name
from airflow_provider_marketo.simulator.store.table import Record, Table

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.settings import Settings

FIRST_ID = 1001
PARTITIONS = {"Default": 1, "EMEA": 2}
DOMAINS = ("example.com", "example.org", "example.net")
_NO_EMAIL_EVERY, _NO_EMAIL_OFFSET = 97, 50
_EMAIL = re.compile(r"lead(\d+)@example\.(com|org|net)")
_ALWAYS_EMPTY = (
    "cookies",
    "sfdcId",
    "facebookId",
    "linkedInId",
    "twitterId",
    "externalCompanyId",
    "externalSalesPersonId",
)


class Leads(Table):
    """
    Leads by id; the id of a generated lead is ``FIRST_ID`` plus its row number.

    :param settings: number of leads, time span and seed.
    """

    def __init__(self, settings: Settings) -> None:
        fields = [field for field in LEAD_FIELDS if settings.formula_field or field.type != "formula"]
        self.fields: dict[str, Field] = dict(by_name(fields))
        super().__init__(
            settings.leads,
            start_of_day(settings.dates.leads_since),
            start_of_day(settings.dates.end),
            key="id",
            key_of=lambda row: FIRST_ID + row,
            row_of=lambda lead_id: lead_id - FIRST_ID,
            columns={
                **cyclic_columns(settings.seed, "leads", fields),
                **{name: CyclicColumn([None]) for name in _ALWAYS_EMPTY},
                "id": ComputedColumn(lambda row: FIRST_ID + row, _row_of_id),
                "email": ComputedColumn(_email, _row_of_email),
                "leadPartitionId": CyclicColumn([1, 1, 1, 2]),
                "isAnonymous": CyclicColumn([False]),
            },
        )
        self._next = FIRST_ID + self.count

    def create(self, values: Record, now: int, partition: int) -> int:
        """
        Create a lead.

        :param values: fields by API name; the others are empty.
        :param now: creation time, in seconds since 1970.
        :param partition: id of the lead partition.
        :return: the lead's id.
        """
        lead_id, self._next = self._next, self._next + 1
        empty = {name: False if field.type == "boolean" else None for name, field in self.fields.items()}
        lead = {**empty, "leadScore": 0, **values, "id": lead_id, "leadPartitionId": partition}
        self.write({**lead, "createdAt": timestamp(now), "updatedAt": timestamp(now)}, now)
        return lead_id

    def update(self, lead: Record, values: Record, now: int) -> dict[str, tuple[Any, Any]]:
        """
        Change fields of a lead.

        :return: the old and the new value of each field that changed.
        """
        changes = {name: (lead.get(name), value) for name, value in values.items() if lead.get(name) != value}
        if changes:
            # The visible updatedAt moves with standard fields only; the export filter sees every change.
            standard = any(name in self.fields and not self.fields[name].custom for name in changes)
            moved = {"updatedAt": timestamp(now)} if standard else {}
            self.write({**lead, **values, **moved}, now)
        return changes

    def add_field(self, field: Field) -> None:
        """Add a field, which is empty in every lead, or replace the metadata of an existing one."""
        self.fields[field.name] = field
        self.columns.setdefault(field.name, CyclicColumn([None]))


def _email(row: int) -> str | None:
    return None if row % _NO_EMAIL_EVERY == _NO_EMAIL_OFFSET else f"lead{FIRST_ID + row}@{DOMAINS[row % len(DOMAINS)]}"


def _row_of_email(text: str) -> int | None:
    found = _EMAIL.fullmatch(text)
    return int(found.group(1)) - FIRST_ID if found else None


def _row_of_id(text: str) -> int | None:
    return int(text) - FIRST_ID if text.isdecimal() else None
