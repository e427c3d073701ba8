"""
A whole Marketo instance as tables of Snowflake, kept current every day, with the versions of leads.

Snowflake is a preview: its loads were tested on an emulator, and this recipe has not yet run on a real account. Each
load says so in its log.

Like ``marketo_to_postgres``, with views for dbt in ``MARKETO_FIVETRAN``. A daily run wakes a suspended warehouse once a
day. The worker sends the files itself, so Snowflake needs no access to the lake. Each run ends with a check that the
leads are at most 26 hours old.

Before the first run: ``airflow marketo setup``, ``pip install 'airflow-provider-marketo[snowflake]'``, the Variable
``marketo_lake`` with a folder or an object store URL, and the connection ``marketo_snowflake`` of type ``snowflake``,
with a warehouse, a database and a role that may create schemas. The page *Load into Snowflake* has the rights.

*Experimental: names and columns may still change.*
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param, task

from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup

with DAG(
    dag_id="marketo_to_snowflake",
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
        sql_conn_id="marketo_snowflake",
        schema="marketo",
        fivetran_schema="marketo_fivetran",
        start="{{ params.first_lead }}",
        tables={"leads": {"history": True}},
        output_path="{{ var.value.marketo_lake }}/marketo_to_snowflake",
        pool="marketo",
    )

    @task
    def fresh() -> dict[str, str]:
        """Fail if the leads are older than promised; the error names the table, its age and the promise."""
        from airflow_provider_marketo.warehouse.freshness import check_freshness

        found = check_freshness("marketo_snowflake", "marketo", promises={"leads": timedelta(hours=26)})
        return {table: str(one.age) for table, one in found.items()}

    tables >> fresh()
