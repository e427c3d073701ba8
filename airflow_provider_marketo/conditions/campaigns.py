"""The condition that leads have gone through a smart campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.conditions.activities import ActivityCondition
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller
from airflow_provider_marketo.conditions.existing import existing

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.client.client import MarketoClient


@dataclass(frozen=True)
class CampaignMembershipCondition(Condition):
    """
    Leads have gone through a smart campaign since a time.

    :param campaign_id: id of the smart campaign.
    :param lead_ids: ids of at least one lead.
    :param start: first second that counts, ISO 8601.
    """

    kind: ClassVar[str] = "campaign_membership"
    campaign_id: int
    lead_ids: tuple[int, ...]
    start: str

    def __post_init__(self) -> None:
        if not self.lead_ids:
            raise MarketoInvalidRequestError("lead_ids is empty", parameter="lead_ids")

    @property
    def group(self) -> Hashable:
        """The leads, whose memberships are read together."""
        return self.lead_ids

    def describe(self) -> str:
        """Return what the sensor waits for, without a person's data."""
        return f"smart campaign {self.campaign_id} to take {counted(len(self.lead_ids), 'lead')} since {self.start}"


class CampaignMembershipPoller(ConditionPoller[CampaignMembershipCondition]):
    """
    Ask whether leads went through campaigns, with one call for each lead that has not yet.

    Adobe's operation: ``leads.get_smart_campaigns_by_lead_id``.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        super().__init__(client)
        self._through: set[tuple[int, int, str]] = set()

    def check(self, condition: CampaignMembershipCondition) -> None:
        """
        Check that the campaign exists (``smart_campaigns.get_by_id``).

        :param condition: what the sensor waits for.
        :raises MarketoNotFoundError: the campaign does not exist.
        """
        existing(self._client, "smart_campaigns", condition.campaign_id, parameter="campaign_id")

    def _ask(self, conditions: Sequence[CampaignMembershipCondition]) -> Mapping[CampaignMembershipCondition, Answer]:
        answers: dict[CampaignMembershipCondition, Answer] = {}
        memberships: dict[int, dict[int, datetime]] = {}
        for condition in conditions:
            for lead_id in condition.lead_ids:
                key = (condition.campaign_id, lead_id, condition.start)
                if key in self._through:
                    continue
                if lead_id not in memberships:
                    memberships[lead_id] = self._memberships(lead_id)
                start = parse_date_or_none(condition.start)
                last = memberships[lead_id].get(condition.campaign_id)
                if last is None or (start is not None and last < start):
                    break
                self._through.add(key)
            else:
                answers[condition] = {"campaign_id": condition.campaign_id, "lead_ids": list(condition.lead_ids)}
        return answers

    def _memberships(self, lead_id: int) -> dict[int, datetime]:
        """Return when a lead last went through each campaign."""
        found: dict[int, datetime] = {}
        for record in self._client.paginate("leads.get_smart_campaigns_by_lead_id", leadId=lead_id, batchSize=300):
            moment = parse_date_or_none(str(record.get("updatedAt") or record.get("createdAt") or ""))
            if moment is not None:
                campaign = id_of(record, "a smart campaign", "smartCampaignId")
                found[campaign] = max(moment, found.get(campaign, moment))
        return found


def campaign_run(
    *, campaign_id: int, start: str, lead_ids: tuple[int, ...], activity_types: tuple[str, ...]
) -> Condition:
    """
    Return the condition that a campaign has run: leads went through it, or it caused an activity.

    :param campaign_id: id of the smart campaign.
    :param start: first second that counts, ISO 8601.
    :param lead_ids: ids of the leads that were sent through it; empty if they are not known.
    :param activity_types: types of the activities that its flow causes, if no leads are known; names or ids as text.
    """
    if lead_ids:
        return CampaignMembershipCondition(campaign_id, lead_ids, start)
    return ActivityCondition(activity_types=activity_types, start=start, campaign_id=campaign_id)
