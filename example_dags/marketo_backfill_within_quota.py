"""
A backfill over several days that leaves part of each day's quota to other work.

It waits for a day with enough calls left and exports at most ``daily_export_mb`` a day, newest windows first. When the
day's share is spent, the task waits in the triggerer until midnight in Chicago and continues by itself; what it has
published stays. The extras ``reserve`` (calls) and ``export_reserve_mb`` of the connection are left to other work.
``airflow marketo plan`` says beforehand how many days it takes.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, Asset, Param

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
        task_id="enough_left", min_calls=1_000, min_export_mb=50, deferrable=True, pool="marketo"
    )
    leads = MarketoBulkExtractOperator(
        task_id="leads",
        object_type="leads",
        start="{{ params.since }}",
        end="{{ params.until }}",
        fields=["id", "email", "country", "createdAt", "updatedAt"],
        order="newest_first",
        output_path="{{ var.value.marketo_lake }}/leads_history",
        outlets=[Asset("marketo_leads_history")],  # DAGs may be scheduled by it
        deferrable=True,
        on_quota_exhausted="defer",
        daily_export_mb=50,
        pool="marketo",
    )
    enough_left >> leads
