"""The parts of waiting that need a whole Airflow: scheduler, triggerer, API server, LocalExecutor, PostgreSQL."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from benchmarks.table import Row
from tools.real_airflow import DagRun, RealAirflow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

EXAMPLE_DAGS = Path(__file__).parents[1] / "example_dags"
EXPORTS = ("leads", "activities")
FEW_JOBS = 50
"""Jobs that many sensors wait for. Marketo takes no more than ten in its queue; its list shows 300 in a call."""

LOOK_EVERY, MINUTES = 60.0, 5
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

DEFERRED = "/api/v2/dags/~/dagRuns/~/taskInstances?state=deferred&limit=1"

SENSORS = """
from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_marketo.sensors.bulk_job import MarketoBulkJobSensor
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor

waits = {{"deferrable": True, "poke_interval": {every}, "timeout": timedelta(hours=3), "pool": "marketo"}}

with DAG("many_leads", schedule=None, max_active_tasks=64):
    MarketoLeadSensor.partial(task_id="lead", **waits).expand(lookup_values={values})

with DAG("many_jobs", schedule=None, max_active_tasks=64):
    for object_type, ids in {ids}.items():
        sensor = MarketoBulkJobSensor.partial(task_id=object_type, object_type=object_type, **waits)
        sensor.expand(export_id=ids)
"""


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


@contextmanager
def _airflow(
    folder: Path, database: str, dags: Mapping[str, str], settings: Mapping[str, str]
) -> Iterator[RealAirflow]:
    """
    Run an Airflow with the pool that ``setup`` creates.

    :param dags: texts of DAG files by name; an empty text copies the example of that name.
    """
    (folder / "dags").mkdir(parents=True)
    for name, text in dags.items():
        file = folder / "dags" / f"{name}.py"
        file.write_text(text or (EXAMPLE_DAGS / file.name).read_text("utf-8"), "utf-8")
    settings = {"AIRFLOW_VAR_MARKETO_LAKE": str(folder / "lake"), **settings}
    with RealAirflow(folder / "home", folder / "dags", settings, database) as airflow:
        airflow.migrate()
        airflow.cli("setup", module="airflow_provider_marketo")
        airflow.start()
        yield airflow


def connection(simulator: Simulator, **extra: Any) -> str:
    """Return an Airflow connection to an instance."""
    facts = {"conn_type": "marketo", "host": simulator.url, "login": simulator.client_id, "extra": extra}
    return json.dumps(facts | {"password": simulator.client_secret})


def measure_sensors(database: str, folder: Path, leads: int, jobs: int) -> Iterator[Row]:
    """
    Defer many sensors into one triggerer; measure calls per minute and whether its loop was blocked.

    :param leads: number of lead sensors, each with a value of its own.
    :param jobs: number of export job sensors, half for leads and half for activities.
    """
    with Simulator(Settings(leads=1_000, activities=0, limits=False)) as simulator:
        client = MarketoClient(simulator.url, simulator.client_id, simulator.client_secret)
        made = {kind: _jobs(client, kind) for kind in EXPORTS}
        ids = {kind: [made[kind][number % FEW_JOBS] for number in range(jobs // 2)] for kind in EXPORTS}
        values = [f"nobody.{number}@example.com" for number in range(leads)]
        settings = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": connection(simulator),
            "AIRFLOW__TRIGGERER__CAPACITY": str(leads + jobs),
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        dags = {"many": SENSORS.format(every=LOOK_EVERY, values=values, ids=ids)}
        with _airflow(folder, database, dags, settings) as airflow:
            airflow.wait_until_ready(["many_leads", "many_jobs"])
            begun = time.monotonic()
            airflow.trigger("many_leads")
            airflow.trigger("many_jobs")
            _wait_until(lambda: _deferred(airflow) == leads + jobs, 3_600, every=5)
            took = time.monotonic() - begun
            time.sleep(LOOK_EVERY)
            starved = _blocked(airflow)
            before, counted_from = Counter(simulator.report().calls), time.monotonic()
            time.sleep(MINUTES * 60)
            calls = Counter(simulator.report().calls) - before
            minutes = (time.monotonic() - counted_from) / 60
            still = _deferred(airflow)
            client.call("leads.sync", input=[{"email": values[0]}])
            found = _seconds(lambda: _deferred(airflow) < still, LOOK_EVERY + 30)
            blocked = _blocked(airflow) - starved
    on = f"{leads + jobs} deferred sensors, one triggerer, {minutes:.0f} minutes"
    ramp = f"{leads + jobs} sensors, eight workers"
    yield Row("seconds until all are deferred", ramp, f"{took:.0f}", "", took, None)
    yield Row('warnings that the loop was "blocked" until then', ramp, str(starved), "", starved, None)
    for what, operation, most in (
        (f"calls a minute of {leads} lead sensors with different values", "leads.get_by_filter_type", -(-leads // 300)),
        *(
            (f"calls a minute of {jobs // 2} sensors of exports of {kind}", f"bulk_export_{kind}.get_jobs", 1)
            for kind in EXPORTS
        ),
    ):
        yield Row(
            what, on, f"{calls[operation]} calls", f"{most} a look", calls[operation] / minutes, most, at_most=True
        )
    yield Row("deferred sensors after that", on, str(still), "all", still, leads + jobs)
    yield Row("seconds until a lead is found", on, f"{found:.0f}", "one look", found, LOOK_EVERY + 10, at_most=True)
    yield Row('warnings that the loop was "blocked"', on, str(blocked), "none", blocked, 0, at_most=True)


def _jobs(client: MarketoClient, kind: str) -> list[str]:
    """Create export jobs that stay in the state Created; return their ids."""
    day = {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}}
    facts: dict[str, Any] = {"filter": day, "fields": [{"leads": "id", "activities": "marketoGUID"}[kind]]}
    made = (client.call(f"bulk_export_{kind}.create_job", **facts) for _ in range(FEW_JOBS))
    return [reply.records[0]["exportId"] for reply in made]


def _deferred(airflow: RealAirflow) -> int:
    return int(airflow.api("GET", DEFERRED)["total_entries"])


def _blocked(airflow: RealAirflow) -> int:
    """Return Airflow's warnings that a trigger blocked its loop."""
    files = [airflow.log("triggerer"), *(airflow.home / "logs").rglob("*.log*")]
    return sum(file.read_text("utf-8", "replace").count("async thread was blocked") for file in files if file.is_file())


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
        with _airflow(folder, database, {FOLLOW_UP: dag}, facts) as airflow:
            airflow.wait_until_ready([FOLLOW_UP])
            _wait_until(lambda: "marketo_position_form_follow_up" in _variables(airflow), 180)
            follow_up, filled = _FollowUp(airflow), set[str]()
            for _ in range(RESTARTS):
                filled |= _fill(simulator, chance, seconds=chance.uniform(5, 20))
                airflow.kill_component("triggerer")
                filled |= _fill(simulator, chance, seconds=chance.uniform(0, 5))
                airflow.start_component("triggerer")
            filled |= _fill(simulator, chance, seconds=20)
            with suppress(TimeoutError):
                _wait_until(lambda: filled <= follow_up.look().keys(), 240, every=2)
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
        airflow = stack.enter_context(_airflow(folder, database, dags, {**facts, **_SCHEDULED}))
        airflow.wait_until_ready(list(PROMISES))
        _wait_until(lambda: {f"marketo_position_{name}" for name in PROMISES} <= _variables(airflow), 180)
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
        _wait_until(partial(_looked_again, simulator, looks), 90, every=0.02)
        now = datetime.now(timezone.utc)
        filled[_fill_one(simulator, 1001)] = now
    _wait_until(lambda: filled.keys() <= _starts(airflow, name).keys(), 120, every=5)
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
        with _airflow(folder, database, {HOURLY: ""}, facts) as airflow:
            airflow.wait_until_ready([HOURLY, DAILY])
            hours, times = [], []
            for number in range(HOURS):
                clock.advance(3_600)
                begun = time.monotonic()
                hours.append(_run_hour(airflow, DAY + timedelta(hours=number)))
                times.append(time.monotonic() - begun)
            _wait_until(lambda: bool(_runs(airflow, DAILY, "success")), 60)
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


def _wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.5) -> None:
    """
    Wait until a condition is true.

    :raises TimeoutError: the condition did not become true in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} seconds")
        time.sleep(every)


def _seconds(condition: Callable[[], bool], most: float) -> float:
    begun = time.monotonic()
    with suppress(TimeoutError):
        _wait_until(condition, most)
    return time.monotonic() - begun
