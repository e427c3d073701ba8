"""Handlers for bulk exports of leads, activities, program members and custom objects, which share one queue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.export_jobs import PROCESSING, QUEUED, Job
from airflow_provider_marketo.simulator.export_kinds import KINDS, LISTS, kind_named
from airflow_provider_marketo.simulator.handlers.bulk import existing_kind_of, kind_of
from airflow_provider_marketo.simulator.paging import page
from airflow_provider_marketo.simulator.problems import ApiError, HttpError
from airflow_provider_marketo.simulator.reply import Envelope, File, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

FAMILIES = {kind.family: name for name, kind in KINDS.items()}
_MAX_DAYS = 31
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def _for_each_family(action: str) -> Callable[[Any], Any]:
    return answers(*(f"{family}.{action}" for family in FAMILIES))


@_for_each_family("create_job")
def create(instance: Instance, request: Request) -> Reply:
    kind = existing_kind_of(instance, request, FAMILIES)
    fields = list(dict.fromkeys(request.get("fields") or kind_named(kind).default_fields))
    _check_fields(instance, kind, fields)
    job_filter = request["filter"]
    _check_filter(instance, kind, job_filter)
    if "programIds" in job_filter and "programId" not in fields:
        fields.insert(0, "programId")
    header = _header(instance, kind, fields, request.get("columnHeaderNames") or {})
    job = Job(
        kind,
        request.user.user_id,
        fields,
        header,
        job_filter,
        request.get("format", "CSV"),
        instance.clock.now(),
        fate=request.fault.job if request.fault is not None else None,
    )
    return Envelope([instance.exports.create(job)])


@_for_each_family("enqueue_job")
def enqueue(instance: Instance, request: Request) -> Reply:
    job = _job(instance, request)
    if request.fault is not None and request.fault.job is not None:
        job.fate = request.fault.job
    return Envelope([instance.exports.enqueue(job)])


@_for_each_family("cancel_job")
def cancel(instance: Instance, request: Request) -> Reply:
    return Envelope([instance.exports.cancel(_job(instance, request))])


@_for_each_family("get_job_status")
def status(instance: Instance, request: Request) -> Reply:
    job = _job(instance, request)
    _note_fast_polling(instance, request, job.id, [job])
    return Envelope([instance.exports.shown(job)])


@_for_each_family("get_jobs")
def jobs(instance: Instance, request: Request) -> Reply:
    listed = instance.exports.listed(request.user, existing_kind_of(instance, request, FAMILIES))
    if "nextPageToken" not in request.parameters:
        _note_fast_polling(instance, request, "list", listed)
    wanted = {name.lower().replace("canceled", "cancelled") for name in request.get("status", ())}
    if wanted:
        listed = [job for job in listed if instance.exports.visible_status(job).lower() in wanted]
    return page(request, listed, instance.exports.shown, says_more=False, most=instance.settings.export_list_page)


@_for_each_family("get_file")
def file(instance: Instance, request: Request) -> Reply:
    try:
        written = instance.exports.file(_job(instance, request))
    except ApiError:
        written = None
    if written is None:
        raise HttpError(404, "Not Found")
    fault = request.fault
    first, last, partly = 0, written.size - 1, False
    asked = request.headers.get("range")
    if asked is not None and not (fault is not None and fault.ignore_range):
        first, last = _span(asked, written.size)
        partly = True
    headers = {"Accept-Ranges": "bytes"}
    if partly:
        headers["Content-Range"] = f"bytes {first}-{last}/{written.size}"
    return File(
        written.path,
        first,
        last - first + 1,
        206 if partly else 200,
        headers,
        cut_after=fault.truncate if fault else None,
        spoilt=fault is not None and fault.spoil,
        endless=fault is not None and fault.endless,
        drip=fault.drip if fault else 0.0,
    )


def _span(asked: str, size: int) -> tuple[int, int]:
    """
    Return the first and the last byte that a ``Range`` header names.

    It may be ``bytes=5-9``, ``bytes=5-``, or ``bytes=-5`` for the last five bytes.

    :param size: bytes of the file.
    :raises HttpError: 416, the file has no such bytes.
    """
    found = _RANGE.fullmatch(asked.strip())
    start, end = found.groups() if found else ("", "")
    if start:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
    else:
        first, last = max(0, size - int(end or 0)), size - 1
    if not size or not first <= last < size:
        raise HttpError(416, "Requested Range Not Satisfiable")
    return first, last


def _job(instance: Instance, request: Request) -> Job:
    return instance.exports.find(request.user, kind_of(request, FAMILIES), str(request["exportId"]))


def _note_fast_polling(instance: Instance, request: Request, what: str, looked_at: list[Job]) -> None:
    """Note a client that polls more than once a minute: Marketo refreshes the status of jobs once a minute."""
    unfinished = any(instance.exports.visible_status(job) in (QUEUED, PROCESSING) for job in looked_at)
    key = (request.user.client_id, request.operation.name, request.get("apiName"), what)
    before, now = instance.last_polls.get(key), instance.clock.now()
    instance.last_polls[key] = now
    if before is not None and unfinished:
        passed = (now - before).total_seconds()
        if passed < 0.9 * instance.settings.status_refresh:
            instance.note(f"{request.operation.name} called more often than states change")


def _check_fields(instance: Instance, kind: str, fields: list[str]) -> None:
    if not fields:
        raise ApiError("1003", "fields must not be empty")
    known = kind_named(kind).fields(instance.store, kind)
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise ApiError("1003", f"Invalid fields [{', '.join(unknown)}]")


def _header(instance: Instance, kind: str, fields: list[str], titles: Mapping[str, Any]) -> list[str]:
    unknown = [name for name in titles if name not in fields]
    if unknown:
        raise ApiError("1003", f"columnHeaderNames names fields that are not exported: {', '.join(unknown)}")
    header = [str(titles.get(name, name)) for name in fields]
    if instance.settings.export_header is not None:
        header = list(instance.settings.export_header(kind, header))
    return header


def _check_filter(instance: Instance, kind: str, given: Mapping[str, Any]) -> None:
    rules = kind_named(kind)
    unknown = set(given) - {*rules.dates, *rules.others}
    if unknown:
        raise ApiError("1003", f"Unsupported filter type: {', '.join(sorted(unknown))}")
    empty = [name for name, value in given.items() if value in ([], "")]
    if empty:
        raise ApiError("1003", f"{', '.join(sorted(empty))} must not be empty")
    if rules.only_one and len(given) != 1:
        raise ApiError("1003", "Exactly one filter type must be given")
    if rules.needs and sum(name in given for name in rules.needs) != 1:
        raise ApiError("1003", f"Exactly one of {', '.join(rules.needs)} must be given in filter")
    for name in rules.dates:
        if name in given:
            _check_window(name, given[name])
    settings = instance.settings
    lacks_updated_at = "updatedAt" in given and not settings.updated_at_filter
    lacks_smart_list = {"smartListId", "smartListName"} & set(given) and not settings.smart_list_filter
    if lacks_updated_at or lacks_smart_list:
        raise ApiError("1035")
    for name in LISTS:
        if name in given:
            instance.store.list_members(name, given[name])
    if rules.check is not None:
        rules.check(instance.store, given)


def _check_window(name: str, window: Mapping[str, Any]) -> None:
    if "startAt" not in window or "endAt" not in window:
        raise ApiError("1003", f"{name} needs startAt and endAt")
    if window["startAt"] > window["endAt"]:
        raise ApiError("1003", f"{name}: startAt must not be after endAt")
    if (window["endAt"] - window["startAt"]).total_seconds() > _MAX_DAYS * 86_400:
        raise ApiError("1003", f"{name}: the date range must not be longer than {_MAX_DAYS} days")
