"""A whole Airflow for benchmarks: scheduler, DAG processor, triggerer, API server, PostgreSQL, on either executor."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from airflow_provider_marketo.client.client import MarketoClient
from tools.celery_hosts import celery_hosts, celery_settings
from tools.real_airflow import RealAirflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airflow_provider_marketo.simulator import Simulator

EXAMPLE_DAGS = Path(__file__).parents[1] / "example_dags"
FIELDS = {"leads": "id", "activities": "marketoGUID"}
"""The field that idle jobs export, by the kind of object."""


@contextmanager
def whole_airflow(
    folder: Path,
    database: str,
    dags: Mapping[str, str],
    settings: Mapping[str, str],
    *,
    celery: Mapping[str, str] | None = None,
) -> Iterator[RealAirflow]:
    """
    Run an Airflow with the pool that ``setup`` creates.

    :param folder: folder for all files.
    :param database: SQLAlchemy URL of an empty database.
    :param dags: texts of DAG files by name; an empty text copies the example of that name.
    :param settings: environment variables.
    :param celery: URLs of services that the workers of two hosts may reach, by name. One is ``redis``. If given,
        Airflow runs CeleryExecutor. Default: LocalExecutor.
    """
    (folder / "dags").mkdir(parents=True)
    for name, text in dags.items():
        file = folder / "dags" / f"{name}.py"
        file.write_text(text or (EXAMPLE_DAGS / file.name).read_text("utf-8"), "utf-8")
    settings = {
        "AIRFLOW_VAR_MARKETO_LAKE": str(folder / "lake"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        **(celery_settings(celery["redis"], database) if celery else {}),
        **settings,
    }
    with ExitStack() as stack:
        airflow = stack.enter_context(RealAirflow(folder / "home", folder / "dags", settings, database))
        airflow.migrate()
        airflow.cli("setup", module="airflow_provider_marketo")
        airflow.start()
        if celery:
            for worker in stack.enter_context(celery_hosts(airflow, folder, celery)).values():
                worker.start()
        yield airflow


def connection(simulator: Simulator, **extra: Any) -> str:
    """Return an Airflow connection to an instance."""
    facts = {"conn_type": "marketo", "host": simulator.url, "login": simulator.client_id, "extra": extra}
    return json.dumps(facts | {"password": simulator.client_secret})


def idle_jobs(simulator: Simulator, kind: str, number: int) -> list[str]:
    """
    Create export jobs that stay in the state Created; return their ids.

    :param kind: a key of :data:`FIELDS`.
    :param number: how many jobs.
    """
    client = MarketoClient(simulator.url, simulator.client_id, simulator.client_secret)
    day = {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}}
    facts: dict[str, Any] = {"filter": day, "fields": [FIELDS[kind]]}
    made = (client.call(f"bulk_export_{kind}.create_job", **facts) for _ in range(number))
    return [reply.records[0]["exportId"] for reply in made]


def tasks_in(airflow: RealAirflow, *states: str) -> int:
    """Return the number of tasks in any of the given states."""
    wanted = "&".join(f"state={state}" for state in states)
    return int(airflow.api("GET", f"/api/v2/dags/~/dagRuns/~/taskInstances?{wanted}&limit=1")["total_entries"])


def deferred(airflow: RealAirflow) -> int:
    """Return the number of deferred tasks."""
    return tasks_in(airflow, "deferred")


def steadily(look: Callable[[], Any]) -> Any:
    """
    Repeat a request to Airflow's API until it answers: a busy API may time out at first.

    :param look: makes one request.
    :raises requests.RequestException: it did not answer in five minutes.
    """
    end = time.monotonic() + 300
    while True:
        try:
            return look()
        except (requests.Timeout, requests.ConnectionError):
            if time.monotonic() > end:
                raise
        time.sleep(1)


def megabytes_of(processes: Iterable[psutil.Process]) -> float:
    """
    Return the megabytes that processes do not share with others. A process that has ended counts as 0.

    :param processes: the processes, such as those of a component.
    """
    return sum(map(_unshared, processes)) / 1e6


def _unshared(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return int(process.memory_full_info().uss)
    return 0


def wait_until(condition: Callable[[], bool], seconds: float, every: float = 0.5) -> None:
    """
    Wait until a condition is true.

    :raises TimeoutError: the condition did not become true in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} seconds")
        time.sleep(every)


def seconds_until(condition: Callable[[], bool], most: float) -> float:
    """Return the seconds until a condition is true, or ``most``."""
    begun = time.monotonic()
    with suppress(TimeoutError):
        wait_until(condition, most)
    return time.monotonic() - begun
