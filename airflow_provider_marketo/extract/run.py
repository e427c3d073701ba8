"""The state machine of a bulk extract: create, persist the id, enqueue, wait, fetch, publish, until all is there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_marketo.client.bulk.fetch import fetch
from airflow_provider_marketo.client.bulk.jobs import CANCELLED, COMPLETED, CREATED, FAILED, ExportJob, ExportJobs
from airflow_provider_marketo.client.bulk.plan import Slice
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import (
    MarketoDeadlineError,
    MarketoExportFailedError,
    MarketoInvalidRequestError,
    MarketoQueueFullError,
    MarketoQuotaExhaustedError,
)
from airflow_provider_marketo.extract import layout
from airflow_provider_marketo.extract.manifest import write_manifest
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.extract.request import ALL_FIELDS, ExtractRequest
from airflow_provider_marketo.extract.state import Progress, ProgressStore
from airflow_provider_marketo.storage import OutputFolder

log = logging.getLogger(__name__)

RECREATIONS = 2
"""A cancelled job may have been cancelled for us by an earlier try; one that is cancelled over and over is not."""


@dataclass(frozen=True)
class Waiting:
    """
    Nothing can be done now.

    :param export_ids: jobs that Marketo works on for us; empty while its queue is full of others'.
    """

    export_ids: tuple[str, ...]


class ExtractRun:
    """
    One try of an extract.

    :param request: what is wanted.
    :param plan: what is going to be done.
    :param jobs: the instance's export jobs.
    :param client: the instance.
    :param publisher: writes and publishes a slice.
    :param folder: the output.
    :param run_folder: the task instance's place in it.
    :param progress: how far an earlier try, or this one before it was deferred, has come.
    :param store: where progress outlives this process.
    :param in_flight: jobs to keep in Marketo's queue at a time.
    :param poll_interval: seconds between two looks at the jobs, as the connection has it.
    """

    def __init__(
        self,
        *,
        request: ExtractRequest,
        plan: ExtractPlan,
        jobs: ExportJobs,
        client: MarketoClient,
        publisher: SlicePublisher,
        folder: OutputFolder,
        run_folder: str,
        progress: Progress,
        store: ProgressStore,
        in_flight: int,
        poll_interval: float,
    ) -> None:
        self._request = request
        self._plan = plan
        self._jobs = jobs
        self._client = client
        self._publisher = publisher
        self._folder = folder
        self._run_folder = run_folder
        self._progress = progress
        self._store = store
        self._in_flight = in_flight
        self.poll_interval = poll_interval
        self._slices = {one.name: one for one in request.slices(plan.filters)}
        self._recreated: Counter[str] = Counter()
        self._queued: set[str] = set()

    @property
    def deadline(self) -> datetime:
        """When waiting for Marketo ends."""
        return datetime.fromisoformat(self._progress.deadline)

    def extend_deadline(self, idle_until: datetime) -> None:
        """Time in which Marketo is not allowed to do anything does not count."""
        self._progress.deadline = (self.deadline + (idle_until - datetime.now(timezone.utc))).isoformat()
        self._store.save(self._progress)

    def check_deadline(self) -> None:
        """
        :raises MarketoDeadlineError: it has passed; the jobs were cancelled.
        """
        if datetime.now(timezone.utc) >= self.deadline:
            self.cancel()
            raise MarketoDeadlineError(f"exports of {', '.join(self._open_slices())} did not finish in time")

    def adopt(self) -> Mapping[str, ExportJob]:
        """
        What has become of the jobs of an earlier try: those and no others. A job that nobody wrote down is never taken
        over, since the job list has no names and it may be another task's.
        """
        ids = list(self._progress.jobs.values())
        if ids:
            log.info("Going on with export jobs of an earlier try: %s", ", ".join(ids))
        return self.look(Waiting(tuple(ids)))

    def look(self, waiting: Waiting) -> Mapping[str, ExportJob]:
        """The jobs' states now, one call for all; a job that Marketo has forgotten counts as cancelled."""
        if not waiting.export_ids:
            return {}
        found = self._jobs.find(waiting.export_ids)
        return {each: found.get(each, ExportJob(each, CANCELLED)) for each in waiting.export_ids}

    def step(self, known: Mapping[str, ExportJob]) -> Waiting | None:
        """
        Do whatever can be done now.

        :param known: the state of jobs as last heard; others are taken to be waiting.
        :return: what to wait for, or None when everything is published.
        :raises MarketoExportFailedError: Marketo gave a job up.
        :raises MarketoQuotaExhaustedError: nothing is in flight and no job can be started before the reset.
        """
        for name in self._open_slices():
            job = known.get(self._progress.jobs.get(name, ""))
            if job is not None:
                self._settle(name, job)
        try:
            self._fill_queue()
        except (MarketoQueueFullError, MarketoQuotaExhaustedError) as error:
            if not self._queued and isinstance(error, MarketoQuotaExhaustedError):
                raise
            log.info("%s", error)
        return Waiting(tuple(sorted(self._queued))) if self._open_slices() else None

    def finish(self) -> dict[str, Any]:
        """Write the manifest, which makes the extract visible as a whole, and forget the progress."""
        records = [self._folder.read_json(layout.slice_record(self._run_folder, name)) for name in self._slices]
        manifest = write_manifest(self._folder, self._request, self._plan, records)
        self._store.clear()
        self._folder.delete_tree(self._run_folder)
        log.info(
            "Extracted %s: %d rows, %d bytes in %d files",
            self._request.describe(),
            manifest["rows"],
            manifest["bytes"],
            len(manifest["files"]),
        )
        return manifest

    def cancel(self) -> None:
        """Stop the jobs that this task instance has with Marketo, and no others."""
        for export_id in self._progress.jobs.values():
            log.info("Cancelling export %s", export_id)
            self._jobs.cancel(export_id)
        self._queued.clear()

    def _open_slices(self) -> list[str]:
        return [name for name in self._slices if name not in self._progress.published]

    def _settle(self, name: str, job: ExportJob) -> None:
        if job.status == COMPLETED:
            self._queued.discard(job.export_id)
            self._publish(self._slices[name], job)
        elif job.status == FAILED:
            self._forget(name)
            raise MarketoExportFailedError(
                f"export {job.export_id} of {name} failed: {job.error or 'Marketo gave no reason'}",
                operation=self._jobs.export.operation("get_job_status"),
            )
        elif job.status == CANCELLED:
            self._forget(name)
            self._recreated[name] += 1
            if self._recreated[name] > RECREATIONS:
                raise MarketoExportFailedError(
                    f"the export of {name} was cancelled {RECREATIONS + 1} times",
                    operation=self._jobs.export.operation("get_job_status"),
                    remedy="Find out who cancels export jobs of this API user, then run the task again.",
                )
            log.info("The export of %s was cancelled or has expired; a new one is made", name)
        elif job.status != CREATED:
            self._queued.add(job.export_id)

    def _fill_queue(self) -> None:
        for name in self._open_slices():
            if len(self._queued) >= self._in_flight:
                return
            export_id = self._progress.jobs.get(name)
            if export_id in self._queued:
                continue
            if export_id is None:
                export_id = self._create(self._slices[name])
                self._progress.jobs[name] = export_id
                self._store.save(self._progress)  # before the job can run: what is not written down is never started
            self._jobs.enqueue(export_id)
            self._queued.add(export_id)
            log.info("Export %s of %s is in Marketo's queue", export_id, name)

    def _create(self, one: Slice) -> str:
        while True:
            try:
                return self._jobs.create(self._plan.fields, one.filter).export_id
            except MarketoInvalidRequestError as error:
                refused = self._refused_fields(error)
                if not refused:
                    raise
                log.warning("Left out %d fields that Marketo does not export: %s", len(refused), ", ".join(refused))
                self._plan = self._plan.without(refused, "not exportable")
                self._publisher.plan = self._plan
                self._folder.write_json(layout.plan(self._run_folder), self._plan.to_dict())

    def _refused_fields(self, error: MarketoInvalidRequestError) -> list[str]:
        """With ``fields='all'`` Marketo's word decides what "all" is; a field that was named by the author stays."""
        if self._request.fields != ALL_FIELDS or error.code not in ("1003", "1006"):
            return []
        words = set(error.message.replace("[", " ").replace("]", " ").replace(",", " ").replace("'", " ").split())
        return [name for name in self._plan.fields if name in words and name not in self._jobs.export.key]

    def _publish(self, one: Slice, job: ExportJob) -> None:
        operation = self._jobs.export.operation("get_file")
        record = self._publisher.publish(
            one, job, lambda consumer: fetch(self._client, operation, job, consumer, **self._jobs.path)
        )
        self._progress.published.append(one.name)
        self._progress.jobs.pop(one.name, None)
        self._store.save(self._progress)
        log.info(
            "Published %s: %d rows in %d files (%d cut at the window's edge, %d already seen)",
            one.name,
            record["rows"],
            len(record["files"]),
            record["rows_cut"],
            record["rows_duplicate"],
        )

    def _forget(self, name: str) -> None:
        self._queued.discard(self._progress.jobs.pop(name, ""))
        self._store.save(self._progress)
