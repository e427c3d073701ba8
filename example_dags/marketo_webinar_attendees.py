"""
Import the attendees of a webinar: a file of the webinar service sets their status in Marketo's program.

Attendees are known by their e-mail address; those that Marketo does not know become leads. A status never moves
backwards, and a member who is already past it causes a warning, not a failure. Joining a program may fire campaigns: if
the answer to an upload is lost, the task says so and does not send it again.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
Put the file ``incoming/attendees.csv`` with the columns ``Email`` and ``Seat`` there.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator

with DAG(
    dag_id="marketo_webinar_attendees",
    schedule=None,
    params={
        "program": Param(1001, type="integer", description="Id of the webinar's program."),
        "status": Param("Attended", type="string", description="A status of the program's channel."),
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoBulkImportOperator(
        task_id="attendees",
        object_type="program_members",
        source="{{ var.value.marketo_lake }}/incoming/attendees.csv",
        columns={"Email": "email", "Seat": "seatNumber"},
        program_id="{{ params.program }}",
        program_member_status="{{ params.status }}",
        rejects_path="{{ var.value.marketo_lake }}/rejects",
        max_reject_ratio=0.05,
        deferrable=True,
        pool="marketo",
    )
