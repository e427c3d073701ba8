"""Work in the background while more of it arrives."""

from __future__ import annotations

import queue
import threading
from typing import Generic, Protocol, TypeVar

Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

_WAITING = 4


class Worker(Protocol[Item_contra, Result_co]):
    """Takes items one by one and makes something of them."""

    def feed(self, data: Item_contra) -> None: ...

    def finish(self) -> Result_co: ...

    def abort(self) -> None: ...


class InBackground(Generic[Item_contra, Result_co]):
    """
    Runs a worker in a thread of its own.

    A download, its checksum, parsing and writing overlap, since all of them spend most of their time outside Python.

    :param worker: used by that thread only.
    :param waiting: items that may wait for it; more make :meth:`feed` wait.
    """

    def __init__(self, worker: Worker[Item_contra, Result_co], waiting: int = _WAITING) -> None:
        self._worker = worker
        self._items: queue.Queue[list[Item_contra]] = queue.Queue(waiting)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="marketo-rows", daemon=True)
        self._thread.start()

    def feed(self, data: Item_contra) -> None:
        """
        Leave an item for the worker.

        :raises BaseException: what the worker raised over an earlier one.
        """
        self._items.put([data])
        self._check()

    def finish(self) -> Result_co:
        """Wait until all is done, and return the worker's result."""
        self._stop()
        self._check()
        return self._worker.finish()

    def abort(self) -> None:
        """Drop the items that wait."""
        self._error = self._error or InterruptedError()
        self._stop()
        self._worker.abort()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._items.put([])
            self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while item := self._items.get():
            if self._error is None:
                try:
                    self._worker.feed(item[0])
                except BaseException as error:  # noqa: BLE001 - raised in the thread that feeds
                    self._error = error
