"""Have leads been through a smart campaign?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.tabular import moments
from airflow_provider_marketo.questions.existing import existing
from airflow_provider_marketo.questions.question import Answer, Inquirer, Question


@dataclass(frozen=True)
class CampaignMembershipQuestion(Question):
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


class CampaignMembershipInquirer(Inquirer[CampaignMembershipQuestion]):
    """
    Asks ``leads.get_smart_campaigns_by_lead_id``, a call for each lead that has not been through yet.

    :param client: the instance.
    """

    def __init__(self, client: MarketoClient) -> None:
        super().__init__(client)
        self._through: set[tuple[int, int, str]] = set()

    def check(self, question: CampaignMembershipQuestion) -> None:
        """The campaign (``smart_campaigns.get_by_id``)."""
        existing(self._client, "smart_campaigns", question.campaign_id, parameter="campaign_id")

    def _ask(self, questions: Sequence[CampaignMembershipQuestion]) -> Mapping[CampaignMembershipQuestion, Answer]:
        answers: dict[CampaignMembershipQuestion, Answer] = {}
        memberships: dict[int, dict[int, datetime]] = {}
        for question in questions:
            for lead_id in question.lead_ids:
                key = (question.campaign_id, lead_id, question.since)
                if key in self._through:
                    continue
                if lead_id not in memberships:
                    memberships[lead_id] = self._memberships(lead_id)
                since = moments.parse(question.since)
                last = memberships[lead_id].get(question.campaign_id)
                if last is None or (since is not None and last < since):
                    break
                self._through.add(key)
            else:
                answers[question] = {"campaign_id": question.campaign_id, "lead_ids": list(question.lead_ids)}
        return answers

    def _memberships(self, lead_id: int) -> dict[int, datetime]:
        """When a lead last went through each campaign."""
        found: dict[int, datetime] = {}
        for record in self._client.paginate("leads.get_smart_campaigns_by_lead_id", leadId=lead_id, batchSize=300):
            moment = moments.parse(str(record.get("updatedAt") or record.get("createdAt") or ""))
            if moment is not None:
                campaign = int(record["smartCampaignId"])
                found[campaign] = max(moment, found.get(campaign, moment))
        return found
