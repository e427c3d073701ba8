"""A DAG whose requests lose their answers, so that a person has to say whether they ran."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator

with DAG("asking", schedule=None, default_args={"pool": "marketo"}):
    for number, task_id in enumerate(("sent", "not_sent", "by_command", "again", "failing")):
        MarketoTriggerCampaignOperator(
            task_id=task_id,
            campaign_id=2001,
            lead_ids=[1001 + number, 1101 + number],
            on_unknown="fail" if task_id == "failing" else "ask",
        )
    MarketoTriggerCampaignOperator(
        task_id="twice", campaign_id=2001, lead_ids=list(range(1001, 1301)), max_audience=300, retries=0
    )
