"""Have leads been through a smart campaign?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.conditions.condition import Answer, Condition, ConditionPoller
from airflow_provider_marketo.conditions.existing import existing


@dataclass(frozen=True)
class CampaignMembershipCondition(Condition):
    """
    Have leads been through a smart campaign since a time?

    :param campaign_id: the smart campaign.
    :param lead_ids: at least one.
    :param since: ISO 8601.
    """

    kind: ClassVar[str] = "campaign_membership"
    campaign_id: int
    lead_ids: tuple[int, ...]
    since: str

    def __post_init__(self) -> None:
        if not self.lead_ids:
            raise MarketoInvalidRequestError("there is no lead to look for", parameter="lead_ids")

    @property
    def group(self) -> Hashable:
        return self.lead_ids

    def describe(self) -> str:
        count = len(self.lead_ids)
        return (
            f"smart campaign {self.campaign_id} to take {count} {'lead' if count == 1 else 'leads'} since {self.since}"
        )


class CampaignMembershipPoller(ConditionPoller[CampaignMembershipCondition]):
    """
    Asks ``leads.get_smart_campaigns_by_lead_id``, a call for each lead that has not been through yet.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        super().__init__(client)
        self._through: set[tuple[int, int, str]] = set()

    def check(self, condition: CampaignMembershipCondition) -> None:
        """The campaign (``smart_campaigns.get_by_id``)."""
        existing(self._client, "smart_campaigns", condition.campaign_id, parameter="campaign_id")

    def _ask(self, conditions: Sequence[CampaignMembershipCondition]) -> Mapping[CampaignMembershipCondition, Answer]:
        answers: dict[CampaignMembershipCondition, Answer] = {}
        memberships: dict[int, dict[int, datetime]] = {}
        for condition in conditions:
            for lead_id in condition.lead_ids:
                key = (condition.campaign_id, lead_id, condition.since)
                if key in self._through:
                    continue
                if lead_id not in memberships:
                    memberships[lead_id] = self._memberships(lead_id)
                since = parse_date_or_none(condition.since)
                last = memberships[lead_id].get(condition.campaign_id)
                if last is None or (since is not None and last < since):
                    break
                self._through.add(key)
            else:
                answers[condition] = {"campaign_id": condition.campaign_id, "lead_ids": list(condition.lead_ids)}
        return answers

    def _memberships(self, lead_id: int) -> dict[int, datetime]:
        """When a lead last went through each campaign."""
        found: dict[int, datetime] = {}
        for record in self._client.paginate("leads.get_smart_campaigns_by_lead_id", leadId=lead_id, batchSize=300):
            moment = parse_date_or_none(str(record.get("updatedAt") or record.get("createdAt") or ""))
            if moment is not None:
                campaign = int(record["smartCampaignId"])
                found[campaign] = max(moment, found.get(campaign, moment))
        return found
