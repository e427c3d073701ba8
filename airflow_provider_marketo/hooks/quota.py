"""
The day's budgets, as a Variable that people and DAGs can read.

Marketo's own count is the truth, and the Variable is a snapshot of it: whoever uses Marketo refreshes it before it is
five minutes old, so a write that is lost heals itself. It is never a counter.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoError, MarketoQuotaExhaustedError
from airflow_provider_marketo.client.quota_day import QUOTA_ZONE, RESET_MARGIN, day_start, next_reset

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
REFRESH_EVERY = 255.0
"""
Seconds. What is left of five minutes is for the refresh itself: a window may pass until a call ends and somebody
notices, and another until there is room for the call that asks.
"""

QUOTA_DESCRIPTION = "What is left of the day's Marketo quotas. A snapshot: see measured_at."

EXPORT_FAMILIES = ("bulk_export_leads", "bulk_export_activities", "bulk_export_program_members")
CUSTOM_OBJECT_FAMILY = "bulk_export_custom_objects"


def variable_name(conn_id: str) -> str:
    """The Variable of a connection."""
    return f"marketo_quota_{conn_id}"


@dataclass(frozen=True)
class Quota:
    """
    What is left of a day. The names are those in the Variable's JSON; times are ISO 8601 in UTC.

    :param instance: the Munchkin ID.
    :param day: the quota day, a date in Chicago.
    :param quota: calls a day, of all integrations together, as the connection has it.
    :param used: calls of all integrations.
    :param reserve: calls that extracts leave to others.
    :param export_quota_bytes: bytes of bulk export a day, of all integrations, as the connection has it.
    :param exported_bytes: bytes of files that this connection's API user has exported; the job lists show no others'.
    :param calls_by_dag: our own calls by DAG, as far as they are counted in one place (``host``, ``redis``).
    :param custom_objects: custom object types whose job lists are looked at.
    :param latches: quotas that Marketo says are spent, ``calls`` or ``export``, and when it is asked again.
    :param measured_at: when Marketo was asked for the calls.
    :param exports_measured_at: when Marketo was asked for the export jobs; None if never today.
    :param resets_at: when the day ends.
    """

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
        """Calls that anybody may still make today."""
        return max(0, self.quota - self.used)

    @property
    def calls_left_for_extracts(self) -> int:
        """The same without the reserve."""
        return max(0, self.calls_left - self.reserve)

    @property
    def export_mb_left(self) -> float:
        """Megabytes that may still be exported today, as far as is known."""
        return 0.0 if "export" in self.latches else max(0, self.export_quota_bytes - self.exported_bytes) / MEGABYTE

    def age(self, now: datetime, *, exports: bool = False) -> float:
        """
        Seconds since Marketo was asked; infinite if that was on another day, or never.

        :param exports: of the bytes exported, in the place of the calls.
        """
        measured = self.exports_measured_at if exports else self.measured_at
        if measured is None or now >= parse_date(self.resets_at):
            return float("inf")
        return (now - parse_date(measured)).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        """As the Variable has it, with what is left for those who read it."""
        left = {"calls_left": self.calls_left, "export_mb_left": round(self.export_mb_left, 1)}
        return asdict(self) | {"custom_objects": list(self.custom_objects)} | left

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Quota:
        """
        From what :meth:`to_dict` made.

        :raises TypeError: something is missing.
        """
        known = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
        return cls(**known | {"custom_objects": tuple(known.get("custom_objects", ()))})

    @classmethod
    def load(cls, text: str | None) -> Quota | None:
        """From the Variable's text; None if there is none, or somebody has written something else."""
        try:
            return cls.from_dict(json.loads(text or "null"))
        except (TypeError, ValueError, KeyError):
            return None


class QuotaReader:
    """
    The Variable of one connection.

    :param client: the instance.
    :param settings: the connection.
    :param read: reads a Variable's text by name, None if there is none.
    :param write: writes a Variable by name.
    :param now: the time.
    """

    def __init__(
        self,
        client: MarketoClient,
        settings: ConnectionSettings,
        *,
        read: Callable[[str], str | None],
        write: Callable[[str, str], None],
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._client = client
        self._settings = settings
        self._read = read
        self._write = write
        self._now = now
        self.name = variable_name(settings.conn_id)

    def stored(self) -> Quota | None:
        """The Variable as it is, whatever its age; None if the connection led to another instance then."""
        known = Quota.load(self._read(self.name))
        return known if known is not None and known.instance == self._client.instance else None

    def current(self, *, exports: bool = False, custom_objects: Iterable[str] = ()) -> Quota:
        """
        The budgets, asked of Marketo only if nobody has in the last minutes (:data:`REFRESH_EVERY`).

        :param exports: whether the bytes exported matter; counting them costs a call for each kind of object.
        :param custom_objects: custom object types that are exported, whose job lists would not be looked at otherwise.
        :raises MarketoError: Marketo had to be asked, and did not answer.
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
        Ask Marketo (``usage.get_daily_usage``; with ``exports`` the job lists, too) and write the Variable.

        :param exports: as in :meth:`current`.
        :param custom_objects: as in :meth:`current`.
        :param known: the Variable, if it has been read already.
        :raises MarketoError: Marketo did not answer.
        """
        known = known or self.stored()
        now = self._now()
        today = now.astimezone(QUOTA_ZONE).date().isoformat()
        types = tuple(sorted({*(known.custom_objects if known else ()), *custom_objects}))
        exported = (known.exported_bytes, known.exports_measured_at) if known and known.day == today else (0, None)
        if exports:
            size = sum(exported_sizes(self._client, day_start(now), types))
            exported = (size, _text(self._now()))
        measured = Quota(
            instance=self._client.instance,
            day=today,
            quota=self._settings.daily_quota,
            used=calls_today(self._client.call("usage.get_daily_usage").records),
            reserve=self._settings.reserve,
            export_quota_bytes=self._settings.export_daily_mb * MEGABYTE,
            measured_at=_text(self._now()),
            resets_at=_text(next_reset(now)),
            exported_bytes=exported[0],
            exports_measured_at=exported[1],
            calls_by_dag=self._client.governor.calls_of(),
            custom_objects=types,
            latches={quota: _text(until) for quota, until in self._client.governor.latches().items()},
        )
        self._client.governor.tell_used(measured.used, measured.quota - measured.reserve)
        self._write(self.name, json.dumps(measured.to_dict(), indent=1))
        return measured

    def keep_fresh(self) -> Quota | None:
        """
        Refresh the Variable if it is old and nobody else is at it. It is a courtesy: what fails is logged.

        :return: what was measured; None if there was nothing to do.
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
            log.warning("The Variable %s could not be refreshed: %s", self.name, error)
            return None
        return measured


def calls_today(records: Iterable[Mapping[str, Any]]) -> int:
    """Calls of all API users, of the first day in an answer of Marketo's usage operations."""
    for record in records:
        return int(record.get("total") or 0)
    return 0


def exported_sizes(client: MarketoClient, since: datetime, custom_objects: Iterable[str] = ()) -> Iterator[int]:
    """
    The sizes of the files that this API user's export jobs have made (``bulk_export_*.get_jobs``, one call each).

    :param client: the instance.
    :param since: when they were made at the earliest.
    :param custom_objects: custom object types to look at, beside the other three kinds.
    """
    lists: list[tuple[str, dict[str, str]]] = [(family, {}) for family in EXPORT_FAMILIES]
    lists += [(CUSTOM_OBJECT_FAMILY, {"apiName": name}) for name in custom_objects]
    for family, path in lists:
        for job in client.paginate(f"{family}.get_jobs", batchSize=300, **path):
            finished = job.get("finishedAt")
            if job.get("fileSize") and finished and parse_date(str(finished)) >= since:
                yield int(job["fileSize"])


def require(quota: Quota, *, calls: int = 0, export_mb: float = 0.0) -> None:
    """
    Stop before work that the day's budget does not allow.

    :param quota: what is left.
    :param calls: that an extract is likely to need, beside the reserve.
    :param export_mb: megabytes that it is likely to export.
    :raises MarketoQuotaExhaustedError: that is more than is left; it says until when.
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


def _text(when: datetime) -> str:
    return when.astimezone(timezone.utc).isoformat(timespec="seconds")
