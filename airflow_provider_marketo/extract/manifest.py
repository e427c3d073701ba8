"""The manifest of an extract or of a stream's run, made of the records of its slices."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.extract.datasets import datasets_of
from airflow_provider_marketo.output.manifest import Manifest, manifest_url, publish_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_provider_marketo.extract.plan import ExtractPlan
    from airflow_provider_marketo.extract.request import ExtractRequest
    from airflow_provider_marketo.extract.slice_record import SliceRecord
    from airflow_provider_marketo.output.folder import OutputFolder


def write_manifest(
    folder: OutputFolder,
    request: ExtractRequest,
    plan: ExtractPlan,
    slices: Sequence[SliceRecord],
    *,
    run_folder: str,
    requested_end: datetime | None = None,
) -> Manifest:
    """
    Publish the manifest of an extract.

    :param folder: the output.
    :param request: the request.
    :param plan: the plan.
    :param slices: the record of each slice.
    :param run_folder: the task instance's place in the output.
    :param requested_end: the end that the author asked for, if the request has the end that was read.
    :raises MarketoInvalidRequestError: another mapped instance of the task has written other rows over the same span.
    """
    windows = [one.to_dict() for one in slices]
    schema = plan.written(request.attributes_form, request.partition_by)
    has_dates = request.has_span
    asked = requested_end or request.end
    end = request.end if plan.until is None or request.end is None else min(request.end, plan.until)
    facts = {
        "object_type": request.object_type,
        "kind": request.kind,
        "as_of": plan.as_of or None,
        "custom_object": request.custom_object,
        "start": iso(request.start) if request.start and has_dates else None,
        "end": iso(end) if end and has_dates else None,
        "requested_end": iso(asked) if asked and has_dates else None,
        "date_field": request.date_filter,
        "file_format": request.file_format,
        **{count: sum(one[count] for one in windows) for count in ("rows", "rows_cut", "rows_duplicate", "bytes")},
        "columns": schema["columns"],
        "key": schema["key"],
        "files": [file for one in windows for file in one["files"]],
        "windows": windows,
        **{name: _total(windows, name) for name in ("type_errors", "unknown")},
        "dropped_fields": plan.dropped,
        "schema_changes": plan.schema_changes,
        "task_instance": run_folder,
        "request": request.fingerprint(),
        "output": folder.url,
        "manifest": manifest_url(folder, request.name),
        "schema_version": Manifest.schema_version,
    }
    manifest = Manifest.from_dict(facts)
    datasets = datasets_of(request, plan, [file.name for file in manifest.files])
    return publish_manifest(folder, replace(manifest, datasets=tuple(datasets)), request.name, schema)


def _total(windows: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in windows:
        total.update(one[name])
    return dict(total)
