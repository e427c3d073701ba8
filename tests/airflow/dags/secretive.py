"""A DAG with lead data and secrets in each of its tasks, most of which fail once or always."""

from __future__ import annotations

import os
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator

LAKE = os.environ.get("SECRETIVE_LAKE", "/nowhere")
SPAN = {"start": "2026-01-01", "end": "2026-01-20"}
POLL = 4


def report_crash(context: Any) -> None:
    """Write what a crash reporter sends: the chain of exceptions, with the variables of each frame."""
    error, texts = context["exception"], []
    while error is not None:
        texts += traceback.TracebackException.from_exception(error, capture_locals=True).format(chain=False)
        error = error.__cause__ or error.__context__
    with Path(LAKE, "crashes.txt").open("a") as file:
        file.writelines(texts)


HOW = {"retries": 2, "retry_delay": timedelta(seconds=1)}

with DAG(
    "secretive",
    schedule=None,
    default_args={**HOW, "on_failure_callback": report_crash, "on_retry_callback": report_crash},
):
    MarketoBulkExtractOperator(
        task_id="hashed",
        object_type="leads",
        date_field="createdAt",
        fields=["id", "email", "firstName", "createdAt"],
        hash_fields=["email"],
        output_path=f"{LAKE}/hashed",
        deferrable=True,
        poll_interval=POLL,
        **SPAN,
    )
    MarketoActivitiesOperator(task_id="activities", stream="secretive", output_path=f"{LAKE}/activities", **SPAN)
    sync = MarketoSyncLeadsOperator(task_id="sync", source=f"{LAKE}/rows.csv", rejects_path=f"{LAKE}/rejects")
    MarketoBulkImportOperator(
        task_id="imported",
        object_type="leads",
        source=f"{LAKE}/rows.csv",
        rejects_path=f"{LAKE}/rejects",
        deferrable=True,
        poll_interval=POLL,
    )
    sync >> MarketoTriggerCampaignOperator(
        task_id="campaign",
        campaign_id=2001,
        source=f"{LAKE}/rows.csv",
        lookup_field="email",
        rejects_path=f"{LAKE}/rejects",
        max_audience=None,
        ledger=f"{LAKE}/ledger",
    )
    MarketoGetLeadsOperator(
        task_id="wrong_secret",
        lookup_field="id",
        lookup_values=[1001],
        output_path=f"{LAKE}/found",
        marketo_conn_id="marketo_wrong_secret",
    )
