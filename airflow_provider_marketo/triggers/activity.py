"""Starts DAGs when something happens in Marketo."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from weakref import WeakValueDictionary

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseHook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_marketo.client.bulk.plan import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.questions.activities import ActivityQuestion, ActivityWatcher
from airflow_provider_marketo.questions.question import Found
from airflow_provider_marketo.streams.follow import OVERLAP
from airflow_provider_marketo.streams.position import PREFIX
from airflow_provider_marketo.streams.request import TYPES_PER_PASS, as_id, as_ids
from airflow_provider_marketo.streams.watch import Handover, WatchState
from airflow_provider_marketo.triggers.poller import off_the_loop, wait_for_answer

log = logging.getLogger(__name__)

STORED_WITHIN = 10.0
"""Seconds in which a triggerer stores an event, where it does not say when it has (before Airflow 3.3)."""

WRITTEN_EVERY = timedelta(hours=1)
"""How often a position is written while nothing happens."""

LONGEST_PAUSE = 900.0
"""Seconds between two tries while Marketo cannot be asked. A watcher that ends is not started again."""


class MarketoActivityTrigger(BaseEventTrigger):
    """
    For an ``AssetWatcher``: an asset event for each batch of new activities. Its payload is ids:
    ``{"batch_id", "activities", "lead_ids"}``.

    The position is kept in the Variable ``marketo_position_<stream>``, and moves when Airflow has stored the event: no
    activity is missed, and after a crash a batch may come twice, under the same ``batch_id``. All watchers of a
    connection in a triggerer share one look, which costs a call for ten activity types.

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    :param stream: names the watcher's position; another name starts anew.
    :param activity_types: names or ids, at most ten.
    :param asset_ids: ids of the forms, programs, lists or e-mails that the activities are about. Default: any.
    :param list_id: only members of a static list, which Marketo takes below 10,000 members.
    :param since: where a new stream starts; ISO 8601. Default: now.
    :param batch_size: most activities in an event.
    :param poll_interval: seconds between two looks; a minute makes 1,440 calls a day.
    :param marketo_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: more than ten types, or ids that are none.
    """

    def __init__(
        self,
        *,
        stream: str,
        activity_types: Sequence[str | int] | str,
        asset_ids: Sequence[int] | int | None = None,
        list_id: int | None = None,
        since: str | None = None,
        batch_size: int = 100,
        poll_interval: float = 60.0,
        marketo_conn_id: str = "marketo_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        types = [activity_types] if isinstance(activity_types, str) else activity_types
        self.stream = stream
        self.activity_types = sorted(str(each) for each in types)
        self.asset_ids = sorted(as_ids("asset_ids", asset_ids))
        self.list_id = as_id("list_id", list_id)
        self.since = since
        self.batch_size = batch_size
        self.poll_interval = poll_interval
        self.marketo_conn_id = marketo_conn_id
        if not 1 <= len(self.activity_types) <= TYPES_PER_PASS:
            raise MarketoInvalidRequestError(
                f"a watcher follows one to {TYPES_PER_PASS} activity types, and {len(self.activity_types)} are given",
                parameter="activity_types",
                remedy="Add another AssetWatcher for the others: watchers of a connection share their calls.",
            )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "stream": self.stream,
            "activity_types": self.activity_types,
            "asset_ids": self.asset_ids,
            "list_id": self.list_id,
            "since": self.since,
            "batch_size": self.batch_size,
            "poll_interval": self.poll_interval,
            "marketo_conn_id": self.marketo_conn_id,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Before Airflow 3.3, which does not say when it has stored an event: a while later it will have."""
        watch = Watch(self)
        while True:
            yield TriggerEvent(await watch.batch())  # type: ignore[no-untyped-call]
            await asyncio.sleep(STORED_WITHIN)
            await watch.confirm()

    def shared_stream_key(self) -> Any:
        """Airflow 3.3: each watcher is a stream of its own, for the sake of the word that an event is stored."""
        return (type(self).__qualname__, self.stream)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Any:
        """Airflow 3.3: what tells us that an event is stored."""
        return _producer(cls(**kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for batch in shared_stream:
            yield TriggerEvent(batch)  # type: ignore[no-untyped-call]


def _producer(trigger: MarketoActivityTrigger) -> Any:
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
        pause = self._trigger.poll_interval
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
                pause = self._trigger.poll_interval
            except (MarketoError, OSError) as error:
                log.error("The watcher %s cannot look at Marketo, and tries again: %s", self._trigger.stream, error)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    async def confirm(self) -> None:
        """Airflow has stored the batch."""
        if self._handover is not None:
            self._handover.confirm()
            await self._write()

    async def _begin(self) -> Handover:
        trigger = self._trigger
        settings = await self._settings()
        self._watcher = await off_the_loop(lambda: _shared_watcher(settings))
        stored = await off_the_loop(lambda: _read(self._variable))
        instance, now = self._watcher.instance, None
        if stored is None:
            now = trigger.since or iso(await off_the_loop(self._watcher.now))
            state = WatchState(instance, now, now)
        else:
            state = WatchState.from_dict(stored)
        if state.instance != instance:
            raise MarketoInvalidRequestError(
                f"the stored position {self._variable} is one in instance {state.instance}, and the connection leads to"
                f" {instance}",
                parameter="stream",
                remedy="Give the watcher another stream name, or correct the connection.",
            )
        log.info(
            "Watching %s since %s, every %g seconds: about %d calls a day, shared with other watchers of %s",
            ", ".join(trigger.activity_types),
            state.time,
            trigger.poll_interval,
            86_400 / trigger.poll_interval,
            trigger.marketo_conn_id,
        )
        handover = Handover(state, trigger.batch_size, OVERLAP)
        if now is not None:
            await off_the_loop(lambda: _set(self._variable, state.to_dict()))
        self._question = ActivityQuestion(
            activity_types=tuple(trigger.activity_types),
            since=state.since,
            asset_ids=tuple(trigger.asset_ids),
            list_id=trigger.list_id,
            read_from=iso(max(_moment(state.time) - OVERLAP, _moment(state.since))),
        )
        return handover

    async def _look(self) -> Found:
        settings = await self._settings()
        watcher = self._watcher = await off_the_loop(lambda: _shared_watcher(settings))

        async def ask(questions: Collection[ActivityQuestion]) -> Mapping[ActivityQuestion, Any]:
            return await off_the_loop(lambda: watcher.ask(questions))

        group = (settings, ActivityWatcher)
        return await wait_for_answer(group, lambda: ask, self._question, self._trigger.poll_interval)

    async def _settings(self) -> ConnectionSettings:
        return ConnectionSettings.from_connection(await BaseHook.aget_connection(self._trigger.marketo_conn_id))

    async def _write(self) -> None:
        assert self._handover is not None  # there is nothing to write before the beginning
        state = self._handover.state.to_dict()
        await off_the_loop(lambda: _set(self._variable, state))
        self._written = datetime.now(timezone.utc)


class _InstanceWatcher(ActivityWatcher):
    """The shared reader of an instance's feeds."""

    def __init__(self, settings: ConnectionSettings) -> None:
        parallel = conf.getint("marketo", "triggerer_parallel", fallback=1)
        client = MarketoHook(settings.conn_id, parallel=parallel, settings=settings).get_conn()
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


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
