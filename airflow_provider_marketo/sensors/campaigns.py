"""A sensor for a run of a smart campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.arguments import ids, moment, names_or_ids, narrowing, one_id
from airflow_provider_marketo.operators.defaults import DEFERRABLE
from airflow_provider_marketo.sensors.base import MarketoSensor, start_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_marketo.arguments import Check
    from airflow_provider_marketo.conditions.condition import Condition

FLOW_STEPS = (
    "Send Email",
    "Change Data Value",
    "Change Score",
    "Add to List",
    "Remove from List",
    "Change Status in Progression",
    "Interesting Moment",
)
"""Activities that the flow of a campaign adds most often."""


class MarketoCampaignRunSensor(MarketoSensor):
    """
    Wait until a smart campaign has run at or after a given time.

    Marketo does not say whether a campaign has run, so the sensor looks for traces of the run. With ``lead_ids`` (a
    triggered campaign), it waits until all these leads went through the campaign. Each check costs one call per lead
    that has not yet done so. Without ``lead_ids`` (a scheduled campaign), it waits for an activity that the campaign
    caused.

    Adobe's operations: ``leads.get_smart_campaigns_by_lead_id``, or ``activities.get_lead_activities``.

    :param campaign_id: id of the smart campaign.
    :param start: first second that counts; a datetime or ISO 8601, in UTC if it names no zone. Default: the start
        of the run or of its data interval.
    :param lead_ids: the leads that were sent through the campaign.
    :param activity_types: activities that the campaign's flow adds, as names or ids; only without ``lead_ids``.
        Default: the activities of the most common flow steps.
    :param deferrable: wait in the triggerer. Default: ``[operators] default_deferrable``.
    :param marketo_conn_id: id of the connection.
    :return: ``{"campaign_id", "lead_ids"}``, or ``{"count", "activities", "lead_ids"}`` without ``lead_ids``.
    """

    permissions: ClassVar[Sequence[str]] = ("Read-Only Activity",)
    argument_checks: ClassVar[Mapping[str, Check]] = {
        **MarketoSensor.argument_checks,
        "campaign_id": one_id(required=True),
        "start": moment(),
        "lead_ids": narrowing(ids()),
        "activity_types": narrowing(names_or_ids(required=True)),
    }
    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "campaign_id",
        "start",
        "lead_ids",
        "activity_types",
    )

    def __init__(
        self,
        *,
        campaign_id: int | str,
        start: datetime | str | None = None,
        lead_ids: Sequence[int] | int | str | None = None,
        activity_types: Sequence[str | int] | str | int = FLOW_STEPS,
        deferrable: bool = DEFERRABLE,
        marketo_conn_id: str = "marketo_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, marketo_conn_id=marketo_conn_id, **kwargs)
        self.campaign_id = campaign_id
        self.start = start
        self.lead_ids = lead_ids
        self.activity_types = activity_types
        self.check_arguments()

    def condition(self, context: Context) -> Condition:
        """Return the traces to wait for."""
        from airflow_provider_marketo.conditions.campaigns import campaign_run

        return campaign_run(
            campaign_id=self.argument("campaign_id"),
            start=start_of(self.argument("start"), context),
            lead_ids=tuple(sorted(self.argument("lead_ids") or ())),
            activity_types=tuple(sorted(map(str, self.argument("activity_types")))),
        )
