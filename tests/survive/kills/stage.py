"""The Airflow of the campaign, with its servers, its hosts, and a simulated Marketo."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis

from airflow_provider_marketo.client.endpoint import Endpoint
from airflow_provider_marketo.client.governor.sqlite import SQLiteStore
from airflow_provider_marketo.client.governor.state import State
from airflow_provider_marketo.simulator import ApiUser, Settings, Simulator
from tests.airflow.conftest import _QUICK
from tests.seed import DATES
from tests.survive.job import ORPHANED, WRONG
from tests.survive.kills.blows import CELERY
from tests.survive.kills.kinds import KINDS, OF_EACH, RESERVED, USER, World
from tests.survive.run import TOO_SOON, EndOfData
from tools import services
from tools.celery_hosts import LIMITS, Worker, celery_hosts, celery_settings
from tools.databases import empty_database
from tools.real_airflow import RealAirflow, RealAirflowError

HERE = Path(__file__).parent
POLL, SCALE, LATENCY = 4, 20, 0.25
"""Seconds between two polls, simulated seconds in a real second, and seconds that each call takes."""

LEASES_END, JOBS_END, TASKS_END = 150.0, 60.0, 120.0
"""Seconds after which no lease of a call, no job of Marketo and no process of a task is left."""

WATCHER_BEGINS = 120.0
"""Seconds within which the triggerer starts the watcher."""

SETTINGS = {
    **_QUICK,
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",  # for asset events
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    "TEST_POKE_INTERVAL": str(POLL),
}
"""With these settings Airflow notices in seconds what it would notice only after minutes."""


class Stage:
    """
    Everything that the tasks of a campaign need.

    :param airflow: the Airflow.
    :param world: Marketo, the lake and the warehouse.
    :param workers: the Celery workers by the names of their hosts; none with LocalExecutor.
    :param folder: the folder of the campaign.
    :param broker: URL of Redis, which :attr:`redis` keeps running; empty with LocalExecutor.
    """

    def __init__(
        self, airflow: RealAirflow, world: World, workers: dict[str, Worker], folder: Path, broker: str
    ) -> None:
        self.airflow = airflow
        self.world = world
        self.workers = workers
        self.redis = ExitStack()
        self._folder = folder
        self._broker = broker
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def lock(self, name: str) -> threading.Lock:
        """Return a lock that one blow at a time holds, so that two never kill the same part."""
        return self._locks[name]

    def change_dags(self) -> None:
        """Write the file of the DAGs again, so that each DAG has one task more, or one task less."""
        path = self.airflow.dags / "kinds.py"
        with self.lock("file"):
            text = path.read_text()
            changes = int(re.search(r"^CHANGES = (\d+)$", text, re.MULTILINE)[1]) + 1
            path.write_text(re.sub(r"^CHANGES = \d+$", f"CHANGES = {changes}", text, flags=re.MULTILINE))

    def restart_redis(self, outage: float) -> None:
        """Stop Redis, so that its data are lost, and start an empty one some seconds later."""
        self.redis.close()
        time.sleep(outage)
        self.start_redis()

    def start_redis(self) -> None:
        """Start an empty Redis."""
        self.redis.enter_context(services.redis(self._folder, _BIN, urlsplit(self._broker).port))

    def shut_down(self, worker: Worker) -> None:
        """Let a worker end its tasks, take no new ones and end; switch its host off if that takes too long."""
        words = ("celery", "worker")
        ours = [each for each in worker.host.processes() if all(word in each.cmdline() for word in words)]
        for process in [each for each in ours if each.parent() not in ours]:
            process.terminate()
        deadline = time.monotonic() + TASKS_END
        while list(worker.host.processes()) and time.monotonic() < deadline:
            time.sleep(0.5)
        worker.die()

    def leftovers(self, unended: int, extracts: int) -> Iterator[tuple[str, str]]:
        """
        Yield each job, lease, queue place, pool slot and temporary file that still exists after its time.

        :param unended: how many tasks were deleted, or ended without giving back their places.
        :param extracts: how many tasks extracted. Each may have died before it noted the id of a job that it created.
        """
        jobs = self._until(JOBS_END, self._active_jobs)
        if jobs:
            yield ORPHANED, f"Marketo still works on {', '.join(jobs)}"
        unstarted = self._unstarted_jobs()
        if len(unstarted) > extracts:
            yield ORPHANED, f"{len(unstarted)} export jobs were never started, and {extracts} tasks extracted"
        leases = self._until(LEASES_END, self._leases)
        if leases:
            yield ORPHANED, f"{len(leases)} leases of calls are left"
        places = [job for queue in self._state()[0].queues.values() for job in queue]
        if len(places) > unended:
            yield ORPHANED, f"{len(places)} places in Marketo's queues are left, and {unended} tasks were cut short"
        slots = self._until(TASKS_END, lambda: self.airflow.api("GET", "/api/v2/pools/marketo")["occupied_slots"])
        if slots:
            yield ORPHANED, f"{slots} slots of the pool are left"
        found = (path for path in self.world.lake.rglob("_marketo") if path.parts.count("_marketo") == 1)
        folders = [str(path.parent) for path in found]
        if folders:
            self.airflow.cli("marketo", "clean", *folders, "--older-than-days", "0")
        for folder in folders:
            for name in ("staging", "runs"):
                files = [path for path in (Path(folder) / "_marketo" / name).rglob("*") if path.is_file()]
                if files:
                    yield ORPHANED, f"{len(files)} temporary files are left, such as {files[0]}"
        for what, count in self.world.marketo.report().violations.items():
            if TOO_SOON not in what:
                yield WRONG, f"{count} protocol violations: {what}"

    def _active_jobs(self) -> list[str]:
        now = self.world.marketo.clock.now()
        with self.world.marketo.instance.lock:
            exports, imports = self.world.marketo.instance.exports.all(), self.world.marketo.instance.imports.all()
            active = [f"export {job.id}" for job in exports if job.status(now) in ("Queued", "Processing")]
            return active + [f"import {job.batch_id}" for job in imports if job.finished_at is None]

    def _unstarted_jobs(self) -> list[str]:
        now = self.world.marketo.clock.now()
        with self.world.marketo.instance.lock:
            return [job.id for job in self.world.marketo.instance.exports.all() if job.status(now) == "Created"]

    def _leases(self) -> list[str]:
        """Return the calls that hold one of the places for concurrent calls."""
        state, now = self._state()
        return [name for name, (_, ends) in state.leases.items() if ends > now]

    def _state(self) -> tuple[State, float]:
        """Return the state of calls and queues that the tasks share, and the time by its clock."""
        instance = Endpoint.parse(self.world.marketo.url).instance
        if not self.workers:
            store = SQLiteStore(self.airflow.home / "marketo_governor", instance)
            return store.update(lambda state, at: (state, at.now))
        client: Any = redis.Redis.from_url(f"{self._broker}/1")
        text = client.get(f"airflow-marketo:{{{instance}}}")
        return State.load(text.decode() if text else None), float(client.time()[0])

    @staticmethod
    def _until(seconds: float, look: Any) -> Any:
        """Look until there is nothing left, or the time is over; return what was seen last."""
        deadline = time.monotonic() + seconds
        while (found := look()) and time.monotonic() < deadline:
            time.sleep(2)
        return found


_BIN = Path(sys.executable).parent


@contextmanager
def staged(executor: str, kills: int, folder: Path) -> Iterator[Stage]:
    """
    Start everything; it ends with the context.

    :param executor: ``local`` or ``celery``.
    :param kills: number of kills in the campaign: each has its own leads and lists.
    :param folder: an empty folder for all files.
    """
    home, lake, dags = (folder / name for name in ("home", "lake", "dags"))
    for each in (home / "tmp", lake, dags):
        each.mkdir(parents=True)
    shutil.copy(HERE / "dags" / "kinds.py", dags)
    shutil.copytree(HERE.parents[1] / "airflow" / "config", home / "config")
    leads = RESERVED + OF_EACH * (kills + 1)
    users = [ApiUser(f"client-{number}", f"secret-of-client-{number}", f"{USER}{number}") for number in range(kills)]
    settings = Settings(
        users=users,
        leads=leads,
        activities=4_000,
        assets=kills + 10,
        time_scale=SCALE,
        latency=LATENCY,
        daily_quota=1_000_000,
        **DATES,
    )
    with ExitStack() as stack:
        marketo = stack.enter_context(Simulator(settings, clock=EndOfData(SCALE)))
        server = stack.enter_context(services.postgres(folder, _BIN))
        broker = f"redis://127.0.0.1:{services.free_port()}"
        extra: dict[str, Any] = {"poll_interval": POLL, "hash_secret": "of the kill campaign"}
        on_celery: dict[str, str] = {}
        database = empty_database(server)
        if executor == CELERY:
            extra["redis_conn_id"] = LIMITS
            on_celery = celery_settings(broker, database)
        environment = {
            **SETTINGS,
            **on_celery,
            "TMPDIR": str(home / "tmp"),
            "KILLS_LAKE": str(lake),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
            "AIRFLOW_CONN_MARKETO_DEFAULT": marketo.connection(**extra),
            **{
                f"AIRFLOW_CONN_MARKETO_{user.user_id.upper()}": json.dumps(
                    {**json.loads(marketo.connection(**extra)), "login": user.client_id, "password": user.client_secret}
                )
                for user in users
            },
            "AIRFLOW_CONN_WAREHOUSE": server,
        }
        airflow = stack.enter_context(RealAirflow(home, dags, environment, database))
        workers: dict[str, Worker] = {}
        stage = Stage(airflow, World(marketo, lake, server), workers, folder, broker)
        stack.enter_context(stage.redis)
        if executor == CELERY:
            stage.start_redis()
        airflow.migrate()
        airflow.cli("setup", module="airflow_provider_marketo")
        airflow.start()
        if executor == CELERY:
            urls = {"redis": broker, "database": server, "marketo": marketo.url}
            workers |= stack.enter_context(celery_hosts(airflow, folder, urls))
            for worker in workers.values():
                worker.start()
        airflow.wait_until_ready([kind.dag_id for kind in KINDS])
        _wait_for_watcher(airflow)
        yield stage


def _wait_for_watcher(airflow: RealAirflow) -> None:
    """Wait until the watcher has begun: it takes nothing that happened before."""
    log, deadline = airflow.log("triggerer"), time.monotonic() + WATCHER_BEGINS
    while "Watching " not in log.read_text(errors="replace"):
        if time.monotonic() > deadline:
            raise RealAirflowError(f"the watcher has not begun after {WATCHER_BEGINS:.0f} s; see {log}")
        time.sleep(0.5)
