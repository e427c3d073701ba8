"""
The manifest: what a task published, for the tasks and loads that read it.

The manifest is written last: a file that no manifest lists is not published. A task returns its manifest as JSON, and
:func:`read_manifest` reads this JSON and the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable, printable_logger
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.names import is_contained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_marketo.output.folder import OutputFolder

__all__ = [
    "SCHEMA_VERSION",
    "DatasetColumn",
    "Manifest",
    "ManifestColumn",
    "ManifestDataset",
    "ManifestFile",
    "ManifestWindow",
    "Removal",
    "read_manifest",
]

log = printable_logger(__name__)

SCHEMA_VERSION = 1
"""It grows when a member changes its meaning or is removed. New members do not change it: readers skip them."""

MOST_LISTED = 100
"""Longest list of files, windows or columns in a task's result, because the result goes through Airflow's database."""

_LISTS = ("files", "windows", "columns", "datasets")

CHANGES, FULL, DELETES = "changes", "full", "deletes"
"""Kinds of rows in a manifest: new and changed rows of a span, all rows of a list, or deleted rows."""

_NO_MANIFEST = "Give what a task returned (extract.output), or the path of the manifest that it wrote."


@dataclass(frozen=True)
class ManifestFile:
    """
    A published file.

    :param name: its path below the output folder.
    :param rows: number of rows.
    :param bytes: its size.
    :param sha256: checksum, in hexadecimal.
    """

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ManifestColumn:
    """
    A column of the rows.

    :param name: REST API name; with ``attributes="typed"`` also ``<activity type>.<attribute>``.
    :param type: Marketo's data type, such as ``integer``, ``datetime`` or ``email``.
    """

    name: str
    type: str


@dataclass(frozen=True)
class ManifestWindow:
    """
    The contribution of one export job, or of one run of a stream.

    :param name: its name, from which the names of its files are made.
    :param start: first second of the window, ISO 8601 in UTC; None if a list selected the rows.
    :param end: first second after the window.
    :param export_id: Marketo's id of the job; None if there was no job.
    :param checksum: Marketo's SHA-256 of the export file.
    :param rows_read: rows that Marketo sent.
    :param rows: rows that were written.
    :param rows_cut: rows outside the window, which were left out.
    :param rows_duplicate: rows that were written before, which were left out.
    :param bytes: size of its files.
    :param missing_columns: columns that Marketo did not send.
    """

    name: str
    start: str | None = None
    end: str | None = None
    export_id: str | None = None
    checksum: str | None = None
    rows_read: int = 0
    rows: int = 0
    rows_cut: int = 0
    rows_duplicate: int = 0
    bytes: int = 0
    missing_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetColumn:
    """
    A column as the files hold it.

    :param name: name of the column in the files.
    :param type: Arrow's name of its type, such as ``int64``, ``string`` or ``timestamp[us, tz=UTC]``. Files of csv and
        jsonl hold texts that stand for values of this type.
    """

    name: str
    type: str


@dataclass(frozen=True)
class Removal:
    """
    The rows of another table that the rows of a dataset remove.

    :param dataset: name of the dataset whose rows are gone, such as ``leads``.
    :param key: key column of that dataset to the column of this dataset that has the value.
    :param date: the column that says when the row was removed.
    """

    dataset: str
    key: Mapping[str, str]
    date: str


@dataclass(frozen=True)
class ManifestDataset:
    """
    Rows with the same columns: one table of a warehouse.

    :param name: name in snake case, such as ``leads`` or ``activity_send_email``. A load names its table after it.
    :param columns: names and types of the columns, with those that are partitions and are only in the files' paths.
    :param key: the columns that tell rows apart; empty if no columns do.
    :param kind: the kind of these rows, as in the manifest. It is ``full`` only if the rows are all rows of the table,
        or of the part of it that ``scope`` names: leads of a static list are ``changes`` to a table of leads.
    :param as_of: Marketo's time when reading began, ISO 8601 in UTC.
    :param folder: prefix of the names of its files; empty if the manifest has one dataset.
    :param scope: values of columns to which a full list is limited, such as the ids of the programs whose members it
        has. A column that the files do not have holds the only value.
    :param removal: the rows of another table that these rows remove, of kind ``deletes``.
    :param skipped: why there are no rows, if Marketo refused them.
    """

    name: str
    columns: tuple[DatasetColumn, ...] = ()
    key: tuple[str, ...] = ()
    kind: str = CHANGES
    as_of: str | None = None
    folder: str = ""
    scope: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    removal: Removal | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Manifest(Serializable):
    """
    The data that a task published: places, counts, checksums; never rows.

    :param object_type: ``leads``, ``activities`` and so on, or the name of a stream.
    :param output: URL of the output folder.
    :param file_format: ``parquet``, ``jsonl`` or ``csv``.
    :param manifest: URL of this manifest's file; None if a run found nothing to read and published nothing.
    :param kind: ``changes`` (new and changed rows of a span), ``full`` (all rows that a list has) or ``deletes`` (rows
        that are gone).
    :param as_of: Marketo's time when reading began, ISO 8601 in UTC: how new the rows are.
    :param custom_object: API name of the custom object type.
    :param start: first second of the span, ISO 8601 in UTC; None if a list selected the rows.
    :param end: first second after the span that was read.
    :param requested_end: first second after the span that was asked for. It is later than ``end`` if the span ended in
        the future; the names of the files and of the manifest follow it.
    :param date_field: the field that the span selects by.
    :param rows: number of rows.
    :param rows_cut: rows outside their window, which were left out.
    :param rows_duplicate: rows that were written before, which were left out.
    :param bytes: size of all files.
    :param columns: names and types of the columns.
    :param key: the columns that tell rows apart.
    :param datasets: the tables that the rows form, with the types that a load needs.
    :param files: the published files.
    :param windows: the contribution of each job.
    :param type_errors: number of values that did not fit their column, by column.
    :param unknown: number of rows with something that Marketo did not announce, such as an activity type, by name.
    :param dropped_fields: fields that were left out, with the reason.
    :param schema_changes: differences from what the output held before.
    :param task_instance: the task instance that wrote it, as its place below the output folder.
    :param request: fingerprint of the request; it changes when the author changes the request.
    :param schema_version: schema version of the manifest's own members.
    """

    object_type: str
    output: str
    file_format: str
    manifest: str | None = None
    kind: str = CHANGES
    as_of: str | None = None
    custom_object: str | None = None
    start: str | None = None
    end: str | None = None
    requested_end: str | None = None
    date_field: str | None = None
    rows: int = 0
    rows_cut: int = 0
    rows_duplicate: int = 0
    bytes: int = 0
    columns: tuple[ManifestColumn, ...] = ()
    key: tuple[str, ...] = ()
    datasets: tuple[ManifestDataset, ...] = ()
    files: tuple[ManifestFile, ...] = ()
    windows: tuple[ManifestWindow, ...] = ()
    type_errors: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    dropped_fields: Mapping[str, str] = field(default_factory=dict)
    schema_changes: tuple[Mapping[str, Any], ...] = ()
    task_instance: str = ""
    request: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def paths(self) -> list[ObjectStoragePath]:
        """Return the paths of the files."""
        return [ObjectStoragePath(self.output) / file.name for file in self.files]

    def files_of(self, dataset: ManifestDataset) -> list[ManifestFile]:
        """Return the files of a dataset."""
        prefix = f"{dataset.folder}/" if dataset.folder else ""
        return [file for file in self.files if file.name.startswith(prefix)]

    def time_of(self, dataset: ManifestDataset) -> str | None:
        """Return how new the rows of a dataset are; None if the manifest does not say it."""
        return dataset.as_of or self.as_of or self.end

    def to_xcom(self) -> dict[str, Any]:
        """Return the manifest as a task returns it: long lists stay in the file, files and windows are counted."""
        found = self.to_dict()
        counts = {"file_count": len(self.files), "window_count": len(self.windows)}
        if self.manifest is not None:
            found = {name: value for name, value in found.items() if name not in _LISTS or len(value) <= MOST_LISTED}
            if sum(len(dataset.columns) for dataset in self.datasets) > MOST_LISTED:
                found.pop("datasets", None)
        return found | counts

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Manifest:
        """
        Return the manifest that :meth:`to_dict` wrote.

        :param facts: plain JSON. Members that this version does not know are ignored.
        :raises MarketoDataError: it is not a manifest, or has a later schema version.
        """
        version = facts.get("schema_version")
        if not isinstance(version, int):
            raise MarketoDataError("this is not a manifest: it has no schema_version", remedy=_NO_MANIFEST)
        if version > SCHEMA_VERSION:
            raise MarketoDataError(
                f"the manifest has schema version {version}, and this provider reads versions up to {SCHEMA_VERSION}",
                remedy="Upgrade airflow-provider-marketo.",
            )
        try:
            made = super().from_dict(facts)
            _check(made)
        except ValueError as error:
            raise MarketoDataError(printable(error), remedy=_NO_MANIFEST) from None
        return made


def read_manifest(source: Mapping[str, Any] | ObjectStoragePath | str) -> Manifest:
    """
    Read a whole manifest, even if a task's result has only a part of it.

    :param source: what a task returned (its XCom), or the path or URL of the manifest's file: the member ``manifest``
        of what a task returned, or of the ``extra`` of an asset event.
    :raises FileNotFoundError: there is no such file.
    :raises MarketoDataError: it is not a manifest, or has a later schema version.
    """
    if isinstance(source, Mapping):
        if all(name in source for name in _LISTS):
            return Manifest.from_dict(source)
        if not source.get("manifest"):
            raise MarketoDataError(
                "this is not a manifest: it has no files and does not say where they are listed", remedy=_NO_MANIFEST
            )
        source = str(source["manifest"])
    try:
        facts = json.loads(ObjectStoragePath(str(source)).read_text())
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, Mapping):
        raise MarketoDataError(f"{source} is not a manifest", remedy=_NO_MANIFEST)
    found = Manifest.from_dict(facts)
    output, _, name = str(source).rpartition(f"/{layout.MANIFESTS}/")
    return replace(found, output=output) if output and "/" not in name else found


def _check(manifest: Manifest) -> None:
    """Raise ValueError if the manifest has an invalid time, an unknown kind, or a file of another folder."""
    for time in (manifest.start, manifest.end, manifest.as_of, *(dataset.as_of for dataset in manifest.datasets)):
        if time is not None:
            parse_date(time)
    for kind in (manifest.kind, *(dataset.kind for dataset in manifest.datasets)):
        if kind not in (CHANGES, FULL, DELETES):
            raise ValueError(f"this is not a Manifest: it has the kind {kind!r}")
    for file in manifest.files:
        if not is_contained(file.name):
            raise ValueError(f"the manifest lists {file.name!r}, which is not the name of a file in its folder")


def publish_manifest(folder: OutputFolder, manifest: Manifest, name: str, schema: Mapping[str, Any]) -> Manifest:
    """
    Publish a manifest, and remove files of an earlier run over the same span that this run did not write again.

    Files stay if another extract into the same folder also lists them: its span may have some of the same windows.

    :param folder: the output.
    :param manifest: manifest of the published files.
    :param name: name of the manifest, without folder and extension; the same for every run over the same span.
    :param schema: the columns, to compare with those of another run.
    :return: the manifest, with its place.
    :raises MarketoInvalidRequestError: another mapped instance of the task has written other rows over the same span.
    """
    place, run_folder = layout.manifest(name), manifest.task_instance
    previous = _listed(folder, place)
    refuse_siblings(folder, name, manifest.request, run_folder)
    remember_leftovers(folder, run_folder, previous)
    folder.write_json(place, manifest.to_dict())
    folder.write_json(layout.SCHEMA, schema)
    stale = set(folder.read_json(layout.leftovers(run_folder), list) or ()) - {file.name for file in manifest.files}
    if stale:
        stale -= _files_of_others(folder, place, run_folder)
    for old in sorted(stale):
        folder.delete(old)
    folder.delete(layout.leftovers(run_folder))
    if stale:
        log.info("Removed %s of an earlier run over the same span", counted(len(stale), "file"))
    return manifest


def manifest_url(folder: OutputFolder, name: str) -> str:
    """Return the URL of the manifest of a name."""
    return f"{folder.url}/{layout.manifest(name)}"


def remember_leftovers(folder: OutputFolder, run_folder: str, names: Iterable[str]) -> None:
    """
    Store a list of files to delete once the manifest is published, unless they are written again.

    The records that list them now are about to be deleted, and the task may be killed in between.

    :param folder: the output.
    :param run_folder: the task instance's place in it.
    :param names: names of the files.
    """
    place = layout.leftovers(run_folder)
    known = set(folder.read_json(place, list) or ())
    if not known.issuperset(names := set(names)):
        folder.write_json(place, sorted(known | names))


def refuse_siblings(folder: OutputFolder, name: str, request: str, run_folder: str) -> None:
    """
    Refuse to replace the rows of another mapped instance of the same task: names follow from the span alone.

    :param folder: the output.
    :param name: name of the manifest.
    :param request: fingerprint of the request.
    :param run_folder: the task instance's place in the output.
    :raises MarketoInvalidRequestError: another mapped instance has written other rows over the same span.
    """
    written = folder.read_json(layout.manifest(name)) or {}
    task, _, map_index = str(written.get("task_instance", "")).rpartition("/")
    is_sibling = task == run_folder.rpartition("/")[0] and map_index != run_folder.rpartition("/")[2]
    if is_sibling and written.get("request") != request:
        raise MarketoInvalidRequestError(
            f"mapped task {map_index} of this run has written other rows of the same span to {folder.url}",
            parameter="output_path",
            remedy="Give each mapped task a folder of its own.",
        )


def _files_of_others(folder: OutputFolder, manifest: str, run_folder: str) -> set[str]:
    """Return files that other manifests list, or that extracts still without a manifest have published."""
    names = [f"{layout.MANIFESTS}/{name}" for name in folder.names(layout.MANIFESTS) if name.endswith(".json")]
    names += [f"{layout.RUNS}/{name}" for name in folder.tree(layout.RUNS) if layout.is_slice_record(name)]
    others = [name for name in names if name != manifest and not name.startswith(f"{run_folder}/")]
    return {file for name in others for file in _listed(folder, name)}


def _listed(folder: OutputFolder, name: str) -> list[str]:
    """
    Return the names of the files that a manifest, or the record of a slice, lists.

    :raises MarketoStateError: the file is damaged.
    """
    facts = folder.read_json(name) or {}
    try:
        return [str(file["name"]) for file in facts.get("files", ())]
    except (TypeError, KeyError, AttributeError) as error:
        raise stored.damaged(str(folder.path(name)), f"its files: {error}", "Delete it and clear the task.") from None
