"""
A backfill that leaves part of the daily quota to others.

It waits for a day with enough left, takes no more than its share of the export volume, and continues where it stopped.
Newest windows come first. When a window would pass ``max_export_mb`` the task fails, and what it has published stays:
clear it the next day. When Marketo itself says that the day is spent, it sleeps until midnight in Chicago and goes on.
The extra ``reserve`` of the connection keeps calls back from all extracts.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, Param

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.sensors.quota import MarketoQuotaSensor

with DAG(
    dag_id="marketo_backfill_within_quota",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    params={
        "since": Param("2025-01-01", type="string", format="date", description="First day wanted."),
        "until": Param("2026-01-01", type="string", format="date", description="First day no longer wanted."),
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    enough_left = MarketoQuotaSensor(
        task_id="enough_left", min_calls=1_000, min_export_mb=200, deferrable=True, pool="marketo"
    )
    leads = MarketoBulkExtractOperator(
        task_id="leads",
        object_type="leads",
        start="{{ params.since }}",
        end="{{ params.until }}",
        fields=["id", "email", "country", "createdAt", "updatedAt"],
        order="newest_first",
        output_path="{{ var.value.marketo_lake }}/leads_history",
        deferrable=True,
        on_quota_exhausted="defer",
        max_export_mb=200,
        pool="marketo",
    )
    enough_left >> leads
