"""A DAG with three subscriptions, one of them through two connections. Each task nearly uses up the rate limit."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, task

CONNECTIONS = ("marketo_first", "marketo_first_too", "marketo_second", "marketo_third")
CALLS = 7


@task(pool="marketo")
def call(conn_id: str) -> float:
    """Make the calls; return for how many seconds the governor held them back."""
    from airflow_provider_marketo.hooks.marketo import MarketoHook

    hook = MarketoHook(conn_id)
    for _ in range(CALLS):
        hook.call("leads.describe")
    tally: Any = hook.get_conn().tally
    return float(tally.waited)


with DAG("several_subscriptions", schedule=None):
    for connection in CONNECTIONS:
        call.override(task_id=connection)(connection)
