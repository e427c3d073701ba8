"""Celery workers on two separate hosts of this machine, for a real Airflow (:mod:`tools.separate_hosts`)."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tools.real_airflow import RealAirflow, RealAirflowError
from tools.separate_hosts import SeparateHost

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

NAMES = ("one", "two")
CONCURRENCY = 4
"""Tasks of a worker at once."""

LIMITS = "limits"
"""The connection to the Redis in which tasks share Marketo's limits."""

_READY_WITHIN = 120.0


def celery_settings(broker: str, database: str) -> dict[str, str]:
    """
    Return what an Airflow needs besides its own settings to run its tasks on Celery.

    :param broker: URL of Redis, without a database.
    :param database: SQLAlchemy URL of Airflow's database.
    """
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": f"{broker}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        f"AIRFLOW_CONN_{LIMITS.upper()}": f"{broker}/1",
    }


class Worker:
    """
    A host with a Celery worker.

    :param host: the host of the worker.
    :param airflow: the Airflow whose tasks it runs. The host has an AIRFLOW_HOME of its own at the same path.
    """

    def __init__(self, host: SeparateHost, airflow: RealAirflow) -> None:
        self.host = host
        self._airflow = airflow
        home = host.on_disk(airflow.home)
        if (airflow.home / "config").is_dir():
            shutil.copytree(airflow.home / "config", home / "config")
        (home / "tmp").mkdir()
        self._log = airflow.home / f"worker-{host.name}.log"
        self._runs = False

    def start(self) -> None:
        """
        Start the worker, unless it runs, and wait until it takes tasks.

        A worker ends if Redis is away while it starts. It is started again, as the machine of a deployment does.

        :raises RealAirflowError: it does not take tasks in time.
        """
        if self._runs:
            return
        self._runs = True
        began = self._log.stat().st_size if self._log.exists() else 0
        process, deadline = self._launch(), time.monotonic() + _READY_WITHIN
        while f"worker@{self.host.name} ready" not in self._log.read_text(errors="replace")[began:]:
            if time.monotonic() > deadline:
                raise RealAirflowError(f"the worker on {self.host.name} does not take tasks; see {self._log}")
            if process.poll() is not None:
                process = self._launch()
            time.sleep(0.2)

    def _launch(self) -> subprocess.Popen[bytes]:
        environment = {**self._airflow.environment, "TMPDIR": str(self._airflow.home / "tmp")}
        command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
        command += ["--concurrency", str(CONCURRENCY), "--without-gossip", "--without-mingle"]
        command += ["--celery-hostname", f"worker@{self.host.name}"]
        process = self.host.start(command, environment, self._log)
        self._airflow.guard(process)
        return process

    def die(self) -> None:
        """End every process of the host at once."""
        self.host.die()
        self._runs = False


@contextmanager
def celery_hosts(
    airflow: RealAirflow, folder: Path, services: Mapping[str, str], private: Iterable[Path] = ()
) -> Iterator[dict[str, Worker]]:
    """
    Make the hosts; they end with the context. Their workers do not run yet.

    :param airflow: the Airflow whose tasks they run.
    :param folder: folder for the files of the hosts.
    :param services: URLs of what the hosts may reach besides Airflow's API, by names.
    :param private: folders that each host has for itself, besides AIRFLOW_HOME.
    :return: the workers by the names of their hosts.
    """
    ports = {"api": airflow.port, **{name: urlsplit(url).port or 0 for name, url in services.items()}}
    with ExitStack() as stack:
        workers = {}
        for name in NAMES:
            (folder / name).mkdir()
            host = SeparateHost(name, folder / name, [airflow.home, *private], ports)
            stack.callback(host.close)
            workers[name] = Worker(host, airflow)
        yield workers
