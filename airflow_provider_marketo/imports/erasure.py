"""Erasing leads on request, and evidence of it that holds no personal data."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.dates import stamp
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.lead_fields import looking_up_by
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.imports.answers import skipped_for
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.secret import Secret

_RESTORE = (
    "Restore this evidence. If that is impossible, move the file aside and clear the task: the new evidence then lacks"
    " the leads that earlier tries have erased."
)

_NOT_SHOWN = frozenset({"cookies"})
"""Fields that find leads, but that Marketo does not return. So it is unknown which value found a lead."""

PER_CALL = 300
"""Values in a query, and leads in a deletion."""


class MarketoLeadsReappearedError(MarketoInvalidRequestError):
    """Leads that were erased are there again."""

    default_remedy = (
        "Find out what created them again (a form, a CRM, a list import). Then clear the task to erase them once more."
    )


class Erasure:
    """
    Finds and deletes leads.

    :param client: the instance.
    :param lookup_field: field to look in.
    :param values: values of this field.
    :param hash_key: key of the digests in the evidence; None for evidence without digests. A digest without a key is
        no secret: everyone who knows an address can compute it.
    """

    def __init__(
        self, client: MarketoClient, lookup_field: str, values: Sequence[str], hash_key: Secret | None
    ) -> None:
        self._client = client
        self._lookup_field = lookup_field
        self._values = values
        self._hash_key = hash_key
        self._having: set[str] = set()

    def find(self) -> list[int]:
        """Return the ids of all leads that any value finds (``leads.get_by_filter_type``), duplicates included."""
        found: set[int] = set()
        fields = ["id"] if self._lookup_field in _NOT_SHOWN else list(dict.fromkeys(("id", self._lookup_field)))
        for values in batches(self._values, PER_CALL):
            query = {"filterType": self._lookup_field, "filterValues": values, "fields": fields}
            with looking_up_by(self._client, "lookup_field", self._lookup_field):
                for lead in self._client.paginate("leads.get_by_filter_type", **query):
                    found.add(lead_id_of(lead))
                    self._having.add(_folded(lead.get(self._lookup_field)))
        return sorted(found)

    def without_lead(self) -> list[int] | None:
        """
        Return the positions of the values that have found no lead, from 1; None if Marketo does not show the field.

        Positions are not personal data, the values are.
        """
        if self._lookup_field in _NOT_SHOWN:
            return None
        return [at for at, value in enumerate(self._values, 1) if _folded(value) not in self._having]

    def delete(self, lead_ids: Sequence[int], note: Callable[[int], None]) -> Counter[str]:
        """
        Delete leads (``leads.delete``).

        :param lead_ids: their ids.
        :param note: called after each call with the number of leads that it deleted, before the next call is made.
        :return: how many leads Marketo refused to delete, by its code. Leads that no longer exist are not counted.
        :raises MarketoStoppedError: the task was killed.
        """
        refused: Counter[str] = Counter()
        for part in batches(lead_ids, PER_CALL):
            reply = self._client.call("leads.delete", input=[{"id": lead_id} for lead_id in part])
            deleted = 0
            for record in reply.records:
                skipped, reasons = skipped_for(record)
                gone = reasons == [codes.LEAD_NOT_FOUND]
                deleted += not skipped or (gone and reply.resent)  # the first sending deleted it
                if skipped and not gone:
                    refused[reasons[0] if reasons else "?"] += 1
            note(deleted)
        return refused

    def digests(self, values: Iterable[Any]) -> list[str] | None:
        """Return the digests that replace values in the evidence; None without a key."""
        if self._hash_key is None:
            return None
        key = self._hash_key
        return sorted(
            hmac.new(key.reveal().encode(), str(value).strip().lower().encode(), hashlib.sha256).hexdigest()
            for value in values
        )


@dataclass(frozen=True)
class ErasureRecord(Serializable):
    """
    The record of one run's erasure.

    :param instance: the Munchkin ID.
    :param dag_id: id of the task's DAG.
    :param task_id: the task's id.
    :param run_id: id of the task's DAG run.
    :param map_index: the task's map index; -1 if it is not mapped.
    :param found: leads that were found, over all tries.
    :param deleted: leads that were deleted, over all tries.
    :param refused: how many leads Marketo refused to delete, by its code.
    :param began: when the first try began; ISO 8601, UTC.
    :param requested: number of values to look for.
    :param without_lead: how many values have found no lead in any try; None if that is unknown.
    :param without_lead_at: positions of these values, from 1.
    :param requested_digests: digests of the values; None without digests.
    :param lead_digests: digests of the ids that were found; None without digests.
    :param erased: leads that are gone; None until that was checked.
    :param remaining: leads that are still there; None until that was checked.
    :param verified: when that was checked; None if it was not.
    :param rechecked: time of the later check; None before it.
    :param reappeared: leads that the later check has found.
    """

    VERSION: ClassVar[int] = 1
    SPARSE: ClassVar[bool] = True

    instance: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    found: int
    deleted: int
    refused: Mapping[str, int]
    began: str | None = None
    requested: int | None = None
    without_lead: int | None = None
    without_lead_at: tuple[int, ...] | None = None
    requested_digests: tuple[str, ...] | None = None
    lead_digests: tuple[str, ...] | None = None
    erased: int | None = None
    remaining: int | None = None
    verified: str | None = None
    rechecked: str | None = None
    reappeared: int | None = None


class Evidence:
    """
    The record of an erasure, stored before and after each step.

    :param url: URL of the folder for the record's file.
    :param task: instance, DAG, task, run and map index: they name the file.
    :raises MarketoInvalidRequestError: the folder cannot be written to.
    :raises MarketoStateError: the evidence of an earlier try is damaged.
    :ivar record: the record, as stored.
    """

    def __init__(self, url: str, task: Mapping[str, Any]) -> None:
        key = hashlib.sha256(repr(sorted(task.items())).encode()).hexdigest()[:16]
        self._name = f"erasure-{key}.json"
        self._folder = OutputFolder(url, parameter="evidence", owner=f"erasure-{key}")
        self._folder.remove_temporary()
        self._folder.check_writable()
        before = self._folder.read_state(ErasureRecord, self._name, remedy=_RESTORE)
        self.record = before or ErasureRecord(**task, found=0, deleted=0, refused={})

    @property
    def path(self) -> str:
        """The address of the record's file."""
        return str(self._folder.path(self._name))

    @property
    def verified(self) -> bool:
        """Whether the deletion was checked."""
        return self.record.verified is not None

    def restart(self) -> None:
        """Note that another try begins: its deletion is not checked yet."""
        if self.verified:
            self._write(verified=None)

    def begin(
        self,
        values: int,
        found: int,
        *,
        without_lead: Sequence[int] | None,
        requested: Sequence[str] | None,
        leads: Sequence[str] | None,
    ) -> None:
        """
        Record the leads that are about to be deleted.

        :param values: number of values to look for.
        :param found: number of leads that this try found. Leads that earlier tries deleted are added.
        :param without_lead: positions of values that found no lead in this try; None if that is unknown. A value
            whose lead an earlier try has deleted is not among them.
        :param requested: digests of the values; None without digests.
        :param leads: digests of the ids that this try found; None without digests.
        """
        before = self.record
        if without_lead is not None and before.without_lead_at is not None:
            without_lead = sorted({*without_lead} & {*before.without_lead_at})
        found = max(before.deleted + found, before.found)
        digests: dict[str, Any] = {}
        if requested is not None and leads is not None:
            known = sorted({*(before.lead_digests or ()), *leads})
            digests, found = {"requested_digests": tuple(requested), "lead_digests": tuple(known)}, len(known)
        self._write(
            began=before.began or stamp(),
            requested=values,
            found=found,
            without_lead=None if without_lead is None else len(without_lead),
            without_lead_at=None if without_lead is None else tuple(without_lead),
            erased=None,
            remaining=None,
            verified=None,
            **digests,
        )

    def note_deleted(self, count: int) -> None:
        """Add leads that a call has deleted, so that a stopped task leaves complete evidence."""
        self._write(deleted=self.record.deleted + count)

    def close(self) -> None:
        """Delete unfinished files."""
        self._folder.remove_temporary()

    def finish(self, remaining: int, refused: Mapping[str, int]) -> None:
        """
        Record what the check after the deletion has found.

        :param remaining: leads that are still there.
        :param refused: how many leads Marketo refused to delete, by its code.
        """
        erased = self.record.found - remaining
        self._write(verified=stamp(), erased=erased, remaining=remaining, refused=dict(refused))

    def recheck(self, reappeared: int) -> None:
        """
        Record what the later check has found.

        :param reappeared: leads that are there again.
        """
        self._write(rechecked=stamp(), reappeared=reappeared)

    def _write(self, **changed: Any) -> None:
        self.record = replace(self.record, **changed)
        self._folder.write_state(self._name, self.record)


def _folded(value: Any) -> str:
    """Return a value in the form that Marketo compares: without the case of letters."""
    return str(value).strip().casefold()
