"""Sensors for members of static lists and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import count as counted
from airflow_provider_marketo.arguments import flag, ids, narrowing, one_id, texts
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.sensors.base import MarketoSensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_marketo.arguments import Check
    from airflow_provider_marketo.conditions.condition import Condition


class MarketoListMembershipSensor(MarketoSensor):
    """
    Wait until leads are in a static list, or no longer in it.

    Sensors of one list that wait in the triggerer share calls of 300 leads.

    Adobe's operation: ``static_list_membership.member_of_list``.

    :param list_id: id of the list.
    :param lead_ids: ids of the leads, all of which must be in the list.
    :param member: False waits until none of them is in the list.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"list_id", "lead_ids"}``.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Lead",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "list_id": one_id(required=True),
        "lead_ids": narrowing(ids(required=True)),
        "member": flag(),
    }
    template_fields: Sequence[str] = (*MarketoSensor.template_fields, "list_id", "lead_ids")

    def __init__(
        self,
        *,
        list_id: int | str,
        lead_ids: Sequence[int] | int | str,
        member: bool = True,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.list_id = list_id
        self.lead_ids = lead_ids
        self.member = member
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the memberships to wait for."""
        from airflow_provider_marketo.conditions.members import ListMembershipCondition

        return ListMembershipCondition(
            list_id=self.argument("list_id"),
            lead_ids=tuple(sorted(self.argument("lead_ids"))),
            member=self.argument("member"),
        )


class MarketoProgramMemberSensor(MarketoSensor):
    """
    Wait until a program has a number of members in some status, such as 200 who registered for a webinar.

    The sensor stops counting when it has found enough members; 300 cost a call. Marketo finds members by their status
    only in programs of up to 100,000 members.

    Adobe's operations: ``program_members.get``, ``programs.get_by_id`` once.

    :param program_id: id of the program.
    :param statuses: one status or several, as the program's channel names them.
    :param count: number of members to wait for, over all these statuses together.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"program_id", "members"}``, the members counted.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Lead", "Read-Only Assets")
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "program_id": one_id(required=True),
        "statuses": narrowing(texts(required=True)),
        "count": counted(minimum=1),
    }
    template_fields: Sequence[str] = (*MarketoSensor.template_fields, "program_id", "statuses", "count")

    def __init__(
        self,
        *,
        program_id: int | str,
        statuses: Sequence[str] | str,
        count: int | str = 1,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.program_id = program_id
        self.statuses = statuses
        self.count = count
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the number of members to wait for."""
        from airflow_provider_marketo.conditions.members import ProgramMembersCondition

        return ProgramMembersCondition(
            program_id=self.argument("program_id"),
            statuses=tuple(sorted(self.argument("statuses"))),
            count=self.argument("count"),
        )
