"""
A whole Marketo instance as tables of PostgreSQL, kept current every hour, with the versions of leads.

Like ``marketo_to_duckdb``, for a server. Two fields of leads show how to keep data out of a warehouse: ``phone`` is
never exported, and ``lastName`` is only stored as a digest. ``leads_history`` keeps the versions of leads. Each run
ends with a check that the leads are at most two hours old.

Before the first run: ``airflow marketo setup``, ``pip install 'airflow-provider-marketo[postgres]'``, the Variable
``marketo_lake`` with a folder or an object store URL, and the connection ``marketo_postgres``, whose user may create
schemas. The connection ``marketo_default`` needs ``hash_secret``.

*Experimental: names and columns may still change.*
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param, task

from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup

with DAG(
    dag_id="marketo_to_postgres",
    schedule="@hourly",
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
        sql_conn_id="marketo_postgres",
        schema="marketo",
        fivetran_schema="marketo_fivetran",
        start="{{ params.first_lead }}",
        tables={"leads": {"exclude_fields": ["phone"], "hash_fields": ["lastName"], "history": True}},
        output_path="{{ var.value.marketo_lake }}/marketo_to_postgres",
        pool="marketo",
    )

    @task
    def fresh() -> dict[str, str]:
        """Fail if the leads are older than promised; the error names the table, its age and the promise."""
        from airflow_provider_marketo.warehouse.freshness import check_freshness

        found = check_freshness("marketo_postgres", "marketo", promises={"leads": timedelta(hours=2)})
        return {table: str(one.age) for table, one in found.items()}

    tables >> fresh()
