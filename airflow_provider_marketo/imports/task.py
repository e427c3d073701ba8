"""The task of an import: from an operator's arguments to work that can be stopped and resumed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from threading import Thread
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.bulk.imports import ImportJobs, import_object
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.job_waits import ImportJobsWait
from airflow_provider_marketo.hooks.link import push_place
from airflow_provider_marketo.hooks.work import Wait, Work, moved
from airflow_provider_marketo.imports.begin import Beginning, deadline_of
from airflow_provider_marketo.imports.bulk import BulkImport
from airflow_provider_marketo.imports.inputs import open_rows
from airflow_provider_marketo.imports.people import with_known_leads, with_lead_ids
from airflow_provider_marketo.imports.preview import preview_of
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.sync import SyncImport
from airflow_provider_marketo.imports.targets import BULK, LEAD_ID, SYNC
from airflow_provider_marketo.options import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.hooks.marketo import MarketoHook
    from airflow_provider_marketo.imports.result import ImportDetails, ImportResult
    from airflow_provider_marketo.imports.rows import Rows
    from airflow_provider_marketo.imports.staged import StagedImport

log = printable_logger(__name__)

ACCOUNT = "account"
"""XCom with the counts of a task that fails although it has sent everything: Airflow keeps no result of it."""

_IMPORTS_IN_FLIGHT = 4
_LONGEST_POLL_INTERVAL = 30.0
"""Seconds. Adobe asks for 5 to 30 between two polls of an import, and for 60 between two polls of an export."""


class ImportWork(Work):
    """
    One try of an import: check, stage, send, wait, account.

    A subclass makes the request (:meth:`request`) and may change how rows are read, chosen and sent.

    :param context: the running task's context.
    :param hook: the connection.
    :param arguments: the operator's arguments, rendered and converted.
    :param parallel: calls at once.
    :param resumed: whether this is the same try after a deferral. It then keeps its deadline.
    :raises MarketoInvalidRequestError: the arguments do not go together; nothing was sent.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        hook: MarketoHook,
        arguments: Mapping[str, Any],
        *,
        parallel: int,
        resumed: bool,
    ) -> None:
        self.arguments = arguments
        self._request = self.request()
        self._context = context
        self._hook = hook
        self._client = hook.client
        self._parallel = parallel
        self._resumed = resumed
        self._killed = False
        self._staged: StagedImport | None = None
        self._bulk: BulkImport | None = None
        self._details: ImportDetails = {}
        self.poll_interval = timedelta(seconds=min(_LONGEST_POLL_INTERVAL, hook.settings.poll_interval))
        if not resumed:
            push_place(context, hook, list_id=arguments.get("list_id"))
        rejects = arguments["rejects_path"]
        self._preview = arguments["dry_run"]
        self._beginning = Beginning(
            self._client, context, arguments["staging"] or rejects, rejects, preview=self._preview
        )
        self._outcome = self._beginning.previous_result(self._request)

    # Methods that a subclass may override.

    def request(self) -> ImportRequest:
        """Return the request, as far as it is known before the rows are read."""
        raise NotImplementedError

    def rows(self) -> Rows:
        """Open the input."""
        return open_rows(self.arguments)

    def choose(self, rows: Rows) -> tuple[ImportRequest, Rows]:
        """Decide how these rows are sent. Leads that rows name by a field other than the id are looked up."""
        request = self._request
        lookup_field = request.looked_up
        named_by = lookup_field or LEAD_ID
        column = next((column for column, name in (request.columns or {}).items() if name == named_by), named_by)
        if lookup_field is not None:
            return request, with_lead_ids(self._client, rows, column, lookup_field)
        if request.target.needs_known_leads and LEAD_ID not in request.constants:
            return request, with_known_leads(self._client, rows, column)
        return request, rows

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of calls that are not part of the request."""
        return {}

    def send(self, staged: StagedImport) -> ImportDetails:
        """
        Send all chunks by calls.

        :return: what the result says besides the account.
        """
        SyncImport(staged, self._client, parallel=self._parallel, values=self.parameters()).run()
        return {}

    def preview(self, staged: StagedImport) -> dict[str, Any]:
        """Return the facts that only a dry run of this kind of import has. It makes only calls that read."""
        return {}

    # Methods that the operator calls.

    @property
    def deadline(self) -> datetime | None:
        """When waiting for bulk imports ends."""
        written = self._staged.keeper.progress.deadline if self._staged is not None else ""
        return parse_date(written) if written else None

    def advance(self, found: Mapping[str, Any] | None) -> Wait | None:
        """
        Stage the input if no try has, then send the chunks that can be sent and process the imports that have ended.

        :param found: the trigger's event; the imports' states are asked for anyway.
        :return: the imports to wait for, or None when everything is accounted for.
        :raises MarketoDeadlineError: imports did not end in time. They stay known to the next try.
        """
        if self._preview or self._outcome is not None:
            return None
        staged = self._staged or self._begin()
        if self._bulk is None:
            self._details = self.send(staged)
            return None
        batch_ids = self._bulk.step()
        if batch_ids is None:
            return None
        deadline = self.deadline
        if deadline is not None and datetime.now(timezone.utc) >= deadline:
            raise self._bulk.overdue()
        if not batch_ids:
            return Wait()  # imports of other integrations fill the queue
        return ImportJobsWait(
            object_type=staged.request.object_type,
            custom_object=staged.request.custom_object,
            batch_ids=batch_ids,
            deadline=deadline,
        )

    def finish(self) -> ImportResult | dict[str, Any]:
        """
        Publish the tables of rejects and return the account, or what a dry run has found.

        :raises MarketoRowsRejectedError: more rows were rejected than the author allows.
        :raises MarketoRowsUnknownError: the outcome of some rows is unknown.
        """
        if self._preview:
            return self._dry_run()
        outcome = self._outcome
        if outcome is None:
            outcome = (self._staged or self._begin()).finish(self._details)
        if outcome.final:
            self._beginning.cleanup(self._request)
        if outcome.error is not None:
            self._context["ti"].xcom_push(key=ACCOUNT, value=outcome.result)
            raise outcome.error
        return outcome.result

    def answer(self, *, sent: bool) -> None:
        """
        Accept a person's decision about the rows whose answers were lost.

        :param sent: whether they are in Marketo. If not, they are sent again.
        """
        if self._outcome is None:
            self._staged = self._staged or self._begin()
            self._staged.answer(sent=sent)

    def extend_deadline(self, idle_until: datetime) -> None:
        """Move the deadline: time in which Marketo answers no calls does not count."""
        deadline = self.deadline
        if self._staged is not None and deadline is not None:
            self._staged.keeper.progress.deadline = moved(deadline, idle_until).isoformat()
            self._staged.keeper.save()

    def kill(self) -> None:
        """Send nothing more. Marketo cannot cancel an import; the next try processes the results of those that run."""
        self._killed = True
        if self._staged is not None:
            self._staged.keeper.stop()
        if self._bulk is not None:
            # A thread does this: the interrupted code may hold the governor's lock, and releases it soon.
            Thread(target=self._bulk.give_back, name="marketo-give-back", daemon=True).start()

    def _begin(self) -> StagedImport:
        """Resume what an earlier try staged, or stage the input."""
        staged = self._beginning.resume(self._request, resumed=self._resumed)
        if staged is None:
            staged = self._beginning.stage(self.choose, self.rows())
        self._staged = staged
        if self._killed:  # while the input was read
            staged.keeper.stop()
        if staged.plan.transport == BULK:
            jobs = ImportJobs(self._client, import_object(staged.request.object_type), staged.request.custom_object)
            in_flight = options.number("imports_in_flight", _IMPORTS_IN_FLIGHT)
            self._bulk = BulkImport(staged, jobs, min(in_flight, limits.QUEUED_JOBS), resumed=self._resumed)
            deadline_of(staged, self.arguments["timeout"], resumed=self._resumed)
        return staged

    def _dry_run(self) -> dict[str, Any]:
        try:
            staged = self._beginning.stage(self.choose, self.rows())
            result = {**preview_of(staged.plan), **self.preview(staged)}
        finally:
            self._beginning.discard()
        log.info("Dry run, nothing was sent: %s", result)
        return result


class BulkImportWork(ImportWork):
    """Imports files by bulk import."""

    def request(self) -> ImportRequest:
        """Return the request."""
        return ImportRequest.from_arguments(self.arguments, transport=BULK)


class SyncWork(ImportWork):
    """Imports records through the sync endpoints."""

    def request(self) -> ImportRequest:
        """Return the request."""
        return ImportRequest.from_arguments(self.arguments, transport=SYNC)
