"""Rows that came as JSON, written like those of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.tabular.records import line
from airflow_provider_marketo.client.tabular.schema import from_describe
from airflow_provider_marketo.client.tabular.transform import Outcome, Rules
from airflow_provider_marketo.extract.publish import file_facts
from airflow_provider_marketo.output.formats import FORMATS

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
) -> tuple[list[int], list[dict[str, Any]]]:
    """
    Write leads to one file, which appears when it is complete. Types come from ``leads.describe``.

    :param folder: the output.
    :param client: the instance.
    :param fields: names of the columns, in order.
    :param rows: leads as Marketo's API answers them; each has an ``id``.
    :param file_format: ``csv``, ``jsonl`` or ``parquet``.
    :param name: of the file, without extension.
    :return: the ids, and the facts of each file: name, rows, bytes, sha256. There is none if there are no rows.
    """
    output_format = FORMATS[file_format]
    described = client.call("leads.describe").records if output_format.typed else ()
    rules = Rules(from_describe(described, fields, key=(KEY,), date=None), name)
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
        folder.delete(output_format.file_name(name))  # of an earlier read that found some
    return ids, file_facts(outcome)
