"""
A real Airflow for the tests of this folder: scheduler, DAG processor, triggerer, API server and LocalExecutor.

Its database is SQLite, or PostgreSQL with ``--services``. Tests of one group run one after the other, in one process
with one Airflow. The groups run beside each other, because most of their time is waiting.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_provider_marketo.simulator import ApiUser, ManualClock, Settings, Simulator
from tests.seed import DATES
from tools.databases import empty_database
from tools.real_airflow import RealAirflow

_HERE = Path(__file__).parent
POLL_INTERVAL = 4
"""Real seconds between polls. If a task resumes before the scheduler has seen it deferred, Airflow fails the task."""
WAITING = ("awaiting_input", "deferred")
"""States of a task that waits for a person: from Airflow 3.3 on, and before."""
EXAMPLE_DAGS = _HERE.parents[1] / "example_dags"
TEST_DAGS = (
    "asking",
    "failing",
    "held_deferred",
    "held_waiting",
    "history_by_command",
    "history_in_the_ui",
    "journal_watcher",
    "long_campaign",
    "several_subscriptions",
)

GROUPS = {
    "control": ("test_asking", "test_backfill", "test_failures", "test_kill_and_clear", "test_limits", "test_provider"),
    "page": ("test_page",),
    "page_fab": ("test_page_fab",),
    "processes": ("test_processes",),
    "readme": ("test_readme",),
    "secrets": ("test_secrets",),
    "warehouse": ("test_warehouse",),
}
"""Groups of files that share a process. All other files are in ``recipes``. Some groups start servers."""

_S3_ACCESS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
_QUICK = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}
"""
Settings with which Airflow detects a dead worker in seconds instead of minutes.

A task on a busy machine was once without a heartbeat for 15 seconds, and failed.
"""


@pytest.hookimpl(tryfirst=True)  # the groups must be set before xdist reads them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.airflow)
            group = next((name for name, files in GROUPS.items() if item.path.stem in files), "recipes")
            item.add_marker(pytest.mark.xdist_group(f"airflow_{group}"))
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def marketo() -> Iterator[Simulator]:
    """The instance of the connection ``marketo_default``, in which one real second is a minute."""
    with Simulator(Settings(leads=2_000, activities=6_000, time_scale=60, **DATES)) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def held_clock() -> ManualClock:
    """The clock of the instance ``held``, whose export jobs make progress only when a test advances it."""
    return ManualClock()


@pytest.fixture(scope="session")
def held(held_clock: ManualClock) -> Iterator[Simulator]:
    """The instance of the connection ``marketo_held``, whose clock stands still."""
    with Simulator(Settings(leads=200, activities=500, limits=False, **DATES), clock=held_clock) as simulator:
        yield simulator


RATE = 10
"""Calls in 20 seconds that each subscription accepts."""


@pytest.fixture(scope="session")
def subscriptions() -> Iterator[dict[str, Simulator]]:
    """Three instances with a low rate limit, by connection. Two connections use the first, each with its own user."""
    users = [ApiUser("one", "a-secret-of-one", "one@example.org"), ApiUser("two", "a-secret-of-two", "two@example.org")]
    settings = Settings(leads=10, activities=10, rate=RATE, users=users)
    with Simulator(settings) as first, Simulator(settings) as second, Simulator(settings) as third:
        yield {"first": first, "first_too": first, "second": second, "third": third}


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder to which the DAGs write; its path is in the Variable ``marketo_lake``."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="session")
def s3() -> Any:
    """A client of the S3 server, on which the bucket ``lake`` exists."""
    client = boto3.client("s3", endpoint_url=os.environ["TEST_S3"], **_S3_ACCESS)
    client.create_bucket(Bucket="lake")
    return client


@pytest.fixture(scope="session")
def airflow(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    marketo: Simulator,
    held: Simulator,
    subscriptions: dict[str, Simulator],
    lake: Path,
) -> Iterator[RealAirflow]:
    """A running Airflow with the pool that ``setup`` created, the example DAGs and the DAGs of this folder."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    shutil.copytree(EXAMPLE_DAGS, dags)
    shutil.copytree(_HERE / "dags", dags / "tests")
    shutil.copytree(_HERE / "config", home / "config")
    settings = {
        **_QUICK,
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",  # for asset events; dag_policy disables cron schedules
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",  # the files stay as they are
        "TEST_POKE_INTERVAL": str(POLL_INTERVAL),
        "AIRFLOW_CONN_MARKETO_DEFAULT": _connection(marketo),
        "AIRFLOW_CONN_MARKETO_WRONG_SECRET": json.dumps({**json.loads(_connection(marketo)), "password": "wrong"}),
        "AIRFLOW_CONN_MARKETO_HELD": _connection(held),
        "AIRFLOW_CONN_ADOBE_EVENTS_DEFAULT": marketo.adobe_connection(),
        **{
            f"AIRFLOW_CONN_MARKETO_{name.upper()}": _connection(each, user=name.endswith("_too"), rate_limit=RATE)
            for name, each in subscriptions.items()
        },
        "AIRFLOW_CONN_MARKETO_DUCKDB": json.dumps({"conn_type": "duckdb", "host": str(lake / "warehouse.duckdb")}),
        "AIRFLOW_CONN_MARKETO_POSTGRES": os.environ.get("TEST_POSTGRES", "postgresql://not-started"),
        "AIRFLOW_CONN_AWS_DEFAULT": _aws_connection(os.environ.get("TEST_S3", "")),
        "AIRFLOW_VAR_MARKETO_LAKE": str(lake),
        "AIRFLOW_VAR_MARKETO_BUCKET": "lake",
    }
    if pytestconfig.getoption("--services"):
        request.getfixturevalue("s3")
    database = empty_database(os.environ["TEST_POSTGRES"]) if pytestconfig.getoption("--services") else None
    with RealAirflow(home, dags, settings, database) as running:
        running.migrate()
        running.cli("setup", module="airflow_provider_marketo")
        running.start()
        running.wait_until_ready([*(file.stem for file in EXAMPLE_DAGS.glob("*.py")), *TEST_DAGS])
        yield running


def _connection(simulator: Simulator, user: int = 0, **extra: Any) -> str:
    login = simulator.settings.users[user]
    return json.dumps(
        {
            "conn_type": "marketo",
            "host": simulator.url,
            "login": login.client_id,
            "password": login.client_secret,
            "extra": {"poll_interval": POLL_INTERVAL, "hash_secret": "salt of the tests", **extra},
        }
    )


def _aws_connection(endpoint: str) -> str:
    extra = {
        "endpoint_url": endpoint,
        "region_name": _S3_ACCESS["region_name"],
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    login, password = _S3_ACCESS["aws_access_key_id"], _S3_ACCESS["aws_secret_access_key"]
    return json.dumps({"conn_type": "aws", "login": login, "password": password, "extra": extra})
