"""
Leads by e-mail address: the first call of every Marketo tutorial, and a quick way to see that a connection works.

Addresses come from the run's parameters; the rows go to storage, and the task returns ids and counts.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
"""

from __future__ import annotations

from airflow.sdk import DAG, Asset, Param

from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator

with DAG(
    dag_id="marketo_find_leads",
    schedule=None,
    render_template_as_native_obj=True,
    params={"emails": Param(["jane.doe@example.com"], type="array", description="Addresses to look for.")},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoGetLeadsOperator(
        task_id="leads",
        lookup_field="email",
        lookup_values="{{ params.emails }}",
        fields=["id", "email", "firstName", "lastName", "leadScore", "updatedAt"],
        output_path="{{ var.value.marketo_lake }}/found/{{ run_id | replace(':', '') }}",
        outlets=[Asset("marketo_found_leads")],  # DAGs may be scheduled by it
        pool="marketo",
    )
