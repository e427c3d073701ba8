"""
All leads with all of their fields, as JSON Lines: the whole database, once a week.

Marketo exports leads by the date of their creation, at most 31 days at a time: from the first lead to now, that is one
job for each month. A task that is retried continues with the months that are missing.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

with DAG(
    dag_id="marketo_lead_snapshot",
    schedule=CronDataIntervalTimetable("0 4 * * 0", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "first_lead": Param(
            "2024-03-01", type="string", format="date", description="No lead was created before this day."
        )
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoBulkExtractOperator(
        task_id="leads",
        object_type="leads",
        start="{{ params.first_lead }}",
        fields="all",
        output_path="{{ var.value.marketo_lake }}/leads/snapshot={{ data_interval_end | ds }}",
        file_format="jsonl",
        outlets=[Asset("marketo_lead_snapshot")],  # DAGs may be scheduled by it
        deferrable=True,
        pool="marketo",
    )
