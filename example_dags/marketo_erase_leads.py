"""
Fulfil requests for erasure: delete all leads with the addresses in a file, keep evidence, and look again a day later.

The file has a column ``email``. The evidence holds counts, times and digests, and no personal data. If a form or a CRM
has created one of the leads again by the next day, the task fails and says so.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
The API user needs Read-Write Lead.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator

with DAG(
    dag_id="marketo_erase_leads",
    schedule=None,
    params={
        "requests": Param("erasure/requests.csv", type="string", description="File with a column email, in the lake."),
        "confirm": Param(False, type="boolean", description="Yes, delete these leads permanently."),
    },
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoEraseLeadsOperator(
        task_id="erase",
        source="{{ var.value.marketo_lake }}/{{ params.requests }}",
        lookup_field="email",
        evidence="{{ var.value.marketo_lake }}/erasure/evidence",
        confirm="{{ params.confirm }}",
        max_leads=500,
        verify_after=timedelta(hours=24),
        retries=2,
        pool="marketo",
    )
