"""A worker in a thread of its own, so that work continues while more of it arrives."""

from __future__ import annotations

import queue
import threading
from typing import Generic, Protocol, TypeVar

Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

_WAITING = 4


class Worker(Protocol[Item_contra, Result_co]):
    """Takes items one by one and produces a result."""

    def feed(self, data: Item_contra) -> None:
        """Take the next item."""
        ...

    def finish(self) -> Result_co:
        """Return the result of all items."""
        ...

    def abort(self) -> None:
        """Drop everything."""
        ...


class InBackground(Generic[Item_contra, Result_co]):
    """
    Runs a worker in a thread.

    Download, checksum, parsing and writing overlap, because each of them spends most of its time outside Python.

    :param worker: the worker; only that thread uses it until the thread has finished.
    :param waiting: largest number of items in the queue; :meth:`feed` waits while it is full.
    """

    def __init__(self, worker: Worker[Item_contra, Result_co], waiting: int = _WAITING) -> None:
        self._worker = worker
        self._items: queue.Queue[list[Item_contra]] = queue.Queue(waiting)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="marketo-rows", daemon=True)
        self._thread.start()

    def feed(self, data: Item_contra) -> None:
        """
        Put an item into the queue.

        :raises BaseException: what the worker raised for an earlier item.
        """
        self._items.put([data])
        self._check()

    def finish(self) -> Result_co:
        """Wait until the queue is empty, and return the worker's result."""
        self._stop()
        self._check()
        return self._worker.finish()

    def abort(self) -> None:
        """Drop the items in the queue."""
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
