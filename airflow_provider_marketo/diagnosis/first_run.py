"""What the first run of a DAG costs, estimated from its stored tasks before it has run (*experimental*)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.airflow_compat import Variable
from airflow_provider_marketo.arguments import is_filled_in_later
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.conversions import as_period, as_utc
from airflow_provider_marketo.extract.begin import CALLS_A_JOB
from airflow_provider_marketo.extract.request import ALL_FIELDS, ExtractRequest
from airflow_provider_marketo.hooks.export_account import ExportAccount, variable_name
from airflow_provider_marketo.listings.request import ListingRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.diagnosis.dag_tasks import DagTask
    from airflow_provider_marketo.hooks.export_account import Size

_STORED_PERIOD = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)(?:\.\d+)?")
_RANGES = "RangesOfRunOperator"
_MONTH = timedelta(days=30)

_EXTRACTS: dict[str, str | None] = {
    "MarketoBulkExtractOperator": None,
    "MarketoIncrementalLeadsOperator": "leads",
    "ExtractInRangeOperator": None,
    "LeadsInRangeOperator": "leads",
    "CustomObjectInRangeOperator": "custom_objects",
}
"""Operators that run export jobs, and what they export; None where ``object_type`` says it."""

_NOTES = {"program_members": "for each ten programs", "custom_objects": "for each window and type"}
"""Unit of the calls, where only the instance knows how many there are."""

_FEEDS = {"RemovalsInRangeOperator": 2}
"""Operators that read feeds, and how many of them."""

_DESCRIPTIONS = 4
"""Describe calls for the fields of leads and members, and the types of activities and custom objects."""

_A_FEED = 2
"""Calls for a feed: a paging token and a page."""


@dataclass(frozen=True)
class TaskCost:
    """
    What a task costs at least.

    :param task_id: the task.
    :param reads: what it reads.
    :param calls: fewest calls; None if its arguments do not determine them.
    :param request: the extract whose windows have a size; None without such an extract, or without dates.
    :param note: what the calls are for, or depend on.
    """

    task_id: str
    reads: str
    calls: int | None
    request: ExtractRequest | None = None
    note: str = ""


def tasks_of(dag_id: str, tasks: Sequence[DagTask]) -> list[DagTask]:
    """
    Return the tasks of this package in a DAG.

    :param dag_id: its id.
    :param tasks: tasks of all DAGs.
    :raises MarketoInvalidRequestError: the DAG does not exist, or has no task of this package.
    """
    found = [task for task in tasks if task.dag_id == dag_id]
    if not found:
        known = sorted({task.dag_id for task in tasks})
        raise MarketoInvalidRequestError(
            f"no stored DAG {with_nearest(dag_id, known)} has Marketo tasks",
            parameter="DAG_ID",
            remedy="Give a DAG that Airflow has parsed, or a type of object, such as leads.",
        )
    return found


def costs(tasks: Sequence[DagTask], start: datetime | None, end: datetime) -> Iterator[TaskCost]:
    """
    Yield what each task costs in the first run. Loads make no calls and are left out.

    :param tasks: tasks of a DAG.
    :param start: start of tasks whose own start is a template; None if the author does not say.
    :param end: end of tasks whose own end is a template, such as now.
    """
    starts = {
        task.task_id.rpartition(".")[0]: task.arguments.get("start") for task in tasks if task.operator == _RANGES
    }
    for task in tasks:
        group = task.task_id.rpartition(".")[0]
        if task.operator == _RANGES:
            yield TaskCost(task.task_id, "Marketo's time, fields and types", _DESCRIPTIONS)
        elif task.operator in _EXTRACTS:
            yield _extract(task, _date(task.arguments.get("start")) or _date(starts.get(group)) or start, end)
        elif task.operator in ("MarketoListingOperator", "ReferenceInRangeOperator"):
            yield _listing(task)
        elif task.operator in _FEEDS:
            count = _FEEDS[task.operator] * _A_FEED
            yield TaskCost(task.task_id, "deletions and merges", count, note="and 1 for each 300 activities")
        elif not task.operator.startswith("Load") and task.operator != "MarketoToSqlOperator":
            yield TaskCost(task.task_id, task.operator, None, note="depends on its rows")


def _extract(task: DagTask, start: datetime | None, end: datetime) -> TaskCost:
    facts = task.arguments
    name = _EXTRACTS[task.operator] or str(facts.get("object_type"))
    if name in _NOTES:
        return TaskCost(task.task_id, name, CALLS_A_JOB, note=_NOTES[name])
    if start is None:
        return TaskCost(task.task_id, name, CALLS_A_JOB, note="for each window; give --start to count the windows")
    last = _date(facts.get("end")) or end
    request = ExtractRequest(
        name,
        start=start,
        end=last,
        fields=None if export_object(name).fields else ALL_FIELDS,
        window=_period(facts.get("window")) or _MONTH,
        order=str(facts.get("order") or "oldest_first"),
    )
    return TaskCost(task.task_id, name, 1 + CALLS_A_JOB * len(request.slices({})), request)


def _listing(task: DagTask) -> TaskCost:
    names, also = (_names(task.arguments.get(name)) for name in ("object_types", "also"))
    found = _names(task.arguments.get("found_keys"))
    also = [name for name in also if name not in found]
    nothing: dict[str, Any] = dict.fromkeys(("fields", "exclude_fields", "hash_fields", "start", "end", "keys"))
    keys = task.arguments.get("keys")
    given = {"keys": keys if isinstance(keys, dict) else None, "object_types": names, "also": also}
    try:
        request = ListingRequest.of({**nothing, "file_format": "parquet", "on_type_error": "null", **given})
    except MarketoInvalidRequestError:
        return TaskCost(task.task_id, "reference data", None, note="depends on its keys")
    pages = {listing.source: 2 if listing.versions else 1 for listing in request.listings if listing.parent is None}
    by_row = [listing.name for listing in request.listings if listing.parent is not None]
    rows = f", and 1 for each record to which {', '.join(by_row)} belong" if by_row else ""
    looked_up = f", and 1 for each 300 keys of {', '.join(found)}" if found else ""
    note = f"and 1 for each further page{rows}{looked_up}"
    return TaskCost(task.task_id, "reference data", sum(pages.values()), note=note)


def _names(given: Any) -> list[str]:
    return [str(each) for each in given] if isinstance(given, (list, tuple)) else []


def _date(given: Any) -> datetime | None:
    """Return a stored date; None for a template."""
    try:
        return as_utc("start", given)[0] if isinstance(given, str) and not is_filled_in_later(given) else None
    except MarketoInvalidRequestError:
        return None


def _period(given: Any) -> timedelta | None:
    """Return a stored length of time; None for a template."""
    if not isinstance(given, str) or is_filled_in_later(given):
        return None
    found = _STORED_PERIOD.fullmatch(given)
    if found is None:
        return as_period("window", given)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def budget_of(tasks: Sequence[DagTask]) -> float | None:
    """Return the least budget that the tasks of a DAG have; None if no task has a budget."""
    given: list[Any] = [task.arguments.get("daily_export_mb") for task in tasks]
    return min((float(each) for each in given if _is_number(each)), default=None)


def known_sizes(conn_id: str) -> Mapping[str, Size]:
    """
    Return the sizes of the last files that tasks have exported, by ``dag_id.task_id``.

    :param conn_id: id of the connection.
    :raises MarketoStateError: the Variable that has them is damaged.
    """
    name = variable_name(conn_id)
    return ExportAccount.load(Variable.get(name, default_var=None), name).sizes


def _is_number(given: Any) -> bool:
    try:
        return float(given) > 0
    except (TypeError, ValueError):
        return False
