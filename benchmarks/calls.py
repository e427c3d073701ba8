"""API calls of an extract, counted by the instance."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from benchmarks.alone import CONN_ID, connect, execute
from benchmarks.instance import END, START, Instance
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


POLL_INTERVAL = 1.0
WINDOWS = 5
_FAMILY = "bulk_export_activities"


def measure(instance: Instance, folder: Path) -> Iterator[Row]:
    """
    Count the calls of a whole extract by the operator, in several windows.

    :param instance: the instance, which counts the calls.
    :param folder: folder for the files.
    """
    connect(instance, POLL_INTERVAL)
    operator = MarketoBulkExtractOperator(
        task_id="extract",
        object_type="activities",
        output_path=str(folder / "calls"),
        file_format="csv",
        start=START,
        end=END,
        window=timedelta(days=6),
        deferrable=False,
        marketo_conn_id=CONN_ID,
    )
    before, since = instance.report(), time.monotonic()
    execute(operator)
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
