"""API calls of an extract, counted by the instance."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from benchmarks.instance import END, START, Instance
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow.sdk import Context

POLL_INTERVAL = 1.0
WINDOWS = 5
_FAMILY = "bulk_export_activities"


def measure(instance: Instance, folder: Path) -> Iterator[Row]:
    """
    Count the calls of a whole extract by the operator, in several windows.

    :param instance: the instance, which counts the calls.
    :param folder: folder for the files.
    """
    connection = {
        "conn_type": "marketo",
        "host": instance.url,
        "login": instance.client_id,
        "password": instance.client_secret,
        "extra": {"poll_interval": POLL_INTERVAL},
    }
    os.environ["AIRFLOW_CONN_MARKETO_BENCHMARK"] = json.dumps(connection)
    operator = MarketoBulkExtractOperator(
        task_id="extract",
        object_type="activities",
        output_path=str(folder / "calls"),
        file_format="csv",
        start=START,
        end=END,
        window=timedelta(days=6),
        deferrable=False,
        marketo_conn_id="marketo_benchmark",
    )
    task = SimpleNamespace(dag_id="benchmark", task_id="extract", run_id="run", map_index=-1, try_number=1, max_tries=0)
    before, since = instance.report(), time.monotonic()
    operator.execute(cast("Context", {"ti": task}))
    seconds = time.monotonic() - since
    after = instance.report()
    calls = {name: count - before.get(name, 0) for name, count in after.items()}
    of_windows = {action: calls.get(f"{_FAMILY}.{action}", 0) for action in ("create_job", "enqueue_job", "get_file")}
    looks = calls.get(f"{_FAMILY}.get_jobs", 0)
    listed = ", ".join(f"{count} {action}" for action, count in of_windows.items())
    yield Row(
        "calls of a window",
        f"{WINDOWS} windows",
        listed,
        "create, enqueue, one file request",
        sum(of_windows.values()) / WINDOWS,
        3,
        at_most=True,
    )
    intervals = seconds / POLL_INTERVAL + 1
    yield Row(
        "polls of the job list",
        f"{seconds:.0f} s, poll_interval={POLL_INTERVAL:g} s",
        f"{looks} get_jobs",
        "one in each interval",
        looks / intervals,
        1,
        at_most=True,
    )
