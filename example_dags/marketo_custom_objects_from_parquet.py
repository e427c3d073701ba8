"""
Import cars and their owners from Parquet files of the lake into a custom object of Marketo.

The files are read once and checked against the custom object; then they are imported in chunks of up to 10 MB. Cars
whose owner is not a lead are rejected with their row, and the task fails after all others were imported.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
Put files ``incoming/cars-*.parquet`` with the columns ``vin``, ``owner``, ``make`` and ``model`` there.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator

with DAG(
    dag_id="marketo_custom_objects_from_parquet",
    schedule="0 4 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoBulkImportOperator(
        task_id="cars",
        object_type="custom_objects",
        custom_object="car_c",
        source="{{ var.value.marketo_lake }}/incoming/cars-*.parquet",
        columns={"vin": "vin", "owner": "ownerId", "make": "make", "model": "model"},
        rejects_path="{{ var.value.marketo_lake }}/rejects",
        rejects_format="parquet",
        deferrable=True,
        pool="marketo",
    )
