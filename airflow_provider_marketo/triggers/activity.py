"""Starts DAGs when something happens in Marketo. DAG files import this: what is heavy comes when the trigger runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.legacy_arguments import as_id, as_ids, as_utc
from airflow_provider_marketo.streams.feeds import TYPES_PER_PASS

STORED_WITHIN = 10.0
"""Seconds in which a triggerer stores an event, where it does not say when it has (before Airflow 3.3)."""


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
    :param since: where a new stream starts; ISO 8601, without a zone UTC. Default: now.
    :param batch_size: most activities in an event.
    :param poll_interval: seconds in which an activity that Marketo shows has started its DAG. Five of them are
        Airflow's own: for 30, the watcher looks every 25. Default: 65, with a look as often as the connection's
        ``poll_interval`` says (60, which makes 1,440 calls a day).
    :param marketo_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: more than ten types, ids or a date that are none, or a number below its least.
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
        poll_interval: float | None = None,
        marketo_conn_id: str = "marketo_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        start, _ = as_utc("since", since)
        types = [activity_types] if isinstance(activity_types, str) else activity_types
        self.stream = stream
        self.activity_types = sorted(str(each) for each in types)
        self.asset_ids = sorted(as_ids("asset_ids", asset_ids))
        self.list_id = as_id("list_id", list_id)
        self.since = None if start is None else iso(start)
        self.batch_size = batch_size
        self.poll_interval = poll_interval
        self.marketo_conn_id = marketo_conn_id
        if not 1 <= len(self.activity_types) <= TYPES_PER_PASS:
            raise MarketoInvalidRequestError(
                f"a watcher follows one to {TYPES_PER_PASS} activity types, and {len(self.activity_types)} are given",
                parameter="activity_types",
                remedy="Add another AssetWatcher for the others: watchers of a connection share their calls.",
            )
        if not stream:
            raise MarketoInvalidRequestError("a watcher needs a name for its position", parameter="stream")
        for name, value, least in (("batch_size", batch_size, 1), ("poll_interval", poll_interval, 0.01)):
            if value is not None and value < least:
                raise MarketoInvalidRequestError(f"{name}={value!r} is less than {least:g}", parameter=name)

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
        from airflow_provider_marketo.triggers.watching import Watch

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
        from airflow_provider_marketo.triggers.watching import producer

        return producer(cls(**kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for batch in shared_stream:
            yield TriggerEvent(batch)  # type: ignore[no-untyped-call]
