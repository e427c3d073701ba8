"""The part of the manifest about a published slice, kept until all slices are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.output.manifest import ManifestFile

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.jobs import ExportJob
    from airflow_provider_marketo.client.bulk.plan import Slice
    from airflow_provider_marketo.client.tabular.transform import Outcome


@dataclass(frozen=True)
class SliceRecord(Serializable):
    """
    The facts of a slice.

    :param name: name of the slice; the names of its files begin with it.
    :param rows_read: rows that Marketo sent.
    :param rows: rows that were written.
    :param rows_cut: rows outside the window.
    :param rows_duplicate: rows that an earlier slice had.
    :param bytes: size of its files.
    :param files: its files, without empty ones.
    :param start: first second of its window, ISO 8601 in UTC; None without a window.
    :param end: first second after its window.
    :param export_id: Marketo's id of the export job; None if there was no job.
    :param checksum: SHA-256 of the export file, as Marketo gave it.
    :param type_errors: number of values that did not fit their column, by column.
    :param unknown: number of rows with something that Marketo did not announce, by name.
    :param missing_columns: columns that Marketo did not send.
    """

    VERSION: ClassVar[int] = 1

    name: str
    rows_read: int
    rows: int
    rows_cut: int
    rows_duplicate: int
    bytes: int
    files: tuple[ManifestFile, ...]
    start: str | None = None
    end: str | None = None
    export_id: str | None = None
    checksum: str | None = None
    type_errors: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    missing_columns: tuple[str, ...] = ()


def record_of(one: Slice, job: ExportJob, outcome: Outcome) -> SliceRecord:
    """
    Return the record of a slice.

    :param one: the slice.
    :param job: its export job.
    :param outcome: counts of the rows that were read and written, and the files.
    """
    return SliceRecord(
        name=one.name,
        rows_read=outcome.rows_read,
        rows=outcome.rows,
        rows_cut=outcome.rows_cut,
        rows_duplicate=outcome.rows_duplicate,
        bytes=sum(file.size for file in outcome.files),
        files=files_of(outcome),
        start=iso(one.window.start) if one.window else None,
        end=iso(one.window.end) if one.window else None,
        export_id=job.export_id,
        checksum=job.checksum,
        type_errors=dict(outcome.type_errors),
        unknown=dict(outcome.unknown),
        missing_columns=tuple(outcome.missing_columns),
    )


def files_of(outcome: Outcome) -> tuple[ManifestFile, ...]:
    """Return the manifest's entries for the files that were written."""
    return tuple(ManifestFile(file.name, file.rows, file.size, file.sha256) for file in outcome.files)
