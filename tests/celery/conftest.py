"""
An Airflow with CeleryExecutor, PostgreSQL, Redis, and workers on two hosts that share only what they must.

Each host has its own name, network and disk (:mod:`tools.separate_hosts`). Both see the folder ``lake``; the folder
``disk`` has the same path on both, and is not shared. The tests need root, and run with ``dev.py test --part celery``.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from tests.airflow.conftest import _QUICK
from tests.seed import DATES
from tools.celery_hosts import LIMITS, NAMES, Worker, celery_hosts, celery_settings
from tools.databases import empty_database
from tools.real_airflow import PATIENCE, DagRun, RealAirflow

_HERE = Path(__file__).parent
_DAGS = ("held_waiting", "held_deferred", "load_waiting", "load_deferred", "stream", "calls", "coordination")
RATE = 40
"""Calls in 20 seconds that the instance ``limited`` accepts."""


@pytest.hookimpl(tryfirst=True)  # the groups must be set before xdist reads them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.celery)
            item.add_marker(pytest.mark.xdist_group("celery"))
            item.add_marker(pytest.mark.timeout(600))


class Cluster:
    """
    The Airflow and its two workers.

    :param airflow: scheduler, DAG processor, triggerer and API server, on this machine.
    :param workers: workers by the names of their hosts.
    :param lake: the folder that all hosts share.
    :param disk: the folder that each host has for itself.
    :param limits: a client of the Redis in which the limits are shared.
    """

    def __init__(self, airflow: RealAirflow, workers: dict[str, Worker], lake: Path, disk: Path, limits: Any) -> None:
        self.airflow = airflow
        self.workers = workers
        self.lake = lake
        self.disk = disk
        self.limits = limits

    def only(self, *names: str) -> None:
        """Let exactly the workers on these hosts run."""
        for name, worker in self.workers.items():
            if name in names:
                worker.start()
            else:
                worker.die()

    def run(self, dag_id: str, folder: Path | None = None, **conf: Any) -> DagRun:
        """
        Start a run of a DAG.

        :param folder: folder to which the run writes; the lake by default.
        :param conf: other values that the DAG reads from its run.
        """
        return self.airflow.trigger(dag_id, conf={"folder": str(folder or self.lake), **conf})

    def other(self, name: str) -> str:
        """Return the name of the other host."""
        return next(each for each in NAMES if each != name)


@pytest.fixture(scope="session")
def held_clock() -> ManualClock:
    """The clock of the instance ``held``."""
    return ManualClock()


@pytest.fixture(scope="session")
def held(held_clock: ManualClock) -> Iterator[Simulator]:
    """The instance of the connection ``marketo_held``, whose clock stands still."""
    with Simulator(Settings(leads=200, activities=2_000, limits=False, **DATES), clock=held_clock) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def pooled() -> Iterator[Simulator]:
    """The instance of the connection ``marketo_default``, whose tasks share its limits by the pool."""
    with Simulator(Settings(leads=10, activities=10, rate=RATE)) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def shared() -> Iterator[Simulator]:
    """The instance of the connection ``marketo_redis``, whose tasks share its limits through Redis."""
    with Simulator(Settings(leads=10, activities=10, rate=RATE)) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, held: Simulator, pooled: Simulator, shared: Simulator
) -> Iterator[Cluster]:
    """The cluster. Its hosts have no worker until a test starts one."""
    root = tmp_path_factory.mktemp("cluster")
    home, disk, lake, dags = (root / name for name in ("home", "disk", "lake", "dags"))
    for folder in (home, disk, lake):
        folder.mkdir()
    shutil.copytree(_HERE / "dags", dags)
    shutil.copytree(_HERE.parent / "airflow" / "config", home / "config")
    broker = os.environ["TEST_REDIS"].rsplit("/", 1)[0]
    database = empty_database(os.environ["TEST_POSTGRES"])
    settings = {
        **_QUICK,
        **celery_settings(broker, database),
        "AIRFLOW__CORE__PARALLELISM": "16",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(root / "logs"),
        "TEST_POKE_INTERVAL": "2",
        "AIRFLOW_CONN_MARKETO_DEFAULT": pooled.connection(rate_limit=RATE),
        "AIRFLOW_CONN_MARKETO_REDIS": shared.connection(rate_limit=RATE, redis_conn_id=LIMITS),
        "AIRFLOW_CONN_MARKETO_HELD": held.connection(poll_interval=2, redis_conn_id=LIMITS),
    }
    with ExitStack() as stack:
        airflow = stack.enter_context(RealAirflow(home, dags, settings, database))
        airflow.migrate()
        airflow.cli("setup", module="airflow_provider_marketo")
        airflow.start()
        urls = {"redis": broker, "database": os.environ["TEST_POSTGRES"]}
        urls |= {"held": held.url, "pooled": pooled.url, "shared": shared.url}
        workers = stack.enter_context(celery_hosts(airflow, root, urls, [disk]))
        airflow.wait_until_ready(_DAGS)
        yield Cluster(airflow, workers, lake, disk, redis.Redis.from_url(f"{broker}/1"))


def within(seconds: float, condition: Callable[[], Any]) -> Any:
    """Wait until a function returns a true value, and return that; a busy machine gets more time."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.2)
    return answer


def read(path: Path) -> Any:
    """Return the JSON document in a file."""
    return json.loads(path.read_text())
