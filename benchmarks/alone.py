"""Run an operator by itself, without an Airflow around it, against an instance."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from benchmarks.instance import Instance

CONN_ID = "marketo_benchmark"


def connect(instance: Instance, poll_interval: float) -> None:
    """
    Let the connection :data:`CONN_ID` lead to an instance.

    :param instance: the instance.
    :param poll_interval: seconds between two polls of export jobs.
    """
    connection = {
        "conn_type": "marketo",
        "host": instance.url,
        "login": instance.client_id,
        "password": instance.client_secret,
        "extra": {"poll_interval": poll_interval},
    }
    os.environ[f"AIRFLOW_CONN_{CONN_ID.upper()}"] = json.dumps(connection)


def execute(operator: BaseOperator) -> Any:
    """Execute an operator as the only try of a task, and return its result."""
    task: Any = SimpleNamespace(dag_id="benchmark", task_id=operator.task_id, run_id="run", map_index=-1)
    task.task, task.try_number, task.max_tries, task.xcom_push = operator, 1, 0, lambda **_: None
    return operator.execute(cast("Context", {"ti": task}))
