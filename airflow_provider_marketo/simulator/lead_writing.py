"""Writing leads, for every operation that does: the rules of an upsert, and the activities that a change logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.problems import ApiError, RecordError
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.simulator.store.fields import SEARCHABLE, SEARCHABLE_TYPES, Field
from airflow_provider_marketo.simulator.store.leads import PARTITIONS
from airflow_provider_marketo.simulator.values import typed_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.simulator.database import LeadDatabase
    from airflow_provider_marketo.simulator.store.table import Record

CREATE_ONLY, UPDATE_ONLY, UPSERT, DUPLICATE = "createOnly", "updateOnly", "createOrUpdate", "createDuplicate"
DEFAULT_PARTITION = "Default"
_COMPANY_FIELDS = frozenset(
    {"company", "industry", "annualRevenue", "numberOfEmployees", "website", "mainPhone", "sicCode", "site"}
    | {f"billing{part}" for part in ("Street", "City", "State", "PostalCode", "Country")}
)


def searchable_fields(fields: Mapping[str, Field]) -> list[str]:
    """Return the names of the fields by which leads can be looked up."""
    return [
        field.name
        for field in fields.values()
        if not field.hidden and (field.name in SEARCHABLE or (field.custom and field.type in SEARCHABLE_TYPES))
    ]


class LeadWriter:
    """
    Writes leads by the same rules, one after the other.

    :param database: the lead database.
    :param action: ``createOnly``, ``updateOnly``, ``createOrUpdate`` or ``createDuplicate``.
    :param lookup_field: field by which leads are found.
    :param partition: name of the partition for new leads; None for the default one.
    :param source: cause that the activities name.
    :param also: a second lookup field; a lead has to match both.
    :raises ApiError: the rules contradict each other, or the field or partition is unknown.
    """

    def __init__(
        self,
        database: LeadDatabase,
        action: str = UPSERT,
        lookup_field: str = "email",
        partition: str | None = None,
        *,
        source: str = "Web service API",
        also: str | None = None,
    ) -> None:
        if lookup_field not in searchable_fields(database.store.leads.fields):
            raise ApiError("1011", f"Field '{lookup_field}' is not supported as lookupField")
        if lookup_field == "id" and action != UPDATE_ONLY:
            raise ApiError("1003", f"Lookup field 'id' is not allowed with action '{action}'")
        if partition is not None and action == UPDATE_ONLY:
            raise ApiError("1003", "partitionName is not allowed with action 'updateOnly'")
        if partition is not None and partition not in PARTITIONS:
            raise ApiError("1008", f"Lead partition '{partition}' not found or not accessible")
        self._database = database
        self._leads = database.store.leads
        self._action = action
        self._lookup_field = lookup_field
        self._partition = partition
        self._source = source
        self._also = also

    def write(self, record: Record) -> dict[str, Any]:
        """
        Create or update a lead.

        :return: the lead's entry in the result.
        :raises RecordError: the lead is skipped.
        """
        key = self._lookup_field
        given = {name: value for name, value in record.items() if name != "id" or key != "id"}
        values = typed_record(self._leads.fields, given)
        if self._action == DUPLICATE:
            return self._create(values)
        if record.get(key) in (None, ""):
            raise RecordError("1003", f"Empty key field '{key}'")
        found = sorted(self._leads.find(key, [record[key]]))
        if self._also is not None:
            same = set(self._leads.find(self._also, [record.get(self._also)]))
            found = [each for each in found if each in same]
        if len(found) > 1:
            raise RecordError("1007", f"Multiple leads match the lookup criteria: {len(found)}")
        if not found:
            if self._action == UPDATE_ONLY:
                raise RecordError("1004")
            return self._create(values)
        if self._action == CREATE_ONLY:
            raise RecordError("1005")
        return self._update(found[0], values)

    def _create(self, values: Record) -> dict[str, Any]:
        partition = PARTITIONS[self._partition or DEFAULT_PARTITION]
        now = self._database.now
        lead_id = self._leads.create(values, now, partition)
        self._log(lead_id, types.NEW_LEAD, {"Source Type": self._source})
        return {"id": lead_id, "status": "created"}

    def _update(self, lead_id: int, values: Record) -> dict[str, Any]:
        lead = self._leads.get(lead_id)
        assert lead is not None  # it was found a moment ago, under the same lock
        if self._partition is not None and lead["leadPartitionId"] != PARTITIONS[self._partition]:
            raise RecordError("1010", f"Lead {lead_id} is in another partition")
        if lead.get("externalCompanyId") and _COMPANY_FIELDS & values.keys():
            raise RecordError("1021", "Company update is not allowed for a lead that is linked to a company")
        self.change(lead, values)
        return {"id": lead_id, "status": "updated"}

    def change(self, lead: Record, values: Record) -> None:
        """Change a lead and log each field whose value changed."""
        fields, ids = self._leads.fields, self._database.store.activities.field_ids
        for name, (old, new) in self._leads.update(lead, values, self._database.now).items():
            score = fields[name].type == "score"
            attributes = {"New Value": new, "Old Value": old, "Reason": self._source}
            if score:
                attributes["Change Value"] = f"{(new or 0) - (old or 0):+d}"
            else:
                attributes["Source"] = self._source
            kind = types.CHANGE_SCORE if score else types.CHANGE_DATA
            self._log(lead["id"], kind, attributes, ids[name], fields[name].label)

    def _log(
        self, lead_id: int, kind: int, attributes: Record, primary_id: int | None = None, primary: str | None = None
    ) -> None:
        self._database.store.activities.add(
            self._database.now, lead_id, kind, primary_id=primary_id, primary=primary, attributes=attributes
        )


def delete_lead(database: LeadDatabase, lead_id: int, reason: str = "Web service API") -> None:
    """
    Delete a lead permanently.

    :raises RecordError: 1004, no lead has this id.
    """
    lead = database.store.leads.get(lead_id)
    if lead is None:
        raise RecordError("1004", f"Lead '{lead_id}' not found")
    database.store.leads.delete(lead_id)
    name = " ".join(part for part in (lead.get("firstName"), lead.get("lastName")) if part)
    database.store.activities.add(
        database.now, lead_id, types.DELETE_LEAD, primary_id=lead_id, primary=name, attributes={"Reason": reason}
    )
