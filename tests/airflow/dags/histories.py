"""Two DAGs with intervals and a daily budget, whose history Airflow's own backfill fills in."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

for name in ("in_the_ui", "by_command"):
    with DAG(
        f"history_{name}",
        schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        end_date=datetime(2026, 3, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=2,
        tags=["backfill"],
    ):
        MarketoBulkExtractOperator(
            task_id="activities",
            object_type="activities",
            output_path=f"{{{{ var.value.marketo_lake }}}}/history_{name}",
            file_format="csv",
            daily_export_mb=0.05,  # two files
            deferrable=True,
            pool="marketo",
        )
