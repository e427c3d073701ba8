"""
Leads that changed within the hour, as Parquet on S3, without personal data in clear text.

E-mail addresses and phone numbers are replaced by keyed hashes, by which tables can still be joined; the key is the
connection's ``hash_secret``. Not every subscription has the filter ``updatedAt``: without it Marketo answers 1035, and
the task's error names the alternatives.

Before the first run: ``airflow marketo setup``, the AWS connection ``aws_default``, and the Variable
``marketo_bucket``. Needs ``pip install 'airflow-provider-marketo[arrow,s3]'``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

with DAG(
    dag_id="marketo_updated_leads_to_s3",
    schedule=CronDataIntervalTimetable("5 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoBulkExtractOperator(
        task_id="leads",
        object_type="leads",
        date_field="updatedAt",
        fields=["id", "email", "phone", "company", "country", "leadScore", "createdAt", "updatedAt"],
        hash_fields=["email", "phone"],
        output_path="s3://aws_default@{{ var.value.marketo_bucket }}/marketo/leads",
        file_format="parquet",
        outlets=[Asset("marketo_updated_leads")],  # DAGs may be scheduled by it
        deferrable=True,
        pool="marketo",
    )
