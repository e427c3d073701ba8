"""
Activities of each day as typed Parquet, for Athena, BigQuery, DuckDB, Spark or Trino.

For a first load, run it once over a long interval: the task splits the interval into windows of 30 days. A run that is
repeated, or a backfill in any order, writes the same files again.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL,
such as ``s3://aws_default@lake/marketo``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

with DAG(
    dag_id="marketo_activities_to_parquet",
    # A plain cron text gives runs without an interval in Airflow 3, and nothing could be extracted for them.
    schedule=CronDataIntervalTimetable("30 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoBulkExtractOperator(
        task_id="activities",
        object_type="activities",
        output_path="{{ var.value.marketo_lake }}/activities",
        file_format="parquet",
        partition_by=["activity_type"],
        outlets=[Asset("marketo_activities")],  # DAGs may be scheduled by it
        deferrable=True,
        pool="marketo",
    )
