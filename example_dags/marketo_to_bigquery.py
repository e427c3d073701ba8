"""
A Marketo instance as tables of a BigQuery dataset, kept current every day, with few queries.

BigQuery is a preview: its loads were tested on an emulator, and this recipe has not yet run on a real account. Each
load says so in its log.

BigQuery counts at least 10 MB for each table that a query names, so this recipe loads once a day, and only the types of
activities that are named below. The worker sends the files itself, so BigQuery needs no access to the lake. Each run
ends with a check that the leads are at most 26 hours old.

Before the first run: ``airflow marketo setup``, ``pip install 'airflow-provider-marketo[bigquery]'``, the Variable
``marketo_lake`` with a folder or an object store URL, and the connection ``marketo_bigquery`` of type
``google_cloud_platform`` or ``gcpbigquery``. Create the dataset ``marketo`` yourself if its location matters. The page
*Load into BigQuery* has the rights and the costs.

*Experimental: names and columns may still change.*
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param, task

from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup

ACTIVITY_TYPES = ["Send Email", "Open Email", "Click Email", "Fill Out Form", "Change Data Value"]

with DAG(
    dag_id="marketo_to_bigquery",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "deferrable": True},
    params={
        "first_lead": Param(
            "2024-03-01", type="string", format="date", description="No lead was created before this day."
        )
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    tables = MarketoWarehouseTaskGroup(
        group_id="marketo",
        sql_conn_id="marketo_bigquery",
        schema="marketo",
        start="{{ params.first_lead }}",
        tables={"activities": {"activity_types": ACTIVITY_TYPES}},
        output_path="{{ var.value.marketo_lake }}/marketo_to_bigquery",
        pool="marketo",
    )

    @task
    def fresh() -> dict[str, str]:
        """Fail if the leads are older than promised; the error names the table, its age and the promise."""
        from airflow_provider_marketo.warehouse.freshness import check_freshness

        found = check_freshness("marketo_bigquery", "marketo", promises={"leads": timedelta(hours=26)})
        return {table: str(one.age) for table, one in found.items()}

    tables >> fresh()
