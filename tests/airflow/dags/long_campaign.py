"""A DAG that sends leads through a campaign in many calls, so that a person can stop it in the middle."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator

LEADS = range(1001, 2201)

with DAG("long_campaign", schedule=None):
    MarketoTriggerCampaignOperator(
        task_id="send", campaign_id=2001, lead_ids=list(LEADS), max_audience=len(LEADS), pool="marketo"
    )
