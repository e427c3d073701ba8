"""A static list made equal to an input: who is missing is added, who is too many is removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.staged import StagedImport
from airflow_provider_marketo.imports.targets import LEAD_ID, RECORDS_PER_CALL, Record

_REMOVE = "static_list_membership.remove_from_list"

log = logging.getLogger(__name__)


class Mirror:
    """
    :param client: the instance.
    :param list_id: of the static list.
    :param load: the leads that the list shall hold, staged.
    """

    def __init__(self, client: MarketoClient, list_id: int, load: StagedImport) -> None:
        self._client = client
        self._list_id = list_id
        pages = client.paginate("static_list_membership.get_leads_by_list_id", listId=list_id, fields=["id"])
        self.members = {int(lead["id"]) for lead in pages}
        at = load.plan.header.index(LEAD_ID) if load.plan.header else 0
        wanted = {int(row[at]) for chunk in load.chunks for row in load.rows(chunk)}
        self.additions = len(wanted - self.members)
        self.removals: Sequence[int] = sorted(self.members - wanted)

    def check(self, max_removals: float) -> None:
        """
        :param max_removals: a number of leads, or a part of the list if it is a fraction below one.
        :raises MarketoInvalidRequestError: more would be removed; nothing was changed.
        """
        allowed = max_removals if max_removals >= 1 or max_removals == 0 else max_removals * len(self.members)
        if len(self.removals) > allowed:
            raise MarketoInvalidRequestError(
                f"{len(self.removals)} of the {len(self.members)} members of list {self._list_id} would be removed,"
                f" and max_removals={max_removals:g} allows {int(allowed)}",
                parameter="max_removals",
                remedy="Nothing was changed. Check that the input is complete, or raise max_removals.",
            )

    def there(self, record: Record) -> bool:
        """Whether a lead is in the list already."""
        return int(record[LEAD_ID]) in self.members

    def foresee(self) -> dict[str, Any]:
        """What would be done, for a dry run."""
        calls = {
            "static_list_membership.add_to_list": self.additions,
            _REMOVE: len(self.removals),
        }
        return {
            "operations": [operation for operation, leads in calls.items() if leads],
            "calls": sum(-(-leads // RECORDS_PER_CALL) for leads in calls.values()),
            "to_send": self.additions,
            "to_remove": len(self.removals),
        }

    def remove(self) -> dict[str, Any]:
        """
        Remove who is too many (``static_list_membership.remove_from_list``). Doing it again changes nothing.

        :return: counts, for the task's result.
        """
        for first in range(0, len(self.removals), RECORDS_PER_CALL):
            batch = self.removals[first : first + RECORDS_PER_CALL]
            self._client.call(_REMOVE, listId=self._list_id, id=list(batch))
        if self.removals:
            log.info("Removed %d leads from list %d", len(self.removals), self._list_id)
        return {"members_before": len(self.members), "removed": len(self.removals)}
