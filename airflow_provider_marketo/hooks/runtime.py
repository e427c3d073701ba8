"""What a process shares: the governors, the running task, what it has used, and the readers of its triggers."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_marketo.client.tally import Observer, Tally
from airflow_provider_marketo.hooks.task import RunningTask, current_task

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from airflow_provider_marketo.client.governor.shared import SharedGovernor

Shared = TypeVar("Shared")


class TaskRuntime:
    """
    The shared state of one process. :func:`runtime` returns the one in use.

    :param find_task: returns the task that this process runs; None without a task.
    :ivar find_task: the same; assign it to run as another task.
    """

    def __init__(self, find_task: Callable[[], RunningTask | None] = current_task) -> None:
        self.find_task = find_task
        self._governors: dict[str, SharedGovernor] = {}
        self._tallies: dict[str, Tally] = {}
        self._recalled: dict[str, Mapping[str, Any]] = {}
        self._counted_task: RunningTask | None = None
        self._noticed: set[RunningTask] = set()
        self._shared: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Any]] = WeakKeyDictionary()
        self.start()

    def start(self) -> None:
        """Begin the life of this process. A forked child also calls this, and keeps the governors and the tallies."""
        self._lock = threading.Lock()
        self._started_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since this process began, or since it first used Marketo if that was later."""
        return time.monotonic() - self._started_at

    @property
    def task(self) -> RunningTask | None:
        """The task that this process runs; None in a triggerer, a command or a script."""
        return self.find_task()

    def governor(
        self,
        instance: str,
        make: Callable[[], SharedGovernor],
        *,
        is_outdated: Callable[[SharedGovernor], bool] = lambda held: False,
    ) -> SharedGovernor:
        """
        Return the one governor of an instance in this process.

        :param instance: the Munchkin ID.
        :param make: makes the governor if it does not exist yet.
        :param is_outdated: whether the present governor must be replaced.
        """
        with self._lock:
            held = self._governors.get(instance)
            if held is None or is_outdated(held):
                held = self._governors[instance] = make()
            return held

    def shared(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """
        Return the one object of a key in this process. It lives as long as a caller holds it.

        :param key: what the object is for.
        :param make: makes the object. It may itself use what the process shares.
        """
        with self._lock:
            held: Shared | None = self._shared.get(key)
        if held is not None:
            return held
        made = make()
        with self._lock:
            shared: Shared = self._shared.setdefault(key, made)
        return shared

    def shared_on_loop(self) -> dict[Any, Any]:
        """Return a dict that the coroutines of the running event loop share, by their keys. It ends with the loop."""
        with self._lock:
            return self._by_loop.setdefault(asyncio.get_running_loop(), {})

    def is_first_notice(self, task: RunningTask) -> bool:
        """Return True when it is first called with a task, so that the log says something once for each task."""
        with self._lock:
            first = task not in self._noticed
            self._noticed.add(task)
            return first

    def tally(self, conn_id: str, observer: Observer) -> Tally:
        """
        Return the tally of the running task for a connection: all hooks of the task count together.

        Outside a task each call returns a tally of its own.

        :param conn_id: id of the connection.
        :param observer: called at the end of each call. The observer of the task's first hook is used.
        """
        task = self.task
        if task is None:
            return Tally(observer=observer)
        with self._lock:
            if task != self._counted_task:
                self._tallies.clear()
                self._counted_task = task
            if conn_id not in self._tallies:
                tally = Tally(max_calls=task.max_calls, observer=observer)
                tally.add(self._recalled.pop(conn_id, {}))
                self._tallies[conn_id] = tally
            return self._tallies[conn_id]

    def take_tallies(self) -> dict[str, Tally]:
        """Return the running task's tallies by connection; the next call is counted from zero."""
        with self._lock:
            taken, self._tallies = self._tallies, {}
            return taken

    def recall(self, counts: Mapping[str, Mapping[str, Any]]) -> None:
        """
        Start the next tallies with the task's counts from before its deferral.

        :param counts: counts by connection, as :meth:`~airflow_provider_marketo.client.tally.Tally.to_dict` made them.
        """
        with self._lock:
            self._recalled = dict(counts)


_runtime = TaskRuntime()


def runtime() -> TaskRuntime:
    """Return what the hooks of this process share."""
    return _runtime


def replace_runtime(new: TaskRuntime) -> None:
    """
    Let the hooks of this process share another state from now on. Each test begins with a new one.

    :param new: the state to share.
    """
    global _runtime  # noqa: PLW0603 - a process has one
    _runtime = new


os.register_at_fork(after_in_child=lambda: runtime().start())
