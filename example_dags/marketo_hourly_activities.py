"""
Activities of each hour as JSON Lines, rows that Marketo shows late included, and a roll-up of each day.

Every run reads on from where the stream stands, and three hours back for what became visible late; what was published
before is left out. A run that is cleared or repeated reads its own hour again and publishes the same files.

The roll-up needs Airflow 3.3: it starts when the 24 hours of a day are there. It goes by the manifests, and its one
task stands for yours: a ``COPY`` or ``MERGE`` into the warehouse.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import sdk
from airflow.sdk import DAG, Asset, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator

activities = Asset("marketo_hourly_activities")

with DAG(
    dag_id="marketo_hourly_activities",
    schedule=CronDataIntervalTimetable("5 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoActivitiesOperator(
        task_id="activities",
        stream="hourly_activities",
        activity_types=["Send Email", "Email Delivered", "Open Email", "Click Email", "Fill Out Form", "Visit Webpage"],
        output="{{ var.value.marketo_lake }}/hourly_activities",
        late_arrivals=timedelta(hours=3),
        file_format="jsonl",
        outlets=[activities],
        partition_events=True,
        pool="marketo",
    )

if hasattr(sdk, "RollupMapper"):
    with DAG(
        dag_id="marketo_daily_activities",
        schedule=sdk.PartitionedAssetTimetable(
            assets=activities,
            default_partition_mapper=sdk.RollupMapper(upstream_mapper=sdk.StartOfDayMapper(), window=sdk.DayWindow()),
        ),
        catchup=False,
        doc_md=__doc__,
        tags=["marketo", "example"],
    ):

        @task(inlets=[activities])
        def load_day(dag_run: Any = None) -> str:
            """Load the files that the manifests of this day name."""
            print(f"All hours of {dag_run.partition_key} are published")
            return str(dag_run.partition_key)

        load_day()
