"""Published files and their manifest, made by the writers of the provider from rows in Python."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.client.tabular.schema import Column, TableSchema
from airflow_provider_marketo.client.tabular.transform import Rules
from airflow_provider_marketo.extract.datasets import columns_of_kinds
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.output.formats import FORMATS
from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset, ManifestFile, manifest_url

DAY = "2026-01-{:02}T00:00:00Z".format
EVERY_TYPE = {
    "id": "integer",
    "name": "string",
    "revenue": "currency",
    "score": "float",
    "isGood": "boolean",
    "born": "date",
    "updatedAt": "datetime",
    "attributes": "attributes",
}
LEADS = {"id": "integer", "email": "string", "score": "integer", "updatedAt": "datetime"}


def published(
    folder,
    rows,
    *,
    columns=LEADS,
    key=("id",),
    name="leads",
    kind="changes",
    as_of="2026-01-10T00:00:00Z",
    file_format="parquet",
    files=1,
    start=None,
    end=None,
    scope=None,
    removal=None,
) -> Manifest:
    """
    Publish rows.

    :param folder: the output.
    :param rows: tuples, in the order of the columns.
    :param columns: names and Marketo's types.
    :param files: over how many files the rows are spread, in turn.
    """
    output = OutputFolder(str(folder))
    schema = TableSchema(tuple(Column(each, type_) for each, type_ in columns.items()), tuple(key))
    written = []
    with output.staging() as staging:
        for number in range(files):
            transform = FORMATS[file_format].transform(
                Rules(schema, f"{name}_{number}", attributes=FORMATS[file_format].attributes), None, staging.open
            )
            transform.feed(line(list(columns)))
            for row in rows[number::files]:
                transform.feed(line(row))
            written += transform.finish().files
        staging.publish([file.name for file in written])
    dataset = ManifestDataset(
        name,
        columns_of_kinds({column.name: column.kind for column in schema.columns}),
        tuple(key),
        kind=kind,
        as_of=as_of,
        scope=scope or {},
        removal=removal,
    )
    manifest = Manifest(
        object_type=name,
        output=output.url,
        file_format=file_format,
        manifest=manifest_url(output, name),
        kind=kind,
        as_of=as_of,
        start=start,
        end=end,
        rows=sum(file.rows for file in written),
        key=tuple(key),
        datasets=(dataset,),
        files=tuple(ManifestFile(file.name, file.rows, file.size, file.sha256) for file in written),
    )
    output.write_json(manifest.manifest.removeprefix(f"{output.url}/"), manifest.to_dict())
    return manifest


def together(*manifests: Manifest) -> Manifest:
    """Return one manifest with the datasets of several, each in a folder of the same output."""
    first = manifests[0]
    return replace(
        first,
        datasets=tuple(each.datasets[0] for each in manifests),
        files=tuple(file for each in manifests for file in each.files),
    )
