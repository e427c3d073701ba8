"""A sensor for activities of leads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import count as counted
from airflow_provider_marketo.arguments import ids, moment, names_or_ids, narrowing, one_id
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.sensors.base import MarketoSensor, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_marketo.arguments import Check
    from airflow_provider_marketo.conditions.condition import Condition


class MarketoActivitySensor(MarketoSensor):
    """
    Wait until there are activities of some types since a time.

    Sensors that wait in the triggerer share a cursor, ten types in a call. There, and in ``poke`` mode, each poll goes
    back a quarter of an hour for activities that Marketo shows late. In ``reschedule`` mode every poll reads from
    ``start``.

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    :param activity_types: names or ids, such as ``["Fill Out Form"]``.
    :param start: first second that counts; a datetime or ISO 8601, in UTC if it names no zone. Default: the start
        of the run or of its data interval.
    :param asset_ids: ids of the forms, programs, lists or e-mails that the activities are about: their primary
        attribute. Default: any.
    :param lead_ids: only activities of these leads. Default: any.
    :param list_id: only activities of the members of a static list, which must have fewer than 10,000 members.
    :param count: number of activities to wait for.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"count", "activities", "lead_ids"}``: up to 100 ids (``marketoGUID``) and their leads.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Activity",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "activity_types": narrowing(names_or_ids(required=True)),
        "start": moment(),
        "asset_ids": narrowing(ids()),
        "lead_ids": narrowing(ids()),
        "list_id": one_id(),
        "count": counted(minimum=1),
    }
    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "activity_types",
        "start",
        "asset_ids",
        "lead_ids",
        "list_id",
        "count",
    )

    def __init__(
        self,
        *,
        activity_types: Sequence[str | int] | str | int,
        start: datetime | str | None = None,
        asset_ids: Sequence[int] | int | str | None = None,
        lead_ids: Sequence[int] | int | str | None = None,
        list_id: int | str | None = None,
        count: int | str = 1,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.activity_types = activity_types
        self.start = start
        self.asset_ids = asset_ids
        self.lead_ids = lead_ids
        self.list_id = list_id
        self.count = count
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the activities to wait for."""
        from airflow_provider_marketo.conditions.activities import ActivityCondition

        return ActivityCondition(
            activity_types=tuple(sorted(map(str, self.argument("activity_types")))),
            start=start_of(self.argument("start"), context),
            asset_ids=tuple(sorted(self.argument("asset_ids") or ())),
            lead_ids=tuple(sorted(self.argument("lead_ids") or ())),
            list_id=self.argument("list_id"),
            count=self.argument("count"),
        )
