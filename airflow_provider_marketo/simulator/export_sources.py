"""The lines of an export file: where leads, activities, program members and custom objects differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.export_files import (
    ActivityFilter,
    activity_lines,
    given_lines,
    member_lines,
    table_lines,
)
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.store.table import CHANGED_AT, Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.simulator.export_jobs import Job
    from airflow_provider_marketo.simulator.settings import Settings
    from airflow_provider_marketo.simulator.store import Store
    from airflow_provider_marketo.simulator.store.programs import Member

LISTS = ("staticListId", "staticListName", "smartListId", "smartListName")
"""Filters that name a list of leads."""


class ExportSources:
    """
    Makes the lines of a job's file.

    A call takes a snapshot of the data. Another thread makes the lines from it later.

    :param settings: may supply the rows.
    :param store: the data.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def check(self, job: Job) -> None:
        """Refuse an export whose source is missing."""
        store = self._store
        for name in LISTS:
            if name in job.filter:
                store.list_members(name, job.filter[name])
        for program_id in job.filter.get("programIds", [job.filter["programId"]] if "programId" in job.filter else []):
            if program_id not in store.programs.all:
                raise ApiError("1013", f"Program {program_id} not found")
        if job.kind in ("leads", "activities", "program_members"):
            return
        if job.kind not in store.custom_objects:
            raise ApiError("1013", f"Object '{job.kind}' not found")
        unknown = [name for name in job.fields if name not in store.custom_objects[job.kind].type.fields]
        if unknown:
            raise ApiError("1003", f"Invalid fields {unknown}")

    def __call__(self, job: Job) -> Iterator[str]:
        """Return the header and the rows of a job."""
        if self._settings.export_rows is not None:
            return given_lines(self._settings.export_rows(job.kind, job.fields), job.delimiter)
        if job.kind == "activities":
            return self._activities(job)
        if job.kind == "program_members":
            return self._members(job)
        return self._leads(job) if job.kind == "leads" else self._custom_objects(job)

    def _activities(self, job: Job) -> Iterator[str]:
        start, end = _span(job.filter["createdAt"])
        wanted = ActivityFilter(
            start,
            end,
            frozenset(job.filter.get("activityTypeIds", ())),
            frozenset(job.filter.get("primaryAttributeValueIds", ())),
            frozenset(job.filter.get("primaryAttributeValues", ())),
        )
        log = self._store.activities.snapshot()
        return activity_lines(log, wanted, job.fields, job.delimiter, self._settings.attributes_style)

    def _leads(self, job: Job) -> Iterator[str]:
        leads = self._store.leads.snapshot()
        rows: Iterator[Rows]
        if "createdAt" in job.filter:
            rows = leads.created_between(*_span(job.filter["createdAt"]))
        elif "updatedAt" in job.filter:
            rows = leads.updated_between(*_span(job.filter["updatedAt"]))
        else:
            rows = leads.rows(self._on_list(job.filter))
        return table_lines(leads, rows, job.fields, job.delimiter)

    def _custom_objects(self, job: Job) -> Iterator[str]:
        table = self._store.custom_objects[job.kind].snapshot()
        rows: Iterator[Rows]
        if "updatedAt" in job.filter:
            rows = table.updated_between(*_span(job.filter["updatedAt"]))
        else:
            rows = table.rows(list(table.of_leads(self._on_list(job.filter))))
        return table_lines(table, rows, job.fields, job.delimiter)

    def _members(self, job: Job) -> Iterator[str]:
        programs, leads = self._store.programs.snapshot(), self._store.leads.snapshot()
        ids = job.filter["programIds"] if "programIds" in job.filter else [job.filter["programId"]]
        members = (
            member
            for program_id in ids
            for member in programs.members(program_id)
            if _is_wanted_member(member, job.filter)
        )
        return member_lines(members, leads.get, job.fields, job.delimiter)

    def _on_list(self, job_filter: Any) -> list[int]:
        """Return the ids of the leads that are on the list of a filter now."""
        for name in LISTS:
            if name in job_filter:
                return self._store.list_members(name, job_filter[name])
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
