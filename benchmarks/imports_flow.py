"""A whole import into a simulator: each of them runs in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_marketo.simulator import Settings, Simulator
from benchmarks.imports import ACTIVITY_CALLS, CALLS, JOB_SECONDS, LATENCY, POLL, RATE, SLOTS, WINDOW, make_input

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from airflow.sdk import Context

BULK_ROWS = 60_000
"""Eight files of about ten megabytes: long rows, so that the simulator writes few records."""


def _simulate(settings: Settings, pipe: Connection) -> None:
    with Simulator(settings) as simulator:
        pipe.send(simulator.connection())
        pipe.recv()
        report = simulator.report()
        pipe.send({"rejected": report.rejected, "peak": report.peak_concurrency})


def _context(values: dict[str, Any]) -> Context:
    store = SimpleNamespace(get=values.get, set=values.__setitem__, delete=lambda key: values.pop(key, None))
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1, max_tries=0)
    return cast("Context", {"ti": ti, "task_state_store": store})


def main(what: str, scale: float, rate: int = RATE) -> dict[str, Any]:
    """Run an import; return its seconds, rows and calls."""
    settings = Settings(
        leads=1_000,
        activities=1,
        latency=0.0 if what == "bulk" else LATENCY / scale,
        time_scale=scale,
        job_seconds=JOB_SECONDS,
        job_seconds_per_mb=0,
    )
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_simulate, args=(settings, theirs), daemon=True)
    process.start()
    os.environ["AIRFLOW_CONN_MARKETO_DEFAULT"] = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        found = _bulk(Path(folder), scale) if what == "bulk" else _by_calls(what, Path(folder), scale, rate)
    ours.send("done")
    found |= ours.recv()
    process.join()
    return found


def _by_calls(what: str, folder: Path, scale: float, rate: int) -> dict[str, Any]:
    import airflow_provider_marketo.hooks.marketo as hooks
    from airflow_provider_marketo.client.governor.local import LocalGovernor

    governor = LocalGovernor(rate_limit=rate, parallel=SLOTS, window=WINDOW / scale)
    hooks.governor_of = lambda *_: governor  # type: ignore[attr-defined]  # the window is shortened with time
    task = _activities(folder) if what == "custom_activities" else _leads(folder)
    started = time.perf_counter()
    result = task.execute(_context({}))
    return {"seconds": time.perf_counter() - started, "rows": result["rows"], "calls": result["calls"]}


def _leads(folder: Path) -> Any:
    from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator

    source = make_input("parquet", folder, CALLS * 300, ExitStack())
    return MarketoSyncLeadsOperator(
        task_id="t", source=source, rejects_path=str(folder / "rejects"), pool_slots=SLOTS, max_reject_ratio=1
    )


def _activities(folder: Path) -> Any:
    from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator

    row = {"activityDate": "2026-01-20T10:00:00Z", "eventName": "Webinar", "durationMinutes": 42}
    return MarketoCustomActivitiesOperator(
        task_id="t",
        activity_type="attendedEvent_c",
        records=[{"leadId": 1001 + number % 900, **row} for number in range(ACTIVITY_CALLS * 300)],
        rejects_path=str(folder / "rejects"),
        pool_slots=SLOTS,
    )


def _bulk(folder: Path, scale: float) -> dict[str, Any]:
    from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator

    source = make_input("parquet", folder, BULK_ROWS, ExitStack(), comment="a long comment " * 80)
    task = MarketoBulkImportOperator(
        task_id="t",
        object_type="leads",
        source=source,
        rejects_path=str(folder / "rejects"),
        poll_interval=POLL / scale,
        deferrable=False,
        max_reject_ratio=1,
    )
    started = time.perf_counter()
    result = task.execute(_context({}))
    return {
        "seconds": time.perf_counter() - started,
        "rows": result["rows"],
        "jobs": result["chunks"],
        "job_seconds": JOB_SECONDS / scale,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:]))))
