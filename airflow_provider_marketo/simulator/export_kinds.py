"""What the simulator exports in bulk. Each kind of object is a row of a table: its filters, its fields, its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.export_files import ActivityFilter, activity_lines, member_lines, table_lines
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.simulator.store.table import CHANGED_AT, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Set

    from airflow_provider_marketo.simulator.export_jobs import Job
    from airflow_provider_marketo.simulator.settings import Settings
    from airflow_provider_marketo.simulator.store import Store
    from airflow_provider_marketo.simulator.store.programs import Member

LISTS = ("staticListId", "staticListName", "smartListId", "smartListName")
"""Filters that name a list of leads."""

CUSTOM_OBJECTS = "custom_objects"

ACTIVITY_FIELDS = (
    "marketoGUID",
    "leadId",
    "activityDate",
    "activityTypeId",
    "campaignId",
    "primaryAttributeValueId",
    "primaryAttributeValue",
    "attributes",
)
_ASSET_GROUPS = (
    {types.CHANGE_DATA, types.CHANGE_SCORE},
    {types.CHANGE_STATUS},
    {types.ADD_TO_LIST, types.REMOVE_FROM_LIST},
    {types.FILL_OUT_FORM},
)
_MAX_PRIMARY_VALUES = 50
_MAX_PROGRAMS = 10


@dataclass(frozen=True)
class ExportKind:
    """
    A kind of object that can be exported.

    :param family: family of its operations in the catalogue.
    :param fields: returns the names of the fields that can be exported, given the data and the kind's name.
    :param lines: takes a snapshot of the data for a job, and returns the lines of its file without the header.
    :param dates: filters with a date range.
    :param others: other filters.
    :param only_one: whether a job has exactly one filter.
    :param needs: a job has exactly one of these filters.
    :param check: refuses a filter for reasons of its own.
    :param default_fields: what is exported when a job names no fields; empty if it must name them.
    """

    family: str
    fields: Callable[[Store, str], Set[str]]
    lines: Callable[[Settings, Store, Job], Iterator[str]]
    dates: tuple[str, ...]
    others: tuple[str, ...] = ()
    only_one: bool = False
    needs: tuple[str, ...] = ()
    check: Callable[[Store, Mapping[str, Any]], None] | None = None
    default_fields: tuple[str, ...] = ()


def kind_named(name: str) -> ExportKind:
    """Return a kind of object by the name that jobs have: that of the kind, or of a type of custom objects."""
    return KINDS.get(name, KINDS[CUSTOM_OBJECTS])


def _lead_fields(store: Store, kind: str) -> Set[str]:
    return {field.name for field in store.leads.fields.values() if field.exportable and not field.hidden}


def _member_fields(store: Store, kind: str) -> Set[str]:
    return _lead_fields(store, kind) | {field.name for field in store.programs.fields.values() if not field.hidden}


def _activity_fields(store: Store, kind: str) -> Set[str]:
    return {*ACTIVITY_FIELDS, "actionResult"}


def _custom_object_fields(store: Store, kind: str) -> Set[str]:
    return set(store.custom_objects[kind].type.fields)


def _check_activity_filter(store: Store, given: Mapping[str, Any]) -> None:
    wanted = set(given.get("activityTypeIds", ()))
    if types.DELETE_LEAD in wanted:
        raise ApiError("1003", "Activity type 37 (Delete Lead) cannot be exported")
    primaries = [name for name in ("primaryAttributeValueIds", "primaryAttributeValues") if name in given]
    if len(primaries) > 1:
        raise ApiError("1003", "primaryAttributeValueIds and primaryAttributeValues cannot be used together")
    for name in primaries:
        if len(given[name]) > _MAX_PRIMARY_VALUES:
            raise ApiError("1003", f"{name} takes at most {_MAX_PRIMARY_VALUES} values")
        if not wanted or not any(wanted <= group for group in _ASSET_GROUPS):
            raise ApiError("1003", f"{name} needs activityTypeIds of one asset group")


def _check_member_filter(store: Store, given: Mapping[str, Any]) -> None:
    ids = given.get("programIds", [given.get("programId")])
    if len(ids) > _MAX_PROGRAMS:
        raise ApiError("1003", f"programIds takes at most {_MAX_PROGRAMS} values")
    programs = store.programs
    missing = [program_id for program_id in ids if program_id not in programs.all]
    if missing:
        raise ApiError("1013", f"Program {missing[0]} not found")
    known = {status.name for program_id in ids for status in programs.channel(program_id).statuses}
    for name in given.get("statusNames", ()):
        if name not in known:
            raise ApiError("1003", f"Status name '{name}' not found in the programs")


def _activity_lines(settings: Settings, store: Store, job: Job) -> Iterator[str]:
    start, end = _span(job.filter["createdAt"])
    wanted = ActivityFilter(
        start,
        end,
        frozenset(job.filter.get("activityTypeIds", ())),
        frozenset(job.filter.get("primaryAttributeValueIds", ())),
        frozenset(job.filter.get("primaryAttributeValues", ())),
    )
    log = store.activities.snapshot()
    return activity_lines(log, wanted, job.fields, job.delimiter, settings.attributes_style)


def _lead_lines(settings: Settings, store: Store, job: Job) -> Iterator[str]:
    leads = store.leads.snapshot()
    rows: Iterator[Rows]
    if "createdAt" in job.filter:
        rows = leads.created_between(*_span(job.filter["createdAt"]))
    elif "updatedAt" in job.filter:
        rows = leads.updated_between(*_span(job.filter["updatedAt"]))
    else:
        rows = leads.rows(_on_list(store, job.filter))
    return table_lines(leads, rows, job.fields, job.delimiter)


def _custom_object_lines(settings: Settings, store: Store, job: Job) -> Iterator[str]:
    table = store.custom_objects[job.kind].snapshot()
    rows: Iterator[Rows]
    if "updatedAt" in job.filter:
        rows = table.updated_between(*_span(job.filter["updatedAt"]))
    else:
        rows = table.rows(list(table.of_leads(_on_list(store, job.filter))))
    return table_lines(table, rows, job.fields, job.delimiter)


def _member_lines(settings: Settings, store: Store, job: Job) -> Iterator[str]:
    programs, leads = store.programs.snapshot(), store.leads.snapshot()
    ids = job.filter["programIds"] if "programIds" in job.filter else [job.filter["programId"]]
    members = (
        member for program_id in ids for member in programs.members(program_id) if _is_wanted_member(member, job.filter)
    )
    return member_lines(members, leads.get, job.fields, job.delimiter)


def _on_list(store: Store, job_filter: Any) -> list[int]:
    """Return the ids of the leads that are on the list of a filter now."""
    for name in LISTS:
        if name in job_filter:
            return store.list_members(name, job_filter[name])
    raise KeyError("no list in the filter")


def _is_wanted_member(member: Member, wanted: Any) -> bool:
    if "updatedAt" in wanted:
        start, end = _span(wanted["updatedAt"])
        if not start <= member[CHANGED_AT] <= end:
            return False
    if "statusNames" in wanted and member["statusName"] not in wanted["statusNames"]:
        return False
    if "isExhausted" in wanted and member["isExhausted"] != wanted["isExhausted"]:
        return False
    cadence = wanted.get("nurtureCadence")
    return cadence is None or str(member["nurtureCadence"])[:4] == str(cadence)[:4]


def _span(window: Any) -> tuple[int, int]:
    """Return the first and the last second of a date filter; both are included."""
    return int(window["startAt"].timestamp()), int(window["endAt"].timestamp())


KINDS: Mapping[str, ExportKind] = {
    "leads": ExportKind(
        "bulk_export_leads", _lead_fields, _lead_lines, dates=("createdAt", "updatedAt"), others=LISTS, only_one=True
    ),
    "activities": ExportKind(
        "bulk_export_activities",
        _activity_fields,
        _activity_lines,
        dates=("createdAt",),
        others=("activityTypeIds", "primaryAttributeValueIds", "primaryAttributeValues"),
        needs=("createdAt",),
        check=_check_activity_filter,
        default_fields=ACTIVITY_FIELDS,
    ),
    "program_members": ExportKind(
        "bulk_export_program_members",
        _member_fields,
        _member_lines,
        dates=("updatedAt",),
        others=("programId", "programIds", "isExhausted", "nurtureCadence", "statusNames"),
        needs=("programId", "programIds"),
        check=_check_member_filter,
    ),
    CUSTOM_OBJECTS: ExportKind(
        "bulk_export_custom_objects",
        _custom_object_fields,
        _custom_object_lines,
        dates=("updatedAt",),
        others=LISTS,
        only_one=True,
    ),
}
