"""Work in a thread of its own."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_marketo.client.tabular.background import InBackground


class Collector:
    def __init__(self, fault: int | None = None) -> None:
        self.items: list[int] = []
        self.threads: set[int] = set()
        self.aborted = False
        self._fault = fault

    def feed(self, data: int) -> None:
        self.threads.add(threading.get_ident())
        if data == self._fault:
            raise ValueError(data)
        self.items.append(data)

    def finish(self) -> list[int]:
        return self.items

    def abort(self) -> None:
        self.aborted = True


def test_items_are_worked_on_in_order_and_elsewhere():
    worker = Collector()
    background = InBackground(worker, waiting=2)
    for number in range(100):
        background.feed(number)
    assert background.finish() == list(range(100))
    assert worker.threads != {threading.get_ident()}


def test_an_error_reaches_the_thread_that_feeds_and_nothing_hangs():
    worker = Collector(fault=3)
    background = InBackground(worker, waiting=1)

    def feed() -> None:
        for number in range(100):
            background.feed(number)
        background.finish()

    with pytest.raises(ValueError, match=r"^3$"):
        feed()
    background.abort()
    assert worker.items == [0, 1, 2]
    assert worker.aborted


def test_an_error_at_the_last_item_is_not_lost():
    background = InBackground(Collector(fault=0))
    with pytest.raises(ValueError, match=r"^0$"):
        (background.feed(0), background.finish())  # type: ignore[func-returns-value]


def test_aborting_drops_the_items_in_the_queue_and_ends_the_thread():
    before = threading.active_count()
    background = InBackground(Collector())
    background.feed(1)
    background.abort()
    assert threading.active_count() == before
