"""A DAG that starts when the journal of Adobe I/O Events reports a form fill."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_marketo.streams.batches import new_batches
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

STREAM = "journal_watcher"

fills = Asset(
    "journal_form_fills",
    watchers=[
        AssetWatcher(
            name="journal_form_fills",
            trigger=MarketoActivityTrigger(
                stream=STREAM, activity_types=[2], poll_interval=4, adobe_conn_id="adobe_events_default"
            ),
        )
    ],
)

with DAG("journal_watcher", schedule=[fills], catchup=False, max_active_runs=1):

    @task(inlets=[fills], retries=3, retry_delay=timedelta(seconds=1))  # a busy machine may fail to start a try
    def new(triggering_asset_events: Any = None, inlet_events: Any = None, run_id: Any = None) -> dict[str, Any]:
        return new_batches(triggering_asset_events[fills], run_id, stream=STREAM, later=inlet_events[fills])

    new()
