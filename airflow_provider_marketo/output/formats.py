"""
The formats of files. A new format needs an entry in this table, and a word in ``choices.FileFormat``.

Each format has two writers: one for the bytes of Marketo's export files, and one for records, such as rejected rows.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.client.tabular.arrow import arrow_type
from airflow_provider_marketo.client.tabular.csvfile import CsvTransform
from airflow_provider_marketo.client.tabular.schema import DATETIME, STRING
from airflow_provider_marketo.client.tabular.tables import JsonLinesFiles, ParquetFiles
from airflow_provider_marketo.client.tabular.typed import TypedTransform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_marketo.choices import AttributesForm
    from airflow_provider_marketo.client.tabular.files import OpenFile
    from airflow_provider_marketo.client.tabular.keys import SeenKeys
    from airflow_provider_marketo.client.tabular.transform import Rules, Transform

_RECORDS_PER_BLOCK = 10_000


@dataclass(frozen=True)
class OutputFormat:
    """
    One format.

    :param name: the name that authors write, and the extension of the files.
    :param transform: makes the writer of an export file's rows, given the rules, the keys seen before, and how to open
        a file.
    :param write: writes records to an open file, given the kinds of their columns by name; returns the number of
        records. Kinds are those of :mod:`~airflow_provider_marketo.client.tabular.schema`.
    :param attributes: the default form of activities' attributes.
    :param attribute_forms: the forms that the format can hold.
    :param typed: whether columns have types, which come from Marketo.
    """

    name: str
    transform: Callable[[Rules, SeenKeys | None, OpenFile], Transform]
    write: Callable[[BinaryIO, Mapping[str, str], Iterable[Mapping[str, Any]]], int]
    attributes: AttributesForm
    attribute_forms: Sequence[AttributesForm] = ("map", "json", "typed")
    typed: bool = True

    def file_name(self, name: str) -> str:
        """Return the name of a file: its stem with the extension."""
        return f"{name}.{self.name}"


_HALF_PAIRS = "marketo-half-pairs"
"""Error handler that encodes half of a surrogate pair as U+FFFD, as exports do."""


def _replaced(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "\ufffd".encode() * (error.end - error.start), error.end


codecs.register_error(_HALF_PAIRS, _replaced)


def _write_csv(file: BinaryIO, columns: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", errors=_HALF_PAIRS, newline="")
    writer = csv.DictWriter(text, list(columns), extrasaction="ignore")
    writer.writeheader()
    count = 0
    for record in records:
        writer.writerow(record)
        count += 1
    text.flush()
    text.detach()
    return count


def _write_jsonl(file: BinaryIO, columns: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    for record in records:
        file.write(json_line({name: record.get(name) for name in columns}))
        count += 1
    return count


def _write_parquet(file: BinaryIO, columns: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
    schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])
    count = 0
    with ParquetWriter(file, schema) as writer:
        for block in _blocks(records):
            rows = [{name: _cell(kind, record.get(name)) for name, kind in columns.items()} for record in block]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def json_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line of JSON. Half of a surrogate pair, which is not UTF-8, becomes U+FFFD."""
    return json.dumps(record, ensure_ascii=False, default=str).encode("utf-8", _HALF_PAIRS) + b"\n"


def _cell(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == STRING:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, list, dict)) else str(value)
        return text.encode("utf-8", _HALF_PAIRS).decode()
    return parse_date(value) if kind == DATETIME and isinstance(value, str) else value


def _blocks(records: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    rest = iter(records)
    for first in rest:
        yield list(chain([first], islice(rest, _RECORDS_PER_BLOCK - 1)))


FORMATS: Mapping[str, OutputFormat] = {
    one.name: one
    for one in (
        OutputFormat("parquet", partial(TypedTransform, sink=ParquetFiles), _write_parquet, attributes="map"),
        OutputFormat("jsonl", partial(TypedTransform, sink=JsonLinesFiles), _write_jsonl, attributes="json"),
        OutputFormat("csv", CsvTransform, _write_csv, attributes="json", attribute_forms=("json",), typed=False),
    )
}
"""The formats by name."""
