"""Extracts from an instance whose clock stands still, so that tests can kill or clear them while they wait."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator

for dag_id, deferrable in (("held_deferred", True), ("held_waiting", False)):
    with DAG(dag_id, schedule=None):
        MarketoBulkExtractOperator(
            task_id="extract",
            object_type="activities",
            start=datetime(2026, 1, 5, tzinfo=timezone.utc),
            end=datetime(2026, 1, 12, tzinfo=timezone.utc),
            output_path="{{ var.value.marketo_lake }}/{{ dag.dag_id }}/{{ run_id | replace(':', '') }}",
            file_format="csv",
            deferrable=deferrable,
            retries=2,
            retry_delay=timedelta(seconds=1),
            marketo_conn_id="marketo_held",
            pool="marketo",
        )
