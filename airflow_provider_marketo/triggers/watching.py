"""A watcher at work in the triggerer: shared looks, a position of its own, and batches that are handed over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.streams.position import PREFIX
from airflow_provider_marketo.triggers.connection import settings_of
from airflow_provider_marketo.triggers.poller import run_in_thread, wait_for_answer

if TYPE_CHECKING:
    from airflow_provider_marketo.conditions.activities import ActivityCondition
    from airflow_provider_marketo.conditions.condition import Found
    from airflow_provider_marketo.streams.watch import Handover
    from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger
    from airflow_provider_marketo.triggers.instance_watcher import InstanceWatcher

log = logging.getLogger(__name__)

WRITTEN_EVERY = timedelta(hours=1)
"""How often a position is written while nothing happens."""

AIRFLOWS_SHARE = 5.0
"""
Seconds that Airflow takes from an event until the run has started: its triggerer stores the one and its scheduler makes
the other, and both look around once a second.
"""

GATHERING = 1.0
"""Seconds in which the watchers of a triggerer that has just started come together for their first look."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 900.0
"""Seconds between two tries while Marketo cannot be asked. A watcher that ends is not started again."""


def seconds_between_looks(promised: float | None, usual: float) -> float:
    """
    So that a run starts in time.

    :param promised: seconds from an activity to the run; None for a look as often as usual.
    :param usual: seconds between two looks, as the connection has it.
    """
    return usual if promised is None else max(promised - AIRFLOWS_SHARE, promised / 2)


def producer(trigger: MarketoActivityTrigger) -> Any:
    """The batches of a watcher, each followed by the word that Airflow has stored it."""

    class Producer(airflow_compat.SharedStreamProducer):
        def __init__(self) -> None:
            self._watch = Watch(trigger)
            self._told = asyncio.Event()

        async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
            while True:
                batch = await self._watch.batch()
                self._told.clear()
                yield batch, batch["batch_id"]
                await self._told.wait()

        async def advance(self, batch: Sequence[Any]) -> None:
            if all(item.outcome.is_clean for item in batch):
                await self._watch.confirm()
            self._told.set()  # unless it was stored, the same batch comes again

    return Producer()


class Watch:
    """
    A watcher at work: looks that it shares with others, and the position that is its own.

    :param trigger: what it watches.
    """

    def __init__(self, trigger: MarketoActivityTrigger) -> None:
        self._trigger = trigger
        self._variable = PREFIX + trigger.stream
        self._settings: ConnectionSettings | None = None
        self._handover: Handover | None = None
        self._stored: dict[str, Any] | None = None
        self._written = datetime.min.replace(tzinfo=timezone.utc)

    async def batch(self) -> dict[str, Any]:
        """The next batch, written down before it is handed over."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                settings = await settings_of(self._trigger.marketo_conn_id)
                if self._handover is None or settings != self._settings:
                    self._condition, self._handover = await self._begin(settings)
                    self._settings = settings
                batch = self._handover.next_batch()
                if batch is not None:
                    await self._write(self._handover)
                    return batch
                found = await self._look(settings)
                self._handover.take(found["until"], found["activities"])
                if datetime.now(timezone.utc) - self._written > WRITTEN_EVERY:
                    await self._write(self._handover)
                pause = _SHORTEST_PAUSE
            except _OvertakenError:
                self._begin_anew()
            except Exception as error:  # noqa: BLE001 - a watcher that ends is not started again
                await self._bear(error, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    async def confirm(self) -> None:
        """Airflow has stored the batch."""
        if self._handover is not None:
            self._handover.confirm()
            try:
                await self._write(self._handover)
            except _OvertakenError:
                self._begin_anew()

    async def _begin(self, settings: ConnectionSettings) -> tuple[ActivityCondition, Handover]:
        trigger, every = self._trigger, seconds_between_looks(self._trigger.poll_interval, settings.poll_interval)
        condition, handover = await run_in_thread(lambda: self._start(settings))
        log.info(
            "Watching %s since %s, every %g seconds: about %d calls a day, shared with other watchers of %s",
            ", ".join(trigger.activity_types),
            handover.state.time,
            every,
            86_400 / every,
            trigger.marketo_conn_id,
        )
        return condition, handover

    def _start(self, settings: ConnectionSettings) -> tuple[ActivityCondition, Handover]:
        from airflow_provider_marketo.streams.watch import WatchState
        from airflow_provider_marketo.triggers.instance_watcher import handover

        watcher = self._watcher = _shared_watcher(settings)
        self._stored = variables.read_json(self._variable)
        if self._stored is None:
            start = self._trigger.start or iso(watcher.now())
            state = WatchState(watcher.instance, start, start)
            self._store(state.to_dict())
        elif "pending" not in self._stored:
            raise MarketoInvalidRequestError(
                f"{self._variable} is the position of an operator that follows a stream",
                parameter="stream",
                remedy="Give the watcher another stream name.",
            )
        else:
            state = WatchState.from_dict(self._stored)
        if state.instance != watcher.instance:
            raise MarketoInvalidRequestError(
                f"the stored position {self._variable} is one in instance {state.instance}, and the connection leads to"
                f" {watcher.instance}",
                parameter="stream",
                remedy="Give the watcher another stream name, or correct the connection.",
            )
        return handover(self._trigger, state)

    def _begin_anew(self) -> None:
        log.warning("Somebody else has written %s; going on from there", self._variable)
        self._handover = None

    async def _look(self, settings: ConnectionSettings) -> Found:
        # Held for as long as this watcher lives, so that what the reader remembers does, too.
        watcher = self._watcher = await run_in_thread(lambda: _shared_watcher(settings))
        loop = asyncio.get_running_loop()

        async def ask(conditions: Collection[ActivityCondition]) -> Mapping[ActivityCondition, Any]:
            watcher.looked = loop.time()
            return await run_in_thread(lambda: watcher.ask(conditions))

        every = seconds_between_looks(self._trigger.poll_interval, settings.poll_interval)
        # Counted from the last look, whatever became of what it showed.
        first = GATHERING if watcher.looked is None else max(0.0, watcher.looked + every - loop.time())
        return await wait_for_answer((settings, "watchers"), lambda: ask, self._condition, every, first=first)

    async def _write(self, handover: Handover) -> None:
        """
        Until it is written: what is not written down must not be handed over, nor counted as handed over.

        :raises _OvertakenError: somebody else has written meanwhile.
        """
        state, pause = handover.state.to_dict(), _SHORTEST_PAUSE
        while True:
            try:
                await run_in_thread(lambda: self._store(state))
                break
            except _OvertakenError:
                raise
            except Exception as error:  # noqa: BLE001 - the API server may be away for a while
                await self._bear(error, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._written = datetime.now(timezone.utc)

    def _store(self, state: dict[str, Any]) -> None:
        """
        For a moment two may watch one stream: a DAG file that was changed has a new trigger before the old one is gone,
        and a triggerer that was thought dead may live. Variables have no compare-and-set, but a look before each write
        makes it all but certain that what both have seen is handed over under one id.
        """
        if variables.read_json(self._variable) not in (self._stored, state):
            raise _OvertakenError
        variables.write_json(self._variable, state, "Where a watcher of Marketo activities stands")
        self._stored = state

    async def _bear(self, error: Exception, pause: float) -> None:
        kind = "" if isinstance(error, MarketoError) else f"{type(error).__name__}: "
        log.error("The watcher %s goes on in %g seconds: %s%s", self._trigger.stream, pause, kind, error)
        await asyncio.sleep(pause)


class _OvertakenError(Exception):
    """The stored position is not the one that this watcher has written."""


def _shared_watcher(settings: ConnectionSettings) -> InstanceWatcher:
    from airflow_provider_marketo.triggers.instance_watcher import shared_watcher

    return shared_watcher(settings)
