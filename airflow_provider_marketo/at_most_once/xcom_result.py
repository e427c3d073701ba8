"""The part of an operation's result that may go through XCom."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_marketo.client.operations import Operation

XCOM_BYTES = 48_000
"""Largest result in XCom, in bytes. Larger results go to ``output_path``."""

_ROWS_OF_PEOPLE = (
    "activities.get_deleted_leads",
    "activities.get_lead_*",
    "companies.get",
    "custom_objects.get",
    "emails.get_full_content",
    "landing_pages.get_full_content",
    "leads.get_by_*",
    "named_account_lists.get_members",
    "named_accounts.get",
    "opportunities.get",
    "opportunity_roles.get",
    "program_members.get",
    "sales_persons.get",
    "static_list_membership.get_leads_*",
    "user_management.get_invited_user_by_id",
    "user_management.get_user*",
)
"""Operations whose rows may be people: only the rows' ids go through XCom."""

_ID_MEMBERS = ("id", "leadId", "marketoGUID", "externalOpportunityId", "batchId", "exportId", "userid")


class XComResult:
    """
    The part of a result that goes into XCom, collected page by page.

    :param operation: the operation that gives the result.
    :ivar count: number of all records.
    :ivar ids: ids of the records.
    :ivar result: the records; None if they may be people or went to storage.
    :ivar warnings: Marketo's warnings, each once.
    :ivar first: the first record, in a list; it does not go into XCom.
    """

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._is_read = operation.retry == "read"
        self._people = any(fnmatchcase(operation.name, pattern) for pattern in _ROWS_OF_PEOPLE)
        self._bytes = 0
        self.count = 0
        self.ids: list[Any] = []
        self.result: list[Any] | None = None
        self.warnings: list[str] = []
        self.first: list[Any] = []

    def add(self, records: Sequence[Any], warnings: Sequence[str], *, stored: bool = False) -> None:
        """
        Add a page.

        :param records: records of the page.
        :param warnings: Marketo's warnings.
        :param stored: whether the records go to storage. Only their number is then kept.
        :raises MarketoInvalidRequestError: the result of a query is too large.
        """
        self.count += len(records)
        self.warnings += [warning for warning in warnings if warning not in self.warnings]
        self.first = self.first or list(records[:1])
        if stored:
            return
        ids = [found for found in map(_id_of, records) if found is not None]
        kept = ids if self._people else [*ids, *records]
        self._bytes += len(json.dumps(kept))
        if self._bytes > XCOM_BYTES:
            self._too_large()
            return
        self.ids += ids
        if not self._people:
            self.result = [*(self.result or []), *records]

    def _too_large(self) -> None:
        if self._is_read:
            raise MarketoInvalidRequestError(
                f"the result of {self._operation.name} is larger than the {XCOM_BYTES} bytes that may go into XCom",
                parameter="output_path",
                remedy="Name a folder for the result in output_path.",
            )
        # Marketo has done the work: if the task failed now, a person would do it again.
        self.ids, self.result = [], None
        self.warnings.append("the result is too large for XCom and was dropped: name a folder with output_path=")


def _id_of(record: Any) -> Any:
    if not isinstance(record, Mapping):
        return None
    return next((record[member] for member in _ID_MEMBERS if member in record), None)
