"""How a watcher works in the triggerer: shared polls, a position of its own, and batches that it passes to Airflow."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.streams.position import PREFIX
from airflow_provider_marketo.streams.watch import Handover, WatchState
from airflow_provider_marketo.triggers.connection import blocking, journal_blocking, journal_settings_of, settings_of
from airflow_provider_marketo.triggers.poller import run_in_thread, wait_for_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from airflow_provider_marketo.conditions.activities import ActivityCondition
    from airflow_provider_marketo.conditions.condition import Found
    from airflow_provider_marketo.hooks.adobe_events import JournalSettings
    from airflow_provider_marketo.hooks.settings import ConnectionSettings
    from airflow_provider_marketo.triggers.watched import Watched

log = printable_logger(__name__)

WRITTEN_EVERY = timedelta(hours=1)
"""The time between two writes of a position while nothing happens."""

AIRFLOWS_SHARE = 5.0
"""
Seconds that Airflow takes from an event to the start of the run: the triggerer stores the event and the scheduler makes
the run, each in a loop of about a second.
"""

DROPPED_WITHIN, DROPPED_POLLS = 10.0, 2
"""
Seconds and polls after which Airflow can no longer drop a confirmed event. It drops the event if the DAG was paused a
moment before, and then ends the watcher at the triggerer's next loop, a second or two later.
"""

GATHERING = 1.0
"""Seconds that a new triggerer gives its watchers to gather, so that they share their first poll."""

_RESTORE = (
    "Restore it, or delete it. Without it, the watcher begins at its start, or now if it has no start, and the batches"
    " that it was passing to Airflow are lost."
)

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 900.0
"""Seconds between two tries while Marketo does not answer. Airflow does not restart a watcher that ends."""


def seconds_between_looks(promised: float | None, usual: float) -> float:
    """
    Return how many seconds to wait between two polls, so that the run starts in time.

    :param promised: seconds from an activity to the run; None for the usual interval.
    :param usual: seconds between two polls, as set in the connection.
    """
    return usual if promised is None else max(promised - AIRFLOWS_SHARE, promised / 2)


def producer(watched: Watched) -> Any:
    """
    Return the producer of a watcher's batches for Airflow 3.3. Airflow tells the producer whether a batch is stored.

    :param watched: the activities.
    """

    class Producer(airflow_compat.SharedStreamProducer):
        def __init__(self) -> None:
            self._watch = Watch(watched)
            self._is_stored = asyncio.Event()

        async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
            while True:
                batch = await self._watch.batch()
                self._is_stored.clear()
                yield batch, batch["batch_id"]
                await self._is_stored.wait()

        async def advance(self, batch: Sequence[Any]) -> None:
            if all(item.outcome.is_clean for item in batch):
                await self._watch.confirm()
            self._is_stored.set()  # unless it was stored, the same batch comes again

    return Producer()


class Watch:
    """
    A watcher: it shares its polls with other watchers and keeps its own position.

    :param watched: the activities.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._variable = PREFIX + key_part(watched.stream)
        self._settings: ConnectionSettings | None = None
        self._journal: JournalSettings | None = None
        self._handover: Handover | None = None
        self._stored: dict[str, Any] | None = None
        self._written = datetime.min.replace(tzinfo=timezone.utc)
        self._repeats = True  # until its first poll: the event of an earlier watcher may have been dropped
        self._confirmed, self._polls = 0.0, 0

    async def batch(self) -> dict[str, Any]:
        """Return the next batch, after it was recorded."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                settings = await settings_of(self._watched.marketo_conn_id)
                adobe = self._watched.adobe_conn_id
                journal = await journal_settings_of(adobe) if adobe else None
                if self._handover is None or (settings, journal) != (self._settings, self._journal):
                    self._journal = journal
                    self._condition, self._handover = await self._begin(settings)
                    self._settings = settings
                batch = self._handover.next_batch()
                if batch is not None:
                    await self._write(self._handover)
                    return batch
                found = await self._look(settings, self._handover.asking(self._condition))
                self._handover.take(found["until"], found["activities"], found.get("link", ""))
                if self._forgets(self._handover) or datetime.now(timezone.utc) - self._written > WRITTEN_EVERY:
                    await self._write(self._handover)
                pause = _SHORTEST_PAUSE
            except _OvertakenError:
                self._restart()
            except Exception as error:  # noqa: BLE001 - Airflow does not restart a watcher that ends
                await self._pause_after(error, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)

    def _forgets(self, handover: Handover) -> bool:
        """Count a poll, and return whether batches are now forgotten that were passed long enough ago."""
        self._repeats = False
        self._polls += 1
        kept = asyncio.get_running_loop().time() - self._confirmed
        if not handover.state.passed or self._polls < DROPPED_POLLS or kept < DROPPED_WITHIN:
            return False
        handover.forget()
        return True

    def _count_from_now(self) -> None:
        self._confirmed, self._polls = asyncio.get_running_loop().time(), 0

    async def confirm(self) -> None:
        """Note that Airflow has confirmed the batch."""
        if self._handover is not None:
            self._handover.confirm()
            self._count_from_now()
            try:
                await self._write(self._handover)
            except _OvertakenError:
                self._restart()

    async def _begin(self, settings: ConnectionSettings) -> tuple[ActivityCondition, Handover]:
        watched, every = self._watched, seconds_between_looks(self._watched.poll_interval, settings.poll_interval)
        condition, handover = await run_in_thread(lambda: self._start(settings))
        self._count_from_now()
        if self._repeats:
            handover.repeat()
        cost = "no API calls" if self._journal is not None else f"about {86_400 / every:.0f} calls a day"
        log.info(
            "Watching %s since %s, every %g seconds: %s, shared with other watchers of %s",
            ", ".join(watched.activity_types),
            handover.state.time,
            every,
            cost,
            watched.adobe_conn_id or watched.marketo_conn_id,
        )
        return condition, handover

    def _start(self, settings: ConnectionSettings) -> tuple[ActivityCondition, Handover]:
        watcher = self._watcher = self._shared_watcher(settings)
        self._stored = self._read()
        if self._stored is None:
            start = self._watched.start or iso(watcher.now())
            state = WatchState(watcher.instance, start, start)
            self._store(state.to_dict())
        elif "pages" in self._stored:
            raise MarketoInvalidRequestError(
                f"{self._variable} already says how far an operator has read its stream",
                parameter="stream",
                remedy="Give the watcher another stream name.",
            )
        else:
            state = self._revived(self._stored)
        if state.instance != watcher.instance:
            raise MarketoInvalidRequestError(
                f"the stored position {self._variable} belongs to instance {state.instance}, and the connection leads"
                f" to {watcher.instance}",
                parameter="stream",
                remedy="Give the watcher another stream name, or correct the connection.",
            )
        begun: tuple[ActivityCondition, Handover]
        begin = watcher.begin if self._journal is not None else blocking().begin_watching
        begun = begin(self._watched, state)
        return begun

    def _shared_watcher(self, settings: ConnectionSettings) -> Any:
        """Return the reader that this watcher shares with others: of the journal, or of Marketo's feed."""
        if self._journal is not None:
            return journal_blocking().shared_watcher(settings, self._journal)
        return blocking().shared_watcher(settings)

    def _revived(self, facts: dict[str, Any]) -> WatchState:
        place = f"the Variable {self._variable}"
        if not {"seen", "pending"} <= facts.keys():
            raise stored.damaged(place, "members are missing", _RESTORE)
        return stored.revive(WatchState, facts, place=place, remedy=_RESTORE)

    def _read(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = variables.read_json(self._variable, remedy=_RESTORE)
        return found

    def _restart(self) -> None:
        log.warning(
            "Another watcher has written the Variable %s; this watcher continues from that position", self._variable
        )
        self._handover = None

    async def _look(self, settings: ConnectionSettings, condition: ActivityCondition) -> Found:
        # Held while this watcher lives, so that the reader keeps what it remembers.
        watcher = self._watcher = await run_in_thread(lambda: self._shared_watcher(settings))
        loop = asyncio.get_running_loop()

        async def ask(conditions: Collection[ActivityCondition]) -> Mapping[ActivityCondition, Any]:
            watcher.looked = loop.time()
            return await run_in_thread(lambda: watcher.ask(conditions))

        every = seconds_between_looks(self._watched.poll_interval, settings.poll_interval)
        # Counted from the last poll, whether or not its batch was stored.
        first = GATHERING if watcher.looked is None else max(0.0, watcher.looked + every - loop.time())
        shared = (settings, self._journal, "watchers")
        return await wait_for_answer(shared, lambda: ask, condition, every, first=first)

    async def _write(self, handover: Handover) -> None:
        """
        Write the state, and try again until it is written.

        Only then may the watcher pass a batch to Airflow, or count a batch as passed.

        :raises _OvertakenError: another watcher has written the state meanwhile.
        """
        state, pause = handover.state.to_dict(), _SHORTEST_PAUSE
        while True:
            try:
                await run_in_thread(lambda: self._store(state))
                break
            except _OvertakenError:
                raise
            except Exception as error:  # noqa: BLE001 - the API server may be away for a while
                await self._pause_after(error, pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
        self._written = datetime.now(timezone.utc)

    def _store(self, state: dict[str, Any]) -> None:
        """
        Write the state, unless another watcher of the stream has.

        Two watchers may watch one stream for a moment: a changed DAG file has a new trigger before the old one is gone,
        and a triggerer that seemed dead may still run. Variables have no compare-and-set. Reading before each write
        makes it nearly certain that both pass on the same activities under one id.
        """
        if self._read() not in (self._stored, state):
            raise _OvertakenError
        variables.write_json(self._variable, state, "Position of a watcher of Marketo activities")
        self._stored = state

    async def _pause_after(self, error: Exception, pause: float) -> None:
        kind = "" if isinstance(error, MarketoError) else f"{type(error).__name__}: "
        log.error("The watcher %s tries again in %g seconds: %s%s", self._watched.stream, pause, kind, error)
        await asyncio.sleep(pause)


class _OvertakenError(Exception):
    """The stored position is not the one that this watcher has written."""
