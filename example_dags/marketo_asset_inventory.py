"""
List all Marketo assets every night, and what has changed since the night before.

There is one table per type. The table ``changes`` has the assets that were added, changed or removed, and approved
assets with a draft that is not approved. Query the tables, or set ``file_format="jsonl"`` and keep them under version
control.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
The API user needs Read-Only Assets and Read-Only Redirect Rules.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_marketo.operators.assets import MarketoAssetInventoryOperator

with DAG(
    dag_id="marketo_asset_inventory",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    inventory = MarketoAssetInventoryOperator(
        task_id="inventory",
        output_path="{{ var.value.marketo_lake }}/assets",
        max_calls=5_000,
        pool="marketo",
    )

    @task
    def report(found: dict[str, Any]) -> dict[str, int]:
        """Put a message to a channel of yours here."""
        print(f"{sum(found['assets'].values())} assets, {found['changes']}")
        return dict(found["changes"])

    report(inventory.output)
