"""A DAG for ``airflow dags test``: its task waits in a trigger, with a connection from the metadata database."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

CONN_ID = "marketo_stored"

with DAG("tried_by_hand", schedule=None):
    MarketoBulkExtractOperator(
        task_id="extract",
        object_type="leads",
        start="2026-01-01",
        end="2026-01-20",
        output_path="{{ var.value.marketo_lake }}/tried_by_hand",
        deferrable=True,
        poll_interval=1,
        marketo_conn_id=CONN_ID,
    )
