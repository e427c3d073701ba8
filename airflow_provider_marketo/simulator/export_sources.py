"""The lines of an export file, from the data of the instance or from rows that a test supplies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.simulator.export_files import given_lines
from airflow_provider_marketo.simulator.export_kinds import KINDS, LISTS, kind_named
from airflow_provider_marketo.simulator.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_marketo.simulator.export_jobs import Job
    from airflow_provider_marketo.simulator.settings import Settings
    from airflow_provider_marketo.simulator.store import Store


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
        if job.kind in KINDS:
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
        return kind_named(job.kind).lines(self._settings, self._store, job)
