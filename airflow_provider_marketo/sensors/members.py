"""Waits for members of static lists and programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Condition


class MarketoListMembershipSensor(MarketoSensor):
    """
    Wait until leads are in a static list, or no longer in it.

    Sensors of one list that wait in the triggerer are asked for together, 300 leads in a call.

    Adobe's operation: ``static_list_membership.member_of_list``.

    :param list_id: id of the list.
    :param lead_ids: all of these leads.
    :param member: False waits until none of them is in the list.
    :return: ``{"list_id", "lead_ids"}``.
    """

    template_fields: Sequence[str] = (*MarketoSensor.template_fields, "list_id", "lead_ids")

    def __init__(
        self, *, list_id: int | str, lead_ids: Sequence[int] | int | str, member: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.list_id = list_id
        self.lead_ids = lead_ids
        self.member = member

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.members import ListMembershipCondition
        from airflow_provider_marketo.legacy_arguments import as_ids, needed_id

        return ListMembershipCondition(
            list_id=needed_id("list_id", self.list_id),
            lead_ids=tuple(sorted(as_ids("lead_ids", self.lead_ids))),
            member=self.member,
        )


class MarketoProgramMemberSensor(MarketoSensor):
    """
    Wait until a program has so many members in some status, such as 200 who registered for a webinar.

    Members are counted no further than is asked for; 300 cost a call. Marketo does not count programs with more than
    100,000 members.

    Adobe's operations: ``program_members.get``, ``programs.get_by_id`` once.

    :param program_id: id of the program.
    :param statuses: one status or several, as the program's channel names them.
    :param count: members wanted, of all these statuses together.
    :return: ``{"program_id", "members"}``, the members counted.
    """

    template_fields: Sequence[str] = (*MarketoSensor.template_fields, "program_id", "statuses", "count")

    def __init__(
        self, *, program_id: int | str, statuses: Sequence[str] | str, count: int | str = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.program_id = program_id
        self.statuses = statuses
        self.count = count

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.members import ProgramMembersCondition
        from airflow_provider_marketo.legacy_arguments import as_list, needed_id

        return ProgramMembersCondition(
            program_id=needed_id("program_id", self.program_id),
            statuses=tuple(sorted(as_list(self.statuses) or ())),
            count=needed_id("count", self.count),
        )
