"""DAGs whose tasks run on several hosts. A run's folder and its other inputs are in its ``conf``."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator

HELD = "marketo_held"
PLACE = "{{ dag_run.conf['folder'] }}/{{ dag.dag_id }}/{{ run_id | replace(':', '') }}"
RETRIES: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=1)}

for dag_id, deferrable in (("held_waiting", False), ("held_deferred", True)):
    with DAG(dag_id, schedule=None):
        MarketoBulkExtractOperator(
            task_id="extract",
            object_type="activities",
            start=datetime(2026, 1, 5, tzinfo=timezone.utc),
            end=datetime(2026, 1, 12, tzinfo=timezone.utc),
            output_path=PLACE,
            file_format="csv",
            deferrable=deferrable,
            marketo_conn_id=HELD,
            pool="marketo",
            **RETRIES,
        )

for dag_id, deferrable in (("load_waiting", False), ("load_deferred", True)):
    with DAG(dag_id, schedule=None):
        MarketoBulkImportOperator(
            task_id="load",
            object_type="leads",
            source="{{ dag_run.conf['source'] }}",
            rejects_path=PLACE,
            deferrable=deferrable,
            marketo_conn_id=HELD,
            pool="marketo",
        )

with DAG("stream", schedule=None):
    MarketoActivitiesOperator(
        task_id="stream",
        stream="{{ dag_run.conf['stream'] }}",
        start="2026-01-05T00:00:00Z",
        end="{{ dag_run.conf['end'] }}",
        lookback=timedelta(days=2),
        output_path="{{ dag_run.conf['folder'] }}/stream/{{ dag_run.conf['stream'] }}",
        file_format="jsonl",
        marketo_conn_id=HELD,
        pool="marketo",
    )


@task(pool="marketo")
def call(number: int) -> str:
    """Make 20 calls, and return the name of the host."""
    from airflow.sdk import get_current_context

    from airflow_provider_marketo.hooks.marketo import MarketoHook

    hook = MarketoHook(get_current_context()["dag_run"].conf["conn_id"])
    for _ in range(20):
        hook.call("leads.describe")
    return socket.gethostname()


@task(pool="marketo")
def choose(executor: str) -> list[str]:
    """Return the coordination that ``auto`` chooses if the worker's own configuration names this executor."""
    os.environ["AIRFLOW__CORE__EXECUTOR"] = executor  # as the templates of pods do
    from airflow_provider_marketo.hooks import coordination
    from airflow_provider_marketo.hooks.marketo import MarketoHook

    return list(coordination.choose(MarketoHook("marketo_default").settings))


with DAG("calls", schedule=None):
    call.expand(number=list(range(8)))

with DAG("coordination", schedule=None):
    for name in ("CeleryExecutor", "LocalExecutor"):
        choose.override(task_id=name)(name)
