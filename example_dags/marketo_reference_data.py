"""
List programs, campaigns, e-mails, fields and activity types every night, and what has changed in Marketo.

There is a folder for each table. ``assets`` has all Marketo assets with their folders. ``asset_changes`` has those that
were added, changed or removed since the night before, and approved assets with a draft that is not approved. Query the
tables, or set ``file_format="jsonl"`` and keep them under version control.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
The API user needs Read-Only Assets, Read-Only Redirect Rules, Read-Only Lead and Read-Only Activity.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, Asset, task

from airflow_provider_marketo.operators.listings import MarketoListingOperator

with DAG(
    dag_id="marketo_reference_data",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    reference = MarketoListingOperator(
        task_id="reference",
        object_types=[
            "lead_fields",
            "activity_types",
            "activity_type_attributes",
            "programs",
            "channels",
            "smart_campaigns",
            "emails",
            "email_versions",
            "assets",
            "asset_changes",
        ],
        output_path="{{ var.value.marketo_lake }}/reference",
        outlets=[Asset("marketo_reference_data")],  # DAGs may be scheduled by it
        max_calls=5_000,
        pool="marketo",
    )

    @task
    def report(manifest: dict[str, Any]) -> dict[str, int]:
        """Send a message to your channel here."""
        counts = {window["name"]: window["rows"] for window in manifest["windows"]}
        print(f"{counts['assets']} assets, {counts['asset_changes']} changes since the run before")
        return counts

    report(reference.output)
