"""Writes rows from JSON replies in the same form as the rows of an export."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.client.tabular.schema import from_describe
from airflow_provider_marketo.client.tabular.transform import Outcome, Rules
from airflow_provider_marketo.extract.datasets import columns_of_kinds
from airflow_provider_marketo.extract.slice_record import files_of
from airflow_provider_marketo.output.formats import FORMATS
from airflow_provider_marketo.output.manifest import (
    SCHEMA_VERSION,
    Manifest,
    ManifestDataset,
    manifest_url,
    publish_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.output.folder import OutputFolder

KEY = "id"


def write_rows(
    folder: OutputFolder,
    client: MarketoClient,
    fields: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    file_format: str,
    name: str,
    run_folder: str,
) -> tuple[list[int], Manifest]:
    """
    Write leads to one file, which appears when it is complete, and then the manifest.

    Types come from ``leads.describe``.

    :param folder: the output.
    :param client: the instance.
    :param fields: names of the columns, in order.
    :param rows: leads as Marketo's API returns them; each has an ``id``.
    :param file_format: ``csv``, ``jsonl`` or ``parquet``.
    :param name: name of the file, without extension, and of the manifest.
    :param run_folder: the task instance's place in the output.
    :return: the ids, and the manifest. It lists no file if there are no rows.
    """
    output_format = FORMATS[file_format]
    as_of = iso(client.marketo_time())
    described = client.call("leads.describe").records
    with reading("leads.describe"):
        schema = from_describe(described, fields, key=(KEY,), date=None)
    rules = Rules(schema, name)
    ids: list[int] = []
    with folder.staging() as staging:
        writer = output_format.transform(rules, None, staging.open)
        try:
            writer.feed(line(fields))
            for row in rows:
                ids.append(row[KEY])
                writer.feed(line([row.get(field) for field in fields]))
            outcome: Outcome = writer.finish()
        except BaseException:
            writer.abort()
            raise
        staging.publish([file.name for file in outcome.files])
    if not outcome.files:
        folder.delete(output_format.file_name(name))  # an earlier read may have found rows
    columns = columns_of_kinds({column.name: column.kind for column in rules.schema.columns})
    facts = {
        "object_type": "leads",
        "output": folder.url,
        "file_format": file_format,
        "manifest": manifest_url(folder, name),
        "as_of": as_of,
        "rows": outcome.rows,
        "bytes": sum(file.size for file in outcome.files),
        **rules.schema.to_dict(),
        "task_instance": run_folder,
        "schema_version": SCHEMA_VERSION,
    }
    dataset = ManifestDataset("leads", columns, (KEY,), as_of=as_of)
    manifest = replace(Manifest.from_dict(facts), files=files_of(outcome), datasets=(dataset,))
    return ids, publish_manifest(folder, manifest, name, rules.schema.to_dict())
