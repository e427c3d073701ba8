"""Helpers for tests of several folders: clocks, virtual time, a state store, and a runner for tasks."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta, timezone
from types import FunctionType, SimpleNamespace
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.standard.triggers.temporal import DateTimeTrigger


class ManualClock:
    """A clock that moves only when a test advances it or code under test sleeps on it."""

    def __init__(self, start: datetime = datetime(2026, 1, 15, 12, tzinfo=timezone.utc)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._elapsed += seconds

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._elapsed += seconds


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """
    An event loop that never waits in real time.

    When all of its tasks sleep, its clock jumps to the time at which the first task wakes up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._elapsed = 0.0
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            self._elapsed += timeout or 0.0
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        return self._elapsed


def in_virtual_time(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end in virtual time. The coroutine must not wait for a thread or the network."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class StateStore:
    """An in-memory version of Airflow 3.3's task state store. Like the real store, it keeps values between tries."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


def task_context(
    store: StateStore | None = None, *, try_number: int = 1, max_tries: int = 0, **interval: datetime
) -> dict[str, Any]:
    """Return the part of a task's context that the provider's operators read. Airflow's dates are pendulum's."""
    ti = SimpleNamespace(
        dag_id="a_dag",
        task_id="a_task",
        run_id="a run",
        map_index=-1,
        try_number=try_number,
        max_tries=max_tries,
        xcoms={},
    )
    ti.xcom_push = lambda key, value: ti.xcoms.update({key: json.loads(json.dumps(value))})
    ti.xcom_pull = lambda *, key, **_: ti.xcoms.get(key)
    context: dict[str, Any] = {"ti": ti, **{name: pendulum.instance(when) for name, when in interval.items()}}
    if store is not None:
        context["task_state_store"] = store
    return context


def run_task(operator: Any, context: dict[str, Any], on_deferral: Callable[[Any], None] | None = None) -> Any:
    """
    Run a task to its end, including its deferrals, with the real triggers.

    :param operator: an operator, or a function that creates one. Airflow resumes a deferred task in a new process; the
        function imitates this with a new operator for each resumption.
    :param context: the task's context.
    :param on_deferral: called with each trigger before the trigger runs.
    """
    make = operator if isinstance(operator, FunctionType) else lambda: operator
    method, arguments = "execute", {}
    while True:
        task = make()
        try:
            return task.execute(context) if method == "execute" else task.resume_execution(method, arguments, context)
        except TaskDeferred as deferred:
            if type(deferred.trigger).__name__ == "HITLTrigger":
                raise  # a person answers it, before Airflow 3.3
            if on_deferral is not None:
                on_deferral(deferred.trigger)
            method, arguments = deferred.method_name, {"event": asyncio.run(_fire(deferred.trigger))}


async def _fire(trigger: Any) -> Any:
    path, arguments = trigger.serialize()
    if isinstance(trigger, DateTimeTrigger):  # Airflow's own trigger would poll once a second
        await asyncio.sleep(trigger.moment.timestamp() - datetime.now(timezone.utc).timestamp())
        return trigger.moment
    module, _, name = path.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(arguments)))
    async for event in trigger.run():
        return event.payload
    return None
