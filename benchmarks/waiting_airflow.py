"""The parts of waiting that need a whole Airflow: scheduler, triggerer, API server, LocalExecutor, PostgreSQL."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from benchmarks.table import Row
from benchmarks.whole_airflow import EXAMPLE_DAGS, connection, wait_until, whole_airflow
from tools.real_airflow import DagRun, RealAirflow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

FOLLOW_UP, HOURLY, DAILY = "marketo_form_follow_up", "marketo_hourly_activities", "marketo_daily_activities"
"""Example DAGs."""

RESTARTS, WATCHED_EVERY = 10, 5.0

PROMISES = {"within_10_seconds": (10, 24), "within_30_seconds": (30, 8), "with_a_call_a_minute": (None, 4)}
"""Watchers: their ``poll_interval``, and how many form fills are timed."""

A_CALL_A_MINUTE = 65
"""Seconds that a watcher promises if it looks once a minute, which is the default."""

DAY, HOURS = datetime(2026, 1, 10, tzinfo=timezone.utc), 27
"""A day, and the number of hourly runs after which its last late rows are read."""

FOLLOWED = {"Send Email", "Email Delivered", "Open Email", "Click Email", "Fill Out Form", "Visit Webpage"}
"""Activity types that the example of hourly activities follows."""

_SCHEDULED = {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True"}
"""Asset events start DAGs."""

WATCHERS = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

for name, promised in {promises}.items():
    trigger = MarketoActivityTrigger(
        stream=name, activity_types=["Fill Out Form"], poll_interval=promised, marketo_conn_id=name{more}
    )
    with DAG(name, schedule=[Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])], catchup=False):
        EmptyOperator(task_id="follow_up")
"""


def measure_restarts(database: str, folder: Path, seed: int, *, journal: bool = False) -> Iterator[Row]:
    """
    Kill a triggerer repeatedly while form fills start the example DAG.

    :param seed: seed of the random moments.
    :param journal: watch the journal of Adobe I/O Events, which repeats a fifth of the events.
    """
    chance = random.Random(seed)
    with Simulator(Settings(leads=1_000, activities=0, limits=False)) as simulator:
        facts = {"AIRFLOW_CONN_MARKETO_DEFAULT": connection(simulator, poll_interval=WATCHED_EVERY), **_SCHEDULED}
        dag = ""
        if journal:
            simulator.journal.behave(duplicates=0.2)
            facts["AIRFLOW_CONN_ADOBE"] = simulator.adobe_connection()
            example = (EXAMPLE_DAGS / f"{FOLLOW_UP}.py").read_text("utf-8")
            dag = example.replace("(stream=STREAM", '(adobe_conn_id="adobe", stream=STREAM')
        with whole_airflow(folder, database, {FOLLOW_UP: dag}, facts) as airflow:
            airflow.wait_until_ready([FOLLOW_UP])
            wait_until(lambda: "marketo_position_form_follow_up" in _variables(airflow), 180)
            follow_up, filled = _FollowUp(airflow), set[str]()
            for _ in range(RESTARTS):
                filled |= _fill(simulator, chance, seconds=chance.uniform(5, 20))
                airflow.kill_component("triggerer")
                filled |= _fill(simulator, chance, seconds=chance.uniform(0, 5))
                airflow.start_component("triggerer")
            filled |= _fill(simulator, chance, seconds=20)
            with suppress(TimeoutError):
                wait_until(lambda: filled <= follow_up.look().keys(), 240, every=2)
            taken = follow_up.look()
            failed = _runs(airflow, FOLLOW_UP, "failed")
        calls = ["a call of the feed"] * simulator.report().calls.get("activities.get_lead_activities", 0)
    on = f"{RESTARTS} restarts, {len(filled)} form fills{', by the journal' if journal else ''}"
    missed, twice = filled - taken.keys(), [runs for runs in taken.values() if len(runs) > 1]
    yield _none("form fills that were missed", on, missed)
    yield _none("form fills that were processed twice", on, twice)
    yield _none(f"runs of {FOLLOW_UP} that failed", on, failed)
    if journal:
        yield _none("API calls to look for activities", on, calls)


def measure_starts(database: str, folder: Path, *, journal: bool = False) -> Iterator[Row]:
    """
    Measure how soon a form fill starts a DAG at the worst moment, right after a look.

    :param journal: watch the journals of Adobe I/O Events.
    """
    with ExitStack() as stack:
        instances = {
            name: stack.enter_context(Simulator(Settings(leads=1_000, activities=0, limits=False))) for name in PROMISES
        }
        facts = {f"AIRFLOW_CONN_{name.upper()}": connection(simulator) for name, simulator in instances.items()}
        more = ', adobe_conn_id=f"adobe_{name}"' if journal else ""
        promises = {name: promised for name, (promised, _) in PROMISES.items()}
        dags = {"watchers": WATCHERS.format(promises=promises, more=more)}
        facts |= {f"AIRFLOW_CONN_ADOBE_{name.upper()}": each.adobe_connection() for name, each in instances.items()}
        airflow = stack.enter_context(whole_airflow(folder, database, dags, {**facts, **_SCHEDULED}))
        airflow.wait_until_ready(list(PROMISES))
        wait_until(lambda: {f"marketo_position_{name}" for name in PROMISES} <= _variables(airflow), 180)
        threads = stack.enter_context(ThreadPoolExecutor(len(PROMISES)))
        timed = {
            name: threads.submit(_seconds_to_start, airflow, name, instances[name], fills)
            for name, (_, fills) in PROMISES.items()
        }
        seconds = {name: timing.result() for name, timing in timed.items()}
    by = ", by the journal" if journal else ""
    for name, (promised, fills) in PROMISES.items():
        took, most = seconds[name], promised or A_CALL_A_MINUTE
        yield Row(
            "seconds from a form fill to the start of its run",
            f"the slowest of {fills} right after a look, poll_interval={promised}{by}",
            f"{max(took):.1f} (median {statistics.median(took):.1f})",
            f"{most}",
            max(took),
            most,
            at_most=True,
        )


def _seconds_to_start(airflow: RealAirflow, name: str, simulator: Simulator, fills: int) -> list[float]:
    """Return the seconds from each fill to its run's start, by the clock of this machine."""
    filled = {}
    for _ in range(fills):
        looks = _looks(simulator)
        wait_until(partial(_looked_again, simulator, looks), 90, every=0.02)
        now = datetime.now(timezone.utc)
        filled[_fill_one(simulator, 1001)] = now
    wait_until(lambda: filled.keys() <= _starts(airflow, name).keys(), 120, every=5)
    starts = _starts(airflow, name)
    return [(starts[key] - begun).total_seconds() for key, begun in filled.items()]


def _looks(simulator: Simulator) -> int:
    calls = simulator.report().calls
    return calls.get("activities.get_lead_activities", 0) + calls.get("journal.read", 0)


def _looked_again(simulator: Simulator, looks: int) -> bool:
    return _looks(simulator) > looks


def _starts(airflow: RealAirflow, name: str) -> dict[str, datetime]:
    """Return the start of each run by the activity that started it; empty while a run has not started."""
    try:
        events = airflow.api("GET", "/api/v2/assets/events?limit=1000")["asset_events"]
    except requests.HTTPError:  # Airflow cannot show an event whose run was created and has not begun
        return {}
    return {
        key: datetime.fromisoformat(run["start_date"])
        for event in events
        if event["name"] == name
        for run in event["created_dagruns"]
        for key in event["extra"]["payload"]["activities"]
    }


class _FollowUp:
    """The runs of the example DAG and the activities that they took."""

    def __init__(self, airflow: RealAirflow) -> None:
        self._airflow = airflow
        self._known: dict[str, list[str]] = {}

    def look(self) -> dict[str, list[str]]:
        """Return the ended runs by the activities that they took."""
        for facts in _runs(self._airflow, FOLLOW_UP, "success"):
            run_id = facts["dag_run_id"]
            if run_id not in self._known:
                self._known[run_id] = self._activities(run_id)
        taken: dict[str, list[str]] = {}
        for run_id, activities in self._known.items():
            for each in activities:
                taken.setdefault(each, []).append(run_id)
        return taken

    def _activities(self, run_id: str) -> list[str]:
        run = DagRun(self._airflow, FOLLOW_UP, run_id)
        skipped = run.task("new")["state"] == "skipped"  # an earlier run took all activities of its event
        return [] if skipped else list(run.xcom("new")["activities"])


def _fill(simulator: Simulator, chance: random.Random, seconds: float) -> set[str]:
    """Fill forms for a while; return the ids of the activities."""
    filled, end = set(), time.monotonic() + seconds
    while time.monotonic() < end:
        filled.add(_fill_one(simulator, 1001 + chance.randrange(900)))
        time.sleep(chance.uniform(0.2, 2))
    return filled


def _fill_one(simulator: Simulator, lead_id: int) -> str:
    """Let a lead fill a form now; return the activity's id."""
    with simulator.instance.lock:
        log, now = simulator.instance.store.activities, simulator.instance.now
        return str(log.add(now, lead_id, types.FILL_OUT_FORM).number)


def measure_roll_up(database: str, folder: Path) -> Iterator[Row]:
    """Run the example DAG of hourly activities, a fifth of which Marketo shows late, and the roll-up of a day."""
    clock = ManualClock(DAY)
    instance = Settings(
        leads=500,
        activities=20_000,
        start=date(2026, 1, 1),
        end=date(2026, 3, 12),
        late_share=0.2,
        late_by=5_400,
        limits=False,
    )
    with Simulator(instance, clock=clock) as simulator:
        facts = {"AIRFLOW_CONN_MARKETO_DEFAULT": connection(simulator), **_SCHEDULED}
        with whole_airflow(folder, database, {HOURLY: ""}, facts) as airflow:
            airflow.wait_until_ready([HOURLY, DAILY])
            hours, times = [], []
            for number in range(HOURS):
                clock.advance(3_600)
                begun = time.monotonic()
                hours.append(_run_hour(airflow, DAY + timedelta(hours=number)))
                times.append(time.monotonic() - begun)
            wait_until(lambda: bool(_runs(airflow, DAILY, "success")), 60)
            rolled_up = [_rolled_up(airflow, facts) for facts in _runs(airflow, DAILY, "success")]
            events = airflow.api("GET", "/api/v2/assets/events?limit=1000")["asset_events"]
        happened = _happened(simulator)
    partitions = {event["partition_key"] for event in events if event["extra"].get("rows")}
    (day,) = rolled_up
    rows = Counter(row["marketoGUID"] for row in _rows(Path(day["file"])))
    later = Counter(row["marketoGUID"] for hour in hours[24:] for file in hour for row in _rows(file))
    both = rows + later
    on = f"{HOURS} hourly runs, 20 % of {len(happened)} activities late by up to 90 minutes"
    yield _none("hours without an event of their partition", on, _hours_of_the_day() - partitions)
    yield _none("days that were rolled up, besides the one", on, rolled_up[1:])
    yield Row(
        "activities of the day's file",
        on,
        str(rows.total()),
        "rows that its hours published",
        rows.total(),
        day["rows"],
    )
    yield _none("activities of the day that are in no file", on, happened - both.keys())
    yield _none("activities that are there twice", on, [key for key, count in both.items() if count > 1])
    yield Row("seconds of a run, median", on, f"{statistics.median(times):.1f}", "", statistics.median(times), None)


def _run_hour(airflow: RealAirflow, start: datetime) -> list[Path]:
    """Return the files of an hour, by Marketo's clock."""
    interval = {"data_interval_start": iso(start), "data_interval_end": iso(start + timedelta(hours=1))}
    run = airflow.trigger(HOURLY, logical_date=datetime.now(timezone.utc).isoformat(), **interval)
    run.wait_for("activities", "success", within=120)
    manifest = run.xcom("activities")
    return [Path(manifest["output"]) / file["name"] for file in manifest["files"]]


def _rolled_up(airflow: RealAirflow, facts: Mapping[str, Any]) -> dict[str, Any]:
    return dict(DagRun(airflow, DAILY, facts["dag_run_id"]).xcom("roll_up"))


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _happened(simulator: Simulator) -> set[str]:
    """Return the keys of the day's activities of the types that the example follows."""
    first = int(DAY.timestamp())
    kinds = {kind.id for kind in types.ACTIVITY_TYPES.values() if kind.name in FOLLOWED}
    found = simulator.instance.store.activities.between(first, first + 86_399, kinds)
    return {str(each.number) for each in found}


def _hours_of_the_day() -> set[str]:
    return {f"{DAY + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S}" for hour in range(24)}


def _runs(airflow: RealAirflow, dag_id: str, state: str) -> list[dict[str, Any]]:
    return list(airflow.api("GET", f"/api/v2/dags/{dag_id}/dagRuns?limit=1000&state={state}")["dag_runs"])


def _variables(airflow: RealAirflow) -> set[str]:
    return {each["key"] for each in airflow.api("GET", "/api/v2/variables?limit=100")["variables"]}


def _none(what: str, on: str, found: Collection[Any]) -> Row:
    return Row(what, on, str(len(found)), "none", len(found), 0, at_most=True)
