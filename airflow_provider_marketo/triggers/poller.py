"""One poll of Marketo for all triggers of a process that wait for the same kind of thing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from asgiref.sync import sync_to_async

from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.runtime import runtime

log = printable_logger(__name__)

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")
Result = TypeVar("Result")

Ask = Callable[[Collection[Q]], Awaitable[Mapping[Q, "A | MarketoError"]]]

FAILURES_IN_A_ROW = 10
"""Failed polls in a row that end the wait. With a minute between polls this is an outage of ten minutes."""

BREAK = 0.9
"""
The shortest pause between two polls, as a part of the interval.

Polls begin an interval apart. If a call waits long for its turn, or the first one for a token, the call is late, and
the next one must not follow at once: Marketo updates the status of jobs only once a minute.
"""

PASSING = (MarketoThrottledError, MarketoTransientError, MarketoConnectionError)
"""Errors that the next poll may not meet."""


async def run_in_thread(call: Callable[[], Result]) -> Result:
    """
    Run a function in a thread of its own.

    ``asyncio.to_thread`` will not do: Airflow's look-ups need a thread that asgiref has started.
    """
    return await sync_to_async(call, thread_sensitive=False)()


@dataclass(eq=False)
class _Waiter(Generic[Q, A]):
    condition: Q
    interval: float
    due: float
    answer: asyncio.Future[A]
    failures: int = 0


class Poller(Generic[Q, A]):
    """
    Shared by all triggers that wait for conditions of one kind on one connection.

    It runs while a trigger waits. Each poll serves all of them, and polls follow the shortest interval.

    :param ask: a function that asks several different conditions. A condition without an answer is asked again.
    :param waits_out_quota: whether the wait continues while a quota is spent.
    """

    def __init__(self, ask: Ask[Q, A], *, waits_out_quota: bool = True) -> None:
        self._ask = ask
        self._waits_out_quota = waits_out_quota
        self._waiters: set[_Waiter[Q, A]] = set()
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no trigger waits."""
        return not self._waiters

    async def wait(self, condition: Q, interval: float, first: float | None = None) -> A:
        """
        Wait until a condition has an answer.

        :param condition: the condition; equal conditions are asked once.
        :param interval: seconds from one poll to the next. The shortest interval of all waiting triggers decides.
        :param first: seconds until the first poll. Default: ``interval``, since the task itself has just polled.
        :raises MarketoError: Marketo cannot answer, or too many polls failed in a row.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + (interval if first is None else first)
        waiter: _Waiter[Q, A] = _Waiter(condition, interval, due, loop.create_future())
        self._waiters.add(waiter)
        self._joined.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            return await waiter.answer
        finally:
            self._waiters.discard(waiter)
            if self.idle and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until_due()
            begun = loop.time()
            conditions = {waiter.condition for waiter in self._waiters}
            answers: Mapping[Q, A | MarketoError]
            try:
                answers = await self._ask(conditions)
            except MarketoError as error:
                answers = dict.fromkeys(conditions, error)
            except Exception as error:  # noqa: BLE001 - otherwise its triggers would wait for ever
                answers = dict.fromkeys(conditions, MarketoError(f"{type(error).__name__}: {error}"))
            ended = loop.time()
            for waiter in tuple(self._waiters):
                if waiter.answer.done():
                    continue
                # After a slow poll, leave the instance alone for as long as the poll took.
                rested = ended + max(BREAK * waiter.interval, ended - begun)
                if waiter.condition in conditions:
                    waiter.due = max(begun + waiter.interval, rested)
                    self._tell(waiter, answers.get(waiter.condition))
                elif waiter.due > ended:  # it joined during the poll, and need not be asked at once
                    waiter.due = max(waiter.due, rested)

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        while (pause := min(waiter.due for waiter in self._waiters) - loop.time()) > 0:
            self._joined.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._joined.wait(), pause)

    def _tell(self, waiter: _Waiter[Q, A], answer: A | MarketoError | None) -> None:
        if answer is None:
            waiter.failures = 0
        elif not isinstance(answer, MarketoError):
            waiter.answer.set_result(answer)
        elif isinstance(answer, MarketoQuotaExhaustedError) and self._waits_out_quota:
            log.warning("The wait continues: %s", answer)  # only the deadline of the trigger ends the wait
        elif isinstance(answer, PASSING) and waiter.failures + 1 < FAILURES_IN_A_ROW:
            waiter.failures += 1
            log.warning("A poll of Marketo failed (%d in a row): %s", waiter.failures, answer)
        else:
            waiter.answer.set_exception(answer)


async def wait_for_answer(
    group: Hashable,
    make: Callable[[], Ask[Q, A]],
    condition: Q,
    interval: float,
    *,
    first: float | None = None,
    waits_out_quota: bool = True,
) -> A:
    """
    Wait as :meth:`Poller.wait` does, with the poller that a group shares on this event loop.

    :param group: the connection as it is set up now, and what else tells groups apart.
    :param make: makes the function that asks, for the first trigger of the group.
    :param waits_out_quota: whether the wait continues while a quota is spent; the same for all triggers of a group.
    """
    pollers = runtime().shared_on_loop()
    poller: Poller[Q, A] | None = pollers.get(group)
    if poller is None:
        poller = pollers[group] = Poller(make(), waits_out_quota=waits_out_quota)
    try:
        answer: A = await poller.wait(condition, interval, first)
        return answer
    finally:
        if poller.idle and pollers.get(group) is poller:
            del pollers[group]
