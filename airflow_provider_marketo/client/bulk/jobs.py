"""The life of an export job: create, enqueue, follow, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.bulk.objects import OPTIONAL_FILTERS, ExportObject
from airflow_provider_marketo.client.errors import (
    MarketoAlreadyQueuedError,
    MarketoDataError,
    MarketoError,
    MarketoFeatureUnavailableError,
    MarketoInvalidRequestError,
)
from airflow_provider_marketo.client.governor import EXPORT_QUEUE
from airflow_provider_marketo.client.printable import printable, printable_logger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)

CREATED, QUEUED, PROCESSING = "created", "queued", "processing"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
WAITING = frozenset({CREATED, QUEUED, PROCESSING})
_SPELLINGS = {"canceled": CANCELLED, "cancel": CANCELLED, "complete": COMPLETED}


@dataclass(frozen=True)
class ExportJob:
    """
    What Marketo says about an export job. Everything except id and status may be missing.

    :param export_id: Marketo's id of the job.
    :param status: one of the constants above, even if Marketo spells it differently; unknown words are kept.
    :param records: rows in the file.
    :param size: bytes in the file.
    :param checksum: SHA-256 of the file, hexadecimal.
    :param error: why the job failed.
    """

    export_id: str
    status: str
    records: int | None = None
    size: int | None = None
    checksum: str | None = None
    error: str | None = None

    @classmethod
    def from_record(cls, record: Any) -> ExportJob:
        """Read a record of a reply. A null record becomes a job without an id."""
        record = record if isinstance(record, Mapping) else {}
        status = str(record.get("status") or "").lower()
        checksum = str(record.get("fileChecksum") or "").lower().removeprefix("sha256:")
        return cls(
            export_id=str(record.get("exportId") or ""),
            status=_SPELLINGS.get(status, status),
            records=whole_number(record.get("numberOfRecords")),
            size=whole_number(record.get("fileSize")),
            checksum=checksum or None,
            error=printable(record["errorMsg"]) if record.get("errorMsg") else None,
        )

    @property
    def waiting(self) -> bool:
        """Whether Marketo still works on the job. For a minute, Marketo may show an enqueued job as created."""
        return self.status in WAITING


def whole_number(value: Any) -> int | None:
    """Return one of Marketo's counters as a number; None if it is missing or is not a number."""
    text = str(value)
    return int(text) if not isinstance(value, bool) and text.isascii() and text.isdecimal() else None


class ExportJobs:
    """
    Export jobs of one kind of object. Marketo shows only jobs of the calling API user.

    :param client: the instance.
    :param export: the kind of object.
    :param custom_object: API name of the custom object type; only for ``custom_objects``.
    """

    def __init__(self, client: MarketoClient, export: ExportObject, custom_object: str | None = None) -> None:
        self._client = client
        self.export = export
        self.path: Mapping[str, str] = {"apiName": custom_object} if custom_object else {}

    def detached(self) -> ExportJobs:
        """Return the same jobs with a separate client; see :meth:`MarketoClient.detached`."""
        return ExportJobs(self._client.detached(), self.export, self.path.get("apiName"))

    def create(self, fields: Sequence[str], job_filter: Mapping[str, Any]) -> ExportJob:
        """
        Create a job (``bulk_export_*.create_job``). The job uses no quota before it is enqueued.

        :param fields: API names of the columns.
        :param job_filter: the filter, in the form that :mod:`.plan` makes.
        :raises MarketoFeatureUnavailableError: 1035, the subscription lacks the filter.
        :raises MarketoInvalidRequestError: Marketo refuses the fields or the filter.
        """
        try:
            reply = self._client.call(
                self.export.operation("create_job"),
                fields=list(fields),
                format="CSV",
                filter=dict(job_filter),
                **self.path,
            )
        except MarketoFeatureUnavailableError as error:
            if error.code != codes.FILTER_UNSUPPORTED:
                raise
            raise _with_way_out(error, self.export, job_filter) from None
        return self._only(reply.records, "create_job")

    def enqueue(self, export_id: str) -> None:
        """
        Put a created job into Marketo's queue (``bulk_export_*.enqueue_job``), unless it is there already.

        :raises MarketoQueueFullError: Marketo's queue is full, or our other jobs hold all places that we may use.
        :raises MarketoQuotaExhaustedError: the day's export volume is used up.
        """
        governor = self._client.governor
        governor.enter_queue(EXPORT_QUEUE, export_id)
        try:
            with suppress(MarketoAlreadyQueuedError):
                self._client.call(self.export.operation("enqueue_job"), exportId=export_id, **self.path)
        except MarketoError as error:
            if not error.executed:
                governor.leave_queue(EXPORT_QUEUE, [export_id])
            raise

    def cancel(self, export_id: str) -> None:
        """Cancel a job (``bulk_export_*.cancel_job``), unless it has ended or is no longer known."""
        with suppress(MarketoInvalidRequestError):
            self._client.call(self.export.operation("cancel_job"), exportId=export_id, **self.path)
        self._client.governor.leave_queue(EXPORT_QUEUE, [export_id])

    def cancel_all(self, export_ids: Iterable[str]) -> None:
        """Cancel jobs that no task waits for. Failures are logged, not raised."""
        for export_id in export_ids:
            try:
                log.info("Cancelling export %s", export_id)
                self.cancel(export_id)
            except MarketoError as error:
                log.warning("Could not cancel export %s: %s", export_id, error)

    def status(self, export_id: str) -> ExportJob | None:
        """Return one job (``bulk_export_*.get_job_status``); None if Marketo no longer knows it."""
        try:
            reply = self._client.call(self.export.operation("get_job_status"), exportId=export_id, **self.path)
        except MarketoInvalidRequestError as error:
            if error.code == codes.NO_SUCH_ADDRESS:
                raise
            return None  # Only the id can be wrong: the request holds nothing else.
        return self._only(reply.records, "get_job_status")

    def find(self, export_ids: Collection[str]) -> dict[str, ExportJob]:
        """
        Find several jobs in the job list (``bulk_export_*.get_jobs``): one call for any number of jobs.

        The list is not filtered by status, since the sources disagree on how to spell the filter. Reading stops when
        every job was seen. A job that the list does not show is requested by its id.

        :param export_ids: ids of the jobs.
        :return: the jobs that Marketo knows, by id.
        """
        missing = set(export_ids)
        found: dict[str, ExportJob] = {}
        for page in self._client.pages(self.export.operation("get_jobs"), batchSize=300, **self.path):
            for job in map(ExportJob.from_record, page.records):
                if job.export_id in missing:
                    found[job.export_id] = job
            missing -= found.keys()
            if not missing:
                break
        for export_id in missing:
            asked = self.status(export_id)
            if asked is not None:
                found[export_id] = asked
        gone = [each for each in export_ids if each not in found or not found[each].waiting]
        self._client.governor.leave_queue(EXPORT_QUEUE, gone)
        return found

    def _only(self, records: Iterable[Any], action: str) -> ExportJob:
        job = ExportJob.from_record(next(iter(records), {}))
        # Real instances have answered a create with status "Failed" and the word "null" for an id.
        if job.export_id in ("", "null"):
            raise MarketoDataError(
                f"Marketo accepted the call but named no job{f': {job.error}' if job.error else ''}",
                operation=self.export.operation(action),
                remedy="Run the task again.",
            )
        return job


def _with_way_out(
    error: MarketoFeatureUnavailableError, export: ExportObject, job_filter: Mapping[str, Any]
) -> MarketoFeatureUnavailableError:
    """Complete a 1035, which names no filter: add the refused filter and those that every subscription has."""
    refused = [name for name in job_filter if name in OPTIONAL_FILTERS]
    ways = [f"date_field={name!r}" for name in export.date_filters if name not in OPTIONAL_FILTERS]
    if "staticListId" in export.filters:
        ways.append("a static list (filters={'staticListId': ...})")
    if export.needs:
        ways.append("no dates")
    return MarketoFeatureUnavailableError(
        f"{error.message}; this subscription does not offer the filter {', '.join(refused) or 'of this job'}",
        parameter="date_field" if "updatedAt" in refused else "filters",
        operation=error.operation,
        code=error.code,
        request_id=error.request_id,
        remedy=f"Use {' or '.join(ways)}, or ask Adobe for this filter.",
    )
