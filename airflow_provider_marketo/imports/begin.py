"""The start of a try: check and stage the input, or resume what an earlier try staged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_marketo.client import stored_errors
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.variables import host_variable
from airflow_provider_marketo.imports import plan as plans
from airflow_provider_marketo.imports import state
from airflow_provider_marketo.imports.checks import check_list, check_partition, check_statuses, program_statuses
from airflow_provider_marketo.imports.fields import Field, describe, header
from airflow_provider_marketo.imports.plan import ImportPlan
from airflow_provider_marketo.imports.preview import planned_calls
from airflow_provider_marketo.imports.rejects import LOCAL
from airflow_provider_marketo.imports.request import POLICIES, ImportRequest
from airflow_provider_marketo.imports.rows import Rows
from airflow_provider_marketo.imports.staged import LEFT_OUT, ImportOutcome, StagedImport, plan_name
from airflow_provider_marketo.imports.staging import BULK, CALL_BYTES, ChunkLimits, Stager
from airflow_provider_marketo.imports.state import ImportProgress
from airflow_provider_marketo.imports.targets import BULK as BY_BULK
from airflow_provider_marketo.imports.targets import LEAD_ID, STATUS, key_of
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder, Staging
from airflow_provider_marketo.output.foreign import HostNote, host, unreachable
from airflow_provider_marketo.output.progress import FolderProgress, ProgressKeeper, progress_store

if TYPE_CHECKING:
    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.result import ImportResult

log = printable_logger(__name__)

CALLS_PER_CHUNK = 20
"""Calls in a chunk, which a try repeats whole after a kill. If calls must not run twice, a chunk holds one call."""

_NAMES_OF_PEOPLE = ("email", "emailaddress", "externalid", "sfdccontactid", "sfdcleadid")
_KEY = "marketo_import"
_PROGRESS = "progress.json"
Choose = Callable[[Rows], tuple[ImportRequest, Rows]]


class Beginning:
    """
    Finds the rows that an earlier try has staged, or stages the input.

    :param client: the instance.
    :param context: the running task's context.
    :param staging: URL of the folder for staged chunks.
    :param rejects: URL of the folder for tables of rejects.
    :param preview: whether to stage in a separate folder, so that the files of an earlier try stay unchanged.
    """

    def __init__(
        self, client: MarketoClient, context: Mapping[str, Any], staging: str, rejects: str, *, preview: bool = False
    ) -> None:
        task = context["ti"]
        self._client = client
        self.run = layout.task_folder(task)
        if preview:
            self.run += "/preview"
        self._table = key_part("/".join(map(str, _parts(task))))
        self._rejects = OutputFolder.for_task(rejects, task, parameter="rejects_path")
        self.staging = OutputFolder.for_task(staging, task, parameter="staging")
        self._folder = OutputFolder.for_task(f"{self.staging.url}/{self.run}", task, parameter="staging")
        self._store = (
            FolderProgress(self._folder, _PROGRESS, ImportProgress)
            if preview
            else progress_store(
                context,
                _KEY,
                ImportProgress,
                self._folder,
                _PROGRESS,
                note=HostNote(host_variable(self.run), self.staging, "staging"),
            )
        )

    def resume(self, request: ImportRequest, *, resumed: bool) -> StagedImport | None:
        """
        Return the staged import of an earlier try, or of this try before its deferral; do not read the input.

        :param request: the present request. Once a row was sent, only the request's destination and policies count.
        :param resumed: whether this is the same try after a deferral. Its templates may render differently by now.
        :return: None if nothing is staged for this destination.
        :raises MarketoDataError: an earlier try has sent some of its rows, and the staged files are gone.
        """
        progress = self._store.load()
        if progress is None:
            if resumed and self.staging.is_local:
                raise unreachable(self.staging.url, "the host on which the task began", "staging")
            return None
        if progress.fingerprint != self._fingerprint(request):
            batches = [chunk.batch_id for chunk in progress.chunks.values() if chunk.batch_id]
            log.warning(
                "The task's destination has changed since its last try. What the last try staged is dropped%s",
                f". Its imports {batches} continue: Marketo cannot cancel them" if batches else "",
            )
            return None
        data = self._folder.read(plan_name(progress.plan))
        if data is None or plans.digest(data) != progress.plan:
            if self.staging.is_local and progress.host not in ("", host()) and (progress.sent or resumed):
                raise unreachable(self.staging.url, f"host {progress.host}", "staging")
            if not progress.sent:
                return None
            raise MarketoDataError(
                f"an earlier try has sent rows, and what it staged under {self._folder.url} is"
                f" {'gone' if data is None else 'damaged'}",
                remedy=plans.START_OVER,
            )
        plan = ImportPlan.from_bytes(data)
        if not resumed and not progress.sent and request.differs(plan.request):
            log.info("The task has changed since its last try, which sent nothing. The input is read again")
            return None
        policies = {name: getattr(request, name) for name in POLICIES}
        staged = self._staged(replace(plan, request={**plan.request, **policies}), progress)
        done = sum(staged.state(chunk).state == state.DONE for chunk in staged.chunks)
        log.info("Resuming what an earlier try staged: %d of %s done", done, counted(len(staged.chunks), "chunk"))
        return staged

    def stage(self, choose: Choose, rows: Rows) -> StagedImport:
        """
        Read the input, check it and stage it.

        :param choose: decides how the rows are sent.
        :param rows: the input.
        :raises MarketoInvalidRequestError: the input or the request is invalid; nothing was sent.
        """
        self.staging.check_writable()
        self._rejects.check_writable()
        self.staging.delete_tree(self.run)
        request, rows = choose(rows)
        with self._folder.staging() as area:
            stager, plan = self._read(request, rows, area)
            data = plan.to_bytes()
            sha256 = plans.digest(data)
            left_out = stager.left_out.to_bytes() if stager else b""
            for name, content in ((LEFT_OUT, left_out), (plan_name(sha256), data)):
                with area.open(name) as file:
                    file.write(content)
            area.publish(stager.given_files(plan) if stager else [])
            area.publish([*(chunk.name for chunk in plan.chunks), *([LOCAL] if plan.rejected else []), LEFT_OUT])
            area.publish([plan_name(sha256)])
        log.info(
            "Staged %s: %s, to be sent in %s",
            request.describe(),
            counted(plan.rows, "row"),
            counted(planned_calls(plan), "call"),
        )
        return self._staged(plan, ImportProgress(self._fingerprint(request), plan=sha256, host=host()))

    def previous_result(self, request: ImportRequest) -> ImportOutcome | None:
        """Return the outcome of the import, if an earlier try reached it and was killed during its cleanup."""
        progress = self._store.load()
        if progress is None or not progress.result or progress.fingerprint != self._fingerprint(request):
            return None
        return ImportOutcome(
            cast("ImportResult", progress.result), stored_errors.from_dict(progress.error) if progress.error else None
        )

    def cleanup(self, request: ImportRequest) -> None:
        """
        Delete the staged files, then the progress. A staged file that cannot be deleted does no harm.

        If the rows must not be sent twice, the progress stays, with the result. The process may still die before
        Airflow knows of its success, and without the progress the next try would send everything again.

        :param request: the request that was sent.
        """
        self.discard()
        if not request.once:
            self._store.clear()

    def discard(self) -> None:
        """Delete the staged files."""
        self.staging.tidy_up(self.run)

    def _fingerprint(self, request: ImportRequest) -> str:
        return f"{self._client.instance}:{request.destination}"

    def _staged(self, plan: ImportPlan, progress: ImportProgress) -> StagedImport:
        return StagedImport(plan, ProgressKeeper(self._store, progress), self._folder, self._rejects, self._table)

    def _read(self, request: ImportRequest, rows: Rows, area: Staging) -> tuple[Stager | None, ImportPlan]:
        target = request.target
        activity_type = request.activity["apiName"] if request.activity is not None else None
        described = describe(self._client, target.describes, request.custom_object, activity_type)
        fields = {**described.fields, **{field.name: field for field in target.extra}}
        fields |= {name: Field(name) for name in request.carried}
        described = replace(described, fields=self._checked(request, fields))
        key = (*key_of(target, described, request.lookup_field, request.dedupe_by), *request.once_by)
        key = tuple(dict.fromkeys(key))
        plan = ImportPlan(request.to_dict(), request.transport, (), key, {})
        if not rows.columns:
            log.info("The input is empty: there is nothing to send")
            return None, plan
        constants = request.fixed
        _check_lookup(request, rows)
        order = header(
            rows.columns,
            described,
            mapping=request.mapping(rows.columns),
            constants=constants,
            key=[*key, *target.required],
        )
        plan = replace(
            plan,
            header=tuple(field.name for _, field in order),
            sources={field.name: rows.columns[place] for place, field in order if place is not None},
        )
        stager = Stager(area, rows, order, constants, plan, limits=_limits(request), required=target.required)
        plan = stager.stage(request.on_duplicates)
        _report(request, plan, stager)
        return stager, plan

    def _checked(self, request: ImportRequest, fields: Mapping[str, Field]) -> Mapping[str, Field]:
        if request.list_id is not None:
            check_list(self._client, request.list_id)
        if request.partition_name is not None:
            check_partition(self._client, request.partition_name)
        if request.program_id is None:
            return fields
        statuses = program_statuses(self._client, request.program_id)
        if request.program_member_status is not None:
            check_statuses([request.program_member_status], statuses, request.program_id, "program_member_status")
        if request.transport == BY_BULK or statuses is None:
            return fields
        if isinstance(request.constants.get(STATUS), str):
            check_statuses([request.constants[STATUS]], statuses, request.program_id, "program_member_status")
        return {**fields, STATUS: Field(STATUS, allowed=statuses)}


def deadline_of(staged: StagedImport, timeout: timedelta, *, resumed: bool) -> datetime:
    """
    Return the time at which the wait for Marketo ends.

    :param staged: the staged import; its progress keeps the deadline.
    :param timeout: how long a try waits.
    :param resumed: whether this is the same try after a deferral. It keeps its deadline; another try gets a new one.
    """
    progress = staged.keeper.progress
    if not resumed or not progress.deadline:
        progress.deadline = (datetime.now(timezone.utc) + timeout).isoformat()
        staged.keeper.save()
    return parse_date(progress.deadline)


def _parts(task: Any) -> tuple[Any, ...]:
    ids = (task.dag_id, task.task_id, task.run_id)
    return ids if task.map_index < 0 else (*ids, task.map_index)


def _limits(request: ImportRequest) -> ChunkLimits:
    if request.transport == BY_BULK:
        return BULK
    stages = request.target.stages
    calls = CALLS_PER_CHUNK if request.resends else 1
    return ChunkLimits(rows=calls * stages[0].most, size=calls * CALL_BYTES, row=CALL_BYTES // 2)


def _check_lookup(request: ImportRequest, rows: Rows) -> None:
    """Refuse rows without the id of their lead, with a remedy."""
    target = request.target
    if not target.finds_leads or LEAD_ID in request.mapping(rows.columns).values() or LEAD_ID in request.constants:
        return
    like_a_field = next((name for name in rows.columns if name.lower() in _NAMES_OF_PEOPLE), "email")
    raise MarketoInvalidRequestError(
        f"the input has no {LEAD_ID}, by which Marketo tells leads apart",
        parameter="columns",
        remedy=f"Map a column to it with columns=, or look leads up by a field: lookup_field={like_a_field!r}.",
    )


def _report(request: ImportRequest, plan: ImportPlan, stager: Stager) -> None:
    if not plan.rows:
        log.info("The input has no rows: there is nothing to send")
    for name, count in plan.long.items():
        log.warning(
            "%s longer than the field: Marketo cuts or refuses such values",
            counted(count, f"value of {name} is", f"values of {name} are"),
        )
    for name, count in stager.null_words.items():
        log.warning(
            "%s the word null, which Marketo may read as no value",
            counted(count, f"value of {name} is", f"values of {name} are"),
        )
    if plan.superseded:
        rows = counted(plan.superseded, "row is", "rows are")
        log.info("%s superseded: a later row has the same %s", rows, " + ".join(plan.key))
    if plan.rejected:
        log.warning("%s rejected before anything is sent", counted(plan.rejected, "row is", "rows are"))
    if request.transport == BY_BULK:
        size = sum(chunk.size for chunk in plan.chunks)
        log.info("%s, %s", counted(len(plan.chunks), "import file"), counted(size, "byte"))
