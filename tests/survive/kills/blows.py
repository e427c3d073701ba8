"""The blows: they kill, stop or cut off a task or its servers, or imitate what people do to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.survive.kills.kinds import RUNNING, Kind

if TYPE_CHECKING:
    from tests.survive.kills.scene import Scene

LOCAL, CELERY = "local", "celery"
PROCESSES = ("task", "supervisor")
COMPONENTS = ("triggerer", "scheduler", "api-server")
SERVICES = ("redis", "database", "api")


@dataclass(frozen=True)
class Blow:
    """
    Something that happens to a task.

    :param name: the name that is printed.
    :param strike: strikes the blow, and returns when the stopped, cut off or killed part is back.
    :param executors: executors with which it is possible.
    :param only_while: the only moment at which it is possible.
    :param on_run: whether it needs a run of the task's own.
    :param may_fail: whether the task may end otherwise than with a success.
    """

    name: str
    strike: Callable[[Scene], None]
    executors: tuple[str, ...] = (LOCAL, CELERY)
    only_while: str | None = None
    on_run: bool = False
    may_fail: bool = False

    def fits(self, kind: Kind, executor: str) -> bool:
        """Return whether the blow can happen to a kind of task."""
        possible = self.only_while is None or self.only_while in kind.moments
        return executor in self.executors and possible and not (self.on_run and kind.by_itself)


def _kill_process(target: str, scene: Scene) -> None:
    process = scene.process(target)
    process.kill()


def _stop_process(target: str, scene: Scene) -> None:
    process = scene.process(target)
    process.suspend()
    time.sleep(scene.kill.outage)
    process.resume()


def _kill_component(name: str, scene: Scene) -> None:
    with scene.stage.lock(name):
        scene.stage.airflow.kill_component(name)
        time.sleep(scene.kill.outage / 5)
        scene.stage.airflow.start_component(name)


def _stop_component(name: str, scene: Scene) -> None:
    with scene.stage.lock(name), scene.stage.airflow.frozen_component(name):
        time.sleep(scene.kill.outage)


def _clear(scene: Scene) -> None:
    scene.steadily(lambda: scene.run.clear(scene.task_id()))


def _mark(state: str, scene: Scene) -> None:
    scene.change(lambda: scene.run.mark(scene.task_id(), state))


def _pause(scene: Scene) -> None:
    path = f"/api/v2/dags/{scene.kill.kind.dag_id}"
    with scene.stage.lock(path):
        scene.change(lambda: scene.stage.airflow.api("PATCH", path, is_paused=True))
        try:
            time.sleep(scene.kill.outage)
        finally:
            scene.change(lambda: scene.stage.airflow.api("PATCH", path, is_paused=False))


def _delete(scene: Scene) -> None:
    # Airflow deletes only runs that have ended.
    scene.change(lambda: scene.stage.airflow.api("PATCH", scene.run.path, state="failed"))
    scene.steadily(lambda: scene.stage.airflow.api("DELETE", scene.run.path))


def _change_file(scene: Scene) -> None:
    scene.stage.change_dags()


def _let_time_run_out(scene: Scene) -> None:
    """Do nothing: the run's ``conf`` has the limit."""


def _die(scene: Scene) -> None:
    worker = scene.worker()
    with scene.stage.lock(worker.host.name):
        worker.die()
        time.sleep(scene.kill.outage / 5)
        worker.start()


def _shut_down_warmly(scene: Scene) -> None:
    worker = scene.worker()
    with scene.stage.lock(worker.host.name):
        scene.stage.shut_down(worker)
        worker.start()


def _cut(service: str, scene: Scene) -> None:
    host = scene.worker().host
    with scene.stage.lock(f"{host.name} {service}"):
        host.cut(service)
        time.sleep(scene.kill.outage)
        host.restore(service)


def _restart_redis(scene: Scene) -> None:
    with scene.stage.lock("redis"):
        scene.stage.restart_redis(scene.kill.outage / 5)


_ON_CELERY = {"executors": (CELERY,)}

BLOWS = (
    *(Blow(f"SIGKILL to {name}", partial(_kill_process, name), only_while=RUNNING, on_run=True) for name in PROCESSES),
    *(Blow(f"SIGSTOP to {name}", partial(_stop_process, name), only_while=RUNNING, on_run=True) for name in PROCESSES),
    *(Blow(f"SIGKILL to {name}", partial(_kill_component, name)) for name in COMPONENTS),
    *(Blow(f"SIGSTOP to {name}", partial(_stop_component, name)) for name in COMPONENTS),
    Blow("clear", _clear, on_run=True),
    Blow("mark failed", partial(_mark, "failed"), on_run=True),
    Blow("mark success", partial(_mark, "success"), on_run=True, may_fail=True),
    Blow("pause", _pause),
    Blow("delete the run", _delete, on_run=True, may_fail=True),
    Blow("change the DAG file", _change_file),
    Blow("time limit", _let_time_run_out, only_while=RUNNING, on_run=True),
    Blow("death of the host", _die, **_ON_CELERY),
    Blow("warm shutdown", _shut_down_warmly, **_ON_CELERY),
    Blow("restart of redis", _restart_redis, **_ON_CELERY),
    *(Blow(f"host cut off from {name}", partial(_cut, name), **_ON_CELERY) for name in SERVICES),
)
