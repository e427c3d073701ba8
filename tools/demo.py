"""
The demo: a real Airflow on this machine extracts from a simulated Marketo.

Two of the example DAGs run at the same time in the connection's pool: 70 days of activities to Parquet and all leads to
JSON Lines. The demo then reads the files back, compares them with what the simulator holds, and prints a report. Its
last lines say what it leaves on the disk and what to try next.
"""

from __future__ import annotations

import argparse
import calendar
import json
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator import Settings, Simulator
from tools.progress import stage
from tools.real_airflow import FINISHED, DagRun, RealAirflow, RealAirflowError, interrupt_on_termination

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".demo"
LAKE = FOLDER / "lake"
DAGS = FOLDER / "dags"

INSTANCE = Settings(
    leads=50_000,
    leads_since=date(2024, 3, 12),
    activities=100_000,
    start=date(2026, 1, 1),
    end=date(2026, 3, 12),
    time_scale=12,
    job_seconds=20,
)
POLL_INTERVAL = 6
"""
Seconds of real time. Five are one simulated minute, and Marketo changes a job's status once a minute. The simulator
notes two polls within a minute. The sixth second prevents that even if a busy machine delays a poll.

It cannot be shorter: Airflow fails a task that returns from its deferral before the scheduler has noticed the deferral.
"""

FIRST_SECOND, LAST_SECOND = (calendar.timegm(day.timetuple()) for day in (INSTANCE.dates.start, INSTANCE.dates.end))
INTERVAL = {
    "logical_date": f"{INSTANCE.dates.end}T00:00:00Z",
    "data_interval_start": f"{INSTANCE.dates.start}T00:00:00Z",
    "data_interval_end": f"{INSTANCE.dates.end}T00:00:00Z",
}


SETTINGS = {
    "AIRFLOW_VAR_MARKETO_LAKE": str(LAKE),
    "AIRFLOW__MARKETO__JOBS_IN_FLIGHT": "7",  # no other integration queues jobs here
}


INTRODUCTION = """
What you will see: a real Airflow (scheduler, triggerer, API server, SQLite) in the folder .demo, and a simulated
Marketo on which a minute takes five seconds. Two recipes of example_dags run at the same time: 70 days of activities
to Parquet, and all leads with all fields to JSON Lines. No worker waits while Marketo prepares its export jobs. At the
end the demo reads the files back and compares them with what the simulated Marketo holds.
"""


class DemoError(RuntimeError):
    """A DAG failed, or its files differ from what the simulator holds."""


@dataclass(frozen=True)
class Flow:
    """
    One of the DAGs that the demo runs.

    :param dag_id: id of the example DAG.
    :param task_id: the task that extracts.
    :param output: folder below the lake that the task writes to.
    :param what: the flow's name in the report.
    :param key: the column that identifies a row.
    :param read_keys: reads the keys from a file of the task.
    :param expected: returns how many rows the simulator holds.
    """

    dag_id: str
    task_id: str
    output: str
    what: str
    key: str
    read_keys: Callable[[Path, str], list[Any]]
    expected: Callable[[Simulator], int]


def parquet_keys(file: Path, key: str) -> list[Any]:
    """Read one column of a Parquet file."""
    import pyarrow.parquet

    return list(pyarrow.parquet.read_table(file, columns=[key]).column(key).to_pylist())


def jsonl_keys(file: Path, key: str) -> list[Any]:
    """Read one field of every record of a JSON Lines file."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line)[key] for line in lines]


FLOWS = (
    Flow(
        "marketo_activities_to_parquet",
        "activities",
        "activities",
        "activities of 70 days, Parquet",
        "marketoGUID",
        parquet_keys,
        lambda simulator: sum(1 for _ in simulator.instance.store.activities.between(FIRST_SECOND, LAST_SECOND)),
    ),
    Flow(
        "marketo_lead_snapshot",
        "leads",
        f"leads/snapshot={INSTANCE.dates.end}",
        "leads of two years, JSON Lines",
        "id",
        jsonl_keys,
        lambda simulator: simulator.settings.leads,
    ),
)


@dataclass(frozen=True)
class Extracted:
    """The manifest of a flow, and how many seconds its run took."""

    flow: Flow
    manifest: Mapping[str, Any]
    seconds: float

    @property
    def files(self) -> list[Path]:
        """The files that the flow has published."""
        return [LAKE / self.flow.output / file["name"] for file in self.manifest["files"]]


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
                extracted = _run(airflow, simulator)
                _report(extracted, simulator)
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


def _run(airflow: RealAirflow, simulator: Simulator) -> list[Extracted]:
    print(f"-- running {' and '.join(flow.dag_id for flow in FLOWS)}", flush=True)
    runs = {flow: airflow.trigger(flow.dag_id, **INTERVAL) for flow in FLOWS}
    since = time.monotonic()
    reached = dict.fromkeys(FLOWS, -1)
    running = dict(runs)
    while running:
        for flow, run in list(running.items()):
            if _has_ended(flow, run):
                del running[flow]
            phase, says = _phase(flow, run)
            if phase > reached[flow]:
                reached[flow] = phase
                print(f"   {time.monotonic() - since:3.0f} s  {flow.task_id}: {says}", flush=True)
        time.sleep(1)
    print(f"   {time.monotonic() - since:3.0f} s  both have ended, after {simulator.report().total_calls} API calls")
    return [_outcome(flow, run) for flow, run in runs.items()]


def _phase(flow: Flow, run: DagRun) -> tuple[int, str]:
    """Return how far a flow is, as a number that only grows, and what to say about it."""
    state, output = run.task(flow.task_id)["state"], LAKE / flow.output
    for manifest in map(_read_json, output.glob("_marketo/manifests/*.json")):
        return 3, f"all {len(manifest['windows'])} windows are published, {manifest['rows']:,} rows"
    published = sum(window["rows"] for window in map(_read_json, output.glob("_marketo/runs/*/*/*/*/slices/*.json")))
    if published:
        return 2, f"the first window is published, {published:,} rows; Marketo prepares the others"
    if state == "deferred":
        return 1, "export jobs are in Marketo's queue; the task waits in the triggerer"
    return 0, "the task is about to start"


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def _has_ended(flow: Flow, run: DagRun) -> bool:
    """
    Return whether a run has ended.

    :raises DemoError: the extract failed; the demo does not wait for Airflow's next try.
    """
    task = run.task(flow.task_id)
    if task["state"] in ("failed", "up_for_retry"):
        said = "\n".join(run.log(flow.task_id, task["try_number"])[-25:])
        raise DemoError(f"{flow.dag_id} failed:\n{said}")
    return run.state in FINISHED


def _outcome(flow: Flow, run: DagRun) -> Extracted:
    task, facts = run.task(flow.task_id), run.facts()
    if task["pool"] != "marketo":
        raise DemoError(f"{flow.dag_id} ran in the pool {task['pool']} instead of marketo")
    started, ended = (datetime.fromisoformat(facts[when].replace("Z", "+00:00")) for when in ("start_date", "end_date"))
    (manifest,) = (LAKE / flow.output).glob("_marketo/manifests/*.json")
    return Extracted(flow, json.loads(manifest.read_text()), (ended - started).total_seconds())


def _report(extracted: Sequence[Extracted], simulator: Simulator) -> None:
    """
    Print what the runs took and wrote.

    :raises DemoError: the files differ from what the simulator holds, or a call broke Marketo's protocol.
    """
    print(f"\n{'':32} {'rows':>9} {'windows':>8} {'files':>6} {'MB':>7} {'seconds':>8}")
    for one in extracted:
        manifest = one.manifest
        print(
            f"{one.flow.what:32} {manifest['rows']:>9,} {len(manifest['windows']):>8} {len(manifest['files']):>6} "
            f"{sum(file.stat().st_size for file in one.files) / 1e6:>7.1f} {one.seconds:>8.1f}"
        )
    report = simulator.report()
    spent = sorted(report.calls.items(), key=lambda call: -call[1])
    print(f"\nMarketo API calls: {report.total_calls}, at most {report.peak_concurrency} at once", end="")
    print(f", {sum(report.rejected.values())} rejected, {sum(report.violations.values())} against Marketo's protocol")
    for operation, count in spent:
        print(f"  {count:>5}  {operation}")
    print()
    for one in extracted:
        print(f"{one.flow.what}: {LAKE.relative_to(ROOT) / one.flow.output}")
    problems = [problem for one in extracted for problem in _problems(one, simulator)]
    problems += [f"protocol violation: {violation}" for violation in report.violations]
    if problems:
        raise DemoError("\n".join(problems))
    print("Read back: the files hold every row of the simulated Marketo exactly once.")
    _say_what_is_next()


def _say_what_is_next() -> None:
    demo, environment = _megabytes(FOLDER), _megabytes(Path(sys.prefix))
    print(
        f"\nLeft in this folder: .demo with the data ({demo}) and .venv with Airflow ({environment}).\n"
        "python3 dev.py clean removes both.\n"
        "\nNext: python3 dev.py demo --keep leaves Airflow's UI open, and its page Assets shows what was published.\n"
        '"Your first rows" in README leads from here to a DAG of your own; example_dags has a recipe for most jobs.'
    )


def _megabytes(folder: Path) -> str:
    size = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return f"{size / 1e6:,.0f} MB"


def _problems(one: Extracted, simulator: Simulator) -> list[str]:
    keys = [key for file in one.files for key in one.flow.read_keys(file, one.flow.key)]
    expected = one.flow.expected(simulator)
    counts = {"in the manifest": one.manifest["rows"], "in the files": len(keys), "different": len(set(keys))}
    return [
        f"{one.flow.what}: {count} rows {where}, but the simulated Marketo holds {expected}"
        for where, count in counts.items()
        if count != expected
    ]


def _keep(airflow: RealAirflow, simulator: Simulator) -> None:
    print(f"\nAirflow: {airflow.url}   simulated Marketo: {simulator.url}   Ctrl-C ends both.", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
