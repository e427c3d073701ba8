"""A temporary Airflow: scheduler, DAG processor, triggerer and API server, with everything in one folder."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests

from tools.services import free_port

COMPONENTS = {
    "api-server": ("api-server", "--workers", "1"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
PATIENCE = 3
"""Factor of the expected time for which a test waits at most, because a busy machine is slow."""

FINISHED = ("success", "failed")
_READY_WITHIN = 120.0 * PATIENCE
_PAGE = 100
"""Most rows that Airflow's API returns for a request."""

_GRACE = 5.0


class RealAirflowError(RuntimeError):
    """Airflow failed; the message ends with the last lines of its output."""


@dataclass
class RealAirflow:
    """
    One Airflow with LocalExecutor.

    :param home: AIRFLOW_HOME: configuration, database, logs.
    :param dags: folder of the DAG files.
    :param settings: more environment variables for its processes.
    :param database: SQLAlchemy URL; without one, SQLite in ``home``.
    """

    home: Path
    dags: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str | None = None

    def __post_init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._guard: subprocess.Popen[bytes] | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of its processes, without the settings of other Airflows on this machine."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        programs = Path(sys.executable).parent
        settings = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # only runs that are triggered
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PATH": os.pathsep.join([str(programs), inherited.get("PATH", os.defpath)]),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
        if self.database:
            settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self.database
        return {**inherited, **settings, **self.settings}

    def __enter__(self) -> RealAirflow:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def cli(self, *arguments: str, module: str = "airflow") -> str:
        """
        Run an ``airflow`` command.

        :param module: the module whose command line runs.
        :return: the standard output.
        :raises RealAirflowError: the command failed.
        """
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            said = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-30:])
            raise RealAirflowError(f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{said}")
        return done.stdout

    def migrate(self) -> None:
        """Create the database."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.cli("db", "migrate")

    def start(self) -> None:
        """Start the components."""
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "tools.real_airflow"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=Path(__file__).parents[1],
        )
        for name in COMPONENTS:
            self.start_component(name)

    def start_component(self, name: str) -> subprocess.Popen[bytes]:
        """
        Start one component, in a session of its own, so that Ctrl-C in the terminal does not reach it.

        :param name: a key of :data:`COMPONENTS`.
        """
        with self.log(name).open("ab") as log:
            process = self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMPONENTS[name]],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.guard(process)
        return process

    def guard(self, process: subprocess.Popen[bytes]) -> None:
        """
        Let the session of a process end with this Airflow, even if the process that started both is killed.

        :param process: the first process of its session, such as a worker of Celery.
        """
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.write(b"%d\n" % process.pid)
            self._guard.stdin.flush()

    def kill_component(self, name: str) -> None:
        """
        Kill a component and the processes that it started, without a chance to clean up.

        :param name: a key of :data:`COMPONENTS`.
        """
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    @contextmanager
    def frozen_component(self, name: str) -> Iterator[None]:
        """
        Stop a component and the processes that it started without ending them, as long as the context lasts.

        :param name: a key of :data:`COMPONENTS`.
        """
        group = self._processes[name].pid
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def processes(self, name: str) -> list[psutil.Process]:
        """
        Return the processes of a component: its own, and those that it started.

        :param name: a key of :data:`COMPONENTS`.
        """
        return list(processes_of({self._processes[name].pid}))

    def log(self, component: str) -> Path:
        """Return the file with a component's output."""
        return self.home / f"{component}.log"

    def wait_until_ready(self, dag_ids: Sequence[str] = ()) -> None:
        """
        Wait until every component is healthy and the DAGs are known.

        :raises RealAirflowError: a component ended, a DAG file cannot be imported, or Airflow took too long.
        """
        deadline = time.monotonic() + _READY_WITHIN
        while waiting_for := self._not_ready(dag_ids):
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise RealAirflowError(f"airflow {name} ended with {process.returncode}:\n{self._tail(name)}")
            for broken in self._import_errors():
                raise RealAirflowError(f"{broken['filename']} cannot be imported:\n{broken['stack_trace']}")
            if time.monotonic() > deadline:
                raise RealAirflowError(
                    f"Airflow was not ready after {_READY_WITHIN:.0f} seconds; missing: {', '.join(waiting_for)}. "
                    f"Its logs are in {self.home}."
                )
            time.sleep(0.3)

    def stop(self) -> None:
        """End every process of this Airflow."""
        sessions = {process.pid for process in self._processes.values()}
        self._processes.clear()
        end_sessions(sessions)
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def api(self, method: str, path: str, **body: Any) -> Any:
        """
        Call Airflow's REST API.

        :param path: path below the server's root, such as ``/api/v2/dags``.
        :return: the JSON of the reply.
        :raises requests.HTTPError: a status of 400 and above.
        """
        reply = self._session.request(method, self.url + path, json=body or None, timeout=30 * PATIENCE)
        if not reply.ok:
            raise requests.HTTPError(f"{method} {path}: {reply.status_code} {reply.text[:500]}", response=reply)
        return reply.json() if reply.content else None

    def trigger(self, dag_id: str, **body: Any) -> DagRun:
        """
        Start a run of a DAG.

        :param body: body of the request: ``logical_date``, ``data_interval_start``, ``data_interval_end``, ``conf``.
        """
        reply = self.api("POST", f"/api/v2/dags/{dag_id}/dagRuns", **{"logical_date": None, **body})
        return DagRun(self, dag_id, reply["dag_run_id"])

    def known_dags(self) -> list[dict[str, Any]]:
        """Return the DAGs that Airflow has parsed, as the REST API describes them."""
        known: list[dict[str, Any]] = []
        while page := self.api("GET", f"/api/v2/dags?limit={_PAGE}&order_by=dag_id&offset={len(known)}")["dags"]:
            known += page
        return known

    @cached_property
    def token(self) -> str:
        """The token of an administrator, for the REST API and, as the cookie ``_token``, for a browser."""
        session = requests.Session()
        session.trust_env = False
        reply = session.get(f"{self.url}/auth/token", timeout=30 * PATIENCE)
        reply.raise_for_status()
        return str(reply.json()["access_token"])

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.headers["authorization"] = f"Bearer {self.token}"
        return session

    def _not_ready(self, dag_ids: Sequence[str]) -> list[str]:
        try:
            health = self.api("GET", "/api/v2/monitor/health")
            known = {dag["dag_id"] for dag in self.known_dags()}
        except (requests.RequestException, KeyError):
            return ["api-server"]
        parts = ("scheduler", "triggerer", "dag_processor")
        ill = [part for part in parts if (health.get(part) or {}).get("status") != "healthy"]
        return ill + [dag_id for dag_id in dag_ids if dag_id not in known]

    def _import_errors(self) -> list[dict[str, Any]]:
        try:
            return list(self.api("GET", "/api/v2/importErrors")["import_errors"])
        except requests.RequestException:
            return []

    def _tail(self, component: str) -> str:
        return "\n".join(self.log(component).read_text(errors="replace").splitlines()[-30:])


@dataclass(frozen=True)
class DagRun:
    """
    A run of a DAG.

    :param airflow: where it runs.
    :param dag_id: DAG id of the DAG.
    :param run_id: run id of the run.
    """

    airflow: RealAirflow
    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        """The run's path in Airflow's API."""
        return f"/api/v2/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"

    @property
    def state(self) -> str:
        """The run's state, as Airflow has it now."""
        return str(self.facts()["state"])

    def facts(self) -> dict[str, Any]:
        """Return the run as the REST API describes it."""
        return dict(self.airflow.api("GET", self.path))

    def tasks(self) -> list[dict[str, Any]]:
        """Return the run's task instances as the REST API describes them."""
        return list(self.airflow.api("GET", f"{self.path}/taskInstances")["task_instances"])

    def task(self, task_id: str) -> dict[str, Any]:
        """Return one task instance as the REST API describes it."""
        return dict(self.airflow.api("GET", f"{self.path}/taskInstances/{task_id}"))

    def wait_for(
        self,
        task_id: str,
        *states: str,
        try_number: int = 1,
        until: Callable[[], bool] = lambda: True,
        watch: Callable[[], None] = lambda: None,
        within: float = 60,
    ) -> dict[str, Any]:
        """
        Wait until a task is in one of these states.

        :param states: the states to wait for.
        :param try_number: the try to wait for; later tries also count.
        :param until: a condition that must hold as well.
        :param watch: called at every poll.
        :param within: seconds to wait at most.
        :raises RealAirflowError: the task ended in another state, or not in time.
        """
        deadline = time.monotonic() + within * PATIENCE
        while True:
            task = self.task(task_id)
            watch()
            if task["state"] in states and task["try_number"] >= try_number and until():
                return task
            if time.monotonic() > deadline or (task["state"] in FINISHED and task["state"] not in states):
                log = self.log(task_id, max(1, task["try_number"]))[-25:]
                said = "\n".join([*log, "The scheduler about this task:", *self._scheduler_about(task_id)[-10:]])
                wanted = f"{' or '.join(states)} in try {try_number}"
                found = f"{task['state']} in try {task['try_number']}"
                raise RealAirflowError(f"{self.dag_id}.{task_id} should be {wanted} and is {found}:\n{said}")
            time.sleep(0.3)

    def _scheduler_about(self, task_id: str) -> list[str]:
        """Return what the scheduler logged about a task: why it ended, if it ended without a word of its own."""
        lines = self.airflow.log("scheduler").read_text(errors="replace").splitlines()
        return [line[:1000] for line in lines if self.run_id in line and task_id.partition("/")[0] in line]

    def xcom(self, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom of a task."""
        return self.airflow.api("GET", f"{self.path}/taskInstances/{task_id}/xcomEntries/{key}")["value"]

    def log(self, task_id: str, try_number: int = 1, map_index: int = -1) -> list[str]:
        """Return the log messages of a try; an exception is its class and its message."""
        path = f"{self.path}/taskInstances/{task_id}/logs/{try_number}?map_index={map_index}"
        content = self.airflow.api("GET", path)["content"]
        return [message for line in content for message in _messages(line)]

    def clear(self, task_id: str, *, downstream: bool = False) -> None:
        """
        Clear a task, as the Clear button does.

        :param task_id: the task.
        :param downstream: whether to clear the tasks after it, too.
        """
        self.airflow.api(
            "POST",
            f"/api/v2/dags/{self.dag_id}/clearTaskInstances",
            dag_run_id=self.run_id,
            task_ids=[task_id],
            include_downstream=downstream,
            dry_run=False,
            only_failed=False,
        )

    def mark(self, task_id: str, state: str) -> None:
        """Set the state of a task, as the buttons Mark as success and Mark as failed do."""
        self.airflow.api("PATCH", f"{self.path}/taskInstances/{task_id}", new_state=state)


def processes_of(sessions: Collection[int]) -> Iterator[psutil.Process]:
    """
    Yield every process of some sessions.

    A running task has a process group of its own and outlives the scheduler that started it, but it stays in the
    scheduler's session.
    """
    for pid in psutil.pids():
        with suppress(OSError, psutil.NoSuchProcess):
            if os.getsid(pid) in sessions:
                yield psutil.Process(pid)


def end_sessions(sessions: Collection[int]) -> None:
    """End every process of some sessions: terminate first, then kill."""
    for end in (psutil.Process.terminate, psutil.Process.kill, psutil.Process.kill):
        alive = list(processes_of(sessions))
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                end(process)
        psutil.wait_procs(alive, timeout=_GRACE)


def guard() -> None:
    """
    Wait until the process that started an Airflow ends, however it ends, and end the rest of that Airflow.

    The starter writes the ids of sessions to standard input, which closes when the starter ends.
    """
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    end_sessions({int(line) for line in sys.stdin})


def _messages(line: Any) -> Iterator[str]:
    yield str(line.get("event", line) if isinstance(line, Mapping) else line)
    for error in (isinstance(line, Mapping) and line.get("error_detail")) or ():
        yield f"{error['exc_type']}: {error['exc_value']}"


def interrupt_on_termination() -> None:
    """Let SIGTERM and a closed terminal end this program as Ctrl-C does: through its ``finally`` clauses."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), interrupt)


if __name__ == "__main__":
    guard()
