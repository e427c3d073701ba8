"""Waits for a smart campaign to have run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.sensors.base import MarketoSensor, given_ids, since_of

if TYPE_CHECKING:
    from airflow.sdk import Context

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
"""What the flow of a campaign most often does."""


class MarketoCampaignRunSensor(MarketoSensor):
    """
    Wait until a smart campaign has run since a time.

    Marketo does not say of a campaign that it has run, so its traces are looked for: with ``lead_ids`` (a triggered
    campaign) that these leads went through it, a call for each that has not yet; without (a scheduled one) an activity
    that it caused.

    Adobe's operations: ``leads.get_smart_campaigns_by_lead_id``, or ``activities.get_lead_activities``.

    :param campaign_id: id of the smart campaign.
    :param since: a datetime or ISO 8601, without a zone UTC. Default: the start of the run or of its data interval.
    :param lead_ids: the leads that were sent through it.
    :param activity_types: without ``lead_ids``: what its flow does, names or ids. Default: the most common steps.
    :return: ``{"campaign_id", "lead_ids"}``, or ``{"count", "activities", "lead_ids"}`` without ``lead_ids``.
    """

    template_fields: Sequence[str] = (
        *MarketoSensor.template_fields,
        "campaign_id",
        "since",
        "lead_ids",
        "activity_types",
    )

    def __init__(
        self,
        *,
        campaign_id: int | str,
        since: datetime | str | None = None,
        lead_ids: Sequence[int] | int | str | None = None,
        activity_types: Sequence[str | int] | str = FLOW_STEPS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.since = since
        self.lead_ids = lead_ids
        self.activity_types = activity_types

    def condition(self, context: Context) -> Condition:
        from airflow_provider_marketo.conditions.activities import ActivityCondition
        from airflow_provider_marketo.conditions.campaigns import CampaignMembershipCondition
        from airflow_provider_marketo.legacy_arguments import as_list, needed_id

        campaign_id, lead_ids = needed_id("campaign_id", self.campaign_id), given_ids("lead_ids", self.lead_ids)
        if lead_ids:
            return CampaignMembershipCondition(campaign_id, lead_ids, since_of(self.since, context))
        return ActivityCondition(
            activity_types=tuple(sorted(str(each) for each in as_list(self.activity_types) or ())),
            since=since_of(self.since, context),
            campaign_id=campaign_id,
        )
