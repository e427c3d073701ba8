"""What a watcher watches: the arguments of its trigger, checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Watched:
    """
    The activities that start DAGs.

    :param stream: name of the watcher's position.
    :param activity_types: names or ids, as text.
    :param asset_ids: primary attributes, such as ids of forms; empty for any.
    :param list_id: only members of this static list; None for every lead.
    :param start: where a new stream starts, ISO 8601; None for now.
    :param batch_size: largest number of activities in an event.
    :param poll_interval: seconds within which an activity starts its DAG; None for the connection's interval.
    :param marketo_conn_id: id of the connection.
    :param adobe_conn_id: id of the connection to a journal, which is read in place of the feed; None for the feed.
    :param on_gap: what happens when Adobe has forgotten the place where reading continues.
    """

    stream: str
    activity_types: tuple[str, ...]
    asset_ids: tuple[int, ...]
    list_id: int | None
    start: str | None
    batch_size: int
    poll_interval: float | None
    marketo_conn_id: str
    adobe_conn_id: str | None = None
    on_gap: str = "fail"
