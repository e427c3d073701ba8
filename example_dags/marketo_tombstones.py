"""
Leads that no longer exist, as JSON Lines: deleted leads, and merged leads with the lead that stays.

Marketo keeps deletions for 14 days and does not export them in bulk. If the DAG is paused for longer, its next run
fails and says which days are gone: compare the table with a full snapshot of leads, then continue with
``on_gap="skip"``.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.streams import MarketoDeletedLeadsOperator, MarketoMergedLeadsOperator

with DAG(
    dag_id="marketo_tombstones",
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "pool": "marketo"},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoDeletedLeadsOperator(
        task_id="deleted",
        output_path="{{ var.value.marketo_lake }}/deleted_leads",
        lookback=timedelta(hours=1),
        file_format="jsonl",
        outlets=[Asset("marketo_deleted_leads")],  # DAGs may be scheduled by it
    )
    MarketoMergedLeadsOperator(
        task_id="merged",
        output_path="{{ var.value.marketo_lake }}/merged_leads",
        lookback=timedelta(hours=1),
        file_format="jsonl",
        outlets=[Asset("marketo_merged_leads")],  # DAGs may be scheduled by it
    )
