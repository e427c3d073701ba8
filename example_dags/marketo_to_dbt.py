"""
A whole Marketo instance as tables of a database, and then the models of dbt on them, every day.

``dbt build`` begins when all loads of the run have succeeded, and reads the views with Fivetran's names in
``marketo_fivetran``. The package dbt_marketo runs on them unchanged, and so do models of your own.

Before the first run: ``airflow marketo setup``, ``pip install 'airflow-provider-marketo[postgres]'`` or ``[duckdb]``,
the Variable ``marketo_lake`` with a folder or an object store URL, and the connection ``marketo_warehouse`` of type
``postgres`` or ``duckdb``. dbt is not a part of this package, and may need other versions of some packages than
Airflow. So install it on every worker in an environment of its own, for example with ``pipx install dbt-core`` and
``pipx inject dbt-core dbt-postgres``. The Variable ``marketo_dbt_project`` names a folder that every worker has, with
``dbt_project.yml``, ``packages.yml`` and ``profiles.yml``: the page *dbt after the load* shows the first two. The
profile leads to the database of ``marketo_warehouse``.

*Experimental: names and columns may still change.*
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup

with DAG(
    dag_id="marketo_to_dbt",
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
        sql_conn_id="marketo_warehouse",
        schema="marketo",
        fivetran_schema="marketo_fivetran",
        start="{{ params.first_lead }}",
        output_path="{{ var.value.marketo_lake }}/marketo_to_dbt",
        pool="marketo",
    )

    models = BashOperator(
        task_id="models",
        bash_command="dbt deps && dbt build",
        cwd="{{ var.value.marketo_dbt_project }}",
    )

    tables >> models
