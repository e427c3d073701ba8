"""Size, limits and features of the simulated instance. The defaults are Marketo's."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

MEGABYTE = 1 << 20
_ABOVE_ZERO = ("time_scale", "rate", "rate_window", "concurrency", "export_running", "export_list_page", "feed_scan")
_ACTIVITIES_SPAN, _LEADS_SPAN = timedelta(days=90), timedelta(days=730)


@dataclass(frozen=True)
class ApiUser:
    """
    A custom service and the API-only user behind it.

    :param client_id: client id of the service.
    :param client_secret: client secret of the service.
    :param user_id: name of the user in the usage statistics.
    :param denied: permissions that its role lacks; a denied ``Read-Write X`` still leaves ``Read-Only X``.
    """

    client_id: str
    client_secret: str
    user_id: str
    denied: frozenset[str] = frozenset()


DEFAULT_USER = ApiUser("a1b2c3d4-0000-4000-8000-00000000sim1", "SimulatedSecret0123456789abcdef", "airflow@example.org")


class SeedDates(NamedTuple):
    """
    The days that generated data spans.

    :param leads_since: day of the first lead.
    :param start: day of the first activity.
    :param end: day after the last lead and the last activity.
    """

    leads_since: date
    start: date
    end: date


@dataclass(frozen=True)
class Settings:
    """
    An instance's size, limits and features.

    :param leads: leads in the database.
    :param activities: activities in the database, not counting the New Lead of each lead created since ``start``.
    :param custom_objects: records of each custom object type.
    :param assets: generated Marketo assets of each kind, besides the few that every instance has.
    :param leads_since: day of the first lead; None for 730 days before ``end``.
    :param start: day of the first activity; None for 90 days before ``end``.
    :param end: day after the last lead and the last activity; None for today (UTC).
    :param seed: seed of all generated data.
    :param time_scale: simulated seconds in a real second; shortens every wait.
    :param latency: real seconds that every call takes at least.
    :param limits: whether to enforce the limits: rate, concurrency and the two daily quotas.
    :param rate: calls per window.
    :param rate_window: seconds of the window.
    :param concurrency: calls at once.
    :param daily_quota: calls per day.
    :param max_uri: bytes of path and query.
    :param max_asset_uri: bytes of path and query of Marketo asset calls.
    :param max_body: bytes of a request body.
    :param max_import_body: bytes of the body of a bulk import.
    :param export_daily_bytes: bytes of exported files per day.
    :param export_queue: export jobs queued or running.
    :param export_running: export jobs running.
    :param export_list_page: export jobs on a page of the job list.
    :param status_refresh: seconds between changes of an export job's visible status.
    :param job_seconds: processing time of every job.
    :param job_seconds_per_mb: additional processing time per megabyte.
    :param file_days: days for which an export file is kept.
    :param list_days: days for which the job list shows a job.
    :param status_days: days for which a finished job has a status.
    :param feed_scan: activities that one call to a feed reads; those that match are the page.
    :param late_share: part of the activities, between 0 and 1, that the feeds show late.
    :param late_by: seconds after its date at which a late activity appears, possibly after the reader has passed.
    :param repeat_share: part of the activities, between 0 and 1, that the feeds show twice.
    :param munchkin_id: name of the instance in data ingestion, besides its address.
    :param ingestion_seconds: seconds until data ingestion has done the work of a request.
    :param ingestion_daily_objects: records that data ingestion accepts per day.
    :param token_life: lifetime of a token in seconds of the client's clock; ``time_scale`` does not shorten it.
    :param accept_query_token: accept ``access_token`` in the query, as Marketo did until August 2026.
    :param updated_at_filter: whether the subscription has the ``updatedAt`` export filter (otherwise 1035).
    :param smart_list_filter: whether the subscription has the smart list export filters (otherwise 1035).
    :param formula_field: whether there is a field that describe lists and no export accepts.
    :param attributes_style: form of the ``attributes`` cell of an activity export, ``object`` or ``list``.
    :param reset_zone: time zone in which the quota day ends at midnight.
    :param users: API users; ``Simulator.client_id`` names the first.
    :param spool: directory of export files; None for a temporary one that is removed at the end.
    :param export_rows: function that returns the rows of every export in place of the generated ones. It gets what is
        exported (``leads``, ``activities``, ``program_members`` or a custom object's name) and the fields. A cell of
        bytes is written unchanged, including quotes.
    :param export_header: function that gets the same arguments and returns the titles of the columns.
    """

    leads: int = 1_000
    activities: int = 5_000
    custom_objects: int = 400
    assets: int = 0
    leads_since: date | None = None
    start: date | None = None
    end: date | None = None
    seed: int = 7
    time_scale: float = 1.0
    latency: float = 0.0
    limits: bool = True
    rate: int = 100
    rate_window: float = 20.0
    concurrency: int = 10
    daily_quota: int = 50_000
    max_uri: int = 8 * 1024
    max_asset_uri: int = 64 * 1024
    max_body: int = MEGABYTE
    max_import_body: int = 10 * MEGABYTE
    export_daily_bytes: int = 500 * MEGABYTE
    export_queue: int = 10
    export_running: int = 2
    export_list_page: int = 300
    status_refresh: float = 60.0
    job_seconds: float = 30.0
    job_seconds_per_mb: float = 1.0
    file_days: int = 7
    list_days: int = 7
    status_days: int = 30
    feed_scan: int = 3_000
    late_share: float = 0.0
    late_by: float = 3_600.0
    repeat_share: float = 0.0
    munchkin_id: str = "123-ABC-456"
    ingestion_seconds: float = 5.0
    ingestion_daily_objects: int = 10_000_000
    token_life: float = 3600.0
    accept_query_token: bool = False
    updated_at_filter: bool = True
    smart_list_filter: bool = True
    formula_field: bool = True
    attributes_style: str = "object"
    reset_zone: str = "America/Chicago"
    users: Sequence[ApiUser] = (DEFAULT_USER,)
    spool: Path | None = None
    export_rows: Callable[[str, Sequence[str]], Iterable[Sequence[Any]]] | None = None
    export_header: Callable[[str, Sequence[str]], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        leads_since, start, end = self.dates
        if end <= start or end <= leads_since:
            raise ValueError(f"end={end} is not after start={start} and leads_since={leads_since}")
        if self.attributes_style not in ("object", "list"):
            raise ValueError(f"attributes_style={self.attributes_style!r} is not 'object' or 'list'")
        if not self.users:
            raise ValueError("users is empty. An instance needs at least one API user.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "seed" or isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            if not math.isfinite(value) or value < 0 or (value == 0 and field.name in _ABOVE_ZERO):
                least = "above 0" if field.name in _ABOVE_ZERO else "from 0 on"
                raise ValueError(f"{field.name}={value} is not a number {least}")
        try:
            ZoneInfo(self.reset_zone)
        except (OSError, ValueError, KeyError):
            raise ValueError(f"reset_zone={self.reset_zone!r} is not a time zone, such as America/Chicago") from None

    @cached_property
    def dates(self) -> SeedDates:
        """The days that generated data spans."""
        end = self.end or datetime.now(timezone.utc).date()
        return SeedDates(self.leads_since or end - _LEADS_SPAN, self.start or end - _ACTIVITIES_SPAN, end)
