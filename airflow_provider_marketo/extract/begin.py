"""The start of a try: settle the plan, or continue where an earlier try stopped."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.jobs import ExportJobs
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.extract.plan import load_plan, make_plan, save_plan
from airflow_provider_marketo.extract.publish import SlicePublisher
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.extract.run import ExtractRun
from airflow_provider_marketo.extract.slice_record import SliceRecord
from airflow_provider_marketo.extract.state import Progress, ProgressKeeper, progress_store
from airflow_provider_marketo.hooks.export_budget import export_budget
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.foreign import host, unreachable
from airflow_provider_marketo.output.manifest import refuse_siblings, remember_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

CALLS_A_JOB = 3
"""Create, enqueue and fetch. All waiting tasks share the calls that poll their jobs."""


def begin(
    request: Callable[[ExtractRequest | None], ExtractRequest],
    *,
    output_path: str,
    hook: MarketoHook,
    context: Mapping[str, Any],
    timeout: timedelta,
    resumed: bool,
    in_flight: int,
    daily_export_mb: float | None = None,
) -> ExtractRun:
    """
    Settle the plan of an extract, or continue where an earlier try stopped.

    :param request: returns the request, given that of an earlier try. It is not called after a deferral: templates
        such as ``{{ macros.datetime.now() }}`` may render to something else then, and the extract keeps its plan.
    :param output_path: URL of the folder.
    :param hook: the connection.
    :param context: the running task's context.
    :param timeout: how long this try may wait for Marketo.
    :param resumed: whether this is the same try after a deferral. It then keeps its deadline.
    :param in_flight: jobs to keep in Marketo's queue at a time. With a daily budget there is one.
    :param daily_export_mb: megabytes that the DAG may export a day; None for no limit.
    :raises MarketoInvalidRequestError: the request is invalid; no job was created.
    """
    run = layout.task_folder(context["ti"])
    folder = OutputFolder.for_task(output_path, context["ti"])
    store = progress_store(context, folder, run)
    client = hook.get_conn()
    progress = store.load()
    _refuse_foreign(folder, progress, folder.read_json(layout.mark(run), str), resumed=resumed)
    begun = _request_of(folder, run) if progress else None
    wanted = begun if begun is not None and resumed else request(begun)
    hash_key = hook.settings.hash_key(wanted.hash_fields)
    jobs = ExportJobs(client, wanted.export, wanted.custom_object)
    fingerprint = f"{client.instance}:{wanted.fingerprint()}"
    plan = load_plan(folder, run) if progress is not None and progress.fingerprint == fingerprint else None
    if progress is None or plan is None:
        folder.check_writable()
        refuse_siblings(folder, wanted.name, wanted.fingerprint(), run)
        if progress is not None:
            _abandon(progress, jobs)
        leftovers = _leftovers(folder, run)
        folder.delete_tree(run)
        remember_leftovers(folder, run, leftovers)
        plan = make_plan(wanted, client, folder.read_json(layout.SCHEMA))
        folder.write_state(layout.request(run), wanted)
        save_plan(folder, run, plan)
        progress = Progress(fingerprint, output=folder.url, host=host(), mark=uuid.uuid4().hex)
        folder.write_json(layout.mark(run), progress.mark)
        count = len(wanted.slices(plan.filters, plan.until))
        log.info("Extracting %s in %s", wanted.describe(), counted(count, "job"))
        types = [wanted.custom_object] if wanted.custom_object else []
        hook.check_budget(calls=CALLS_A_JOB * count, custom_objects=types)
    if not resumed or not progress.deadline:
        progress.deadline = (datetime.now(timezone.utc) + timeout).isoformat()
        progress.recreated = {}
    budget = export_budget(
        hook,
        context,
        object_type=wanted.object_type,
        custom_object=wanted.custom_object,
        daily_mb=daily_export_mb,
    )
    return ExtractRun(
        request=wanted,
        plan=plan,
        jobs=jobs,
        client=client,
        publisher=SlicePublisher(wanted, plan, folder, run, hash_key=hash_key, published=progress.published),
        folder=folder,
        run_folder=run,
        keeper=ProgressKeeper(store, progress),
        in_flight=in_flight if daily_export_mb is None else 1,
        budget=budget,
        poll_interval=hook.settings.poll_interval,
    )


def _refuse_foreign(folder: OutputFolder, progress: Progress | None, mark: str | None, *, resumed: bool) -> None:
    """
    Check that this folder is the one in which the task began, before anything is cancelled.

    :raises MarketoInvalidRequestError: the task began on another host, whose folder this host does not see.
    """
    here = host()
    if not folder.is_local:
        return
    if progress is None:
        if resumed:
            raise unreachable(folder.url, "the host on which the task began")
    elif progress.output == folder.url and progress.host not in ("", here) and progress.mark != mark:
        raise unreachable(folder.url, f"host {progress.host}")


def _abandon(progress: Progress, jobs: ExportJobs) -> None:
    """Cancel the jobs of the last try: the author has changed the task since, so they export something else."""
    jobs_of_it = counted(len(progress.jobs), "export job")
    log.info("The task has changed since its last try; cancelling %s of that try", jobs_of_it)
    jobs.cancel_all(progress.jobs.values())


def _request_of(folder: OutputFolder, run: str) -> ExtractRequest | None:
    """Return the request of an earlier try; None without one."""
    remedy = "Delete this file and clear the task: the task then plans from its arguments."
    return folder.read_state(ExtractRequest, layout.request(run), remedy=remedy)


def _leftovers(folder: OutputFolder, run: str) -> set[str]:
    """Return the files that an abandoned try published or did not remove. No manifest lists them."""
    names = set(folder.read_json(layout.leftovers(run), list) or ())
    begun, plan = _request_of(folder, run), load_plan(folder, run)
    if begun is not None and plan:
        for one in begun.slices(plan.filters, plan.until):
            record = folder.read_state(SliceRecord, layout.slice_record(run, one.name))
            if record is not None:
                names.update(file.name for file in record.files)
    return names
