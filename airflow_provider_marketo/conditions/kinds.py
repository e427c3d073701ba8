"""All kinds of conditions, by the name in a trigger's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.conditions.activities import ActivityCondition, ActivityPoller
from airflow_provider_marketo.conditions.assets import AssetCondition, AssetPoller
from airflow_provider_marketo.conditions.campaigns import CampaignMembershipCondition, CampaignMembershipPoller
from airflow_provider_marketo.conditions.jobs import JobCondition, JobPoller
from airflow_provider_marketo.conditions.leads import LeadCondition, LeadPoller
from airflow_provider_marketo.conditions.members import (
    ListMembershipCondition,
    ListMembershipPoller,
    ProgramMembersCondition,
    ProgramMembersPoller,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.conditions.condition import Condition, ConditionPoller

KINDS: Mapping[str, tuple[type[Condition], type[ConditionPoller[Any]]]] = {
    condition.kind: (condition, poller)
    for condition, poller in (
        (ActivityCondition, ActivityPoller),
        (AssetCondition, AssetPoller),
        (CampaignMembershipCondition, CampaignMembershipPoller),
        (JobCondition, JobPoller),
        (LeadCondition, LeadPoller),
        (ListMembershipCondition, ListMembershipPoller),
        (ProgramMembersCondition, ProgramMembersPoller),
    )
}
