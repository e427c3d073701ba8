"""
The day's quotas, in a Variable that people and DAGs can read.

Marketo's own count is the truth, and the Variable is a snapshot of it, never a counter. Every process that uses Marketo
refreshes it before it is five minutes old, so a lost write is repaired by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.bulk.objects import OBJECTS, ExportObject
from airflow_provider_marketo.client.dates import parse_date, stamp
from airflow_provider_marketo.client.errors import MarketoError, MarketoQuotaExhaustedError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.quota_day import RESET_MARGIN, day_start, next_reset, quota_date
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.serializable import LaterFormatError, Serializable
from airflow_provider_marketo.hooks.usage_history import keep_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

log = printable_logger(__name__)

PREFIX = "marketo_quota_"
MEGABYTE = 1_000_000
REFRESH_EVERY = 255.0
"""
Seconds. The rest of five minutes is for the refresh itself. A call ends, and its process notices the age, after up to
20 seconds. The call that asks Marketo gets its turn after up to 20 more.
"""

QUOTA_DESCRIPTION = "What is left of the day's Marketo quotas. A snapshot: see measured_at."


def variable_name(conn_id: str) -> str:
    """Return the name of a connection's Variable."""
    return PREFIX + key_part(conn_id)


@dataclass(frozen=True)
class Quota(Serializable):
    """
    What is left of a day's quotas.

    The fields have the names of the Variable's JSON. Times are ISO 8601 in UTC.

    :param instance: the Munchkin ID.
    :param day: the quota day, a date in Chicago.
    :param quota: calls a day for all integrations together, as set in the connection.
    :param used: calls that all integrations have made today.
    :param reserve: calls that extracts leave to others.
    :param export_quota_bytes: bytes of bulk export a day for all integrations together, as set in the connection.
    :param measured_at: when Marketo was asked for the calls.
    :param resets_at: when the day ends.
    :param exported_bytes: bytes that this connection's API user has exported today; Marketo shows no other user's jobs.
    :param exports_measured_at: when Marketo was asked for the export jobs; None if it was not asked today.
    :param calls_by_dag: calls of this Airflow by DAG, with the coordinations ``host`` and ``redis``.
    :param custom_objects: custom object types whose export jobs are counted.
    :param latches: quotas that Marketo has reported as spent, ``calls`` or ``export``, and when it is asked again.
    """

    VERSION: ClassVar[int] = 1
    instance: str
    day: str
    quota: int
    used: int
    reserve: int
    export_quota_bytes: int
    measured_at: str
    resets_at: str
    exported_bytes: int = 0
    exports_measured_at: str | None = None
    calls_by_dag: Mapping[str, int] = field(default_factory=dict)
    custom_objects: tuple[str, ...] = ()
    latches: Mapping[str, str] = field(default_factory=dict)

    @property
    def calls_left(self) -> int:
        """Calls that are left today, for all integrations together."""
        return max(0, self.quota - self.used)

    @property
    def calls_left_for_extracts(self) -> int:
        """Calls that are left today, less the reserve."""
        return max(0, self.calls_left - self.reserve)

    @property
    def export_mb_left(self) -> float:
        """Megabytes of bulk export that are left today, as far as this API user can see."""
        return 0.0 if "export" in self.latches else max(0, self.export_quota_bytes - self.exported_bytes) / MEGABYTE

    def age(self, now: datetime, *, exports: bool = False) -> float:
        """
        Return the seconds since Marketo was asked; infinite if it was not asked today.

        :param now: the time, aware.
        :param exports: ask for the age of the exported bytes instead of that of the calls.
        """
        measured = self.exports_measured_at if exports else self.measured_at
        if measured is None or now >= parse_date(self.resets_at):
            return float("inf")
        return (now - parse_date(measured)).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        """Return the Variable's JSON: the fields, and for its readers the amounts that are left."""
        return super().to_dict() | {"calls_left": self.calls_left, "export_mb_left": round(self.export_mb_left, 1)}

    @classmethod
    def load(cls, text: str | None) -> Quota | None:
        """
        Return the quota in a Variable's text; None if there is no text, or this release cannot read it.

        A text that cannot be read is measured again, like an old one.
        """
        try:
            return cls.from_dict(json.loads(text or "null"))
        except LaterFormatError as error:
            log.warning("The Variable of the quotas cannot be read, so they are measured again: %s", error)
        except (ValueError, RecursionError):
            pass
        return None


class QuotaReader:
    """
    Reads the quotas of one connection from its Variable, or from Marketo if the Variable is old.

    :param client: the client of the instance.
    :param settings: the connection.
    :param read: reads a Variable's text by its name; returns None if the Variable does not exist.
    :param write: sets a Variable; it is given the name, the text and a description.
    :param now: returns the time, aware.
    """

    def __init__(
        self,
        client: MarketoClient,
        settings: ConnectionSettings,
        *,
        read: Callable[[str], str | None],
        write: Callable[[str, str, str], None],
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._client = client
        self._settings = settings
        self._read = read
        self._write = write
        self._now = now
        self.name = variable_name(settings.conn_id)

    def stored(self) -> Quota | None:
        """Return the Variable at any age; None if it describes another instance."""
        known = Quota.load(self._read(self.name))
        return known if known is not None and known.instance == self._client.instance else None

    def current(self, *, exports: bool = False, custom_objects: Iterable[str] = ()) -> Quota:
        """
        Return the quotas; ask Marketo only if the Variable is older than :data:`REFRESH_EVERY` seconds.

        :param exports: count the exported bytes too, at one call for each kind of object.
        :param custom_objects: custom object types whose exports count as well.
        :raises MarketoError: Marketo had to be asked and did not answer.
        """
        known = self.stored()
        now = self._now()
        unseen = set(custom_objects) - set(known.custom_objects if known else ())
        if known is not None and not unseen:
            age = max(known.age(now), known.age(now, exports=True) if exports else 0.0)
            if age < REFRESH_EVERY:
                return known
        return self.refresh(exports=exports, custom_objects=custom_objects, known=known)

    def refresh(
        self, *, exports: bool = False, custom_objects: Iterable[str] = (), known: Quota | None = None
    ) -> Quota:
        """
        Ask Marketo for the quotas and write the Variable.

        This calls ``usage.get_daily_usage``, and with ``exports`` also ``bulk_export_*.get_jobs``.

        :param exports: as in :meth:`current`.
        :param custom_objects: as in :meth:`current`.
        :param known: the Variable, if the caller has read it already.
        :raises MarketoError: Marketo did not answer.
        """
        known = known or self.stored()
        now = self._now()
        today = quota_date(now)
        types = tuple(sorted({*(known.custom_objects if known else ()), *custom_objects}))
        exported = (known.exported_bytes, known.exports_measured_at) if known and known.day == today else (0, None)
        if exports:
            size = sum(exported_sizes(self._client, day_start(now), types))
            exported = (size, stamp(self._now()))
        measured = Quota(
            instance=self._client.instance,
            day=today,
            quota=self._settings.daily_quota,
            used=calls_today(self._client.call("usage.get_daily_usage").records),
            reserve=self._settings.reserve,
            export_quota_bytes=self._settings.export_daily_mb * MEGABYTE,
            measured_at=stamp(self._now()),
            resets_at=stamp(next_reset(now)),
            exported_bytes=exported[0],
            exports_measured_at=exported[1],
            calls_by_dag=self._client.governor.calls_of(),
            custom_objects=types,
            latches={quota: stamp(until) for quota, until in self._client.governor.latches().items()},
        )
        self._client.governor.tell_used(measured.used, measured.quota - measured.reserve)
        self._write(self.name, json.dumps(measured.to_dict(), indent=1), QUOTA_DESCRIPTION)
        return measured

    def keep_fresh(self) -> Quota | None:
        """
        Refresh the Variable if it is old and no other process is refreshing it. Failures are logged, not raised.

        :return: the refreshed quotas; None if the Variable was not refreshed.
        """
        governor, claim = self._client.governor, f"quota:{self._settings.conn_id}"
        if not governor.claim(claim, 30.0):
            return None
        try:
            known = self.stored()
            age = known.age(self._now()) if known else float("inf")
            measured = self.refresh(known=known) if age >= REFRESH_EVERY else None
            governor.postpone(claim, REFRESH_EVERY - (0.0 if measured else age))
        except MarketoError as error:
            log.warning("The Variable %s could not be refreshed; a later call tries again: %s", self.name, error)
            return None
        if measured is not None and self._client.tally.max_calls is None:  # a small budget is for the task's own calls
            self._keep_history()
        return measured

    def _keep_history(self) -> None:
        try:
            keep_history(self._client, self._settings, read=self._read, write=self._write, now=self._now())
        except MarketoError as error:
            log.warning("The calls of seven days could not be read; a later call tries again: %s", error)


def calls_today(records: Iterable[Mapping[str, Any]]) -> int:
    """Return the calls of all API users on the first day in an answer of ``usage.get_daily_usage``."""
    for record in records:
        with reading("usage.get_daily_usage"):
            return int(record.get("total") or 0)
    return 0


def exported_sizes(client: MarketoClient, since: datetime, custom_objects: Iterable[str] = ()) -> Iterator[int]:
    """
    Yield the sizes in bytes of the files that this API user's export jobs have made.

    This calls ``bulk_export_*.get_jobs`` once for each kind of object.

    :param client: the client of the instance.
    :param since: leave out files that were made before this time.
    :param custom_objects: custom object types to count besides leads, activities and program members.
    """
    lists: list[tuple[ExportObject, dict[str, str]]] = []
    for export in OBJECTS.values():
        lists += [(export, {"apiName": name}) for name in custom_objects] if export.custom else [(export, {})]
    for export, path in lists:
        for job in client.paginate(export.operation("get_jobs"), batchSize=300, **path):
            with reading(export.operation("get_jobs")):
                finished = job.get("finishedAt")
                counts = job.get("fileSize") and finished and parse_date(str(finished)) >= since
                size = int(job["fileSize"]) if counts else 0
            if size:
                yield size


def require(quota: Quota, *, calls: int = 0, export_mb: float = 0.0) -> None:
    """
    Stop before work that the rest of the day's quota does not cover.

    :param quota: what is left.
    :param calls: calls that an extract is likely to need; the reserve is not available to it.
    :param export_mb: megabytes that the extract is likely to export.
    :raises MarketoQuotaExhaustedError: less is left; its ``until`` says when the quota is reset.
    """
    until = parse_date(quota.resets_at) + RESET_MARGIN
    if calls > quota.calls_left_for_extracts:
        raise MarketoQuotaExhaustedError(
            f"about {calls} calls are needed, and {quota.calls_left_for_extracts} of the day's {quota.quota} are left "
            f"above the reserve of {quota.reserve}",
            until=until,
        )
    if export_mb > quota.export_mb_left:
        raise MarketoQuotaExhaustedError(
            f"about {export_mb:g} MB are to be exported, and {quota.export_mb_left:g} of the day's "
            f"{quota.export_quota_bytes / MEGABYTE:g} MB are left",
            until=until,
            quota="export",
        )
