"""The manifest: what an extract published. Readers go by it, and it comes last."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_marketo.client.bulk.plan import iso
from airflow_provider_marketo.extract import layout
from airflow_provider_marketo.extract.plan import ExtractPlan
from airflow_provider_marketo.extract.request import ExtractRequest
from airflow_provider_marketo.storage import OutputFolder

log = logging.getLogger(__name__)

_COUNTS = ("rows", "rows_cut", "rows_duplicate", "bytes")
_TOTALS = ("type_errors", "unknown")


def write_manifest(
    folder: OutputFolder, request: ExtractRequest, plan: ExtractPlan, slices: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """
    Publish the manifest and remove files of an earlier run over the same span that this one did not write again.

    :param folder: the output.
    :param request: what was wanted.
    :param plan: what was done.
    :param slices: the record of each slice.
    :return: the manifest: paths, counts, checksums, job ids; never rows.
    """
    place = layout.manifest(request.name)
    previous = folder.read_json(place) or {}
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
        "output": folder.url,
        "manifest": f"{folder.url}/{place}",
    }
    folder.write_json(place, manifest)
    folder.write_json(layout.SCHEMA, plan.written(request.attributes_form))
    stale = {file["name"] for file in previous.get("files", ())} - {file["name"] for file in files}
    for old in sorted(stale):
        folder.delete(old)
    if stale:
        log.info("Removed %d files of an earlier run over the same span", len(stale))
    return manifest
