"""The rows of an import: written one by one, and reported as failures and warnings."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.import_jobs import FAILURES, WARNINGS, Job
from airflow_provider_marketo.simulator.lead_writing import UPDATE_ONLY, UPSERT, LeadWriter, searchable_fields
from airflow_provider_marketo.simulator.memberships import add_to_list, set_program_status
from airflow_provider_marketo.simulator.problems import ApiError, RecordError
from airflow_provider_marketo.simulator.store.leads import PARTITIONS
from airflow_provider_marketo.simulator.values import typed

if TYPE_CHECKING:
    from airflow_provider_marketo.simulator.database import LeadDatabase
    from airflow_provider_marketo.simulator.store.fields import Field

REASONS: Mapping[str, str] = {FAILURES: "Import Failure Reason", WARNINGS: "Import Warning Reason"}
NO_KEY = "missing.dedupe.fields"
_NO_VALUE = ("", "null", "NULL")
"""An empty cell and the word ``null`` empty the field."""

Row = dict[str, str]
Write = Callable[[dict[str, Any]], str | None]
"""Write a record and return a warning or None. Raises :class:`~.problems.RecordError` for a failure."""


def fields_of(database: LeadDatabase, kind: str) -> Mapping[str, Field]:
    """Return the fields that the header of a file may name."""
    if kind == "leads":
        return database.store.leads.fields
    if kind == "program_members":
        return {**database.store.programs.fields, **database.store.leads.fields}
    return database.store.custom_objects[kind].type.fields


def check(database: LeadDatabase, job: Job) -> None:
    """
    Check what the parameters of a job name.

    :raises ApiError: 1008, 1011, 1013 or 1025: a partition, field, list, program, type or status does not exist.
    """
    store = database.store
    if job.kind not in ("leads", "program_members") and job.kind not in store.custom_objects:
        raise ApiError("1013", f"Object '{job.kind}' not found")
    given = job.parameters
    if "lookupField" in given and given["lookupField"] not in searchable_fields(store.leads.fields):
        raise ApiError("1011", f"Field '{given['lookupField']}' is not supported as lookupField")
    if "listId" in given and given["listId"] not in store.lists.all:
        raise ApiError("1013", f"List '{given['listId']}' not found")
    if given.get("partitionName", "Default") not in PARTITIONS:
        raise ApiError("1008", f"Lead partition '{given['partitionName']}' not found or not accessible")
    if "programId" not in given:
        return
    program_id = str(given["programId"])
    if not program_id.isdecimal() or int(program_id) not in store.programs.all:
        raise ApiError("1013", f"Program '{program_id}' not found")
    if store.programs.channel(int(program_id)).status(given["programMemberStatus"]) is None:
        raise ApiError("1025", f"Program status '{given['programMemberStatus']}' not found")


def read_header(database: LeadDatabase, job: Job) -> list[str]:
    """
    Return the header of a job's file.

    :raises ApiError: the file is not UTF-8 or empty, or the header names an unknown field; spaces count.
    """
    try:
        text = job.content.decode("utf-8")
    except UnicodeDecodeError:
        raise ApiError("1003", "The file is not UTF-8") from None
    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=job.delimiter), [])
    if not header:
        raise ApiError("1003", "Empty file")
    known = fields_of(database, job.kind)
    for name in header:
        if name not in known or known[name].hidden:
            raise ApiError("1006", f"Field '{name}' not found")
    if len(set(header)) < len(header):
        raise ApiError("1003", "Duplicate column in header")
    return header


def run(database: LeadDatabase, job: Job) -> None:
    """
    Write a job's rows and its reports.

    :raises ApiError: something that the job needs was deleted while it waited.
    """
    check(database, job)
    read_header(database, job)
    write = _writer(database, job)
    fields = fields_of(database, job.kind)
    lines = csv.reader(io.StringIO(job.content.decode("utf-8"), newline=""), delimiter=job.delimiter)
    header = next(lines)
    for cells in lines:
        row = dict(zip(header, cells, strict=False))
        if len(cells) != len(header):
            job.reports[FAILURES].append((_rewritten(fields, row), "Number of cells differs from the header"))
            continue
        record, warnings = _record(fields, row)
        try:
            warning = write(record)
        except RecordError as error:
            job.reports[FAILURES].append((_rewritten(fields, row), error.message))
            continue
        job.processed += 1
        if warning:
            warnings.append(warning)
        if warnings:
            job.reports[WARNINGS].append((_rewritten(fields, row), "; ".join(warnings)))


def _record(fields: Mapping[str, Field], row: Row) -> tuple[dict[str, Any], list[str]]:
    """Return a row without the values that do not fit their field, and a warning for each of these."""
    record: dict[str, Any] = {}
    warnings = []
    for name, cell in row.items():
        text = cell.strip()
        if text in _NO_VALUE:
            record[name] = None
            continue
        try:
            typed(fields[name], text)
        except RecordError as error:
            if fields[name].type == "email":
                record[name] = text
                continue
            warnings.append(error.message)
            continue
        record[name] = text
    return record, warnings


def _writer(database: LeadDatabase, job: Job) -> Write:
    if job.kind not in ("leads", "program_members"):
        return _custom_object_writer(database, job)
    key = job.parameters.get("lookupField") or "email"
    leads = LeadWriter(
        database,
        UPDATE_ONLY if key == "id" else UPSERT,
        key,
        job.parameters.get("partitionName"),
        source="List import",
    )
    own = database.store.programs.fields if job.kind == "program_members" else {}
    lead_fields = database.store.leads.fields

    def write(record: dict[str, Any]) -> str | None:
        if record.get(key) is None:
            raise RecordError(NO_KEY, NO_KEY)
        entry = leads.write({name: value for name, value in record.items() if name in lead_fields})
        if "listId" in job.parameters:
            add_to_list(database, job.parameters["listId"], entry["id"], source="List import")
        if job.kind == "program_members":
            members = {name: value for name, value in record.items() if name in own and name not in lead_fields}
            return _join_program(database, job, entry["id"], members)
        return None

    return write


def _join_program(database: LeadDatabase, job: Job, lead_id: int, values: Mapping[str, Any]) -> str | None:
    programs = database.store.programs
    program_id = int(job.parameters["programId"])
    channel = programs.channel(program_id)
    status = channel.status(job.parameters["programMemberStatus"])
    assert status is not None  # the call was refused otherwise
    member = programs.member(program_id, lead_id)
    current = channel.status(member["statusName"]) if member else None
    past = current is not None and current.step >= status.step
    if not past:
        set_program_status(database, program_id, lead_id, status.name)
    if values:
        written = programs.member(program_id, lead_id) or {}
        kept = {name: typed(programs.fields[name], value) for name, value in values.items()}
        programs.write({**written, **kept}, database.now)
    return "Lead skipped because it is already in or past this status" if past else None


def _custom_object_writer(database: LeadDatabase, job: Job) -> Write:
    table = database.store.custom_objects[job.kind]
    kind = table.type

    def write(record: dict[str, Any]) -> str | None:
        if any(record.get(name) is None for name in kind.dedupe):
            raise RecordError(NO_KEY, NO_KEY)
        values = {name: typed(kind.fields[name], value) for name, value in record.items()}
        link = values.get(kind.link)
        if link is not None and link not in database.store.leads:
            raise RecordError("1004", f"Lead '{link}' not found")
        found = table.with_key({name: values[name] for name in kind.dedupe})
        if found:
            table.update(table.get(found[0]) or {}, values, database.now)
        else:
            table.create(values, database.now)
        return None

    return write


def _rewritten(fields: Mapping[str, Field], row: Row) -> Row:
    """Return the values as Marketo's reports write them, which differs from how they were sent."""
    found = {}
    for name, text in row.items():
        try:
            value = typed(fields[name], text.strip())
        except RecordError:
            value = text.strip()
        if fields[name].type == "email" and value:
            value = str(value).lower()
        found[name] = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return found


def report(job: Job, which: str) -> bytes | None:
    """
    Return a report's file: rows and reasons, without the columns that are empty in every row.

    If the first column is empty, its name is missing but its cells are there, as in Marketo: such a file cannot be read
    by its header.

    :param which: ``failures`` or ``warnings``.
    :return: the file; None if there is nothing to report.
    """
    rows = job.reports[which]
    if not rows:
        return None
    used = [name for name in job.header if any(row.get(name) for row, _ in rows)]
    lost_first = bool(job.header) and job.header[0] not in used
    text = io.StringIO(newline="")
    lines = csv.writer(text, delimiter=job.delimiter, lineterminator="\n")
    lines.writerow([*used, REASONS[which]])
    for row, reason in rows:
        lines.writerow([*([""] if lost_first else []), *(row.get(name, "") for name in used), reason])
    return text.getvalue().encode("utf-8")
