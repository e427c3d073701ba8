"""One look at Marketo's job list for everybody who waits in this triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

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
    interval: float
    answer: asyncio.Future[Mapping[str, ExportJob]]


class JobPoller:
    """
    Shared by all triggers that wait for jobs of one object type on one connection.

    It runs while somebody waits. The first look comes one interval after the first question: a job that was enqueued a
    moment ago is not finished, and Marketo refreshes states once a minute.

    :param find: looks several jobs up; runs off the event loop.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiters

    async def wait(self, export_ids: Collection[str], interval: float) -> Mapping[str, ExportJob]:
        """
        Wait until at least one of the jobs has ended.

        :param export_ids: at least one.
        :param interval: seconds between two looks; of several who wait, the most impatient decides.
        :return: the jobs by id; one that Marketo no longer knows counts as cancelled.
        :raises MarketoError: looking failed for good, or too often.
        """
        waiter = _Waiter(frozenset(export_ids), interval, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            return await waiter.answer
        finally:
            self._waiters.discard(waiter)
            if self.idle:
                self._task.cancel()
                self._task = None

    async def _poll(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(min(waiter.interval for waiter in self._waiters))
            wanted = frozenset().union(*(waiter.export_ids for waiter in self._waiters))
            try:
                found = await self._find(wanted)
            except (MarketoThrottledError, MarketoTransientError, MarketoConnectionError) as error:
                failures += 1
                log.warning("Could not look at the export jobs (%d in a row): %s", failures, error)
                if failures >= FAILURES_IN_A_ROW:
                    return self._fail(error)
            except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, or waits for ever
                return self._fail(error)
            else:
                failures = 0
                self._answer(wanted, found)

    def _answer(self, asked: Collection[str], found: Mapping[str, ExportJob]) -> None:
        for waiter in tuple(self._waiters):
            if waiter.answer.done() or not waiter.export_ids <= set(asked):
                continue  # joined while the look was under way
            jobs = {each: found.get(each, ExportJob(each, CANCELLED)) for each in waiter.export_ids}
            if not all(job.waiting for job in jobs.values()):
                waiter.answer.set_result(jobs)

    def _fail(self, error: Exception) -> None:
        told = error if isinstance(error, MarketoError) else MarketoError(f"{type(error).__name__}: {error}")
        for waiter in self._waiters:
            if not waiter.answer.done():
                waiter.answer.set_exception(told)


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, JobPoller]] = WeakKeyDictionary()


async def wait_for_jobs(
    question: Hashable, find: Find, export_ids: Collection[str], interval: float
) -> Mapping[str, ExportJob]:
    """
    As :meth:`JobPoller.wait`, with the poller that everybody shares who asks the same question on this event loop.

    :param question: the connection as it is set up at present, the object type and whatever else tells lists apart.
    :param find: asks it; the function of whoever came first is used.
    """
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    poller = pollers.setdefault(question, JobPoller(find))
    try:
        return await poller.wait(export_ids, interval)
    finally:
        if poller.idle and pollers.get(question) is poller:
            del pollers[question]
