"""A DAG whose tasks fail as the tasks of new users do."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor

LEAD = {"lookup_field": "email", "lookup_values": ["ada@example.com"]}

with DAG("failing", schedule=None):
    MarketoGetLeadsOperator(task_id="wrong_secret", **LEAD, marketo_conn_id="marketo_wrong_secret")
    MarketoTriggerCampaignOperator(task_id="unknown_campaign", campaign_id=99_999, lead_ids=[1001])
    MarketoGetLeadsOperator(task_id="wrong_field", **LEAD, fields=["fristName"])
    MarketoLeadSensor(task_id="wrong_field_of_a_sensor", **LEAD, field="leadStatu", deferrable=True)
