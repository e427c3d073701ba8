"""Handlers for bulk imports of leads, program members and custom objects, which share one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.handlers.bulk import existing_kind_of, kind_of
from airflow_provider_marketo.simulator.import_jobs import FAILURES, QUEUED, WARNINGS, Job
from airflow_provider_marketo.simulator.import_rows import check, read_header, report
from airflow_provider_marketo.simulator.problems import ApiError, HttpError
from airflow_provider_marketo.simulator.reply import Bytes, Envelope, Reply
from airflow_provider_marketo.simulator.request import Request, Upload
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.csvfile import DELIMITERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_marketo.simulator.instance import Instance

FAMILIES = {
    "bulk_import_leads": "leads",
    "bulk_import_program_members": "program_members",
    "bulk_import_custom_objects": "custom_objects",
}
_PARAMETERS = ("lookupField", "listId", "partitionName", "programId", "programMemberStatus")


def _for_each_family(action: str) -> Callable[[Any], Any]:
    return answers(*(f"{family}.{action}" for family in FAMILIES))


@_for_each_family("import")
def start(instance: Instance, request: Request) -> Reply:
    upload = request["file"]
    if not isinstance(upload, Upload):
        raise ApiError("1003", "The part 'file' has no file name")
    if upload.content_type not in ("text/csv", "application/octet-stream"):
        instance.note(f"import file of type {upload.content_type}")
    job = Job(
        existing_kind_of(instance, request, FAMILIES),
        upload.content,
        DELIMITERS[request.get("format", "csv").upper()],
        {name: request[name] for name in _PARAMETERS if request.get(name) is not None},
        instance.clock.now(),
    )
    check(instance, job)
    job.header = read_header(instance, job)
    if request.fault is not None and request.fault.job is not None:
        job.fate = request.fault.job
    taken = instance.imports.submit(job)
    shown: dict[str, Any] = {"batchId": taken.batch_id, "status": QUEUED}
    if request.operation.family == "bulk_import_custom_objects":
        return Envelope([{**shown, "objectApiName": taken.kind}])
    return Envelope([{**shown, "importId": str(taken.batch_id)}])


@_for_each_family("get_status")
def status(instance: Instance, request: Request) -> Reply:
    job = _job(instance, request)
    shown: dict[str, Any] = {"batchId": job.batch_id, "status": job.status}
    if job.finished_at is not None:
        shown["numOfRowsFailed"] = len(job.reports[FAILURES])
        shown["numOfRowsWithWarning"] = len(job.reports[WARNINGS])
        shown["message"] = job.message or "Import completed" + (
            f" with errors, {job.processed} records imported, {len(job.reports[FAILURES])} failed"
            if job.reports[FAILURES]
            else f", {job.processed} records imported"
        )
    if request.operation.family == "bulk_import_custom_objects":
        took = (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else 0
        more = {"objectApiName": job.kind, "operation": "import", "importTime": f"{took:.0f} second(s)"}
        return Envelope([{**shown, **more, "numOfObjectsProcessed": job.processed}])
    return Envelope([{**shown, "importId": str(job.batch_id), "numOfLeadsProcessed": job.processed}])


@_for_each_family("get_failures")
def failures(instance: Instance, request: Request) -> Reply:
    return _report(instance, request, FAILURES)


@_for_each_family("get_warnings")
def warnings(instance: Instance, request: Request) -> Reply:
    return _report(instance, request, WARNINGS)


def _report(instance: Instance, request: Request, which: str) -> Reply:
    try:
        content = report(_job(instance, request), which)
    except ApiError:
        content = None
    if content is None:
        raise HttpError(404, "File not found")
    return Bytes(content, "text/csv;charset=UTF-8")


def _job(instance: Instance, request: Request) -> Job:
    return instance.imports.find(kind_of(request, FAMILIES), request["batchId"])
