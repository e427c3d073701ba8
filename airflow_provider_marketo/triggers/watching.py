"""A watcher at work in the triggerer: shared looks, a position of its own, and batches that are handed over."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from airflow_provider_marketo.client.bulk.plan import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.values import moment
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.questions.activities import ActivityQuestion, ActivityWatcher
from airflow_provider_marketo.questions.question import Found
from airflow_provider_marketo.streams.follow import OVERLAP
from airflow_provider_marketo.streams.position import PREFIX
from airflow_provider_marketo.streams.watch import Handover, WatchState
from airflow_provider_marketo.triggers.connection import hook_of, settings_of
from airflow_provider_marketo.triggers.poller import off_the_loop, wait_for_answer

if TYPE_CHECKING:
    from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger

log = logging.getLogger(__name__)

WRITTEN_EVERY = timedelta(hours=1)
"""How often a position is written while nothing happens."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 900.0
"""Seconds between two tries while Marketo cannot be asked. A watcher that ends is not started again."""


def producer(trigger: MarketoActivityTrigger) -> Any:
    """The batches of a watcher, each followed by the word that Airflow has stored it."""
    from airflow.triggers.shared_stream import SharedStreamProducer

    class Producer(SharedStreamProducer):
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
        self._handover: Handover | None = None
        self._watcher: ActivityWatcher | None = None
        self._written = datetime.min.replace(tzinfo=timezone.utc)

    async def batch(self) -> dict[str, Any]:
        """The next batch, written down before it is handed over."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                if self._handover is None:
                    self._handover = await self._begin()
                batch = self._handover.next_batch()
                if batch is not None:
                    await self._write()
                    return batch
                found = await self._look()
                self._handover.take(found["until"], found["activities"])
                if datetime.now(timezone.utc) - self._written > WRITTEN_EVERY:
                    await self._write()
                pause = _SHORTEST_PAUSE
            except Exception as error:  # noqa: BLE001 - a watcher that ends is not started again
                await self._bear(error, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    async def confirm(self) -> None:
        """Airflow has stored the batch."""
        if self._handover is not None:
            self._handover.confirm()
            await self._write()

    async def _begin(self) -> Handover:
        trigger, settings = self._trigger, await settings_of(self._trigger.marketo_conn_id)
        interval = trigger.poll_interval or settings.poll_interval
        watcher = await off_the_loop(lambda: _shared_watcher(settings))
        stored = await off_the_loop(lambda: _read(self._variable))
        if stored is None:
            start = trigger.since or iso(await off_the_loop(watcher.now))
            state = WatchState(watcher.instance, start, start)
            await off_the_loop(lambda: _set(self._variable, state.to_dict()))
        else:
            state = WatchState.from_dict(stored)
        if state.instance != watcher.instance:
            raise MarketoInvalidRequestError(
                f"the stored position {self._variable} is one in instance {state.instance}, and the connection leads to"
                f" {watcher.instance}",
                parameter="stream",
                remedy="Give the watcher another stream name, or correct the connection.",
            )
        log.info(
            "Watching %s since %s, every %g seconds: about %d calls a day, shared with other watchers of %s",
            ", ".join(trigger.activity_types),
            state.time,
            interval,
            86_400 / interval,
            trigger.marketo_conn_id,
        )
        self._question = ActivityQuestion(
            activity_types=tuple(trigger.activity_types),
            since=state.since,
            asset_ids=tuple(trigger.asset_ids),
            list_id=trigger.list_id,
            read_from=iso(max(moment(state.time) - OVERLAP, moment(state.since))),
        )
        return Handover(state, trigger.batch_size, OVERLAP)

    async def _look(self) -> Found:
        settings = await settings_of(self._trigger.marketo_conn_id)
        # Held for as long as this watcher lives, so that what the reader remembers does, too.
        watcher = self._watcher = await off_the_loop(lambda: _shared_watcher(settings))

        async def ask(questions: Collection[ActivityQuestion]) -> Mapping[ActivityQuestion, Any]:
            return await off_the_loop(lambda: watcher.ask(questions))

        interval = self._trigger.poll_interval or settings.poll_interval
        return await wait_for_answer((settings, ActivityWatcher), lambda: ask, self._question, interval)

    async def _write(self) -> None:
        """Until it is written: what is not written down must not be handed over, nor counted as handed over."""
        assert self._handover is not None  # there is nothing to write before the beginning
        state, pause = self._handover.state.to_dict(), _SHORTEST_PAUSE
        while True:
            try:
                await off_the_loop(lambda: _set(self._variable, state))
                break
            except Exception as error:  # noqa: BLE001 - the API server may be away for a while
                await self._bear(error, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._written = datetime.now(timezone.utc)

    async def _bear(self, error: Exception, pause: float) -> None:
        kind = "" if isinstance(error, MarketoError) else f"{type(error).__name__}: "
        log.error("The watcher %s goes on in %g seconds: %s%s", self._trigger.stream, pause, kind, error)
        await asyncio.sleep(pause)


class _InstanceWatcher(ActivityWatcher):
    """The shared reader of an instance's feeds."""

    def __init__(self, settings: ConnectionSettings) -> None:
        client = hook_of(settings).get_conn()
        super().__init__(client)
        self.instance = client.instance

    def now(self) -> datetime:
        """Marketo's clock."""
        return self._client.call("activities.get_types").date or datetime.now(timezone.utc)


_watchers: WeakValueDictionary[ConnectionSettings, _InstanceWatcher] = WeakValueDictionary()


def _shared_watcher(settings: ConnectionSettings) -> _InstanceWatcher:
    """The one reader of a connection; it lives as long as somebody watches."""
    watcher = _watchers.get(settings)
    if watcher is None:
        watcher = _watchers[settings] = _InstanceWatcher(settings)
    return watcher


def _read(variable: str) -> Any:
    """
    A Variable's JSON; None only if there certainly is none.

    :raises OSError: Airflow does not say.
    """
    from airflow_provider_marketo.ledger_stores import VariableStore

    text = VariableStore().read(variable)
    return None if text is None else json.loads(text)


def _set(variable: str, value: dict[str, Any]) -> None:
    from airflow.sdk import Variable

    Variable.set(variable, value, description="Where a watcher of Marketo activities stands", serialize_json=True)
