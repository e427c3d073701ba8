"""The trigger that starts DAGs when something happens in Marketo."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_marketo.argument_names import NamesArguments
from airflow_provider_marketo.arguments import (
    choice,
    count,
    duration,
    ids,
    moment,
    names_or_ids,
    narrowing,
    one_id,
    text,
)
from airflow_provider_marketo.choices import OnJournalGap
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.streams.feeds import TYPES_PER_PASS
from airflow_provider_marketo.triggers.watched import Watched
from airflow_provider_marketo.triggers.watching import Watch, producer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow_provider_marketo.arguments import Check

STORED_WITHIN = 10.0
"""Seconds within which a triggerer stores an event. Before Airflow 3.3 the triggerer does not confirm this."""


class MarketoActivityTrigger(NamesArguments, BaseEventTrigger):
    """
    Fire for each batch of new activities, in an ``AssetWatcher``.

    The payload of an event has only ids: ``{"batch_id", "activities", "lead_ids"}``. The position is kept in the
    Variable ``marketo_position_<stream>``, and moves when Airflow has stored the event. So no activity is missed. A
    batch may come twice, under the same ``batch_id``, if the triggerer ends or the DAG is paused shortly after it. All
    watchers of a connection in a triggerer share their polls. A poll costs one call for every ten activity types.

    With ``adobe_conn_id`` (*experimental*) the watcher reads the journal of Adobe I/O Events in place of the feed. It
    then makes one API call when it starts, to check the names of activity types, and no other.

    Adobe's operations: ``activities.get_types``, ``activities.get_paging_token``, ``activities.get_lead_activities``.

    :param stream: name of the watcher's position; another name starts a new position.
    :param activity_types: names or ids, at most ten.
    :param asset_ids: ids of the forms, programs, lists or e-mails that the activities are about. Default: any.
    :param list_id: only activities of the members of a static list, which must have fewer than 10,000 members.
    :param start: where a new stream starts; a datetime or ISO 8601, in UTC if it names no zone. Default: now.
    :param batch_size: largest number of activities in an event.
    :param poll_interval: the DAG starts at most this long after Marketo shows the activity: seconds, a timedelta or an
        ISO 8601 duration. Airflow itself needs five seconds of this time: with 30, the watcher polls every 25 seconds.
        Default: five seconds more than the connection's ``poll_interval`` (60 seconds, which makes 1,440 calls a day).
    :param marketo_conn_id: id of the connection.
    :param adobe_conn_id: id of a connection of type ``adobe_events``: read its journal. ``list_id`` is then refused.
    :param on_gap: with ``adobe_conn_id``, what to do if Adobe has forgotten the position. This happens after seven days
        without a poll. ``fail`` starts no DAG and logs an error at each try; ``skip`` continues with the oldest event;
        ``fill`` reads the missing activities from Marketo's feed, logs what that cost, and continues.
    :raises MarketoInvalidRequestError: an argument is wrong; the text names it.
    """

    argument_checks: ClassVar[Mapping[str, Check]] = {
        "stream": text(required=True),
        "activity_types": narrowing(names_or_ids(required=True)),
        "asset_ids": narrowing(ids()),
        "list_id": one_id(),
        "start": moment(),
        "batch_size": count(minimum=1),
        "poll_interval": duration(required=False),
        "marketo_conn_id": text(required=True),
        "adobe_conn_id": text(),
        "on_gap": choice(OnJournalGap),
    }

    def __init__(
        self,
        *,
        stream: str,
        activity_types: Sequence[str | int] | str | int,
        asset_ids: Sequence[int] | int | str | None = None,
        list_id: int | str | None = None,
        start: datetime | str | None = None,
        batch_size: int = 100,
        poll_interval: timedelta | float | str | None = None,
        marketo_conn_id: str = "marketo_default",
        adobe_conn_id: str | None = None,
        on_gap: OnJournalGap = "fail",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        given = {
            "stream": stream,
            "activity_types": activity_types,
            "asset_ids": asset_ids,
            "list_id": list_id,
            "start": start,
            "batch_size": batch_size,
            "poll_interval": poll_interval,
            "marketo_conn_id": marketo_conn_id,
            "adobe_conn_id": adobe_conn_id,
            "on_gap": on_gap,
        }
        checked: dict[str, Any] = {name: check(name, given[name]) for name, check in self.argument_checks.items()}
        first, interval = checked["start"], checked["poll_interval"]
        self.stream: str = checked["stream"]
        self.activity_types = sorted(map(str, checked["activity_types"]))
        self.asset_ids: list[int] = sorted(checked["asset_ids"] or ())
        self.list_id: int | None = checked["list_id"]
        self.start = None if first is None else iso(first)
        self.batch_size: int = checked["batch_size"]
        self.poll_interval = None if interval is None else interval.total_seconds()
        self.marketo_conn_id: str = checked["marketo_conn_id"]
        self.adobe_conn_id: str | None = checked["adobe_conn_id"]
        self.on_gap: OnJournalGap = checked["on_gap"]
        if self.adobe_conn_id is not None and self.list_id is not None:
            raise MarketoInvalidRequestError(
                "list_id cannot be used with adobe_conn_id: the journal does not know members of lists",
                parameter="list_id",
                remedy="Leave it out and look the leads up in the DAG, or leave out adobe_conn_id to watch Marketo's"
                " feed.",
            )
        if not 1 <= len(self.activity_types) <= TYPES_PER_PASS:
            raise MarketoInvalidRequestError(
                f"a watcher follows one to {TYPES_PER_PASS} activity types, and activity_types has"
                f" {len(self.activity_types)}",
                parameter="activity_types",
                remedy="Add another AssetWatcher for the others: watchers of a connection share their calls.",
            )

    @property
    def watched(self) -> Watched:
        """The arguments that say what to watch, as :mod:`.watching` takes them."""
        return Watched(
            stream=self.stream,
            activity_types=tuple(self.activity_types),
            asset_ids=tuple(self.asset_ids),
            list_id=self.list_id,
            start=self.start,
            batch_size=self.batch_size,
            poll_interval=self.poll_interval,
            marketo_conn_id=self.marketo_conn_id,
            adobe_conn_id=self.adobe_conn_id,
            on_gap=self.on_gap,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores, in clear text, to create the trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "stream": self.stream,
            "activity_types": self.activity_types,
            "asset_ids": self.asset_ids or None,
            "list_id": self.list_id,
            "start": self.start,
            "batch_size": self.batch_size,
            "poll_interval": self.poll_interval,
            "marketo_conn_id": self.marketo_conn_id,
            "adobe_conn_id": self.adobe_conn_id,
            "on_gap": self.on_gap,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """
        Yield batches, for Airflow before 3.3.

        That Airflow does not say when it has stored an event. So wait after each event, then count it as stored.
        """
        watch = Watch(self.watched)
        while True:
            yield TriggerEvent(await watch.batch())  # type: ignore[no-untyped-call]
            await asyncio.sleep(STORED_WITHIN)
            await watch.confirm()

    def shared_stream_key(self) -> Any:
        """
        Return a key of its own for each watcher (Airflow 3.3), so that Airflow confirms each watcher's events.

        A DAG that was unpaused has a new trigger. The trigger's id makes it a new watcher, which passes again what
        Airflow dropped when the DAG was paused.
        """
        return (type(self).__qualname__, self.stream, self.trigger_id)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Any:
        """Return the producer that Airflow 3.3 tells when it has stored an event."""
        return producer(cls(**kwargs).watched)

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each batch of the stream that the watchers of a process share."""
        async for batch in shared_stream:
            yield TriggerEvent(batch)  # type: ignore[no-untyped-call]
