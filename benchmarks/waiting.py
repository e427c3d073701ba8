"""
The cost of waiting, the speed of a stream, and whether a watcher misses events when its triggerer dies.

::

    python -m benchmarks.waiting                      fifty minutes
    python -m benchmarks.waiting --only cursors       two minutes
    python -m benchmarks.waiting --only conditions    two minutes
    python -m benchmarks.waiting --only sensors       half an hour; less with --by-tasks 100
    python -m benchmarks.waiting --only restarts      six minutes
    python -m benchmarks.waiting --only starts        six minutes
    python -m benchmarks.waiting --only roll-up       four minutes

*Conditions* runs the real triggers on one event loop, as a triggerer does, without the rest of Airflow. *Sensors* and
the parts after it run a whole Airflow and need PostgreSQL. *Sensors* defers 1,500 real tasks into one triggerer, or as
many as --lead-sensors and --job-sensors say.
*Restarts* kills the triggerer with SIGKILL at ten random moments while form fills start ``marketo_form_follow_up``.
*Starts* measures the time from a form fill to the run that it starts. *Roll-up* runs ``marketo_hourly_activities`` over
24 hours. With ``--journal``, restarts and starts watch the journal of Adobe I/O Events.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.conditions.leads import VALUES_PER_CALL
from airflow_provider_marketo.simulator import Settings, Simulator
from benchmarks import waiting_airflow
from benchmarks.table import Row, markdown
from benchmarks.waiting_sensors import JOB_SENSORS, LEAD_SENSORS, measure_sensors
from benchmarks.whole_airflow import connection, idle_jobs
from tools.real_airflow import interrupt_on_termination
from tools.services import running_services

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PARTS = ("cursors", "conditions", "sensors", "restarts", "starts", "roll-up")
LATENCY = 0.3
PAGE = 300
RATE_LIMIT = 90
"""Calls in 20 seconds, the connection's default."""

INTERVAL, LOOKS = 10.0, 6
BLOCKED = 0.2
"""Airflow's triggerer warns if its loop is silent for this many seconds."""

SINCE = datetime(2026, 1, 10, tzinfo=timezone.utc)


def measure_cursors() -> Iterator[Row]:
    """Measure one cursor, which latency bounds, and two, which the governor bounds."""
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.governor.local import LocalGovernor
    from airflow_provider_marketo.streams.read import FeedReader
    from airflow_provider_marketo.streams.request import Pass

    for cursors, seconds, most in ((1, 30.0, 1 / LATENCY), (2, 80.0, RATE_LIMIT / 20)):
        settings = Settings(
            leads=1_000,
            activities=1_500_000,
            latency=LATENCY,
            feed_scan=PAGE,
            start=date(2026, 1, 1),
            end=date(2026, 3, 12),
        )
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


def measure_conditions(lead_sensors: int, job_sensors: int) -> Iterator[Row]:
    """
    Run many triggers on one event loop; measure calls per poll and the longest silence of the loop.

    :param lead_sensors: number of triggers that wait for leads, each for one of its own.
    :param job_sensors: number of triggers that wait for exports.
    """
    with Simulator(Settings(leads=1_000, activities=0)) as simulator:
        _point_to(simulator)
        jobs = idle_jobs(simulator, "leads", 50)
        leads = asyncio.run(_wait([_lead(number) for number in range(lead_sensors)], simulator))
        exports = asyncio.run(_wait([_job(jobs[number % len(jobs)]) for number in range(job_sensors)], simulator))
    looks = f"{LOOKS} polls, one every {INTERVAL:.0f} s"
    for what, on, found, most in (
        (
            "calls a poll",
            f"{lead_sensors} lead sensors with different values, {looks}",
            leads,
            -(-lead_sensors // VALUES_PER_CALL),
        ),
        ("calls a poll", f"{job_sensors} sensors of lead exports, {looks}", exports, 1),
    ):
        calls, silence = found
        per_look = calls / LOOKS
        yield Row(what, on, f"{calls} calls", f"{most} a poll", per_look, most, at_most=True)
        yield Row(
            "longest silence of the loop, seconds",
            on,
            f"{silence:.3f}",
            "Airflow warns",
            silence,
            BLOCKED,
            at_most=True,
        )


def _lead(number: int) -> Any:
    from airflow_provider_marketo.conditions.leads import LeadCondition

    return LeadCondition("email", (f"nobody.{number}@example.com",))


def _job(export_id: str) -> Any:
    from airflow_provider_marketo.conditions.jobs import JobCondition

    return JobCondition("leads", export_id)


async def _wait(conditions: list[Any], simulator: Simulator) -> tuple[int, float]:
    """Let triggers wait for some polls; return their calls and the longest silence of the loop."""
    from airflow_provider_marketo.conditions.encryption import encrypt
    from airflow_provider_marketo.triggers.condition import MarketoConditionTrigger

    deadline = (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat()
    triggers = [
        MarketoConditionTrigger(
            marketo_conn_id="marketo_default",
            kind=condition.kind,
            condition=encrypt(condition, Secret(simulator.client_secret)),
            about=condition.describe(),
            deadline=deadline,
            poll_interval=INTERVAL,
        )
        for condition in conditions
    ]
    before = simulator.report().calls
    running = [asyncio.ensure_future(anext(aiter(trigger.run()))) for trigger in triggers]
    await asyncio.sleep(INTERVAL / 2)  # the first poll comes after an interval; by then all triggers wait
    silence = await _longest_silence(INTERVAL * LOOKS)
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    after = simulator.report().calls
    calls = sum((Counter(after) - Counter(before)).values()) - (Counter(after) - Counter(before))["identity.post_token"]
    return calls, silence


async def _longest_silence(seconds: float) -> float:
    """Return the longest silence of the loop, as Airflow's triggerer measures it."""
    longest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.monotonic()
        await asyncio.sleep(0.1)
        longest = max(longest, time.monotonic() - begun - 0.1)
    return longest


def _point_to(simulator: Simulator) -> None:
    os.environ["AIRFLOW_CONN_MARKETO_DEFAULT"] = connection(simulator)


def _on_airflow(parts: Collection[str], folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    sensors = partial(measure_sensors, leads=options.lead_sensors, jobs=options.job_sensors, by_tasks=options.by_tasks)
    for part, measure in (
        ("sensors", sensors),
        ("restarts", partial(waiting_airflow.measure_restarts, seed=options.seed, journal=options.journal)),
        ("starts", partial(waiting_airflow.measure_starts, journal=options.journal)),
        ("roll-up", waiting_airflow.measure_roll_up),
    ):
        if part in parts:
            with running_services(Path(sys.executable).parent) as servers:  # each gets an empty database
                database = servers["TEST_POSTGRES"].replace("postgresql://", "postgresql+psycopg2://")
                yield from measure(database, folder / part)


def main() -> int:
    """Run the command; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure only this part; may be repeated")
    parser.add_argument("--seed", type=int, default=7, help="seed of the moments of the restarts")
    parser.add_argument("--lead-sensors", type=int, default=LEAD_SENSORS, help="lead sensors of conditions and sensors")
    parser.add_argument(
        "--job-sensors",
        type=int,
        default=JOB_SENSORS,
        help="export job sensors of conditions and sensors; an even number",
    )
    parser.add_argument(
        "--by-tasks",
        type=int,
        help="sensors on the whole Airflow that tasks defer; the others are deferred in the database (default: all)",
    )
    parser.add_argument("--journal", action="store_true", help="restarts and starts by the journal of Adobe I/O Events")
    options = parser.parse_args()
    interrupt_on_termination()  # also end servers and Airflow
    parts = options.only or PARTS
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="marketo-waiting-") as name:
        os.environ["AIRFLOW_HOME"] = str(Path(name) / "airflow")  # before anything imports Airflow
        if "cursors" in parts:
            rows += measure_cursors()
        if "conditions" in parts:
            rows += measure_conditions(options.lead_sensors, options.job_sensors)
        if set(parts) - {"cursors", "conditions"}:
            rows += _on_airflow(parts, Path(name), options)
    print(markdown(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
