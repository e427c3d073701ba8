"""
Fifty DAGs with 500 mapped tasks on one instance, and the memory of a day.

::

    python -m benchmarks.load --executor local     a quarter of an hour
    python -m benchmarks.load --executor celery    the same on two workers, each on a host of its own; needs root
    python -m benchmarks.load --only day           ten minutes: the memory of a triggerer and a task over 24 hours

*Tasks* runs a whole Airflow with PostgreSQL. Its tasks read leads, write leads, extract activities, trigger a campaign,
and wait for leads that other tasks write. They share the limits of one simulated instance through a SQLite file, or on
Celery through Redis. The use of the limit is measured while tasks wait for a slot of the pool, in whole windows of 20.5
seconds: 20 and the guard. The same DAGs without the provider lie beside them, to compare how long Airflow parses them.

*Day* is described in :mod:`benchmarks.load_day`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from airflow_provider_marketo.client.governor.rules import Limits
from airflow_provider_marketo.client.limits import CALLS as CALLS_IN_WINDOW
from airflow_provider_marketo.simulator import Settings, Simulator
from benchmarks.load_dags import POLL, Load, plain_id
from benchmarks.load_day import measure_day
from benchmarks.table import Row, markdown
from benchmarks.whole_airflow import connection, steadily, tasks_in, whole_airflow
from tools import services
from tools.celery_hosts import LIMITS
from tools.databases import empty_database
from tools.real_airflow import DagRun, interrupt_on_termination
from tools.separate_hosts import require_separate_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_marketo.simulator.report import Report
    from tools.real_airflow import RealAirflow

LOCAL, CELERY = "local", "celery"
PARTS = ("tasks", "day")
DAGS, TASKS, CALLS = 50, 10, 6
PARALLEL, RATE = 8, 90
"""The connection's defaults."""

USED = 0.95
"""Part of the allowed calls that must be used."""

LONGEST = 5_400.0
"""Seconds after which tasks that have not ended count as hung."""

LOOK_EVERY, TELL_EVERY = 3.0, 30.0
"""Seconds between two polls, which cost Airflow's API server some time, and between two lines of progress."""

_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Sample:
    """
    A moment of the load.

    :param at: when, by the machine's monotonic clock.
    :param calls: the calls that Marketo has counted.
    :param waiting: tasks that wait for a slot of the pool.
    """

    at: float
    calls: int
    waiting: int


def measure_tasks(executor: str, load: Load, limits: Limits, folder: Path) -> Iterator[Row]:
    """
    Run all DAGs at once.

    :param executor: ``local`` or ``celery``.
    :param load: the DAGs.
    :param limits: the connection's limits.
    :param folder: an empty folder for all files.
    """
    settings = Settings(
        leads=load.leads,
        activities=5_000,
        latency=0.1,
        status_refresh=POLL,
        job_seconds=5,
        daily_quota=1_000_000,
        rate=limits.rate * CALLS_IN_WINDOW // RATE,
    )
    with ExitStack() as stack:
        marketo = stack.enter_context(Simulator(settings))
        server = stack.enter_context(services.postgres(folder, _BIN))
        urls, extra = None, {"rate_limit": str(limits.rate)}
        if executor == CELERY:
            redis = stack.enter_context(services.redis(folder, _BIN)).rpartition("/")[0]
            urls = {"redis": redis, "database": server, "marketo": marketo.url}
            extra["redis_conn_id"] = LIMITS
        facts = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": connection(marketo, **extra),
            "AIRFLOW__CORE__PARALLELISM": str(limits.parallel),
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # Airflow gives up too soon on a busy machine
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",  # parse once
        }
        airflow = stack.enter_context(
            whole_airflow(folder / "airflow", empty_database(server), load.files(), facts, celery=urls)
        )
        dag_ids = load.dag_ids()
        airflow.wait_until_ready([*dag_ids, *map(plain_id, dag_ids)])
        parsed = {dag["dag_id"]: dag["last_parse_duration"] * 1e3 for dag in airflow.known_dags()}
        begun = time.monotonic()
        for dag_id in dag_ids:
            airflow.trigger(dag_id)
        samples = list(_watch(airflow, marketo, load.dags * load.tasks))
        took = time.monotonic() - begun
        states = {state: steadily(partial(tasks_in, airflow, state)) for state in ("success", "failed")}
        report = marketo.report()
        for words in _last_words(airflow):
            print(words, file=sys.stderr)
    on = f"{executor}, {load.dags} DAGs, {load.dags * load.tasks} mapped tasks, {took:.0f} s"
    yield from _of_tasks(on, load, states, report)
    yield from _of_limits(on, limits, report)
    yield use_of_limit(on, limits, samples)
    yield from _of_parsing([parsed[each] for each in dag_ids], [parsed[plain_id(each)] for each in dag_ids])


def _watch(airflow: RealAirflow, marketo: Simulator, tasks: int) -> Iterator[Sample]:
    """Look until all tasks have ended, or until they count as hung; print the progress."""
    start = told = time.monotonic()
    waiting, ended = tasks, 0
    while ended < tasks and time.monotonic() < start + LONGEST:
        at, calls = time.monotonic(), marketo.report().total_calls
        with suppress(requests.RequestException):  # a busy server answers later
            waiting = airflow.api("GET", "/api/v2/pools/marketo")["scheduled_slots"]
            if not waiting or at >= told:
                ended = tasks_in(airflow, "success", "failed")
        if at >= told:
            told = at + TELL_EVERY
            print(f"{at - start:.0f} s: {ended} of {tasks} tasks ended, {calls} calls", file=sys.stderr, flush=True)
        yield Sample(at, calls, waiting)
        time.sleep(LOOK_EVERY)


def _last_words(airflow: RealAirflow) -> Iterator[str]:
    """Yield the ends of the logs of some tasks that failed."""
    path = "/api/v2/dags/~/dagRuns/~/taskInstances?state=failed&limit=3"
    for task in steadily(lambda: airflow.api("GET", path))["task_instances"]:
        run = DagRun(airflow, task["dag_id"], task["dag_run_id"])
        yield f"{task['dag_id']}.{task['task_id']}[{task['map_index']}] failed:"
        yield from steadily(partial(run.log, task["task_id"], map_index=task["map_index"]))[-12:]


def _of_tasks(on: str, load: Load, states: dict[str, int], report: Report) -> Iterator[Row]:
    total = load.dags * load.tasks
    failed = f"{states['failed']} failed, {total - sum(states.values())} without an end"
    yield Row("tasks that succeeded in their only try", on, failed, f"{total} tasks", states["success"], total)
    made = report.executed.get("bulk_export_activities.create_job", 0)
    wanted = load.count("extract")
    yield Row("export jobs", on, f"{made} created", f"{wanted} windows", made, wanted, at_most=True)
    yield Row("leads that met a campaign twice", on, str(report.sent_twice), "none", report.sent_twice, 0, at_most=True)
    violations = sum(report.violations.values())
    told = ", ".join(report.violations) or "none"
    yield Row("protocol violations", on, told, "none", violations, 0, at_most=True)


def _of_limits(on: str, limits: Limits, report: Report) -> Iterator[Row]:
    rejected = sum(report.rejected.get(code, 0) for code in ("606", "615"))
    yield Row("606 and 615", on, f"{report.total_calls} calls", "none allowed", rejected, 0, at_most=True)
    for what, most, allowed in (
        ("most calls in 20 s, as Marketo counts", report.peak_window, limits.rate),
        ("most calls at once", report.peak_concurrency, limits.parallel),
    ):
        yield Row(what, on, str(most), f"{allowed} allowed", most, allowed, at_most=True)


def use_of_limit(on: str, limits: Limits, samples: Sequence[Sample]) -> Row:
    """
    Return the use of the limit over the whole windows in which tasks waited for a slot.

    :param on: the load, in words.
    :param limits: the connection's limits.
    :param samples: moments of the load.
    """
    start = next(sample.at for sample in samples if sample.calls) + limits.span
    busy = [sample for sample in samples if sample.at >= start and sample.waiting]
    windows = int((busy[-1].at - start) / limits.span) if busy else 0
    if not windows:
        return Row("use of the limit", on, "tasks waited for less than two windows", "", 0, USED)
    used = _calls_at(samples, start + windows * limits.span) - _calls_at(samples, start)
    seconds = windows * limits.span
    allowed = limits.rate * seconds / limits.window
    reached = f"{used:.0f} calls in {seconds:.0f} s"
    return Row("use of the limit", on, reached, f"{allowed:.0f} allowed", used / allowed, USED)


def _calls_at(samples: Sequence[Sample], at: float) -> float:
    """Return the calls until a time, between two samples as if they were evenly spaced."""
    after = next(number for number, sample in enumerate(samples) if sample.at >= at)
    second, first = samples[after], samples[max(after - 1, 0)]
    part = (at - first.at) / (second.at - first.at) if second.at > first.at else 0.0
    return first.calls + part * (second.calls - first.calls)


def _of_parsing(ours: Sequence[float], without: Sequence[float]) -> Iterator[Row]:
    on = f"{len(ours)} DAG files each, as Airflow's DAG processor measures it"
    medians = statistics.median(ours), statistics.median(without)
    for what, of_each, median in (("with", ours, medians[0]), ("without", without, medians[1])):
        slowest = f"{median:.0f} ms, the slowest {max(of_each):.0f} ms"
        yield Row(f"parsing a DAG file {what} the provider, median", on, slowest, "", median, None)
    yield Row("milliseconds of a file for the provider", on, "", "", medians[0] - medians[1], None)


def main() -> int:
    """Run the command; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part; may be repeated")
    parser.add_argument("--executor", choices=(LOCAL, CELERY), default=LOCAL, help="executor of the tasks")
    parser.add_argument("--dags", type=int, default=DAGS, help=f"number of DAGs (default: {DAGS})")
    parser.add_argument("--tasks", type=int, default=TASKS, help=f"mapped tasks of a DAG (default: {TASKS})")
    parser.add_argument(
        "--rate-limit", type=int, default=RATE, help=f"the connection's rate_limit ({RATE}); less for a slow machine"
    )
    parser.add_argument(
        "--calls", type=int, default=CALLS, help=f"calls of a reading or writing task (default: {CALLS})"
    )
    options = parser.parse_args()
    parts = options.only or (PARTS if options.executor == LOCAL else ("tasks",))
    if options.executor == CELERY:
        require_separate_hosts()
    interrupt_on_termination()  # also end servers and Airflow
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="marketo-load-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database runs as another user
        os.environ["AIRFLOW_HOME"] = str(folder / "here")  # before anything imports Airflow
        for part in parts:
            (folder / part).mkdir()
            if part == "tasks":
                load = Load(options.dags, options.tasks, options.calls, folder / part / "lake")
                rows += measure_tasks(options.executor, load, Limits(options.rate_limit, PARALLEL), folder / part)
            else:
                rows += measure_day(folder / part)
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
