"""Waits for something that happens to leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor, given_ids, since_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_marketo.conditions.condition import Condition


class MarketoActivitySensor(MarketoSensor):
    """
    Wait until there are activities of some types since a time.

    Sensors that wait in the triggerer share a cursor, ten types in a call. There, and in ``poke`` mode, each look goes
    back a quarter of an hour for activities that Marketo shows late. In ``reschedule`` mode every look reads from
    ``since``.

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    :param activity_types: names or ids, such as ``["Fill Out Form"]``.
    :param since: a datetime or ISO 8601, without a zone UTC. Default: the start of the run or of its data interval.
    :param asset_ids: ids of the forms, programs, lists or e-mails that the activities are about: their primary
        attribute. Default: any.
    :param lead_ids: only of these leads.
    :param list_id: only of members of a static list, which Marketo takes below 10,000 members.
    :param count: activities wanted.
    :return: ``{"count", "activities", "lead_ids"}``: up to 100 ids (``marketoGUID``) and their leads.
    """

    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "activity_types",
        "since",
        "asset_ids",
        "lead_ids",
        "list_id",
        "count",
    )

    def __init__(
        self,
        *,
        activity_types: Sequence[str | int] | str,
        since: datetime | str | None = None,
        asset_ids: Sequence[int] | int | str | None = None,
        lead_ids: Sequence[int] | int | str | None = None,
        list_id: int | str | None = None,
        count: int | str = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.activity_types = activity_types
        self.since = since
        self.asset_ids = asset_ids
        self.lead_ids = lead_ids
        self.list_id = list_id
        self.count = count

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.activities import ActivityCondition
        from airflow_provider_marketo.legacy_arguments import as_id, as_list, needed_id

        return ActivityCondition(
            activity_types=tuple(sorted(str(each) for each in as_list(self.activity_types) or ())),
            since=since_of(self.since, context),
            asset_ids=given_ids("asset_ids", self.asset_ids),
            lead_ids=given_ids("lead_ids", self.lead_ids),
            list_id=as_id("list_id", self.list_id),
            count=needed_id("count", self.count),
        )
