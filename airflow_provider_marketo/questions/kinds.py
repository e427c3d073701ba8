"""Every kind of question, by the name that stands in a trigger's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.questions.activities import ActivityInquirer, ActivityQuestion
from airflow_provider_marketo.questions.assets import AssetInquirer, AssetQuestion
from airflow_provider_marketo.questions.campaigns import CampaignMembershipInquirer, CampaignMembershipQuestion
from airflow_provider_marketo.questions.jobs import JobInquirer, JobQuestion
from airflow_provider_marketo.questions.leads import LeadInquirer, LeadQuestion
from airflow_provider_marketo.questions.members import (
    ListMembershipInquirer,
    ListMembershipQuestion,
    ProgramMembersInquirer,
    ProgramMembersQuestion,
)
from airflow_provider_marketo.questions.question import Inquirer, Question

KINDS: Mapping[str, tuple[type[Question], type[Inquirer[Any]]]] = {
    question.kind: (question, inquirer)
    for question, inquirer in (
        (ActivityQuestion, ActivityInquirer),
        (AssetQuestion, AssetInquirer),
        (CampaignMembershipQuestion, CampaignMembershipInquirer),
        (JobQuestion, JobInquirer),
        (LeadQuestion, LeadInquirer),
        (ListMembershipQuestion, ListMembershipInquirer),
        (ProgramMembersQuestion, ProgramMembersInquirer),
    )
}
