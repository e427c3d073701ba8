"""The queue of all imports: ten jobs, two of them running, first come, first served."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.settings import MEGABYTE, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.simulator.clock import Clock

QUEUED, IMPORTING, COMPLETE, FAILED = "Queued", "Importing", "Complete", "Failed"
QUEUE, RUNNING = 10, 2
FAILURES, WARNINGS = "failures", "warnings"
_KEPT = timedelta(days=7)
_FIRST_BATCH = 3404


@dataclass
class Job:
    """
    An import job.

    :param kind: ``leads``, ``program_members``, or the API name of a custom object.
    :param content: bytes of the file.
    :param delimiter: the character between two cells.
    :param parameters: parameters of the call: ``lookupField``, ``listId``, ``partitionName``, ``programId``,
        ``programMemberStatus``.
    :param fate: how a fault on request makes it end; None without one.
    """

    kind: str
    content: bytes
    delimiter: str
    parameters: dict[str, Any]
    queued_at: datetime
    fate: str | None = None
    batch_id: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    processed: int = 0
    message: str = ""
    failed: bool = False
    reports: dict[str, list[tuple[dict[str, str], str]]] = field(default_factory=lambda: {FAILURES: [], WARNINGS: []})
    header: list[str] = field(default_factory=list)

    @property
    def is_lost(self) -> bool:
        """Whether Marketo does not know the job."""
        return self.fate == "vanished"

    @property
    def status(self) -> str:
        """The status, as Marketo spells it."""
        if self.finished_at is not None:
            return FAILED if self.failed else COMPLETE
        return QUEUED if self.started_at is None else IMPORTING


class ImportJobs:
    """
    All import jobs. Not thread-safe: the instance calls it under its lock.

    :param settings: limits and times.
    :param clock: the time.
    :param run: writes the rows of a job; called when the job ends. Its :class:`~.problems.ApiError` fails the job.
    """

    def __init__(self, settings: Settings, clock: Clock, run: Callable[[Job], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._run = run
        self._jobs: dict[int, Job] = {}
        self._slot_free_at: datetime | None = None
        self.of_others = 0

    def submit(self, job: Job) -> Job:
        """
        Queue a new job.

        :raises ApiError: 1016, ten jobs are ahead; 1019, another job imports into the same list.
        """
        self.settle()
        open_jobs = [each for each in self._jobs.values() if each.finished_at is None]
        if self._settings.limits and len(open_jobs) + self.of_others >= QUEUE:
            raise ApiError("1016", "Too many imports queued")
        list_id = job.parameters.get("listId")
        if list_id is not None and any(each.parameters.get("listId") == list_id for each in open_jobs):
            raise ApiError("1019", "Import in progress")
        job.batch_id = _FIRST_BATCH + len(self._jobs)
        self._jobs[job.batch_id] = job
        if job.is_lost:
            job.finished_at = job.queued_at
        self.settle()
        return job

    def find(self, kind: str, batch_id: int) -> Job:
        """
        Return the job of a batch id.

        :raises ApiError: 1013, the batch is unknown or older than seven days.
        """
        self.settle()
        job = self._jobs.get(batch_id)
        ended = job.finished_at if job is not None else None
        if job is None or job.kind != kind or job.is_lost or (ended and self._clock.now() > ended + _KEPT):
            raise ApiError("1013", f"Import batch {batch_id} not found")
        return job

    def all(self) -> list[Job]:
        """Return every job, the oldest first, including those that clients no longer see."""
        self.settle()
        return list(self._jobs.values())

    def settle(self) -> None:
        """Start and finish the jobs that are due, in their order."""
        now = self._clock.now()
        while True:
            due = [(self._due(job), job) for job in self._running() if job.fate != "stuck"]
            ending = min(due, key=lambda pair: pair[0], default=None)
            started = self._start_next(now)
            if started:
                continue
            if ending is None or ending[0] > now:
                return
            at, job = ending
            if job.fate == "failed":
                job.failed, job.message = True, "Import failed: internal error"
            else:
                try:
                    self._run(job)
                except ApiError as error:
                    job.failed, job.message = True, f"Import failed: {error.message}"
            job.finished_at = self._slot_free_at = at
            job.content = b""

    def _start_next(self, now: datetime) -> bool:
        waiting = next((job for job in self._jobs.values() if job.started_at is None and not job.is_lost), None)
        if waiting is None or len(self._running()) >= RUNNING:
            return False
        waiting.started_at = max(waiting.queued_at, self._slot_free_at or waiting.queued_at)
        return True

    def _running(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.started_at is not None and job.finished_at is None]

    def _due(self, job: Job) -> datetime:
        assert job.started_at is not None
        work = self._settings.job_seconds + self._settings.job_seconds_per_mb * len(job.content) / MEGABYTE
        return job.started_at + timedelta(seconds=work)
