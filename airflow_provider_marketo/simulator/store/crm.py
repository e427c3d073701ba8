"""Objects that usually come from a CRM: companies, opportunities, opportunity roles, sales persons, named accounts."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.store.columns import folded
from airflow_provider_marketo.simulator.store.fields import Field

_TIMES = (
    Field("createdAt", "Created At", "datetime", updateable=False),
    Field("updatedAt", "Updated At", "datetime", updateable=False),
)
_GUID = Field("marketoGUID", "Marketo GUID", updateable=False)
_ID = Field("id", "Id", "integer", updateable=False)
FIRST_ID = 501
Record = Mapping[str, Any]


@dataclass
class CrmObject:
    """
    An object type and its records.

    :param name: the name that describe returns.
    :param id_field: name of the field with Marketo's id of a record.
    :param dedupe: names of the fields that make a record unique.
    :param searchable: further keys by which records can be looked up, each a tuple of field names.
    :param fields: fields by API name.
    :param required: names of the fields that must not be empty.
    :param records: records by Marketo's id.
    """

    name: str
    id_field: str
    dedupe: tuple[str, ...]
    searchable: tuple[tuple[str, ...], ...]
    fields: dict[str, Field]
    required: tuple[str, ...] = ()
    records: dict[Any, dict[str, Any]] = field(default_factory=dict)
    _keys: dict[tuple[str | None, ...], Any] = field(default_factory=dict)
    _next: int = FIRST_ID

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """All keys by which records can be looked up, each a tuple of field names."""
        return list(dict.fromkeys((self.dedupe, (self.id_field,), *self.searchable)))

    def key_of(self, record: Record) -> tuple[str | None, ...]:
        """Return the dedupe key of a record, in lower case."""
        return tuple(folded(record.get(name)) for name in self.dedupe)

    def with_key(self, record: Record) -> Any:
        """Return the id of the stored record with the same dedupe key; None without one."""
        return self._keys.get(self.key_of(record))

    def find(self, names: tuple[str, ...], values: Record) -> Iterator[Any]:
        """Iterate over the ids of the records that have all of the values."""
        wanted = {name: folded(values[name]) for name in names}
        for record_id, record in self.records.items():
            if all(folded(record.get(name)) == value for name, value in wanted.items()):
                yield record_id

    def create(self, values: Record, now: int) -> Any:
        """
        Create a record.

        :return: Marketo's id of the record.
        """
        record_id: Any = str(uuid.uuid4())
        if self.fields[self.id_field].type == "integer":
            record_id, self._next = self._next, self._next + 1
        times = {"createdAt": timestamp(now), "updatedAt": timestamp(now)}
        self.records[record_id] = {**dict.fromkeys(self.fields), **values, self.id_field: record_id, **times}
        self._keys[self.key_of(values)] = record_id
        return record_id

    def update(self, record_id: Any, values: Record, now: int) -> None:
        """Change fields of a record."""
        record = self.records[record_id]
        self._keys.pop(self.key_of(record), None)
        record.update({**values, "updatedAt": timestamp(now)})
        self._keys[self.key_of(record)] = record_id

    def delete(self, record_id: Any) -> None:
        """Delete a record."""
        self._keys.pop(self.key_of(self.records.pop(record_id)), None)


def _object(
    name: str,
    id_field: Field,
    dedupe: tuple[str, ...],
    searchable: tuple[str, ...],
    *fields: Field,
    required: tuple[str, ...] = (),
) -> CrmObject:
    by_name = {each.name: each for each in (id_field, *_TIMES, *fields)}
    return CrmObject(name, id_field.name, dedupe, tuple((each,) for each in searchable), by_name, required)


def crm_objects() -> dict[str, CrmObject]:
    """Return the object types by operation family. They have no records: the instance has no CRM connected."""
    return {
        "companies": _object(
            "Company", _ID, ("externalCompanyId",), ("company",),
            Field("externalCompanyId", "External Company Id"),
            Field("company", "Company Name"),
            Field("industry", "Industry"),
            Field("website", "Website", "url"),
            Field("annualRevenue", "Annual Revenue", "currency"),
            Field("numberOfEmployees", "Num Employees", "integer"),
            Field("externalSalesPersonId", "External Sales Person Id"),
        ),
        "opportunities": _object(
            "Opportunity", _GUID, ("externalOpportunityId",), (),
            Field("externalOpportunityId", "External Opportunity Id"),
            Field("name", "Name"),
            Field("amount", "Amount", "currency"),
            Field("stage", "Stage"),
            Field("isWon", "Is Won", "boolean"),
            Field("closeDate", "Close Date", "date"),
            Field("externalSalesPersonId", "External Sales Person Id"),
            required=("name",),
        ),
        "opportunity_roles": _object(
            "Opportunity Role", _GUID, ("externalOpportunityId", "leadId", "role"), ("leadId", "externalOpportunityId"),
            Field("externalOpportunityId", "External Opportunity Id"),
            Field("leadId", "Lead Id", "integer"),
            Field("role", "Role"),
            Field("isPrimary", "Is Primary", "boolean"),
            Field("externalCreatedDate", "External Created Date", "datetime"),
        ),
        "sales_persons": _object(
            "Sales Person", _ID, ("externalSalesPersonId",), ("email",),
            Field("externalSalesPersonId", "External Sales Person Id"),
            Field("email", "Email Address", "email"),
            Field("firstName", "First Name"),
            Field("lastName", "Last Name"),
            Field("title", "Job Title"),
        ),
        "named_accounts": _object(
            "Named Account", _GUID, ("name",), ("industry", "city", "state", "country", "domainName"),
            Field("name", "Name"),
            Field("industry", "Industry"),
            Field("city", "City"),
            Field("state", "State"),
            Field("country", "Country"),
            Field("domainName", "Domain Name"),
            Field("numberOfEmployees", "Num Employees", "integer"),
            Field("annualRevenue", "Annual Revenue", "currency"),
        ),
    }  # fmt: skip
