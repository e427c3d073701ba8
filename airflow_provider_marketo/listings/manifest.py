"""The manifest of a run of listings: each table is a dataset of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.tabular.columns import MISFITS
from airflow_provider_marketo.client.tabular.schema import ATTRIBUTES, STRING, describe_change
from airflow_provider_marketo.extract.datasets import columns_of_kinds
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.manifest import (
    CHANGES,
    FULL,
    Manifest,
    ManifestColumn,
    ManifestDataset,
    manifest_url,
    publish_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.listings.listing import Listing
    from airflow_provider_marketo.listings.request import ListingRequest
    from airflow_provider_marketo.listings.write import TableRecord
    from airflow_provider_marketo.output.folder import OutputFolder

NAME = "listings"


def publish(
    folder: OutputFolder,
    request: ListingRequest,
    span: Window | None,
    records: Sequence[TableRecord],
    listings: Mapping[str, Listing],
    *,
    run_folder: str,
) -> Manifest:
    """
    Publish the manifest of the listed tables.

    :param folder: the output.
    :param request: the request.
    :param span: the span whose changes were listed, for tables that Marketo can select by date.
    :param records: the record of each written table.
    :param listings: listings with their columns, by name.
    :param run_folder: the task instance's place in the output.
    :raises MarketoInvalidRequestError: another mapped instance of the task has written other rows over the same span.
    """
    name = f"{NAME}_{span.name}" if span else NAME
    columns = tuple(
        ManifestColumn(f"{record.name}.{column.name}", column.type)
        for record in records
        for column in request.schema(listings[record.name]).columns
    )
    schema = {"columns": [{"name": column.name, "type": column.type} for column in columns], "key": [], "date": None}
    errors: Counter[str] = Counter()
    for record in records:
        errors.update({f"{record.name}.{column}": count for column, count in record.type_errors.items()})
    manifest = Manifest(
        object_type=NAME,
        output=folder.url,
        file_format=request.file_format,
        manifest=manifest_url(folder, name),
        kind=FULL if all(record.kind == FULL for record in records) else CHANGES,
        as_of=min(record.as_of for record in records),
        start=iso(span.start) if span else None,
        end=iso(span.end) if span else None,
        requested_end=iso(request.end or span.end) if span else None,
        date_field="updatedAt" if span else None,
        rows=sum(record.window.rows for record in records),
        rows_duplicate=sum(record.window.rows_duplicate for record in records),
        bytes=sum(record.window.bytes for record in records),
        columns=columns,
        datasets=tuple(_dataset(request, record, listings[record.name]) for record in records),
        files=tuple(file for record in records for file in record.files),
        windows=tuple(record.window for record in records if record.skipped is None),
        type_errors=dict(errors),
        dropped_fields={
            f"{record.name}.{column}": "excluded"
            for record in records
            for column in request.excluded(listings[record.name])
        },
        schema_changes=tuple(describe_change(folder.read_json(layout.SCHEMA), schema)),
        task_instance=run_folder,
        request=request.fingerprint(),
    )
    return publish_manifest(folder, manifest, name, schema)


def _dataset(request: ListingRequest, record: TableRecord, listing: Listing) -> ManifestDataset:
    hashed = request.hashed(listing)
    kinds = {
        column.name: STRING if column.name in hashed else column.kind for column in request.schema(listing).columns
    }
    if request.on_type_error == "string" and request.file_format != "csv":
        kinds[MISFITS] = ATTRIBUTES
    return ManifestDataset(
        record.name,
        columns_of_kinds(kinds),
        key=listing.key,
        kind=record.kind,
        as_of=record.as_of,
        folder=record.name,
        skipped=record.skipped,
    )
