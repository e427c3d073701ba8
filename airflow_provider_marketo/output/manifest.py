"""The manifest: what an extract published. Readers go by it, and it comes last."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder

log = logging.getLogger(__name__)

_COUNTS = ("rows", "rows_cut", "rows_duplicate", "bytes")
_TOTALS = ("type_errors", "unknown")


def write_manifest(
    folder: OutputFolder,
    request: ExtractRequest,
    plan: ExtractPlan,
    slices: Sequence[Mapping[str, Any]],
    *,
    run_folder: str,
) -> dict[str, Any]:
    """
    Publish the manifest and remove files of an earlier run over the same span that this one did not write again, but
    for those that another extract into the same folder has written, too: over another span, in the same windows.

    :param folder: the output.
    :param request: what was wanted.
    :param plan: what was done.
    :param slices: the record of each slice.
    :param run_folder: the task instance's place in the output.
    :return: the manifest: paths, counts, checksums, job ids; never rows.
    :raises MarketoInvalidRequestError: another mapped instance of the task has written other rows over the same span.
    """
    place = layout.manifest(request.name)
    previous = folder.read_json(place) or {}
    refuse_siblings(folder, request, run_folder)
    files = [file for one in slices for file in one["files"]]
    totals: dict[str, Counter[str]] = {name: Counter() for name in _TOTALS}
    for one in slices:
        for name, total in totals.items():
            total.update(one[name])
    manifest: dict[str, Any] = {
        "object_type": request.object_type,
        "custom_object": request.custom_object,
        "start": iso(request.start) if request.start and request.date_filter else None,
        "end": iso(request.end) if request.end and request.date_filter else None,
        "date_field": request.date_filter,
        "file_format": request.file_format,
        **{count: sum(one[count] for one in slices) for count in _COUNTS},
        "files": files,
        "windows": [{key: value for key, value in one.items() if key not in ("files", *_TOTALS)} for one in slices],
        **{name: dict(total) for name, total in totals.items()},
        "dropped_fields": dict(plan.dropped),
        "schema_changes": list(plan.schema_changes),
        "task_instance": run_folder,
        "request": request.fingerprint(),
        "output": folder.url,
        "manifest": f"{folder.url}/{place}",
    }
    remember_leftovers(folder, run_folder, (file["name"] for file in previous.get("files", ())))
    folder.write_json(place, manifest)
    folder.write_json(layout.SCHEMA, plan.written(request.attributes_form))
    stale = set(folder.read_json(layout.leftovers(run_folder)) or ()) - {file["name"] for file in files}
    if stale:
        stale -= _files_of_others(folder, place, run_folder)
    for old in sorted(stale):
        folder.delete(old)
    folder.delete(layout.leftovers(run_folder))
    if stale:
        log.info("Removed %d files of an earlier run over the same span", len(stale))
    return manifest


def _files_of_others(folder: OutputFolder, manifest: str, run_folder: str) -> set[str]:
    """Files that other manifests list, or that extracts which have not come to theirs have published."""
    root = len(folder.path("").path.rstrip("/")) + 1
    found = [*folder.path(layout.MANIFESTS).glob("*.json"), *folder.path(layout.RUNS).glob("*/*/*/*/slices/*.json")]
    names = [path.path[root:] for path in found]
    others = [name for name in names if name != manifest and not name.startswith(f"{run_folder}/")]
    return {file["name"] for name in others for file in (folder.read_json(name) or {}).get("files", ())}


def remember_leftovers(folder: OutputFolder, run_folder: str, names: Iterable[str]) -> None:
    """
    Write down files that have to go when the manifest is there, unless they are written again: what knows of them is
    about to go itself, and the task may be killed in between.

    :param folder: the output.
    :param run_folder: the task instance's place in it.
    :param names: of the files.
    """
    place = layout.leftovers(run_folder)
    known = set(folder.read_json(place) or ())
    if not known.issuperset(names := set(names)):
        folder.write_json(place, sorted(known | names))


def refuse_siblings(folder: OutputFolder, request: ExtractRequest, run_folder: str) -> None:
    """
    Refuse what would replace the rows of another mapped instance of the same task: names follow from the span alone.

    :raises MarketoInvalidRequestError: one has written other rows over the same span.
    """
    written = folder.read_json(layout.manifest(request.name)) or {}
    task, _, map_index = str(written.get("task_instance", "")).rpartition("/")
    is_sibling = task == run_folder.rpartition("/")[0] and map_index != run_folder.rpartition("/")[2]
    if is_sibling and written["request"] != request.fingerprint():
        raise MarketoInvalidRequestError(
            f"mapped task {map_index} of this run has written other rows of the same span to {folder.url}",
            parameter="output_path",
            remedy="Give each mapped task a folder of its own.",
        )
