"""
A static list that holds exactly the leads of a file: missing members are added, surplus ones removed.

If more than a tenth of the list would be removed, the file is probably cut short: the task fails and changes nothing.

Before the first run: ``airflow marketo setup``, and the Variable ``marketo_lake`` with a folder or an object store URL.
Put the file ``incoming/customers.csv`` with a column ``marketo_id`` there.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_marketo.operators.members import MarketoListMembersOperator

with DAG(
    dag_id="marketo_mirror_list",
    schedule=None,
    params={"list": Param(1004, type="integer", description="Id of the static list.")},
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["marketo", "example"],
):
    MarketoListMembersOperator(
        task_id="customers",
        list_id="{{ params.list }}",
        mode="mirror",
        max_removals=0.1,
        source="{{ var.value.marketo_lake }}/incoming/customers.csv",
        columns={"marketo_id": "leadId"},
        rejects_path="{{ var.value.marketo_lake }}/rejects",
        pool="marketo",
    )
