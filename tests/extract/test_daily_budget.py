"""A backfill with a daily budget takes several days, survives kills and clears, and never delays other exports."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
import time_machine
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import MarketoQuotaExhaustedError
from airflow_provider_marketo.client.quota_day import QUOTA_ZONE
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.hooks import usage, variables
from airflow_provider_marketo.hooks.failure import MarketoTaskError
from airflow_provider_marketo.hooks.runtime import TaskRuntime, replace_runtime
from airflow_provider_marketo.hooks.task import RunningTask
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.simulator import ManualClock, Settings
from tests.seed import DATES
from tests.simulated import Marketo, data_files, lines
from tests.support import StateStore, task_context

MEGABYTE = 1_000_000
FIRST_DAY = datetime(2026, 4, 1, 12, tzinfo=timezone.utc)
BUDGET = 0.13
"""Megabytes: two or three files a day, like 50 MB on a larger instance."""

DAILY_FILE = 30_000
"""Bytes of the daily DAG's file, or a few more."""

VARIABLE = "marketo_exports_marketo_default"


class Travelling(ManualClock):
    """The simulator's clock. It shows the test's time, as does the clock of all code under test."""

    def now(self):
        return datetime.now(timezone.utc)


class Killed(BaseException):
    """Acts as SIGKILL does: no clean-up runs."""


class World:
    """A simulated instance, Airflow's Variables, and a scheduler whose time jumps from one event to the next."""

    def __init__(self, travel, instance, monkeypatch):
        self.travel, self.instance, self.variables = travel, instance, {}
        self.waiting = []
        self._set = monkeypatch.setenv
        monkeypatch.setattr(variables, "read", self.variables.get)
        monkeypatch.setattr(variables, "find", self.variables.get)
        monkeypatch.setattr(variables, "write", lambda name, text, _: self.variables.update({name: text}))
        monkeypatch.setattr(variables, "try_to_write", lambda name, text, _: self.variables.update({name: text}))
        monkeypatch.setattr(usage, "keep_usage", lambda: None)
        monkeypatch.setattr(SystemClock, "monotonic", lambda _: datetime.now(timezone.utc).timestamp())
        monkeypatch.setattr(SystemClock, "sleep", lambda _, seconds: travel.shift(seconds))

    def connect(self, **extra):
        connection = {
            "conn_type": "marketo",
            "host": self.instance.url,
            "login": self.instance.client_id,
            "password": self.instance.client_secret,
            "extra": {"coordination": "pool", **extra},
        }
        self._set("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))

    @property
    def account(self):
        return json.loads(self.variables[VARIABLE])

    @property
    def now(self):
        return datetime.now(timezone.utc)

    def add(self, task, *, at=None):
        self.waiting.append((at or self.now, task))

    def run(self, until=None):
        """Run the due tasks, in the order of time, until nothing waits or a time is reached."""
        while self.waiting:
            self.waiting.sort(key=lambda each: each[0])
            at, task = self.waiting[0]
            if until is not None and at >= until:
                break
            self.waiting.pop(0)
            self.travel.move_to(max(at, self.now))
            resume_at = task.step(self)
            if resume_at is not None:
                self.waiting.append((resume_at, task))
        if until is not None:
            self.travel.move_to(max(until, self.now))

    def clear(self, tasks):
        """Clear the tasks as a person does: waiting tasks begin another try at once."""
        for task in tasks:
            if task.ended is None:
                task.clear()
        self.waiting = [(self.now if task in tasks else at, task) for at, task in self.waiting]

    def exported(self):
        """Return the bytes of export files by quota day, as Marketo counts them, and the largest file."""
        days = defaultdict(list)
        for job in self.instance.jobs():
            if job["status"] == "Completed":
                ended = datetime.fromisoformat(job["finishedAt"].replace("Z", "+00:00"))
                days[ended.astimezone(QUOTA_ZONE).date()].append(job["fileSize"])
        return days


class Task:
    """One task instance through its tries."""

    def __init__(self, output, dag_id, *, run_id="a run", map_index=-1, dag=None, task=None, **arguments):
        self.context = task_context(StateStore(), max_tries=100)
        vars(self.context["ti"]).update(dag_id=dag_id, run_id=run_id, map_index=map_index)
        self.context |= {"dag": dag, "task": task}
        given = {"object_type": "activities", "file_format": "csv", "deferrable": True, "output_path": str(output)}
        self.make = lambda: MarketoBulkExtractOperator(task_id="a_task", **given, **arguments)
        self.method = "execute"
        self.result = self.started = self.ended = None
        self.deferrals = 0

    def clear(self):
        """Clear the task, as a person does, or as Airflow does after a killed try."""
        self.method = "execute"
        self.context["ti"].try_number += 1

    def step(self, world):
        ti = self.context["ti"]
        running = RunningTask(ti.dag_id, ti.task_id, "marketo", 1)
        replace_runtime(TaskRuntime(lambda: running))
        self.started = self.started or world.now
        operator = self.make()
        try:
            self.result = getattr(operator, self.method)(self.context)
        except TaskDeferred as deferred:
            self.method = deferred.method_name
            self.deferrals += 1
            trigger = deferred.trigger
            until = getattr(trigger, "moment", None) or getattr(trigger, "until", None)
            return datetime.fromisoformat(str(until)) if until else world.now + timedelta(minutes=5)
        except Killed:
            self.clear()
            return world.now + timedelta(minutes=5)
        self.ended = world.now
        return None


@pytest.fixture
def world(request, monkeypatch):
    quota = getattr(request, "param", MEGABYTE)
    with time_machine.travel(FIRST_DAY, tick=False) as travel:
        settings = Settings(leads=100, activities=8_000, export_daily_bytes=quota, **DATES)
        with Marketo(settings, clock=Travelling()) as instance:
            made = World(travel, instance, monkeypatch)
            made.connect(export_daily_mb=1)
            yield made


@pytest.mark.parametrize("world", [BUDGET * MEGABYTE + DAILY_FILE], indirect=True)
def test_a_backfill_takes_ten_days_beside_a_daily_dag_and_is_killed_and_cleared_on_each(world, tmp_path, monkeypatch):
    """Marketo's quota has room for the budget and the daily file: with one file more, the daily DAG would be late."""
    killed = []
    publish = SlicePublisher.publish

    def dying_once_a_day(self, one, job, consume):
        if world.now.date() not in killed:
            killed.append(world.now.date())
            raise Killed
        return publish(self, one, job, consume)

    spans = ("2026-01-01", "2026-01-21"), ("2026-01-21", "2026-02-10")
    backfill = [
        Task(
            tmp_path / start,
            "backfill",
            map_index=index,
            start=start,
            end=end,
            window=timedelta(days=2),
            order="newest_first",
            daily_export_mb=BUDGET,
            timeout=timedelta(hours=3),
        )
        for index, (start, end) in enumerate(spans)
    ]
    daily = []
    for day in range(10):
        now = FIRST_DAY + timedelta(days=day)
        daily.append(Task(tmp_path / "daily", "daily", run_id=str(day), start="2026-02-10", end="2026-02-11"))
        world.add(daily[-1], at=now)
        if day == 0:
            for task in backfill:
                world.add(task, at=now)
        monkeypatch.setattr(SlicePublisher, "publish", dying_once_a_day)
        world.run(until=now + timedelta(hours=20))
        world.clear(backfill)
    world.run()

    assert len(killed) >= 10
    assert all(task.ended - task.started < timedelta(minutes=30) for task in daily)
    assert len({task.result["bytes"] for task in daily}) == 1
    daily_file = daily[0].result["bytes"]
    for task, (start, end) in zip(backfill, spans, strict=True):
        guids = [line.split(",")[0] for line in lines(tmp_path / start)]
        assert len(guids) == len(set(guids)) == task.result["rows"] == world.instance.activities(start, end)
    days = world.exported()
    backfilled = [sum(sizes) - daily_file for sizes in days.values()]
    assert len(days) == 10
    assert all(spent <= BUDGET * MEGABYTE for spent in backfilled)  # one file more would be allowed
    assert all(task.deferrals < 40 for task in backfill)


def test_a_file_that_is_larger_than_expected_is_the_last_of_its_day(world, tmp_path):
    weekly = {"start": "2026-01-01", "end": "2026-01-09", "window": timedelta(days=2)}
    world.add(Task(tmp_path, "backfill", daily_export_mb=0.06, **weekly))
    world.run()
    sizes = world.exported().values()
    assert [len(each) for each in sizes] == [1, 1, 1, 1]
    tiny = Task(tmp_path / "tiny", "tiny", daily_export_mb=0.01, **weekly)
    world.add(tiny)
    world.run()
    assert tiny.result["file_count"] == 4  # a day begins with one file, however large


def test_what_a_dag_without_a_budget_needs_and_what_is_reserved_is_left(world, tmp_path):
    world.variables[VARIABLE] = json.dumps({"version": 1, "days": {"2026-03-31": {"daily": 800_000}}})
    old = {"start": "2026-01-01", "end": "2026-01-21", "window": timedelta(days=2)}
    backfill = Task(tmp_path / "old", "backfill", daily_export_mb=0.9, **old)
    daily = Task(tmp_path / "new", "daily", start="2026-02-01", end="2026-02-28", window=timedelta(days=9))
    world.add(backfill)
    world.add(daily, at=world.now + timedelta(hours=6))
    world.run(until=world.now + timedelta(hours=12))
    assert backfill.ended is None
    assert daily.ended - daily.started < timedelta(minutes=30)
    (today,) = world.exported().values()
    assert len(today) == 3 + 3  # 0.2 MB are left to the backfill: three files, and not a fourth
    world.run()
    assert backfill.result["file_count"] == 10


def test_the_reserve_of_the_connection_is_left(world, tmp_path):
    world.connect(export_daily_mb=2, export_reserve_mb=2)
    task = Task(tmp_path, "backfill", start="2026-01-01", end="2026-01-09", daily_export_mb=0.9)
    world.add(task)
    world.run(until=world.now + timedelta(hours=36))
    assert task.ended is None
    assert world.exported() == {}
    assert task.deferrals == 2  # until the next day, twice
    world.connect(export_daily_mb=2, export_reserve_mb=1)
    world.run()
    assert task.ended is not None


def test_a_task_that_died_for_good_gives_its_turn_to_the_others_of_its_dag(world, tmp_path):
    def half(index):
        two_days = {"start": "2026-01-01", "end": "2026-01-03", "daily_export_mb": 0.5}
        return Task(tmp_path / str(index), "backfill", map_index=index, **two_days)

    dead, alive = half(0), half(1)
    dead.step(world)  # its export runs, and no try fetches it
    world.add(alive)
    world.run(until=world.now + timedelta(minutes=2))
    assert alive.ended is None
    assert len(world.instance.jobs()) == 1
    world.run(until=world.now + timedelta(hours=1))
    assert alive.ended is not None
    assert sum(entry["spent"] for entry in world.account["entries"].values()) == sum(*world.exported().values())


def test_waiting_for_days_does_not_count_towards_timeout_and_shorter_timeouts_are_reported(world, tmp_path, caplog):
    dag, task = SimpleNamespace(dagrun_timeout=timedelta(hours=5)), SimpleNamespace(execution_timeout=timedelta(days=1))
    backfill = Task(
        tmp_path,
        "backfill",
        start="2026-01-01",
        end="2026-01-09",
        window=timedelta(days=2),
        daily_export_mb=0.06,
        timeout=timedelta(hours=1),
        dag=dag,
        task=task,
    )
    world.add(backfill)
    world.run()
    assert backfill.ended - backfill.started > timedelta(days=2)
    said = [record.getMessage() for record in caplog.records if "are still to be exported" in record.getMessage()]
    (sentence,) = said
    assert sentence.startswith(
        "About 0.17 MB in 3 windows are still to be exported: 2.8 days at daily_export_mb=0.06. "
    )
    for limit in ("execution_timeout=1 day", "dagrun_timeout=5 hours"):
        assert f"{limit} is shorter and may end the task first: remove it, or raise daily_export_mb." in sentence


def test_a_spent_day_fails_the_task_if_its_author_wants_that(world, tmp_path):
    arguments = {"start": "2026-01-01", "end": "2026-01-09", "window": timedelta(days=2), "daily_export_mb": 0.06}
    task = Task(tmp_path, "backfill", on_quota_exhausted="fail", **arguments)
    world.add(task)
    with pytest.raises(MarketoQuotaExhaustedError, match=r"more than daily_export_mb=0\.06"):
        world.run()
    assert len(data_files(tmp_path)) == 1


def test_a_damaged_account_stops_a_task_with_a_budget_and_no_other(world, tmp_path):
    world.variables[VARIABLE] = "{"
    task = Task(tmp_path / "a", "backfill", start="2026-01-01", end="2026-01-03", daily_export_mb=0.5)
    with pytest.raises(MarketoTaskError, match=f"{VARIABLE} is damaged"):
        task.step(world)
    assert world.instance.jobs() == []
    other = Task(tmp_path / "b", "daily", start="2026-01-01", end="2026-01-03")
    world.add(other)
    world.run()
    assert other.result["rows"] > 0
