"""
The optional cluster policy that puts every Marketo task into the pool of its connection, whatever its DAG says.

Airflow loads it in every process; it does nothing unless ``[marketo] enforce_pool`` is on. A policy cannot see pools,
so ``airflow marketo setup`` leaves a Variable that says for which connections there is one. Without it a task would
wait for ever in a pool that does not exist; so it is an import error instead, which names the command.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from airflow.configuration import conf
from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.policies import hookimpl

from airflow_provider_marketo import airflow_compat

POOLS_VARIABLE = "marketo_pools"
"""Variable in which ``airflow marketo setup`` leaves the pool of each connection, by its id."""

_PACKAGE = __name__.partition(".")[0] + "."


@hookimpl
def task_policy(task: Any) -> None:
    """
    Called by Airflow for each task of each DAG that it parses.

    :param task: an operator, or a mapped one.
    :raises AirflowClusterPolicyViolation: there is no pool for the task's connection.
    """
    if not conf.getboolean("marketo", "enforce_pool", fallback=False):
        return
    mapped = hasattr(task, "partial_kwargs")
    if not _is_ours(task.operator_class if mapped else type(task)):
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
    pools = _pools()
    if conn_id in pools:
        return pools[conn_id]
    if "{{" in conn_id and len(set(pools.values())) == 1:  # a template may name any of them
        return next(iter(pools.values()))
    raise AirflowClusterPolicyViolation(
        f"Task {task_id}: there is no pool for the Marketo connection {conn_id}, and [marketo] enforce_pool is on. "
        f"Run: airflow marketo setup (or python -m airflow_provider_marketo setup)"
    )


@cache
def _pools() -> dict[str, str]:
    """Read once in a process, and only where there is a Marketo task: Airflow parses each file in a new one."""
    pools: dict[str, str] = json.loads(airflow_compat.Variable.get(POOLS_VARIABLE, default_var="{}"))
    return pools
