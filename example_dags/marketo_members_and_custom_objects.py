"""
Members of some programs and records of a custom object, as CSV: the bytes that Marketo sent, row by row.

Both extracts run side by side in the pool; each creates, waits for and fetches its own jobs.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset, Param
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

with DAG(
    dag_id="marketo_members_and_custom_objects",
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "pool": "marketo"},
    params={
        "programs": Param([1001, 1002], type="array", description="Program ids; ten go into one job."),
        "custom_object": Param("car_c", type="string", description="API name of the custom object type."),
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoBulkExtractOperator(
        task_id="members",
        object_type="program_members",
        filters={"programIds": "{{ params.programs }}"},
        fields=["leadId", "programId", "statusName", "membershipDate", "updatedAt"],
        output_path="{{ var.value.marketo_lake }}/members",
        file_format="csv",
        outlets=[Asset("marketo_members")],  # DAGs may be scheduled by it
        deferrable=True,
    )
    MarketoBulkExtractOperator(
        task_id="custom_objects",
        object_type="custom_objects",
        custom_object="{{ params.custom_object }}",
        fields="all",
        output_path="{{ var.value.marketo_lake }}/{{ params.custom_object }}",
        file_format="csv",
        outlets=[Asset("marketo_custom_objects")],  # DAGs may be scheduled by it
        deferrable=True,
    )
