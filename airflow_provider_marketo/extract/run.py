"""The state machine of a bulk extract: for each slice create a job, store its id, enqueue, wait, fetch, publish."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes, stored
from airflow_provider_marketo.client.bulk.fetch import Consumer, fetch
from airflow_provider_marketo.client.bulk.jobs import CANCELLED, COMPLETED, CREATED, FAILED, ExportJob, ExportJobs
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import (
    MarketoBudgetError,
    MarketoDeadlineError,
    MarketoError,
    MarketoExportFailedError,
    MarketoFileGoneError,
    MarketoInvalidRequestError,
    MarketoQueueFullError,
    MarketoQuotaExhaustedError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.retention import MONTHS_25, kept
from airflow_provider_marketo.extract.manifest import write_manifest
from airflow_provider_marketo.extract.request import ALL_FIELDS, ExtractRequest
from airflow_provider_marketo.extract.slice_record import SliceRecord
from airflow_provider_marketo.hooks.export_budget import MarketoExportTurnError
from airflow_provider_marketo.hooks.work import moved
from airflow_provider_marketo.output import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Mapping

    from airflow_provider_marketo.client.bulk.plan import Slice
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.client.tabular.transform import Outcome
    from airflow_provider_marketo.extract.plan import ExtractPlan
    from airflow_provider_marketo.extract.publish import SlicePublisher
    from airflow_provider_marketo.extract.state import ProgressKeeper
    from airflow_provider_marketo.hooks.export_budget import ExportBudget
    from airflow_provider_marketo.output.folder import OutputFolder

log = printable_logger(__name__)

_SPENT = (MarketoQuotaExhaustedError, MarketoBudgetError)

MAX_RECREATIONS = 2
"""An earlier try may have cancelled a job. If a job is cancelled more often than this, someone else cancels it."""

_LISTED = re.compile(r"\[.*\]")
_WORD = re.compile(r"[\w.:-]+")


@dataclass(frozen=True)
class ExtractWait:
    """
    The extract has to wait.

    :param export_ids: our jobs that Marketo works on; empty while jobs of other integrations fill its queue.
    :param for_turn: whether another task of the DAG has the turn, because the DAG has a daily budget.
    """

    export_ids: tuple[str, ...]
    for_turn: bool


class ExtractRun:
    """
    One try of an extract.

    :param request: the request.
    :param plan: the plan.
    :param jobs: the instance's export jobs.
    :param client: the instance.
    :param publisher: writes and publishes a slice.
    :param folder: the output.
    :param run_folder: the task instance's place in it.
    :param keeper: the progress of an earlier try, or of this one before it was deferred.
    :param in_flight: jobs to keep in Marketo's queue at a time.
    :param poll_interval: seconds between two polls of the jobs, as set in the connection.
    :param budget: how much may be exported today.
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
        keeper: ProgressKeeper,
        in_flight: int,
        poll_interval: float,
        budget: ExportBudget,
    ) -> None:
        self._request = request
        self._plan = plan
        self._jobs = jobs
        self._client = client
        self._publisher = publisher
        self._folder = folder
        self._run_folder = run_folder
        self._keeper = keeper
        self._progress = keeper.progress
        self._in_flight = in_flight
        self.poll_interval = poll_interval
        self._budget = budget
        self.object_type = request.object_type
        self.custom_object = request.custom_object
        self._slices = {one.name: one for one in request.slices(plan.filters, plan.until)}
        self._queued: set[str] = set()

    @property
    def deadline(self) -> datetime:
        """When waiting for Marketo ends."""
        return parse_date(self._progress.deadline)

    @property
    def held(self) -> list[str]:
        """The ids of this task instance's jobs at Marketo, whether they are enqueued yet or not."""
        return sorted(self._progress.jobs.values())

    def extend_deadline(self, idle_until: datetime) -> None:
        """Move the deadline: time in which Marketo answers no calls does not count."""
        self._progress.deadline = moved(self.deadline, idle_until).isoformat()
        self._keeper.save()

    def check_deadline(self) -> None:
        """
        Check that the task may still wait for Marketo.

        :raises MarketoDeadlineError: the deadline has passed.
        """
        if datetime.now(timezone.utc) >= self.deadline:
            late = self._open_slices()
            raise MarketoDeadlineError(
                f"{counted(len(late), 'export')} did not finish within timeout: {', '.join(late)}"
            )

    def adopt(self) -> Mapping[str, ExportJob]:
        """
        Return the states of the jobs of an earlier try, but of no other jobs.

        A job whose id no try stored is never taken over: job lists have no names, so it may be another task's.
        """
        ids = list(self._progress.jobs.values())
        if ids:
            log.info("Continuing with export jobs of an earlier try: %s", ", ".join(ids))
        return self._states(ids)

    def log_outlook(self) -> None:
        """Log how long the rest is likely to take under a daily budget, if that is known."""
        if (said := self._budget.outlook([self._slices[name] for name in self._open_slices()])) is not None:
            log.info("%s", said)

    def look(self) -> Mapping[str, ExportJob]:
        """Return the states of the queued jobs now, by one call for all."""
        return self._states(self._queued)

    def _states(self, export_ids: Collection[str]) -> Mapping[str, ExportJob]:
        """Return the states of jobs. A job that Marketo has forgotten counts as cancelled."""
        if not export_ids:
            return {}
        found = self._jobs.find(export_ids)
        return {each: found.get(each, ExportJob(each, CANCELLED)) for each in export_ids}

    def step(self, known: Mapping[str, ExportJob]) -> ExtractWait | None:
        """
        Do everything that can be done now: start the next jobs, so that Marketo is busy, then fetch finished ones.

        :param known: the last known states of the jobs. A job without a state has not been enqueued yet.
        :return: what to wait for, or None when everything is published.
        :raises MarketoExportFailedError: a job failed.
        :raises MarketoQuotaExhaustedError: nothing is in flight and no job can be started before the reset.
        :raises MarketoBudgetError: nothing is in flight, and another job would need more calls than the author allows.
        :raises MarketoStoppedError: this process must not continue.
        """
        finished = {}
        obstacle: MarketoError | None = None
        try:
            for name in self._open_slices():
                job = known.get(self._progress.jobs.get(name, ""))
                if job is not None and self._settle(name, job):
                    finished[name] = job
            self._fill_queue(besides=finished)
        except (
            MarketoExportFailedError,
            MarketoQueueFullError,
            MarketoQuotaExhaustedError,
            MarketoBudgetError,
        ) as error:
            obstacle = error  # finished exports are still fetched
        is_first = not self._progress.published
        for name, job in finished.items():
            self._publish(self._slices[name], job)
        if is_first and self._progress.published:  # now the size of a file is known
            self.log_outlook()
        if not self._open_slices():
            return None
        if isinstance(obstacle, MarketoExportFailedError):
            raise obstacle
        if isinstance(obstacle, _SPENT) and not self._queued:
            raise obstacle
        if obstacle is not None:
            log.info("%s", obstacle)
        return ExtractWait(tuple(sorted(self._queued)), for_turn=isinstance(obstacle, MarketoExportTurnError))

    def finish(self) -> dict[str, Any]:
        """
        Write the manifest, which makes the extract visible as a whole, and delete the progress.

        :return: the manifest. It goes into Airflow's database, so it has only the length of a very long list.
        """
        self._keeper.check()
        records = [self._record_of(name) for name in self._slices]
        self._refuse_forgotten(sum(record.rows_read for record in records))
        manifest = write_manifest(self._folder, self._request, self._plan, records, run_folder=self._run_folder)
        self._keeper.clear()
        self._folder.tidy_up(self._run_folder)
        log.info(
            "Extracted %s: %s, %s in %s",
            self._request.describe(),
            counted(manifest.rows, "row"),
            counted(manifest.bytes, "byte"),
            counted(len(manifest.files), "file"),
        )
        return manifest.to_xcom()

    def _record_of(self, name: str) -> SliceRecord:
        """
        Return the record of a published slice.

        :raises MarketoStateError: the record is damaged or gone.
        """
        place = layout.slice_record(self._run_folder, name)
        remedy = f"Restore it, or delete {self._folder.path(self._run_folder)} and clear the task: it exports again."
        record = self._folder.read_state(SliceRecord, place, remedy=remedy)
        if record is None:
            raise stored.damaged(str(self._folder.path(place)), "the file is gone", remedy)
        return record

    def _refuse_forgotten(self, rows: int) -> None:
        """
        Refuse a span whose activities Marketo no longer has.

        A contract may let Marketo keep activities longer, so only a result without rows proves that they are gone.

        :param rows: rows that Marketo sent.
        :raises MarketoInvalidRequestError: there is no row, and the whole span is older than Marketo keeps activities.
        """
        request, plan = self._request, self._plan
        if rows or not request.export.has_types or request.end is None:
            return
        wanted = [plan.activity_types[each] for each in plan.filters.get("activityTypeIds", ())]
        longest = max((kept(kind.name) for kind in wanted), default=MONTHS_25)
        if request.end <= self._client.marketo_time() - longest:
            raise MarketoInvalidRequestError(
                f"Marketo has no activity before {iso(request.end)}: it keeps these activities for {longest.days} days",
                parameter="start",
                remedy="Ask for a later span.",
            )

    def cancel(self) -> None:
        """Cancel only the jobs of this task instance."""
        self._jobs.cancel_all(self._progress.jobs.values())
        self._queued.clear()
        for name in self._progress.jobs:
            with suppress(OSError, MarketoError):  # the budget of the day then still counts the job
                self._budget.end(self._slices[name], 0)

    def kill(self) -> None:
        """
        Cancel the jobs, from a signal handler, unless the task's next try may have taken them over.

        The interrupted code continues afterwards, so it is told to stop first. It may hold the client's lease and
        locks, so another client cancels the jobs.
        """
        self._keeper.stop()
        ids = list(self._progress.jobs.values())
        if not ids:
            return
        if self._keeper.is_certain_owner():
            self._jobs.detached().cancel_all(ids)
        else:
            names = ", ".join(ids)
            log.warning("Not cancelling export jobs %s: another try of this task may continue with them", names)

    def _open_slices(self) -> list[str]:
        published = set(self._progress.published)
        return [name for name in self._slices if name not in published]

    def _settle(self, name: str, job: ExportJob) -> bool:
        """Record a job's state, and return whether its file can be fetched."""
        if job.status == COMPLETED:
            self._queued.discard(job.export_id)
            self._client.tally.add_export(job.size or 0)
            self._budget.end(self._slices[name], job.size or 0)
            return True
        if job.status in (FAILED, CANCELLED):
            self._budget.end(self._slices[name], 0)
        if job.status == FAILED:
            self._forget(name)
            raise MarketoExportFailedError(
                f"export {job.export_id} of {name} failed: {job.error or 'Marketo gave no reason'}",
                operation=self._jobs.export.operation("get_job_status"),
            )
        if job.status == CANCELLED:
            self._recreate_job(
                name,
                MarketoExportFailedError(
                    f"the export of {name} was cancelled or has expired {MAX_RECREATIONS + 1} times",
                    operation=self._jobs.export.operation("get_job_status"),
                    remedy="Find out who cancels export jobs of this API user, then run the task again.",
                ),
            )
            log.info("Export %s of %s was cancelled or has expired; creating a new one", job.export_id, name)
        elif job.status != CREATED:
            self._queued.add(job.export_id)
        return False

    def _fill_queue(self, besides: Container[str] = ()) -> None:
        """Keep as many jobs in Marketo's queue as allowed. ``besides`` are slices that need no job."""
        for name in self._open_slices():
            if len(self._queued) >= self._in_flight:
                return
            export_id = self._progress.jobs.get(name)
            if name in besides or export_id in self._queued:
                continue
            self._keeper.check()
            self._budget.check(self._slices[name])
            if export_id is None:
                export_id = self._create(self._slices[name])
                self._remember(name, export_id)
            self._budget.start(self._slices[name], export_id)
            try:
                self._jobs.enqueue(export_id)
            except (MarketoQueueFullError, MarketoQuotaExhaustedError):
                self._budget.end(self._slices[name], 0)
                raise
            except MarketoInvalidRequestError as error:
                job = self._jobs.status(export_id)
                if job is None or job.status in (CREATED, CANCELLED, FAILED):
                    error.parameter = error.parameter or "filters"
                    self._recreate_job(name, error)
                    log.warning("%s; creating a new job", error.message)
                    continue
                # The job was enqueued before, and the answer was lost.
            self._queued.add(export_id)
            log.info("Export %s of %s is in Marketo's queue", export_id, name)

    def _create(self, one: Slice) -> str:
        plan = self._plan
        while True:
            try:
                export_id = self._jobs.create(plan.fields, one.filter).export_id
                break
            except MarketoInvalidRequestError as error:
                refused = self._refused_fields(error, plan)
                if not refused:
                    error.parameter = error.parameter or ("fields" if "field" in error.message.lower() else "filters")
                    raise
                plan = plan.without(refused, "not exportable")
        if plan is not self._plan:
            gone = [name for name in self._plan.fields if name not in plan.fields]
            log.warning("Left out %s that Marketo does not export: %s", counted(len(gone), "field"), ", ".join(gone))
            self._plan = plan
            self._publisher.use(plan)
        return export_id

    def _remember(self, name: str, export_id: str) -> None:
        """
        Save the id of a job before the job can run: no job is started whose id is not saved.

        If it cannot be saved, no later try can find the job, so it is cancelled.
        """
        self._progress.jobs[name] = export_id
        try:
            self._keeper.save()
        except Exception:
            del self._progress.jobs[name]
            self._jobs.detached().cancel_all([export_id])
            raise

    def _refused_fields(self, error: MarketoInvalidRequestError, plan: ExtractPlan) -> list[str]:
        """Return the fields that Marketo refuses with ``fields='all'``. A field that the author named stays."""
        if self._request.fields != ALL_FIELDS or error.code not in (codes.INVALID_DATA, codes.UNKNOWN_FIELD):
            return []
        named = _LISTED.search(error.message)
        protected = {*self._jobs.export.key, plan.schema.date}
        words = set(_WORD.findall(named.group() if named else error.message))
        return [name for name in plan.fields if name in words and name not in protected]

    def _publish(self, one: Slice, job: ExportJob) -> None:
        try:
            record = self._publisher.publish(one, job, lambda consumer: self._fetch(job, consumer))
        except MarketoFileGoneError as error:
            self._recreate_job(one.name, error)
            log.warning("%s; creating a new job", error.message)
            return
        self._client.tally.add_rows(record.rows)
        self._progress.published.append(one.name)
        self._progress.jobs.pop(one.name, None)
        self._keeper.save()
        log.info(
            "Published %s: %s in %s (left out: %d outside the window, %s)",
            one.name,
            counted(record.rows, "row"),
            counted(len(record.files), "file"),
            record.rows_cut,
            counted(record.rows_duplicate, "duplicate"),
        )

    def _fetch(self, job: ExportJob, consumer: Callable[[], Consumer[Outcome]]) -> Outcome:
        outcome = fetch(self._client, self._jobs.export.operation("get_file"), job, consumer, path=self._jobs.path)
        self._keeper.check()  # a download takes long, and the files get their final names next
        return outcome

    def _recreate_job(self, name: str, error: MarketoError) -> None:
        """Forget a job that was cancelled, refused, has expired or has lost its file, so that a new one is created."""
        recreated = self._progress.recreated.get(name, 0) + 1
        self._progress.recreated[name] = recreated
        self._forget(name)
        if recreated > MAX_RECREATIONS:
            raise error

    def _forget(self, name: str) -> None:
        self._queued.discard(self._progress.jobs.pop(name, ""))
        self._keeper.save()
