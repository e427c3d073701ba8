"""What all watchers of a connection read from. It needs the client: to be imported where it is used, off the loop."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.conditions.activities import ActivityCondition, ActivityWatcher
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.streams.follow import OVERLAP
from airflow_provider_marketo.streams.watch import Handover, WatchState
from airflow_provider_marketo.triggers.connection import hook_of

if TYPE_CHECKING:
    from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger


class InstanceWatcher(ActivityWatcher):
    """
    The shared reader of an instance's activities.

    :param settings: the connection.
    :ivar looked: when the last look began, by the clock of the event loop; None before the first.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        client = hook_of(settings).get_conn()
        super().__init__(client)
        self.instance = client.instance
        self.looked: float | None = None

    def now(self) -> datetime:
        """Marketo's clock."""
        return self._client.call("activities.get_types").date or datetime.now(timezone.utc)


_watchers: WeakValueDictionary[ConnectionSettings, InstanceWatcher] = WeakValueDictionary()


def shared_watcher(settings: ConnectionSettings) -> InstanceWatcher:
    """The one reader of a connection; it lives as long as somebody watches."""
    watcher = _watchers.get(settings)
    if watcher is None:
        watcher = _watchers[settings] = InstanceWatcher(settings)
    return watcher


def handover(trigger: MarketoActivityTrigger, state: WatchState) -> tuple[ActivityCondition, Handover]:
    """
    What to ask at every look, and what sorts the answers out.

    :param trigger: what is watched.
    :param state: where the watcher stands.
    """
    condition = ActivityCondition(
        activity_types=tuple(trigger.activity_types),
        start=state.since,
        asset_ids=tuple(trigger.asset_ids),
        list_id=trigger.list_id,
        read_from=iso(max(parse_date(state.time) - OVERLAP, parse_date(state.since))),
    )
    return condition, Handover(state, trigger.batch_size, OVERLAP)
