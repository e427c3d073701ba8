"""The conditions that leads are in a static list, and that a program has enough members."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client import meanings
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import (
    MarketoInvalidRequestError,
    MarketoNotFoundError,
    MarketoPermissionError,
)
from airflow_provider_marketo.client.ids import lead_id_of
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller, Found, distinct_batches
from airflow_provider_marketo.conditions.existing import existing

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.client.transport import Reply

log = printable_logger(__name__)

IDS_PER_CALL = 300

SHOWN = 5
"""Ids that an error lists."""


@dataclass(frozen=True)
class ListMembershipCondition(Condition):
    """
    Leads are in a static list, or not in it.

    :param list_id: id of the list.
    :param lead_ids: ids of at least one lead.
    :param member: True waits until all leads are in the list, False until no lead is in it.
    """

    kind: ClassVar[str] = "list_membership"
    list_id: int
    lead_ids: tuple[int, ...]
    member: bool = True

    def __post_init__(self) -> None:
        if not self.lead_ids:
            raise MarketoInvalidRequestError("lead_ids is empty", parameter="lead_ids")

    @property
    def group(self) -> Hashable:
        """The static list: a call asks for many of its leads."""
        return self.list_id

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        return f"{counted(len(self.lead_ids), 'lead')} to {'join' if self.member else 'leave'} list {self.list_id}"


class ListMembershipPoller(ConditionPoller[ListMembershipCondition]):
    """Ask whether leads are in lists (``static_list_membership.member_of_list``), up to 300 leads in a call."""

    def _ask(self, conditions: Sequence[ListMembershipCondition]) -> Mapping[ListMembershipCondition, Answer]:
        list_id = conditions[0].list_id
        states: dict[int, str] = {}
        for batch in distinct_batches((lead for condition in conditions for lead in condition.lead_ids), IDS_PER_CALL):
            try:
                reply = self._client.call("static_list_membership.member_of_list", listId=list_id, id=batch)
            except MarketoNotFoundError as error:
                error.parameter = "list_id"
                raise
            states |= {lead_id_of(item): str(item.get("status")).lower() for item in reply.records}
        answers: dict[ListMembershipCondition, Answer] = {}
        for condition in conditions:
            gone = [lead for lead in condition.lead_ids if states.get(lead) == "skipped"]
            if gone and condition.member:
                answers[condition] = _gone(gone)
            elif all((states.get(lead) == "memberof") == condition.member for lead in condition.lead_ids):
                answers[condition] = {"list_id": list_id, "lead_ids": list(condition.lead_ids)}
        return answers


def _gone(lead_ids: Sequence[int]) -> MarketoNotFoundError:
    """Return the error for deleted leads. Marketo never uses an id again, so the wait would not end."""
    return MarketoNotFoundError(
        f"there is no lead {', '.join(map(str, lead_ids[:SHOWN]))}"
        + (f" and {len(lead_ids) - SHOWN} more" if len(lead_ids) > SHOWN else ""),
        operation="static_list_membership.member_of_list",
        parameter="lead_ids",
        remedy="A lead may have been deleted, or merged into another lead. Correct lead_ids.",
    )


@dataclass(frozen=True)
class ProgramMembersCondition(Condition):
    """
    A program has enough members in some statuses.

    :param program_id: id of the program.
    :param statuses: names of statuses of the program's channel.
    :param count: number of members to wait for, in all these statuses together.
    """

    kind: ClassVar[str] = "program_members"
    program_id: int
    statuses: tuple[str, ...]
    count: int = 1

    def __post_init__(self) -> None:
        if not self.statuses:
            raise MarketoInvalidRequestError(
                "statuses is empty", parameter="statuses", remedy="Give at least one status of the program's channel."
            )
        if any("," in status for status in self.statuses):
            raise MarketoInvalidRequestError(
                "a status contains a comma, which Marketo reads as two statuses", parameter="statuses"
            )
        if self.count < 1:
            raise MarketoInvalidRequestError(f"count={self.count} is less than 1", parameter="count")

    @property
    def group(self) -> Hashable:
        """The program."""
        return self.program_id

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        return f"{counted(self.count, 'member')} of program {self.program_id} in status {' or '.join(self.statuses)}"


class ProgramMembersPoller(ConditionPoller[ProgramMembersCondition]):
    """Count members of programs (``program_members.get``), but only as many as the conditions need."""

    def check(self, condition: ProgramMembersCondition) -> None:
        """
        Check that the program exists, and that its channel has the statuses.

        Adobe's operations: ``programs.get_by_id``, ``channels.get_by_name``.

        :param condition: what the sensor waits for.
        :raises MarketoInvalidRequestError: the program or one of the statuses does not exist.
        """
        program = existing(self._client, "programs", condition.program_id, parameter="program_id")
        channel = (program or {}).get("channel")
        if not channel:
            return
        try:
            channels = self._client.call("channels.get_by_name", name=channel).records
        except MarketoPermissionError as error:
            log.info("The sensor cannot check the statuses of channel %r, and waits anyway: %s", channel, error)
            return
        with reading("channels.get_by_name"):
            known = [str(status["name"]) for each in channels for status in each.get("progressionStatuses") or ()]
        unknown = [status for status in condition.statuses if status.lower() not in map(str.lower, known)]
        if known and unknown:
            raise MarketoInvalidRequestError(
                f"the channel {channel!r} of program {condition.program_id} has no status"
                f" {' or '.join(with_nearest(status, known) for status in unknown)}",
                operation="channels.get_by_name",
                parameter="statuses",
                remedy=f"Its statuses are {', '.join(known)}.",
            )

    def _ask(self, conditions: Sequence[ProgramMembersCondition]) -> Mapping[ProgramMembersCondition, Answer]:
        program_id = conditions[0].program_id
        counts: Counter[str] = Counter()
        found: dict[ProgramMembersCondition, Found] = {}
        for page in self._pages(program_id, {status for condition in conditions for status in condition.statuses}):
            counts.update(str(member.get("statusName")).lower() for member in page.records)
            for condition in conditions:
                total = sum(counts[status] for status in {each.lower() for each in condition.statuses})
                if total >= condition.count:
                    found[condition] = {"program_id": program_id, "members": total}
            if len(found) == len(conditions):
                break
        return found

    def _pages(self, program_id: int, statuses: Collection[str]) -> Iterator[Reply]:
        query = {"filterType": "statusName", "filterValues": sorted(statuses), "fields": ["leadId", "statusName"]}
        try:
            yield from self._client.pages("program_members.get", programId=program_id, batchSize=300, **query)
        except MarketoInvalidRequestError as error:
            if meanings.exceeds_limit(error):
                error.parameter = "program_id"
                error.remedy = (
                    "Marketo finds members by their status only in programs of up to 100,000 members. Export them with"
                    " MarketoBulkExtractOperator(object_type='program_members'), and count the rows."
                )
            raise
