"""Tables of rows that were rejected, or imported with a warning: written in parts, published as one file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.tabular.schema import INTEGER, STRING
from airflow_provider_marketo.imports.advice import next_step
from airflow_provider_marketo.imports.rows import OUR_COLUMNS
from airflow_provider_marketo.output.formats import FORMATS, json_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_marketo.imports.plan import ImportPlan
    from airflow_provider_marketo.output.folder import OutputFolder, Staging

LOCAL = "rejects-00-input.jsonl"
"""The part with rows that the task did not send, because Marketo would not take them."""

_COLUMNS = tuple(f"{OUR_COLUMNS}{name}" for name in ("file", "row", "outcome", "code", "message", "next_step"))


@dataclass(frozen=True)
class RejectRow:
    """
    A row with what became of it.

    :param outcome: ``rejected``, ``warned`` or ``unknown``.
    :param code: Marketo's code, or one of our own.
    :param message: why.
    :param number: the number of the input row, from 0; None if Marketo's report does not say which row it was.
    :param values: values of the row, in the order of the header.
    """

    outcome: str
    code: str
    message: str
    number: int | None
    values: Sequence[Any]

    def to_record(self, plan: ImportPlan) -> dict[str, Any]:
        """Return the line of the table. The row keeps its column names, so that it can be corrected and sent again."""
        place = plan.place(self.number) if self.number is not None else {}
        row = {
            plan.sources[name]: value
            for name, value in zip(plan.header, self.values, strict=True)
            if name in plan.sources
        }
        facts = (
            place.get("file"),
            place.get("row"),
            self.outcome,
            self.code or None,
            self.message,
            next_step(self.code),
        )
        return {**row, **dict(zip(_COLUMNS, facts, strict=True))}


class RejectWriter:
    """
    Writes one part while the input is read.

    :param area: where the part is staged.
    :param name: name of the part.
    :param plan: the plan, for the names of columns and the places of rows.
    """

    def __init__(self, area: Staging, name: str, plan: ImportPlan) -> None:
        self._file = area.open(name)
        self._plan = plan
        self.count = 0

    def add(self, number: int, code: str, message: str, values: Sequence[Any]) -> None:
        """Add a rejected row."""
        line = RejectRow("rejected", code, message, number, values)
        self._file.write(_encoded(line.to_record(self._plan)))
        self.count += 1

    def close(self) -> None:
        """Complete the part."""
        self._file.close()


def encode_lines(plan: ImportPlan, lines: Iterable[RejectRow]) -> bytes:
    """Encode a part of the table."""
    return b"".join(_encoded(line.to_record(plan)) for line in lines)


def _encoded(record: Mapping[str, Any]) -> bytes:
    return json_line(record)


def publish_table(
    folder: OutputFolder, name: str, file_format: str, parts: Iterable[bytes], columns: Sequence[str]
) -> str | None:
    """
    Publish the parts of a table as one file.

    :param folder: where the table goes.
    :param name: name of the file, without its extension.
    :param file_format: ``jsonl`` or ``parquet``.
    :param parts: what :func:`encode_lines` and :class:`RejectWriter` wrote, in blocks of whole lines.
    :param columns: columns of the input, for a table of Parquet.
    :return: the file's address; None if the table is empty.
    """
    name = FORMATS[file_format].file_name(name)
    with folder.staging() as area:
        with area.open(name) as file:
            if file_format == "jsonl":  # the parts have this format already
                written = sum(map(file.write, parts))
            else:
                kinds = dict.fromkeys((*columns, *_COLUMNS), STRING) | {f"{OUR_COLUMNS}row": INTEGER}
                records = (json.loads(line) for part in parts for line in part.splitlines())
                written = FORMATS[file_format].write(file, kinds, records)
        if not written:
            folder.delete(name)  # an earlier try may have written it
            return None
        area.publish([name])
    return f"{folder.url}/{name}"
