"""
Waits, without a worker, until enough people have registered for a webinar, then exports the members of its program.

All sensors of a connection that wait in the triggerer share their calls; this one costs a call a minute.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.sensors.members import MarketoProgramMemberSensor

with DAG(
    dag_id="marketo_webinar",
    schedule=None,
    render_template_as_native_obj=True,
    params={
        "program": Param(1001, type="integer", description="Id of the webinar's program."),
        "registered": Param(50, type="integer", description="Number of members to wait for."),
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    enough = MarketoProgramMemberSensor(
        task_id="enough",
        program_id="{{ params.program }}",
        statuses=["Registered", "Attended"],
        count="{{ params.registered }}",
        timeout=timedelta(days=14),
        soft_fail=True,  # too few: no webinar, and no failure either
        deferrable=True,
        pool="marketo",
    )
    members = MarketoBulkExtractOperator(
        task_id="members",
        object_type="program_members",
        filters={"programIds": ["{{ params.program }}"]},
        fields=["leadId", "statusName", "membershipDate"],
        output_path="{{ var.value.marketo_lake }}/webinars/{{ params.program }}",
        outlets=[Asset("marketo_webinar_members")],  # DAGs may be scheduled by it
        deferrable=True,
        pool="marketo",
    )
    enough >> members
