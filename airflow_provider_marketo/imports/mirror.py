"""A static list made equal to an input: missing leads are added, surplus members removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.imports.targets import LEAD_ID, RECORDS_PER_CALL, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.result import ImportDetails
    from airflow_provider_marketo.imports.staged import StagedImport

_ADD, _REMOVE = "static_list_membership.add_to_list", "static_list_membership.remove_from_list"

log = printable_logger(__name__)


class ListMirror:
    """
    Compares a static list with the leads that the list should have.

    :param client: the instance.
    :param list_id: id of the static list.
    :param staged: the leads that the list should have.
    """

    def __init__(self, client: MarketoClient, list_id: int, staged: StagedImport) -> None:
        self._client = client
        self._list_id = list_id
        pages = client.paginate("static_list_membership.get_leads_by_list_id", listId=list_id, fields=["id"])
        self.members = set(map(lead_id_of, pages))
        self._place = staged.place
        at = staged.plan.header.index(LEAD_ID) if staged.plan.header else 0
        wanted = {int(row[at]) for chunk in staged.chunks for row in staged.rows(chunk)}
        self.additions = len(wanted - self.members)
        self.removals: Sequence[int] = sorted(self.members - wanted)

    def check(self, max_removals: float) -> None:
        """
        Refuse to remove too many members.

        :param max_removals: largest number of leads to remove, or a share of the list if it is below one.
        :raises MarketoInvalidRequestError: more leads would be removed; nothing was changed.
        """
        allowed = max_removals if max_removals >= 1 or max_removals == 0 else max_removals * len(self.members)
        if len(self.removals) > allowed:
            raise MarketoInvalidRequestError(
                f"{len(self.removals)} of the {counted(len(self.members), 'member')} of list {self._list_id} would be"
                f" removed, and max_removals={max_removals:g} allows {int(allowed)}",
                parameter="max_removals",
                remedy="This try changed nothing. If the removals are right, raise max_removals and clear the task. If"
                " the input was not complete, start a new DAG run with the whole input: a cleared task keeps the rows"
                f" that it has staged in {self._place}.",
            )

    def has(self, record: Record) -> bool:
        """Whether a lead is in the list already."""
        return int(record[LEAD_ID]) in self.members

    def preview(self) -> dict[str, Any]:
        """Return what a dry run reports: the members that would be added and removed."""
        leads = {_ADD: self.additions, _REMOVE: len(self.removals)}
        return {
            "operations": [operation for operation, count in leads.items() if count],
            "calls": sum(-(-count // RECORDS_PER_CALL) for count in leads.values()),
            "to_send": self.additions,
            "to_remove": len(self.removals),
        }

    def remove(self) -> ImportDetails:
        """
        Remove surplus members (``static_list_membership.remove_from_list``). Repeating it changes nothing.

        :return: counts, for the task's result.
        """
        for batch in batches(self.removals, RECORDS_PER_CALL):
            self._client.call(_REMOVE, listId=self._list_id, id=list(batch))
        if self.removals:
            log.info("Removed %s from list %d", counted(len(self.removals), "lead"), self._list_id)
        return {"members_before": len(self.members), "removed": len(self.removals)}
