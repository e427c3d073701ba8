"""Import staged chunks as bulk imports: upload, wait and reconcile until every chunk has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.bulk.imports import FAILED, FAILURES, WARNINGS, ImportJob, ImportJobs
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import (
    MarketoAmbiguousOutcomeError,
    MarketoDeadlineError,
    MarketoError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
    MarketoQueueFullError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.imports import state
from airflow_provider_marketo.imports.advice import code_of
from airflow_provider_marketo.imports.matching import ReportRow, match
from airflow_provider_marketo.imports.rejects import RejectRow
from airflow_provider_marketo.imports.request import RESEND
from airflow_provider_marketo.imports.state import Account

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.imports.plan import Chunk
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.staged import StagedImport

log = printable_logger(__name__)

UPLOADS = 6
"""How many times a try uploads a chunk whose answers are lost. The client sends other calls as many times."""

LOST = "the answer to the upload was lost, and Marketo has no list of imports"


class BulkImport:
    """
    One try of an import.

    :param staged: the staged import.
    :param jobs: the instance's imports.
    :param in_flight: imports to keep in Marketo's queue at a time.
    :param resumed: whether this is the same try after a deferral. Only a new try asks Marketo again about ``untold``
        chunks.
    """

    def __init__(self, staged: StagedImport, jobs: ImportJobs, in_flight: int, *, resumed: bool = False) -> None:
        self._staged = staged
        self._jobs = jobs
        self._in_flight = in_flight
        self._parameters = import_parameters(staged.request)
        for chunk in staged.chunks:
            found = staged.state(chunk).state
            if found == state.SENDING:
                log.warning("Chunk %s: %s", chunk.name, LOST)
                self._lost(chunk)
            elif found == state.LOST and staged.request.resends:
                self._again(chunk)
            elif found == state.UNTOLD and not resumed:
                staged.reopen(chunk)

    def step(self) -> tuple[int, ...] | None:
        """
        Do everything that can be done now: process the imports that have ended, then fill the queue.

        :return: ids of the imports to wait for; empty while other integrations fill Marketo's queue; None when every
            chunk has ended.
        :raises MarketoQuotaExhaustedError: no calls are left before the reset.
        :raises MarketoStoppedError: this process must not continue.
        """
        for chunk in self._in(state.QUEUED):
            self._look(chunk)
        blocked = self._fill_queue()
        queued = self._in(state.QUEUED)
        if not queued and not self._in(state.STAGED):
            return None
        if blocked is not None:
            log.info("%s", blocked)
        return tuple(batch for chunk in queued if (batch := self._staged.state(chunk).batch_id) is not None)

    def give_back(self) -> None:
        """Give back the places in Marketo's queue, because this process no longer waits."""
        batches = [self._staged.state(chunk).batch_id for chunk in self._in(state.QUEUED)]
        self._jobs.give_back([batch for batch in batches if batch is not None])

    def overdue(self) -> MarketoDeadlineError:
        """Return the error of a deadline that has passed. The imports stay known: another try waits for them again."""
        batches = [str(self._staged.state(chunk).batch_id) for chunk in self._in(state.QUEUED)]
        late = counted(len(batches), "import") if batches else "imports that wait for a place in the queue"
        return MarketoDeadlineError(
            f"{late} did not finish within timeout{': ' if batches else ''}{', '.join(batches)}",
            operation=self._jobs.kind.operation("get_status"),
            remedy="Marketo cannot cancel imports. Clear the task to keep waiting, with a longer timeout if they need"
            " it: the task does not send again what Marketo has taken.",
        )

    def _in(self, wanted: str) -> list[Chunk]:
        return [chunk for chunk in self._staged.chunks if self._staged.state(chunk).state == wanted]

    def _fill_queue(self) -> MarketoError | None:
        while True:
            queued, staged = self._in(state.QUEUED), self._in(state.STAGED)
            fresh = [chunk for chunk in staged if not self._staged.state(chunk).resent]
            # A chunk that may be under way already goes last and alone: two imports of one new lead create two leads.
            following = fresh[:1] or (staged[:1] if not queued else [])
            if not following or len(queued) >= self._in_flight:
                return None
            try:
                lost = self._send(following[0])
            except MarketoQueueFullError as error:
                return error
            if lost is not None and len(fresh) <= 1:
                return lost  # nothing else can be sent before a pause

    def _send(self, chunk: Chunk) -> MarketoError | None:
        """Upload a chunk. Return the error if the answer was lost and the chunk is sent again later."""
        data = self._staged.data(chunk)
        before = self._staged.state(chunk)
        sending = self._staged.state(chunk)
        sending.state = state.SENDING
        self._staged.put(chunk, sending)  # before a byte leaves: a try that finds this knows that the answer was lost
        self._staged.count_calls(1)
        try:
            job = self._jobs.start(data, hold_place=False, **self._parameters)
        except MarketoAmbiguousOutcomeError as error:
            log.warning("Chunk %s: %s", chunk.name, error)
            self._lost(chunk)
            losses = self._staged.state(chunk).losses
            if losses and losses % UPLOADS == 0:
                raise MarketoTransientError(
                    f"the answers to {losses} uploads of chunk {chunk.name} were lost",
                    operation=error.operation,
                    code=error.code,
                    request_id=error.request_id,
                    executed=True,
                    remedy="The next try of the task sends it again.",
                ) from None
            return error if losses else None
        except MarketoInvalidRequestError as error:
            self._staged.put(chunk, before)
            if error.code != codes.HTTP_TOO_LARGE or chunk.rows == 1:
                raise
            log.warning("Chunk %s of %d bytes is too large for Marketo and is split", chunk.name, chunk.size)
            self._staged.split(chunk)
            return None
        except MarketoError:
            self._staged.put(chunk, before)
            raise
        queued = self._staged.state(chunk)
        queued.state, queued.batch_id = state.QUEUED, job.batch_id
        self._staged.put(chunk, queued)
        self._jobs.hold_place(job.batch_id)
        log.info("Marketo took chunk %s of %s as import %d", chunk.name, counted(chunk.rows, "row"), job.batch_id)
        return None

    def _lost(self, chunk: Chunk) -> None:
        if self._staged.request.resends:
            self._again(chunk)
        else:
            self._staged.lose(chunk, LOST)

    def _again(self, chunk: Chunk) -> None:
        self._staged.put(chunk, self._staged.state(chunk).to_resend())

    def _look(self, chunk: Chunk) -> None:
        batch_id = self._staged.state(chunk).batch_id
        assert batch_id is not None
        try:
            job = self._jobs.outcome(batch_id)
        except MarketoNotFoundError:
            self._staged.lose(chunk, f"Marketo no longer knows import {batch_id}: it forgets imports after seven days")
            return
        if job.ended:
            self._reconcile(chunk, job)

    def _reconcile(self, chunk: Chunk, job: ImportJob) -> None:
        if job.status == FAILED:
            self._take_failure(chunk, job)
            return
        good = job.counted and not job.failed and not job.warned and job.processed == chunk.rows
        rows: Sequence[Sequence[Any]] = () if good else self._staged.rows(chunk)
        numbers: Sequence[int] = () if good else self._staged.numbers(chunk)
        failures = self._report(job, FAILURES, job.failed, rows)
        warnings = self._report(job, WARNINGS, job.warned, rows)
        lines = [_line("rejected", one, rows, numbers) for one in failures if one.at is not None]
        failed_at = {one.at for one in failures}
        lines += [
            _line("warned", one, rows, numbers) for one in warnings if one.at is not None and one.at not in failed_at
        ]
        rejected = sum(line.outcome == "rejected" for line in lines)
        unmatched = [self._untold(one) for one in failures if one.at is None]
        unknown = min(chunk.rows - rejected, max(job.failed or 0, len(failures)) - rejected)
        if not job.counted:  # Marketo says that the import is complete, but not what became of the rows
            unknown = chunk.rows - rejected
        elif job.processed is not None and job.processed < chunk.rows:
            # Marketo counts the good rows: the outcome of rows that it neither imported nor refused is unknown.
            unknown = max(unknown, chunk.rows - job.processed - rejected)
        if unknown and self._staged.state(chunk).reopened and self._staged.request.on_lost_upload == RESEND:
            log.warning("Import %d: Marketo does not say whether it took the rows. They are sent again", job.batch_id)
            self._again(chunk)
            return
        left = chunk.rows - rejected - unknown
        warned = min(left, max(job.warned or 0, sum(line.outcome == "warned" for line in lines)))
        account = Account(accepted=left - warned, warned=warned, rejected=rejected, unknown=unknown)
        if unknown:
            log.warning(
                "Import %d: Marketo's report does not have the outcome of %s", job.batch_id, counted(unknown, "row")
            )
        if unknown > len(unmatched):
            told_at = {one.at for one in (*failures, *warnings)}
            lacks = f"the report of import {job.batch_id}, which lacks {counted(unknown, 'row')}"
            why = f"this row may be missing from {lacks}"
            lines += [
                RejectRow("unknown", "unknown", why, number, row)
                for at, (number, row) in enumerate(zip(numbers, rows, strict=True))
                if at not in told_at
            ]
        self._staged.settle(chunk, state.UNTOLD if unknown else state.DONE, account, [*lines, *unmatched])
        log.info("Import %d is complete: %s", job.batch_id, account)

    def _take_failure(self, chunk: Chunk, job: ImportJob) -> None:
        message = f"import {job.batch_id} failed: {job.message or 'Marketo gave no reason'}"
        if job.processed is None or job.processed > 0:
            rows = "an unknown number of rows" if job.processed is None else counted(job.processed, "row")
            self._staged.lose(chunk, f"{message}, after Marketo had imported {rows}")
            return
        lines = [
            RejectRow("rejected", code_of(job.message), message, number, row)
            for number, row in zip(self._staged.numbers(chunk), self._staged.rows(chunk), strict=True)
        ]
        self._staged.settle(chunk, state.DONE, Account(rejected=chunk.rows), lines)
        log.warning("%s", message)

    def _report(self, job: ImportJob, kind: str, count: int | None, rows: Sequence[Sequence[Any]]) -> list[ReportRow]:
        if count == 0 or (count is None and job.counted):
            return []
        try:
            report = self._jobs.report(job.batch_id, kind)
        except MarketoNotFoundError:
            if count:
                said = counted(count, kind.removesuffix("s"))
                log.warning("Import %d: Marketo counts %s, but has no file of %s", job.batch_id, said, kind)
            return []
        plan = self._staged.plan
        return match(report, kind, plan.header, plan.key, rows)

    def _untold(self, one: ReportRow) -> RejectRow:
        values = [one.values.get(name) for name in self._staged.plan.header]
        return RejectRow("unknown", code_of(one.reason), f"{one.reason} (Marketo does not name the row)", None, values)


def _line(outcome: str, one: ReportRow, rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> RejectRow:
    assert one.at is not None
    return RejectRow(outcome, code_of(one.reason), one.reason, numbers[one.at], rows[one.at])


def import_parameters(request: ImportRequest) -> Mapping[str, Any]:
    """Return the parameters of an upload, in Adobe's spelling."""
    given = {
        "lookupField": request.lookup_field,
        "listId": request.list_id,
        "partitionName": request.partition_name,
        "programId": request.program_id,
        "programMemberStatus": request.program_member_status,
    }
    return {name: value for name, value in given.items() if value is not None}
