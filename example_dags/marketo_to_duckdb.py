"""
A whole Marketo instance as tables of a DuckDB file, kept current every day.

The task group has twelve tasks, however many tables there are. The first run reads everything from the day of the first
lead; each later run reads what is new since the last load. So the DAG works under any schedule, and a run after a pause
reads what was missed. Views with Fivetran's names are in ``marketo_fivetran``: the models of dbt_marketo run on them.

Before the first run: ``airflow marketo setup``, ``pip install 'airflow-provider-marketo[duckdb]'``, the Variable
``marketo_lake`` with a folder or an object store URL, and the connection ``marketo_duckdb`` of type ``duckdb``, whose
host is the path of the file, such as ``/data/warehouse.duckdb``; the file cannot have the name of the schema. Only one
process at a time can write to a DuckDB file, so the loads wait for each other.

*Experimental: names and columns may still change.*
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, BaseHook, Param, task

from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup

STATUSES = "SELECT lead_status, count(*) FROM marketo.leads WHERE _deleted_at IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"

with DAG(
    dag_id="marketo_to_duckdb",
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
        sql_conn_id="marketo_duckdb",
        schema="marketo",
        fivetran_schema="marketo_fivetran",
        start="{{ params.first_lead }}",
        output_path="{{ var.value.marketo_lake }}/marketo_to_duckdb",
        pool="marketo",
    )

    @task
    def report() -> list[Any]:
        """Put your query here."""
        hook = BaseHook.get_connection("marketo_duckdb").get_hook()
        found = [list(row) for row in hook.get_records(STATUSES)]
        for status, leads in found:
            print(f"{leads} leads have the status {status}")
        return found

    tables >> report()
