"""What kind of instance is simulated. The defaults are Marketo's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class ApiUser:
    """
    A custom service and the API-only user behind it.

    :param client_id: of the service.
    :param client_secret: of the service.
    :param user_id: as the usage statistics name it.
    :param denied: permissions its role lacks; a denied ``Read-Write X`` still leaves ``Read-Only X``.
    """

    client_id: str
    client_secret: str
    user_id: str
    denied: frozenset[str] = frozenset()


DEFAULT_USER = ApiUser("a1b2c3d4-0000-4000-8000-00000000sim1", "SimulatedSecret0123456789abcdef", "airflow@example.org")


@dataclass(frozen=True)
class Settings:
    """
    An instance's size, limits and features.

    :param leads: leads in the database.
    :param activities: activities in the database; a New Lead for each lead that is created from ``start`` on comes
        on top.
    :param custom_objects: records of each custom object type.
    :param assets: made-up Marketo assets of each kind, besides the few that every instance has.
    :param leads_since: when the first lead was created.
    :param start: day of the first activity.
    :param end: day before which the last lead and the last activity were created.
    :param seed: another seed, other data.
    :param time_scale: simulated seconds in a real second: shortens every wait.
    :param latency: real seconds that every call takes at least.
    :param limits: whether rate, concurrency and the two daily quotas are enforced.
    :param rate: calls per window.
    :param rate_window: seconds.
    :param concurrency: calls at once.
    :param daily_quota: calls a day.
    :param max_uri: bytes of path and query.
    :param max_asset_uri: the same, for assets.
    :param max_body: bytes of a request body.
    :param max_import_body: the same, for bulk imports.
    :param export_daily_bytes: size of the files that may be exported in a day.
    :param export_queue: jobs queued or running.
    :param export_running: jobs running.
    :param export_list_page: most jobs on a page of the job list.
    :param status_refresh: seconds for which a job's visible status stays as it is.
    :param job_seconds: processing time of any job.
    :param job_seconds_per_mb: and for each megabyte of its file.
    :param file_days: days for which a file is kept.
    :param list_days: days for which the job list shows a job.
    :param status_days: days for which a finished job can be asked for.
    :param feed_scan: activities that a call to a feed looks through; what it finds there is the page.
    :param late_share: part of the activities, between 0 and 1, that the feeds show late.
    :param late_by: seconds after their date at which these are shown, at a place in the feed that may have been passed.
    :param munchkin_id: by which data ingestion knows the instance, besides its address.
    :param ingestion_seconds: after which data ingestion has done what it took in.
    :param ingestion_daily_objects: records that it takes in a day.
    :param token_life: seconds on the client's clock: it is not shortened by ``time_scale``.
    :param accept_query_token: take ``access_token`` from the query, as Marketo did until August 2026.
    :param updated_at_filter: whether the subscription has the ``updatedAt`` export filter (else 1035).
    :param smart_list_filter: whether it has the smart list export filters (else 1035).
    :param formula_field: whether there is a field that describe lists and no export takes.
    :param attributes_style: ``object`` or ``list``: how the ``attributes`` cell of an activity export is written.
    :param reset_zone: time zone in which the quota day ends at midnight.
    :param users: API users; the first is the one that ``Simulator.client_id`` names.
    :param spool: directory for export files; None for a temporary one that goes with the simulator.
    :param export_rows: given what is exported (``leads``, ``activities``, ``program_members`` or a custom object's
        name) and the fields, returns rows that take the place of the made-up ones in every export, for content that no
        generator makes. A cell of bytes is written as it is, quotes and all.
    :param export_header: given the same, returns the titles of the columns.
    """

    leads: int = 1_000
    activities: int = 5_000
    custom_objects: int = 400
    assets: int = 0
    leads_since: date = date(2024, 3, 12)
    start: date = date(2026, 1, 1)
    end: date = date(2026, 3, 12)
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
        if self.end <= self.start or self.end <= self.leads_since:
            raise ValueError("end has to be after start and leads_since")
        if self.attributes_style not in ("object", "list"):
            raise ValueError("attributes_style is 'object' or 'list'")
        if not self.users:
            raise ValueError("an instance needs at least one API user")
