"""One look at Marketo's job list for everybody who waits in this triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_marketo.client.bulk.jobs import CANCELLED, ExportJob
from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoError,
    MarketoThrottledError,
    MarketoTransientError,
)

log = logging.getLogger(__name__)

Find = Callable[[Collection[str]], Awaitable[Mapping[str, ExportJob]]]

FAILURES_IN_A_ROW = 10
"""Bad looks after which those who wait are told. A minute between two makes this a ten-minute outage."""


@dataclass(eq=False)
class _Waiter:
    export_ids: frozenset[str]
    answer: asyncio.Future[Mapping[str, ExportJob]]


class JobPoller:
    """
    Shared by all triggers that wait for jobs of one object type on one connection.

    It runs while somebody waits. The first look comes one interval after the first question: a job that was enqueued a
    moment ago is not finished, and Marketo refreshes states once a minute.

    :param find: looks several jobs up; runs off the event loop.
    :param interval: seconds between two looks.
    """

    def __init__(self, find: Find, interval: float) -> None:
        self._find = find
        self._interval = interval
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, export_ids: Collection[str]) -> Mapping[str, ExportJob]:
        """
        Wait until at least one of the jobs has ended.

        :param export_ids: at least one.
        :return: the jobs by id; one that Marketo no longer knows counts as cancelled.
        :raises MarketoError: looking failed for good, or too often.
        """
        waiter = _Waiter(frozenset(export_ids), asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            return await waiter.answer
        finally:
            self._waiters.discard(waiter)

    async def _poll(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self._interval)
            if not self._waiters:
                return
            wanted = frozenset().union(*(waiter.export_ids for waiter in self._waiters))
            try:
                found = await self._find(wanted)
            except (MarketoThrottledError, MarketoTransientError, MarketoConnectionError) as error:
                failures += 1
                log.warning("Could not look at the export jobs (%d in a row): %s", failures, error)
                if failures >= FAILURES_IN_A_ROW:
                    self._fail(error)
                continue
            except MarketoError as error:
                self._fail(error)
                return
            failures = 0
            self._answer(wanted, found)

    def _answer(self, asked: Collection[str], found: Mapping[str, ExportJob]) -> None:
        for waiter in tuple(self._waiters):
            if waiter.answer.done() or not waiter.export_ids <= set(asked):
                continue  # joined while the look was under way
            jobs = {each: found.get(each, ExportJob(each, CANCELLED)) for each in waiter.export_ids}
            if not all(job.waiting for job in jobs.values()):
                waiter.answer.set_result(jobs)

    def _fail(self, error: MarketoError) -> None:
        for waiter in tuple(self._waiters):
            if not waiter.answer.done():
                waiter.answer.set_exception(error)


_pollers: dict[tuple[Any, ...], JobPoller] = {}


def shared_poller(key: tuple[Any, ...], make: Callable[[], JobPoller]) -> JobPoller:
    """
    The poller for a question, the same for everybody who asks it on the running event loop.

    :param key: connection, object type and whatever else changes the question.
    :param make: makes the poller for the first who asks.
    """
    key = (id(asyncio.get_running_loop()), *key)
    if key not in _pollers:
        _pollers[key] = make()
    return _pollers[key]
