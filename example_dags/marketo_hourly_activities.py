"""
Activities of each hour as JSON Lines, including rows that Marketo shows late, and a roll-up of each day.

Every run continues from the stream's position, and reads three hours back for activities that became visible late. It
leaves out what was published before. A run that is cleared or repeated reads its own hour again and publishes the same
files.

The roll-up needs Airflow 3.3: it starts when all 24 hours of a day are published, and makes one file of the files that
the manifests of these hours list. Each activity is in the file of one day: its own day, or for a late activity the day
of the run that found it. The hours must begin on the hour: the partition mapper accepts no others.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import sdk
from airflow.sdk import DAG, Asset, ObjectStoragePath, Variable, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator
from airflow_provider_marketo.output.manifest import read_manifest

activities = Asset("marketo_hourly_activities")

with DAG(
    dag_id="marketo_hourly_activities",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
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
        output_path="{{ var.value.marketo_lake }}/hourly_activities",
        lookback=timedelta(hours=3),
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

        @task
        def roll_up(dag_run: Any = None, triggering_asset_events: Any = None) -> dict[str, Any]:
            """Make one file of a day's hours. A run after a pause over midnight has rows of several days."""
            day, rows = dag_run.partition_key, 0  # such as 2026-01-10
            manifests = {event.extra["manifest"] for event in triggering_asset_events[activities]} - {None}
            folder = ObjectStoragePath(Variable.get("marketo_lake")) / "daily_activities"
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = folder / f"{day}.part"
            with unfinished.open("wb") as whole:
                for hour in map(read_manifest, sorted(manifests)):
                    for path in hour.paths:
                        with path.open("rb") as part:
                            for row in part:
                                if max(json.loads(row)["activityDate"], hour.start).startswith(day):
                                    whole.write(row)
                                    rows += 1
            return {"file": str(unfinished.rename(folder / f"{day}.jsonl")), "rows": rows}

        roll_up()
