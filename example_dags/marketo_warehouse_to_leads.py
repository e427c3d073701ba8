"""
Import scores and segments from the warehouse every morning: what changed since the last run, in one query.

Few rows go through the sync endpoints, many as bulk imports. Rows that Marketo refuses are in a table under
``rejects_path`` with the reason and the next step. If Marketo refuses more than 1 % of the rows, the task fails after
importing the others.

Before the first run: ``airflow marketo setup``, a connection ``warehouse`` to any database (here with a table
``lead_scores``), and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_marketo.transfers.sql_to_marketo import SqlToMarketoOperator

with DAG(
    dag_id="marketo_warehouse_to_leads",
    schedule=CronDataIntervalTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
) as dag:
    SqlToMarketoOperator(
        task_id="scores",
        sql="""
            SELECT email, score, opted_in
            FROM lead_scores
            WHERE changed_at >= '{{ data_interval_start | ts }}' AND changed_at < '{{ data_interval_end | ts }}'
        """,
        sql_conn_id="warehouse",
        columns={"email": "email", "score": "leadScore", "opted_in": "newsletterOptIn"},
        constants={"leadSource": "Warehouse"},
        rejects_path="{{ var.value.marketo_lake }}/rejects",
        max_reject_ratio=0.01,
        deferrable=True,
        pool="marketo",
    )
