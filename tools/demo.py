"""
The demo: a real Airflow on this machine extracts from a simulated Marketo, and loads into DuckDB.

Three of the example DAGs run in the connection's pool: 70 days of activities to Parquet, all leads to JSON Lines, and
the tables of an instance in DuckDB, which begin when one of the others has ended. The demo then reads files and tables
back, compares them with what the simulator holds, and prints a report with the answer of a query. Its last lines say
what it leaves on the disk and what to try next.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator import Simulator
from tools.demo_flows import FILES, FLOWS, FOLDER, INSTANCE, LAKE, QUESTION, ROOT, TABLES, WAREHOUSE
from tools.progress import stage
from tools.real_airflow import FINISHED, DagRun, RealAirflow, RealAirflowError, interrupt_on_termination

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tools.demo_flows import Flow, Task

DAGS = FOLDER / "dags"
POOL = "marketo"

POLL_INTERVAL = 6
"""
Seconds of real time. Five are one simulated minute, and Marketo changes a job's status once a minute. The simulator
notes two polls within a minute. The sixth second prevents that even if a busy machine delays a poll.

It cannot be shorter: Airflow fails a task that returns from its deferral before the scheduler has noticed the deferral.
"""

JOBS_IN_FLIGHT = 3
"""
Export jobs that one task keeps in Marketo's queue. One DAG of files and the five jobs of the warehouse take the eight
places of this Airflow. A task that waits for a place looks at the job list when it returns, perhaps within a minute of
the trigger's look for another DAG, and the simulator would note that.
"""

SETTINGS = {
    "AIRFLOW_VAR_MARKETO_LAKE": str(LAKE),
    "AIRFLOW__MARKETO__JOBS_IN_FLIGHT": str(JOBS_IN_FLIGHT),
    "AIRFLOW_CONN_MARKETO_DUCKDB": json.dumps({"conn_type": "duckdb", "host": str(WAREHOUSE)}),
}


INTRODUCTION = """
What you will see: a real Airflow (scheduler, triggerer, API server, SQLite) in the folder .demo, and a simulated
Marketo on which a minute takes five seconds. Three recipes of example_dags run side by side: 70 days of activities
to Parquet, all leads with all fields to JSON Lines, and the tables of a whole instance in a DuckDB file. To be quick,
the tables begin four weeks ago: leads and activities since then, and all programs, members, lists and other reference
data. No worker waits while Marketo prepares its export jobs. At the end the demo reads files and tables back, compares
them with what the simulated Marketo holds, and runs a query on the tables.
"""


class DemoError(RuntimeError):
    """A DAG failed, or its output differs from what the simulator holds."""


@dataclass(frozen=True)
class Ended:
    """A flow whose run has succeeded, and how many seconds the run took."""

    flow: Flow
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo.

    :param arguments: arguments to use instead of the command line's.
    :return: the exit code.
    """
    parser = argparse.ArgumentParser(prog="dev.py demo")
    parser.add_argument("--keep", action="store_true", help="leave the UI open at the end and print its address")
    keep = parser.parse_args(arguments).keep
    interrupt_on_termination()
    print(INTRODUCTION)
    airflow = RealAirflow(FOLDER / "airflow", DAGS, SETTINGS)
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with Simulator(INSTANCE) as simulator, airflow:
            try:
                _prepare(airflow, simulator)
                _report(_run(airflow, simulator), simulator)
                if keep:
                    _keep(airflow, simulator)
            finally:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleanup
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.")
        return 130
    except (DemoError, RealAirflowError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _prepare(airflow: RealAirflow, simulator: Simulator) -> None:
    DAGS.mkdir(parents=True)
    for flow in FLOWS:  # no others: a DAG that watches for events would also make calls
        shutil.copy(ROOT / "example_dags" / f"{flow.dag_id}.py", DAGS)
    with stage("migrating a SQLite database for Airflow"):
        airflow.migrate()
    with stage("creating the connection marketo_default"):
        extra = json.dumps({"poll_interval": POLL_INTERVAL})
        connection = ("--conn-type", "marketo", "--conn-host", simulator.url, "--conn-extra", extra)
        user = ("--conn-login", simulator.client_id, "--conn-password", simulator.client_secret)
        airflow.cli("connections", "add", "marketo_default", *connection, *user)
    with stage("creating its pool: airflow marketo setup"):
        airflow.cli("marketo", "setup")
    with stage("starting scheduler, triggerer, DAG processor and API server"):
        airflow.start()
        airflow.wait_until_ready([flow.dag_id for flow in FLOWS])


def _run(airflow: RealAirflow, simulator: Simulator) -> list[Ended]:
    print(f"-- running {', '.join(flow.dag_id for flow in FILES)}, then {TABLES.dag_id} beside them", flush=True)
    runs: dict[Flow, DagRun] = {flow: airflow.trigger(flow.dag_id, **flow.trigger) for flow in FILES}
    since = time.monotonic()
    reached = dict.fromkeys(FLOWS, -1)
    running = dict(runs)
    while running:
        for flow, run in list(running.items()):
            ended = run.state in FINISHED
            tasks = run.tasks()
            _refuse_failures(run, tasks)
            phase, says = flow.phase(tasks)
            if phase > reached[flow]:
                reached[flow] = phase
                print(f"   {time.monotonic() - since:3.0f} s  {flow.label}: {says}", flush=True)
            if ended:
                del running[flow]
        if TABLES not in runs and len(running) < len(FILES):  # now Marketo's queue has room for all of its jobs
            runs[TABLES] = running[TABLES] = airflow.trigger(TABLES.dag_id, **TABLES.trigger)
        time.sleep(1)
    print(f"   {time.monotonic() - since:3.0f} s  all have ended, after {simulator.report().total_calls} API calls")
    return [Ended(flow, _seconds(flow, run)) for flow, run in runs.items()]


def _refuse_failures(run: DagRun, tasks: Sequence[Task]) -> None:
    """:raises DemoError: a task failed; the demo does not wait for Airflow's next try."""
    for task in tasks:
        if task["state"] in ("failed", "up_for_retry"):
            said = "\n".join(run.log(task["task_id"], task["try_number"], task["map_index"])[-25:])
            raise DemoError(f"{run.dag_id}.{task['task_id']} failed:\n{said}")


def _seconds(flow: Flow, run: DagRun) -> float:
    for task in run.tasks():
        if task["pool"] != POOL and task["task_id"] not in flow.outside_pool:
            raise DemoError(f"{flow.dag_id}.{task['task_id']} ran in the pool {task['pool']} instead of {POOL}")
    facts = run.facts()
    started, ended = (datetime.fromisoformat(facts[when].replace("Z", "+00:00")) for when in ("start_date", "end_date"))
    return (ended - started).total_seconds()


def _report(ended: Sequence[Ended], simulator: Simulator) -> None:
    """
    Print what the runs took and wrote, and what the tables answer.

    :raises DemoError: the output differs from what the simulator holds, or a call broke Marketo's protocol.
    """
    seconds = {one.flow: one.seconds for one in ended}
    print(f"\n{'':32} {'rows':>9} {'windows':>8} {'files':>6} {'MB':>7} {'seconds':>8}")
    for flow in FILES:
        manifest, files = flow.manifest, flow.files
        print(
            f"{flow.what:32} {manifest['rows']:>9,} {len(manifest['windows']):>8} {len(files):>6} "
            f"{_megabytes(files):>7.1f} {seconds[flow]:>8.1f}"
        )
    tables, rows = TABLES.loaded()
    print(
        f"{f'{TABLES.what}, {tables} tables':32} {rows:>9,} {'':>8} {1:>6} "
        f"{_megabytes([TABLES.file]):>7.1f} {seconds[TABLES]:>8.1f}"
    )
    report = simulator.report()
    spent = sorted(report.calls.items(), key=lambda call: -call[1])
    print(f"\nMarketo API calls: {report.total_calls}, at most {report.peak_concurrency} at once", end="")
    print(f", {sum(report.rejected.values())} rejected, {sum(report.violations.values())} against Marketo's protocol")
    for operation, count in spent:
        print(f"  {count:>5}  {operation}")
    print()
    for place, what in [(flow.output, flow.what) for flow in FILES] + [(TABLES.file, TABLES.what)]:
        print(f"{what}: {place.relative_to(ROOT)}")
    _print_answer()
    problems = [problem for flow in FLOWS for problem in flow.problems(simulator)]
    problems += [f"protocol violation: {violation}" for violation in report.violations]
    if problems:
        raise DemoError("\n".join(problems))
    print("Read back: files and tables hold every row of the simulated Marketo exactly once, and the answer is right.")
    _say_what_is_next()


def _print_answer() -> None:
    print("\nWhich countries' new leads visit the most pages? The tables answer:\n")
    print("\n".join(f"  {line}" for line in QUESTION.splitlines()))
    print(f"\n  {'country':<16} {'new leads':>9} {'page visits':>12}")
    for country, leads, visits in TABLES.answer():
        print(f"  {country:<16} {leads:>9,} {visits:>12,}")
    print()


def _say_what_is_next() -> None:
    demo, environment = (f"{_megabytes(folder.rglob('*')):,.0f} MB" for folder in (FOLDER, Path(sys.prefix)))
    print(
        f"\nLeft in this folder: .demo with the data ({demo}) and .venv with Airflow ({environment}).\n"
        "python3 dev.py clean removes both.\n"
        "\nNext: python3 dev.py demo --keep leaves Airflow's UI open, and its page Assets shows what was published.\n"
        '"Your first rows" in README leads from here to a DAG of your own; example_dags has a recipe for most jobs.'
    )


def _megabytes(files: Iterable[Path]) -> float:
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink()) / 1e6


def _keep(airflow: RealAirflow, simulator: Simulator) -> None:
    print(f"\nAirflow: {airflow.url}   simulated Marketo: {simulator.url}   Ctrl-C ends both.", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
