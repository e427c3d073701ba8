"""The queue of all exports: ten jobs, two of them running, and a daily limit on bytes."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_marketo.simulator.dates import iso
from airflow_provider_marketo.simulator.export_files import Written, write
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.settings import MEGABYTE, ApiUser, Settings
from airflow_provider_marketo.simulator.store.csvfile import DELIMITERS, cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from airflow_provider_marketo.simulator.clock import Clock
    from airflow_provider_marketo.simulator.meter import Meter

CREATED, QUEUED, PROCESSING = "Created", "Queued", "Processing"
COMPLETED, FAILED, CANCELLED = "Completed", "Failed", "Cancelled"


class Sources(Protocol):
    """Where the lines of export files come from."""

    def check(self, job: Job) -> None:
        """
        Check that everything that a job needs exists.

        :raises ApiError: something was deleted.
        """
        ...

    def __call__(self, job: Job) -> Iterator[str]:
        """Take a snapshot for a job, and return the lines of its file."""
        ...


@dataclass
class Job:
    """
    An export job.

    :param kind: what it exports: ``leads``, ``activities``, ``program_members``, or the API name of a custom object.
    :param user_id: the API user who created it; no other user sees it.
    :param fields: names of the columns.
    :param header: titles of the columns.
    :param filter: the filter that the client sent, converted to types.
    :param format: ``CSV``, ``TSV`` or ``SSV``.
    :param created_at: time of its creation.
    :param fate: how a fault on request makes it end; None without one.
    """

    kind: str
    user_id: str
    fields: Sequence[str]
    header: Sequence[str]
    filter: Mapping[str, Any]
    format: str
    created_at: datetime
    fate: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancelled_at: datetime | None = None
    touched_at: datetime | None = None
    writing: Future[Written] | None = None
    written: Written | None = None
    failure: str | None = None

    @property
    def is_lost(self) -> bool:
        """Whether Marketo no longer knows the job."""
        return self.fate == "vanished" and self.queued_at is not None

    @property
    def delimiter(self) -> str:
        """The character between two cells."""
        return DELIMITERS[self.format]

    def status(self, at: datetime) -> str:
        """Return its status at a time that is not in the future."""
        if self.cancelled_at is not None and self.cancelled_at <= at:
            return CANCELLED
        if self.finished_at is not None and self.finished_at <= at:
            return FAILED if self.failure is not None else COMPLETED
        if self.started_at is not None and self.started_at <= at:
            return PROCESSING
        return CREATED if self.queued_at is None or self.queued_at > at else QUEUED

    def record(self, at: datetime) -> dict[str, Any]:
        """Return the job at a time, as Marketo shows it."""
        status = self.status(at)
        shown: dict[str, Any] = {"exportId": self.id, "format": self.format, "status": status}
        for name, moment in (
            ("createdAt", self.created_at),
            ("queuedAt", self.queued_at),
            ("startedAt", self.started_at),
            ("finishedAt", self.finished_at if status != CANCELLED else None),
        ):
            if moment is not None and moment <= at:
                shown[name] = iso(moment)
        if status == COMPLETED and self.written is not None:
            shown["numberOfRecords"] = self.written.records
            shown["fileSize"] = self.written.size
            shown["fileChecksum"] = f"sha256:{self.written.checksum}"
        if status == FAILED:
            shown["errorMsg"] = self.failure
        return shown


class ExportJobs:
    """
    All export jobs. Not thread-safe: the instance calls it under its lock.

    A separate thread writes the files, from a snapshot of the data that is taken when a job starts.

    :param settings: limits and times.
    :param clock: the time.
    :param meter: knows the quota day.
    :param sources: make the lines of a job's file.
    :param folder: directory of the files.
    """

    def __init__(self, settings: Settings, clock: Clock, meter: Meter, sources: Sources, folder: Path) -> None:
        self._settings = settings
        self._clock = clock
        self._meter = meter
        self._sources = sources
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        self._queue: list[Job] = []
        self._running: list[Job] = []
        self._slot_free_at: datetime | None = None
        self._looked_at = clock.now()
        self._closing = threading.Event()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="export-file")
        self.bytes_of_others: Counter[Any] = Counter()

    def close(self) -> None:
        """Stop the writing thread."""
        self._closing.set()
        self._writer.shutdown(wait=True, cancel_futures=True)

    def create(self, job: Job) -> dict[str, Any]:
        """
        Create a job.

        :raises ApiError: 1029, the daily volume is used up.
        """
        self.settle()
        self._check_volume()
        self._jobs[job.id] = job
        return job.record(self._clock.now())

    def enqueue(self, job: Job) -> dict[str, Any]:
        """
        Put a created job into the queue.

        :raises ApiError: 1029, it is already queued, the queue is full, or the daily volume is used up;
            1003, it has ended; 1013, something that it needs was deleted.
        """
        self.settle()
        now = self._clock.now()
        status = job.status(now)
        if status in (QUEUED, PROCESSING):
            raise ApiError("1029", "Job already queued")
        if status != CREATED:
            raise ApiError("1003", f"Export job {job.id} cannot be enqueued: it is {status}")
        self._check_volume()
        if self._settings.limits and len(self._queue) + len(self._running) >= self._settings.export_queue:
            raise ApiError("1029", "Too many jobs in queue")
        self._sources.check(job)
        job.queued_at = job.touched_at = now
        if not job.is_lost:
            self._queue.append(job)
        reply = job.record(now)
        self.settle()
        return reply

    def cancel(self, job: Job) -> dict[str, Any]:
        """
        Cancel a job.

        :raises ApiError: 1003, it has ended.
        """
        self.settle()
        now = self._clock.now()
        status = job.status(now)
        if status in (COMPLETED, FAILED, CANCELLED):
            raise ApiError("1003", f"Export job {job.id} cannot be cancelled: it is {status}")
        self._end(job, now)
        job.cancelled_at = job.touched_at = now
        job.finished_at = job.written = None
        self.settle()
        return job.record(now)

    def find(self, user: ApiUser, kind: str, export_id: str) -> Job:
        """
        Return a job of a user.

        :raises ApiError: 1013, the user has no such job, or it is too old.
        """
        self.settle()
        job = self._jobs.get(export_id)
        if job is None or job.user_id != user.user_id or job.kind != kind or self._gone(job) or job.is_lost:
            raise ApiError("1013", f"Export job {export_id} not found")
        return job

    def listed(self, user: ApiUser, kind: str) -> list[Job]:
        """Return the jobs of a user that the list shows, the oldest first."""
        self.settle()
        since = self._clock.now() - timedelta(days=self._settings.list_days)
        return [
            job
            for job in self._jobs.values()
            if job.user_id == user.user_id and job.kind == kind and job.created_at >= since and not job.is_lost
        ]

    def all(self) -> list[Job]:
        """Return every job of every user, the oldest first, without those that vanished."""
        self.settle()
        return [job for job in self._jobs.values() if not job.is_lost]

    def shown(self, job: Job) -> dict[str, Any]:
        """Return the job as a user sees it: its state at the last refresh."""
        return job.record(self._seen_at(job))

    def visible_status(self, job: Job) -> str:
        """Return the status in :meth:`shown`."""
        return job.status(self._seen_at(job))

    def file(self, job: Job) -> Written | None:
        """Return the file of a job; None before it is completed and after it is deleted."""
        kept = timedelta(days=self._settings.file_days)
        if self.visible_status(job) != COMPLETED or job.finished_at is None:
            return None
        return None if self._clock.now() > job.finished_at + kept else job.written

    def bytes_today(self) -> int:
        """Return the bytes of all files finished today."""
        now, today = self._clock.now(), self._meter.today()
        finished = (job for job in self._jobs.values() if job.status(now) == COMPLETED)
        own = sum(
            job.written.size
            for job in finished
            if job.written and job.finished_at and self._meter.day_of(job.finished_at) == today
        )
        return own + self.bytes_of_others[today]

    def settle(self) -> None:
        """Start and finish the jobs that are due, in their order."""
        now = self._clock.now()
        while True:
            due = sorted(
                (job for job in self._running if self._finished(job, now)), key=lambda job: job.finished_at or now
            )
            for job in due[:1]:
                self._end(job, job.finished_at or now)
            started = self._start_next(now)
            if not due and not started:
                break
        self._looked_at = now

    def _start_next(self, now: datetime) -> bool:
        waiting = next((job for job in self._queue if job.fate != "stuck"), None)
        if waiting is None or len(self._running) >= self._settings.export_running:
            return False
        queued = waiting.queued_at or now
        waiting.started_at = max(queued, self._slot_free_at or queued)
        self._queue.remove(waiting)
        self._running.append(waiting)
        try:
            self._sources.check(waiting)
        except ApiError as error:
            waiting.failure = f"Export job failed: {error.message}"
            waiting.finished_at = waiting.started_at + timedelta(seconds=self._settings.job_seconds)
            return True
        path = self._folder / f"{waiting.id}.{waiting.format.lower()}"
        header = waiting.delimiter.join(map(cell, waiting.header))
        waiting.writing = self._writer.submit(
            write,
            path,
            header,
            self._sources(waiting),
            lambda: self._closing.is_set() or waiting.cancelled_at is not None,
        )
        return True

    def _finished(self, job: Job, now: datetime) -> bool:
        """Return whether a running job has finished, and set when."""
        if job.finished_at is None and job.writing is not None and job.started_at is not None:
            if not job.writing.done() and not self._clock.waits:
                return False
            size = self._take(job, job.writing)
            work = self._settings.job_seconds + self._settings.job_seconds_per_mb * size / MEGABYTE
            job.finished_at = job.started_at + timedelta(seconds=work)
            if not self._clock.waits:
                # A large file may take longer to write than the job's planned time. The job then ends at the next poll.
                job.finished_at = max(job.finished_at, self._looked_at)
            if job.fate == "cancelled":
                job.cancelled_at = job.finished_at
        return job.finished_at is not None and job.finished_at <= now

    def _take(self, job: Job, writing: Future[Written]) -> int:
        """Record what was written, or why it failed; return the bytes."""
        try:
            written = writing.result()
        except Exception as error:  # noqa: BLE001 - a full disk, or rows of a test that cannot be made: the job fails
            job.failure = f"Export job failed: {error}"
            return 0
        if job.fate == "failed":
            job.failure = "Export job failed: internal error"
        elif job.fate is None:
            job.written = written
        return written.size

    def _end(self, job: Job, at: datetime) -> None:
        if job in self._running:
            self._running.remove(job)
            self._slot_free_at = at
        elif job in self._queue:
            self._queue.remove(job)

    def _seen_at(self, job: Job) -> datetime:
        now = self._clock.now()
        since = job.touched_at or job.created_at
        refresh = self._settings.status_refresh
        if refresh <= 0:
            return now
        return since + timedelta(seconds=(now - since).total_seconds() // refresh * refresh)

    def _gone(self, job: Job) -> bool:
        ended = job.finished_at or job.cancelled_at
        return ended is not None and self._clock.now() > ended + timedelta(days=self._settings.status_days)

    def _check_volume(self) -> None:
        most = self._settings.export_daily_bytes
        if self._settings.limits and self.bytes_today() >= most:
            raise ApiError("1029", f"Export daily quota {most // MEGABYTE}MB exceeded.")
