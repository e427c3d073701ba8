"""
Approve an e-mail, send a sample to the person who decides, and schedule the mailing when that person agrees.

The mailing is scheduled at most once. If the connection breaks during the call, Marketo may or may not have scheduled
it. The task then fails, says how to check, and waits for a person's decision (``airflow marketo ledger list``).

Before the first run: ``airflow marketo setup``. The API user needs Read-Write Assets, Approve Assets and Execute
Campaign.
"""

from __future__ import annotations

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param

from airflow_provider_marketo.operators.assets import MarketoAssetOperator
from airflow_provider_marketo.operators.campaigns import MarketoScheduleCampaignOperator, MarketoSendSampleOperator

with DAG(
    dag_id="marketo_newsletter",
    schedule=None,
    params={
        "email_id": Param(3003, type="integer", description="Id of the e-mail."),
        "campaign_id": Param(2006, type="integer", description="Id of the batch campaign that sends the e-mail."),
        "headline": Param("What is new in spring", type="string"),
        "sample_to": Param(
            ["marketing@example.com"], type="array", description="Who gets the sample before the mailing."
        ),
        "run_at": Param(
            None,
            type=["null", "string"],
            format="date-time",
            description="When the mailing goes out, with a time zone; empty for as soon as Marketo allows.",
        ),
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    approved = MarketoAssetOperator(
        task_id="approve_email",
        asset_type="emails",
        action="approve",
        asset_id="{{ params.email_id }}",
        retries=3,
        pool="marketo",
    )
    sample = MarketoSendSampleOperator(
        task_id="send_sample",
        email_id="{{ params.email_id }}",
        email_addresses="{{ params.sample_to }}",
        pool="marketo",
    )
    agreed = ApprovalOperator(
        task_id="agree",
        subject="Send the newsletter?",
        body="A sample of the e-mail {{ params.email_id }} is in your inbox.",
    )
    scheduled = MarketoScheduleCampaignOperator(
        task_id="schedule",
        campaign_id="{{ params.campaign_id }}",
        run_at="{{ params.run_at or '' }}",
        tokens={"{{my.Headline}}": "{{ params.headline }}"},
        retries=3,
        pool="marketo",
    )
    approved >> sample >> agreed >> scheduled
