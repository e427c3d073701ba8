"""
What waiting costs, how fast a stream is, and whether a watcher misses anything when its triggerer dies::

    python -m benchmarks.waiting                      a quarter of an hour
    python -m benchmarks.waiting --only cursors       two minutes
    python -m benchmarks.waiting --only questions     two minutes
    python -m benchmarks.waiting --only restarts      ten minutes; needs PostgreSQL

*Questions* run the real triggers on one event loop, as a triggerer does, without the rest of an Airflow. *Restarts* run
a whole Airflow and kill its triggerer, with SIGKILL, ten times at random moments while forms are filled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow_provider_marketo.simulator import Settings, Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from benchmarks.table import Row, markdown
from tools.real_airflow import COMPONENTS, DagRun, RealAirflow
from tools.services import running_services

PARTS = ("cursors", "questions", "restarts")
LATENCY = 0.3
PAGE = 300
RATE_LIMIT = 90
"""Calls in 20 seconds, the connection's default."""

LEAD_SENSORS, JOB_SENSORS = 500, 1000
INTERVAL, LOOKS = 10.0, 6
BLOCKED = 0.2
"""Seconds of silence of its loop at which Airflow's triggerer warns."""

RESTARTS, WATCHED_EVERY = 10, 5.0
SINCE = datetime(2026, 1, 10, tzinfo=timezone.utc)


def measure_cursors() -> Iterator[Row]:
    """One cursor is bound by latency, two by what the governor grants."""
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.governor.local import LocalGovernor
    from airflow_provider_marketo.streams.read import FeedReader
    from airflow_provider_marketo.streams.request import Pass

    for cursors, seconds, most in ((1, 30.0, 1 / LATENCY), (2, 80.0, RATE_LIMIT / 20)):
        settings = Settings(leads=1_000, activities=1_500_000, latency=LATENCY, feed_scan=PAGE)
        with Simulator(settings) as simulator:
            governor = LocalGovernor(rate_limit=RATE_LIMIT, parallel=8)
            client = MarketoClient(simulator.url, simulator.client_id, simulator.client_secret, governor=governor)
            token = client.call("activities.get_paging_token", sinceDatetime=SINCE).next_page_token
            reader = FeedReader(client, "activities.get_lead_activities", str(token), datetime.now(timezone.utc))
            wanted = [6, 7, 10, 1, 3, 11, 2, 13, 22, 24]
            passes = [Pass(str(number), {"activityTypeIds": wanted}) for number in range(cursors)]
            begun, pages = time.monotonic(), 0
            for _ in reader.read(passes, parallel=cursors):
                pages += 1
                if time.monotonic() - begun > seconds:
                    break
            rate = pages / (time.monotonic() - begun)
        yield Row(
            f"pages a second, {cursors} cursor{'s' if cursors > 1 else ''}",
            f"{LATENCY * 1000:.0f} ms a call, {seconds:.0f} s",
            f"{rate:.2f}",
            f"{most:.2f} ({'1 / latency' if cursors == 1 else f'{RATE_LIMIT} calls in 20 s'})",
            rate / most,
            0.9,
        )


def measure_questions() -> Iterator[Row]:
    """Many triggers on one event loop: calls per look, and how long the loop was silent."""
    with Simulator(Settings(leads=1_000, activities=0)) as simulator:
        _point_to(simulator)
        jobs = _jobs(simulator)
        leads = asyncio.run(_wait([_lead(number) for number in range(LEAD_SENSORS)], simulator))
        exports = asyncio.run(_wait([_job(jobs[number % len(jobs)]) for number in range(JOB_SENSORS)], simulator))
    looks = f"{LOOKS} looks, one every {INTERVAL:.0f} s"
    for what, on, found, most in (
        ("calls a look", f"{LEAD_SENSORS} lead sensors with different values, {looks}", leads, 2),
        ("calls a look", f"{JOB_SENSORS} sensors of lead exports, {looks}", exports, 1),
    ):
        calls, silence = found
        per_look = calls / LOOKS
        yield Row(what, on, f"{calls} calls", f"{most} a look", per_look, most, at_most=True)
        yield Row(
            "longest silence of the loop, seconds",
            on,
            f"{silence:.3f}",
            "Airflow warns",
            silence,
            BLOCKED,
            at_most=True,
        )


def _jobs(simulator: Simulator) -> list[str]:
    from airflow_provider_marketo.client.client import MarketoClient

    client = MarketoClient(simulator.url, simulator.client_id, simulator.client_secret)
    window = {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}}
    made = (client.call("bulk_export_leads.create_job", fields=["id"], filter=window) for _ in range(50))
    return [reply.records[0]["exportId"] for reply in made]


def _lead(number: int) -> Any:
    from airflow_provider_marketo.questions.leads import LeadQuestion

    return LeadQuestion("email", (f"nobody.{number}@example.com",))


def _job(export_id: str) -> Any:
    from airflow_provider_marketo.questions.jobs import JobQuestion

    return JobQuestion("leads", export_id)


async def _wait(questions: list[Any], simulator: Simulator) -> tuple[int, float]:
    """Let triggers wait for some looks; the calls that this took, and the longest silence of the loop meanwhile."""
    from airflow_provider_marketo.questions.sealing import sealed
    from airflow_provider_marketo.triggers.question import MarketoQuestionTrigger

    deadline = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
    triggers = [
        MarketoQuestionTrigger(
            marketo_conn_id="marketo_default",
            kind=question.kind,
            question=sealed(question, simulator.client_secret),
            about=question.describe(),
            deadline=deadline,
            poll_interval=INTERVAL,
        )
        for question in questions
    ]
    before = simulator.report().calls
    running = [asyncio.ensure_future(anext(aiter(trigger.run()))) for trigger in triggers]
    await asyncio.sleep(INTERVAL / 2)  # the first look comes after an interval: all have begun to wait by then
    silence = await _longest_silence(INTERVAL * LOOKS)
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    after = simulator.report().calls
    calls = sum((Counter(after) - Counter(before)).values()) - (Counter(after) - Counter(before))["identity.post_token"]
    return calls, silence


async def _longest_silence(seconds: float) -> float:
    """As Airflow's triggerer measures it."""
    longest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        await asyncio.sleep(0.1)
        longest = max(longest, time.monotonic() - begun - 0.1)
    return longest


DAG = """
import json

from airflow.sdk import DAG, Asset, AssetWatcher, Variable, task

from airflow_provider_marketo.streams.batches import new_batches
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

trigger = MarketoActivityTrigger(stream="fills", activity_types=["Fill Out Form"])
fills = Asset("fills", watchers=[AssetWatcher(name="fills", trigger=trigger)])

with DAG("follow_up", schedule=[fills], catchup=False, max_active_runs=1):

    @task
    def new(triggering_asset_events=None, run_id=None):
        return new_batches(triggering_asset_events[fills], run_id, stream="fills")

    new()
"""


def measure_restarts(database: str, folder: Path, seed: int) -> Iterator[Row]:
    """A triggerer that is killed again and again while forms are filled."""
    chance = random.Random(seed)
    (folder / "dags").mkdir()
    (folder / "dags" / "follow_up.py").write_text(DAG)
    with Simulator(Settings(leads=1_000, activities=0, limits=False)) as simulator:
        settings = {
            "AIRFLOW_CONN_MARKETO_DEFAULT": _connection(simulator, poll_interval=WATCHED_EVERY),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",  # asset events start DAGs
        }
        with RealAirflow(folder / "home", folder / "dags", settings, database) as airflow:
            airflow.migrate()
            airflow.start()
            airflow.wait_until_ready(["follow_up"])
            _wait_until(lambda: "marketo_position_fills" in _variables(airflow), 180)
            filled: dict[str, float] = {}
            for _ in range(RESTARTS):
                _fill(simulator, chance, filled, seconds=chance.uniform(5, 20))
                _kill_triggerer(airflow)
                _fill(simulator, chance, filled, seconds=chance.uniform(0, 5))
                _start_triggerer(airflow)
            _fill(simulator, chance, filled, seconds=20)
            _wait_until(lambda: set(filled) <= set(_processed(airflow)), 240)
            processed = Counter(_processed(airflow))
            prompt = _latency(airflow, simulator)
    on = f"{RESTARTS} restarts, {len(filled)} form fills"
    missed = len(set(filled) - set(processed))
    twice = sum(count > 1 for count in processed.values())
    yield Row("form fills that were missed", on, str(missed), "none", missed, 0, at_most=True)
    yield Row("form fills that were processed twice", on, str(twice), "none", twice, 0, at_most=True)
    yield Row(
        "seconds from a form fill to its asset event", f"a look every {WATCHED_EVERY:.0f} s", f"{prompt:.1f}",
        "one interval, and what Airflow takes to store the event", prompt, None
    )  # fmt: skip


def _fill(simulator: Simulator, chance: random.Random, filled: dict[str, float], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with simulator.instance.lock:
            log, now = simulator.instance.store.activities, simulator.instance.now
            filled[str(log.add(now, 1001 + chance.randrange(900), types.FILL_OUT_FORM).number)] = time.monotonic()
        time.sleep(chance.uniform(0.2, 2))


def _kill_triggerer(airflow: RealAirflow) -> None:
    """The process and those it has started: it leads a group of its own."""
    process = airflow._processes["triggerer"]
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def _start_triggerer(airflow: RealAirflow) -> None:
    with airflow.log("triggerer").open("ab") as log:
        airflow._processes["triggerer"] = subprocess.Popen(
            [sys.executable, "-m", "airflow", *COMPONENTS["triggerer"]],
            env=airflow.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _processed(airflow: RealAirflow) -> list[str]:
    """Activities that the DAG's runs have taken."""
    found = []
    for facts in airflow.api("GET", "/api/v2/dags/follow_up/dagRuns?limit=1000&state=success")["dag_runs"]:
        found += DagRun(airflow, "follow_up", facts["dag_run_id"]).xcom("new")["activities"]
    return found


def _latency(airflow: RealAirflow, simulator: Simulator) -> float:
    """From one more form fill to its asset event."""
    filled: dict[str, float] = {}
    _fill(simulator, random.Random(0), filled, seconds=0.1)
    (key, begun), *_ = filled.items()

    def there() -> bool:
        events = airflow.api("GET", "/api/v2/assets/events?order_by=-timestamp&limit=20")["asset_events"]
        return any(key in event["extra"]["payload"]["activities"] for event in events)

    _wait_until(there, 120)
    return time.monotonic() - begun


def _variables(airflow: RealAirflow) -> set[str]:
    return {each["key"] for each in airflow.api("GET", "/api/v2/variables?limit=100")["variables"]}


def _wait_until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.5)


def _connection(simulator: Simulator, **extra: Any) -> str:
    facts = {"conn_type": "marketo", "host": simulator.url, "login": simulator.client_id, "extra": extra}
    return json.dumps(facts | {"password": simulator.client_secret})


def _point_to(simulator: Simulator) -> None:
    os.environ["AIRFLOW_CONN_MARKETO_DEFAULT"] = _connection(simulator)


def main() -> int:
    """Run it; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part of it; may be repeated")
    parser.add_argument("--seed", type=int, default=7, help="of the moments of the restarts")
    options = parser.parse_args()
    parts, rows = options.only or PARTS, []
    with tempfile.TemporaryDirectory(prefix="marketo-waiting-") as name:
        os.environ["AIRFLOW_HOME"] = str(Path(name) / "airflow")  # before anything imports Airflow
        if "cursors" in parts:
            rows += measure_cursors()
        if "questions" in parts:
            rows += measure_questions()
        if "restarts" in parts:
            with running_services(Path(sys.executable).parent) as servers:
                database = servers["TEST_POSTGRES"].replace("postgresql://", "postgresql+psycopg2://")
                rows += measure_restarts(database, Path(name), options.seed)
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
