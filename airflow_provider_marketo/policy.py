"""
The optional cluster policy that puts every Marketo task into the pool of its connection, even if its DAG names another.

Airflow loads the policy in every process and calls it for every task of every DAG. It does nothing unless the task is
one of ours and ``[marketo] enforce_pool`` is on. A policy cannot see pools, so ``airflow marketo setup`` stores the
pool of each connection in a Variable. A task whose connection is missing there would wait forever in a pool that does
not exist. Its DAG gets an import error instead, which names the command.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.policies import hookimpl

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.options import options

POOLS_VARIABLE = "marketo_pools"
"""The Variable in which ``airflow marketo setup`` stores the pool of each connection."""

_PACKAGE = __name__.partition(".")[0] + "."


@hookimpl
def task_policy(task: Any) -> None:
    """
    Put a task into the pool of its connection. Airflow calls this for each task of each DAG that it parses.

    :param task: an operator or a mapped operator.
    :raises AirflowClusterPolicyViolation: the task's connection has no pool.
    """
    mapped = hasattr(task, "partial_kwargs")
    if not _is_ours(getattr(task, "operator_class", None) if mapped else type(task)) or not options.flag(
        "enforce_pool"
    ):
        return
    conn_id = (task.partial_kwargs if mapped else vars(task)).get("marketo_conn_id", "marketo_default")
    pool = _pool_of(str(conn_id), task.task_id)
    if mapped:
        task.partial_kwargs["pool"] = pool
    else:
        task.pool = pool


def _is_ours(operator: Any) -> bool:
    return isinstance(operator, type) and any(each.__module__.startswith(_PACKAGE) for each in operator.__mro__)


def _pool_of(conn_id: str, task_id: str) -> str:
    pools = read_pools()
    if conn_id in pools:
        return pools[conn_id]
    if "{{" in conn_id and len(set(pools.values())) == 1:  # a template may name any connection
        return next(iter(pools.values()))
    what = f"Task {task_id}: the Marketo connection {conn_id} has no pool, and [marketo] enforce_pool is on. "
    if "{{" in conn_id and pools:
        raise AirflowClusterPolicyViolation(
            f"{what}Name the connection without a template, or set the same pool in the extra of every Marketo"
            " connection"
        )
    named = "" if "{{" in conn_id else f" --conn-id {conn_id}"
    raise AirflowClusterPolicyViolation(
        f"{what}Run: airflow marketo setup{named} (or python -m airflow_provider_marketo setup{named})"
    )


@cache
def read_pools() -> dict[str, str]:
    """Read the Variable once per process; Airflow parses each DAG file in a new process. A wrong text names no pool."""
    try:
        pools = json.loads(airflow_compat.Variable.get(POOLS_VARIABLE, default_var="{}"))
    except (ValueError, RecursionError):
        return {}
    known = pools.items() if isinstance(pools, dict) else ()
    return {conn_id: pool for conn_id, pool in known if isinstance(pool, str) and pool}
