"""
Starts by itself when a form is filled: an asset watcher looks once a minute, and passes ids in batches.

The watcher misses nothing. After a crash of the triggerer it may pass a batch twice, under the same id. So the first
task leaves out batches that an earlier run has taken, and takes those that came while that run was busy. Then the
second task reads the leads, and your follow-up begins.

Before the first run: ``airflow marketo setup``, the Variable ``marketo_lake``, and a running triggerer. Add
``asset_ids`` with the ids of the forms that you care about.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.streams.batches import new_batches
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

STREAM = "form_follow_up"

form_fills = Asset(
    "marketo_form_fills",
    watchers=[
        AssetWatcher(
            name="marketo_form_fills",
            trigger=MarketoActivityTrigger(stream=STREAM, activity_types=["Fill Out Form"]),
        )
    ],
)

with DAG(
    dag_id="marketo_form_follow_up",
    schedule=[form_fills],
    catchup=False,
    max_active_runs=1,
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["marketo", "example"],
):

    @task(inlets=[form_fills])
    def new(triggering_asset_events: Any = None, inlet_events: Any = None, run_id: Any = None) -> dict[str, Any]:
        """Return the batches that no earlier run has taken."""
        events = triggering_asset_events[form_fills]
        batches = new_batches(events, run_id, stream=STREAM, later=inlet_events[form_fills])
        if not batches["batch_ids"]:
            raise AirflowSkipException("Every batch was taken by an earlier run.")
        return batches

    leads = MarketoGetLeadsOperator(
        task_id="leads",
        lookup_field="id",
        lookup_values="{{ ti.xcom_pull('new')['lead_ids'] }}",
        output_path="{{ var.value.marketo_lake }}/form_fills/{{ ti.xcom_pull('new')['batch_ids'][0] }}",
        outlets=[Asset("marketo_form_fill_leads")],  # DAGs may be scheduled by it
        pool="marketo",
    )

    new() >> leads
