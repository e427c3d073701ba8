"""
Clone a program from a template, fill in its My Tokens, approve its e-mails and activate its trigger campaigns.

A retry or a clear continues where the failed try stopped, and makes no second program. A run with the name of a program
that exists fails; with ``if_exists="update"`` it fills in that program instead.

Before the first run: ``airflow marketo setup``. The API user needs Read-Write Assets, Approve Assets and Activate
Campaign.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_marketo.operators.assets import MarketoAssetOperator, MarketoCloneProgramOperator

with DAG(
    dag_id="marketo_program_from_template",
    schedule=None,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2), "pool": "marketo"},
    params={
        "template": Param("Spring Webinar", type="string", description="Name of the program to clone."),
        "name": Param("Autumn Webinar", type="string", description="Name of the new program: no other may have it."),
        "folder": Param("Campaigns", type="string", description="Folder of the new program, in Marketing Activities."),
        "headline": Param("See you in autumn", type="string"),
        "date": Param("2026-10-01", type="string", format="date"),
    },
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    folder = MarketoAssetOperator(task_id="folder", asset_type="folders", action="get", name="{{ params.folder }}")

    (
        MarketoCloneProgramOperator(
            task_id="program",
            template="{{ params.template }}",
            name="{{ params.name }}",
            folder={"id": "{{ ti.xcom_pull('folder')['id'] }}", "type": "Folder"},
            tokens={"{{my.Headline}}": "{{ params.headline }}", "{{my.Date}}": "{{ params.date }}"},
            approve=["emails"],
            activate=True,
        )
        << folder
    )
