"""
The rows of published files, as Arrow batches of the types that the manifest names.

Files are read through ``ObjectStoragePath``, so an engine needs no credentials for them, and csv and jsonl are read by
the rules by which they were written: no engine ever guesses a type.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from airflow.sdk import ObjectStoragePath
from pyarrow.parquet import ParquetFile

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular import arrow, jsontext
from airflow_provider_marketo.client.tabular import schema as kinds
from airflow_provider_marketo.client.tabular.attributes import as_text
from airflow_provider_marketo.client.tabular.partitions import ACTIVITY_TYPE, DATE_PARTS, LONGEST_PART, NO_VALUE
from airflow_provider_marketo.client.tabular.records import Block, Splitter, header, is_utf8, utf8
from airflow_provider_marketo.hooks.databases import without_values
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.errors import MarketoLoadError
from airflow_provider_marketo.warehouse.names import OVERFLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.output.manifest import Manifest, ManifestDataset, ManifestFile

FILE = "_file"
"""The column with the number of a row's file, so that the row of the later file wins."""

_ROWS = 65_536
_BYTES = 16 << 20
"""Rows and bytes of a batch: what is in memory at a time, also of leads with a thousand columns."""

_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    OSError,
    RuntimeError,
    pa.ArrowException,
)
"""Errors that readers raise if a file does not have the format that its name says."""

_SUSPECT = (b"\\u0000", b"\\ud", b"\\uD")
_ESCAPES = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u(?P<code>[0-9a-fA-F]{4})|\\.", re.DOTALL)
"""An escape of JSON: both halves of a surrogate pair, one code, or anything else."""

_SURROGATES = range(0xD800, 0xE000)
_PIECE = 1 << 20
_LINES = 10_000

_KINDS = {
    types.BOOL: kinds.BOOLEAN,
    types.INT: kinds.INTEGER,
    types.FLOAT: kinds.FLOAT,
    types.DECIMAL: kinds.DECIMAL,
    types.DATE: kinds.DATE,
    types.TIMESTAMP: kinds.DATETIME,
    types.TEXT: kinds.STRING,
    types.JSON: kinds.STRING,
}


class DatasetRows:
    """
    The rows of a dataset.

    :param manifest: the manifest, which lists the files.
    :param dataset: one of the manifest's datasets.
    :param columns: type of each column, as the manifest names them.
    :ivar overflow: names of the columns that become members of one JSON column, ``_overflow``; None for no such column.
    :ivar read: number of rows that were read.
    :ivar nul_removed: number of texts from which a NUL was removed, because PostgreSQL refuses NUL, and of JSON in
        which U+FFFD replaced a half of a surrogate pair.
    :ivar misfits: number of values of csv files that did not fit their column and became null.
    :ivar error: what went wrong while the rows were read; drivers show little of it.
    """

    def __init__(self, manifest: Manifest, dataset: ManifestDataset, columns: Mapping[str, str]) -> None:
        self._manifest = manifest
        self._dataset = dataset
        self._columns = columns
        self.files = manifest.files_of(dataset)
        self.overflow: frozenset[str] | None = None
        self.read = 0
        self.nul_removed = 0
        self.misfits = 0
        self.error: Exception | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of the batches: those of the dataset, and the number of the file."""
        fields = [(name, types.arrow_type(kind)) for name, kind in self.columns.items()]
        return pa.schema([*fields, (FILE, pa.int32())])

    @property
    def columns(self) -> dict[str, str]:
        """The type of each column that is staged."""
        if self.overflow is None:
            return dict(self._columns)
        own = {name: kind for name, kind in self._columns.items() if name not in self.overflow}
        return {**own, OVERFLOW: types.JSON}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """
        Yield the rows of all files.

        :raises MarketoLoadError: a file is missing, or is not the one that the manifest lists.
        """
        self.read = self.nul_removed = self.misfits = 0
        try:
            yield from self._all_batches()
        except Exception as error:
            self.error = error
            raise

    def _all_batches(self) -> Iterator[pa.RecordBatch]:
        for number, file in enumerate(self.files):
            rows = 0
            with _local(ObjectStoragePath(self._manifest.output) / file.name, file) as path:
                for batch in self._readable(path, file, number):
                    rows += batch.num_rows
                    self.read += batch.num_rows
                    yield batch
            if rows != file.rows:
                raise MarketoLoadError(f"{file.name} has {counted(rows, 'row')}, and the manifest says {file.rows}")

    def _readable(self, path: Path, file: ManifestFile, number: int) -> Iterator[pa.RecordBatch]:
        """:raises MarketoLoadError: the listed file cannot be read. The text has no values of rows."""
        why: str
        try:
            for table in self._tables(path):
                yield from self._batches(table, file, number)
            return
        except MarketoLoadError:
            raise
        except MarketoDataError as error:
            why = error.message
        except _UNREADABLE as error:
            why = f"{type(error).__name__}: {without_values(error)}"
        # Raised outside of the except block: the readers' errors quote values of rows.
        raise MarketoLoadError(f"{file.name} cannot be read as {self._manifest.file_format} ({why})")

    def _tables(self, path: Path) -> Iterator[pa.Table]:
        if self._manifest.file_format == "parquet":
            with ParquetFile(path, pre_buffer=False) as file:  # else it keeps the whole file in memory
                known = set(file.schema_arrow.names)
                wanted = [name for name in self._columns if name in known]
                for batch in file.iter_batches(_ROWS, columns=wanted, use_threads=False):
                    yield pa.table(batch)
        elif self._manifest.file_format == "csv":
            yield from self._texts(_csv_tables(path, self._columns))
        else:
            yield from self._texts(_json_tables(path, self._columns))

    def _texts(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            columns = {}
            for name in table.column_names:
                columns[name], bad = arrow.typed(table.column(name), _KINDS[self._columns[name]])
                self.misfits += pc.sum(bad).as_py() if bad is not None else 0
            yield pa.table(columns) if columns else table

    def _batches(self, table: pa.Table, file: ManifestFile, number: int) -> Iterator[pa.RecordBatch]:
        paths = _partitions(file.name)
        columns = {}
        there = set(table.column_names)  # Arrow makes this list again at each access
        for name, kind in self._columns.items():
            if name in there:
                values = self._clean(table.column(name), kind)
            elif name in paths:
                values = _constant(name, paths[name], kind, table.num_rows, file)
            elif len(self._dataset.scope.get(name, ())) == 1:
                values = _constant(name, str(self._dataset.scope[name][0]), kind, table.num_rows, file)
            else:
                values = pa.nulls(table.num_rows, types.arrow_type(kind))
            if values.null_count and name in self._dataset.key and kind != types.TEXT:
                raise MarketoLoadError(
                    f"{file.name} has {counted(values.null_count, 'row')} without {name}, a part of the key",
                    remedy="Extract again: the rows cannot be told apart.",
                )
            columns[name] = values
        if self.overflow is not None:
            columns[OVERFLOW] = self._overflowing(columns, table.num_rows)
        columns[FILE] = pa.repeat(pa.scalar(number, pa.int32()), table.num_rows)
        schema = self.schema
        whole = pa.table([columns[name] for name in schema.names], schema=schema)
        rows = max(1, min(_ROWS, whole.num_rows * _BYTES // max(whole.nbytes, 1)))
        yield from whole.to_batches(max_chunksize=rows)

    def _overflowing(self, columns: Mapping[str, Any], rows: int) -> Any:
        """Return the fields without a column of their own, as JSON objects."""
        apart = {name: columns[name] for name in self._columns if name in (self.overflow or ())}
        if not apart or not rows:
            return pa.nulls(rows, pa.string())
        embedded = [name for name in apart if self._columns[name] == types.JSON]
        return jsontext.objects(pa.table(apart), embedded)

    def _clean(self, values: Any, kind: str) -> Any:
        """Return values in the type that engines take. NUL is taken out of texts and counted."""
        if pa.types.is_map(values.type) or pa.types.is_list(values.type):
            values = _as_json(values)
        wanted = types.arrow_type(kind)
        if values.type != wanted:
            values = values.cast(wanted)
        if kind == types.JSON and any(mark in data for data in arrow.values_of(values) for mark in _SUSPECT):
            values = arrow.replace_each(values, self._storable_json)
        if pa.types.is_string(wanted) and any(b"\0" in data for data in arrow.values_of(values)):
            found = pc.match_substring(values, "\0")
            self.nul_removed += pc.sum(found).as_py()
            values = pc.replace_substring(values, "\0", "")
        return values

    def _storable_json(self, text: str) -> str:
        """Return JSON without the escapes that databases refuse; the rest of the text stays as it is."""
        clean = _ESCAPES.sub(_storable, text)
        self.nul_removed += clean != text
        return clean


def _storable(escape: re.Match[str]) -> str:
    """Return an escape of JSON, nothing for NUL, and U+FFFD for a half of a surrogate pair."""
    if escape["code"] is None:
        return escape[0]
    code = int(escape["code"], 16)
    return "" if code == 0 else "\ufffd" if code in _SURROGATES else escape[0]


def _as_json(values: Any) -> Any:
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_map(values.type):
        return pa.chunked_array([jsontext.to_json(values)[0]])
    texts = [None if each is None else json.dumps(each, ensure_ascii=False) for each in values.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _constant(name: str, text: str | None, kind: str, rows: int, file: ManifestFile) -> Any:
    """Return a column of one value, which is in the file's path."""
    if text is not None and len(text) > LONGEST_PART:
        raise MarketoLoadError(
            f"the value of {name} in the path of {file.name} is cut short, because it is longer than file systems"
            " allow",
            remedy=f"Extract without {name} in partition_by.",
        )
    values, bad = arrow.typed(pa.chunked_array([pa.array([text], pa.string())]), _KINDS[kind])
    if bad is not None:
        raise MarketoLoadError(
            f"{file.name}: the value of {name} in its path or in the manifest's scope is not of type {kind}"
        )
    return pa.repeat(values[0].cast(types.arrow_type(kind)), rows)


def _partitions(name: str) -> dict[str, str | None]:
    """Return the columns that are in a file's path and not in the file."""
    parts = [part.partition("=") for part in name.split("/")[:-1] if "=" in part]
    found = {column: value for column, _, value in parts if column not in (ACTIVITY_TYPE, *DATE_PARTS)}
    return {column: None if value == NO_VALUE else unquote(value) for column, value in found.items()}


@contextmanager
def _local(path: ObjectStoragePath, file: ManifestFile) -> Iterator[Path]:
    """
    Provide a file on this host's disk, verified.

    :raises MarketoLoadError: it is missing, or is not the one that the manifest lists.
    """
    digest = hashlib.sha256()
    try:
        source: Any = path
        with source.open("rb") as opened, tempfile.TemporaryDirectory(prefix="marketo-") as folder:
            target = Path(path.path) if path.protocol in ("file", "") else Path(folder) / "file"
            if target.parent == Path(folder):
                with target.open("wb") as copy:
                    while piece := opened.read(_PIECE):
                        digest.update(piece)
                        copy.write(piece)
            else:
                while piece := opened.read(_PIECE):
                    digest.update(piece)
            if digest.hexdigest() != file.sha256:
                raise MarketoLoadError(f"{file.name} is not the file that the manifest lists: its checksum differs")
            yield target
    except FileNotFoundError as error:
        raise MarketoLoadError(f"{path}, which the manifest lists, does not exist") from error


def _csv_tables(path: Path, columns: Mapping[str, str]) -> Iterator[pa.Table]:
    """Yield tables of texts of a file in Marketo's csv, where null is written without quotes."""
    parser = arrow.Parser(0, {})
    splitter = Splitter(_PIECE, lambda data: parser.lines(data))  # noqa: PLW0108 - the parser is replaced
    rows, start = 1, b""
    begun = False
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if not begun:
                start += piece
                found = header(start)
                if found is None:
                    continue
                names, end = found
                parser = arrow.Parser(len(names), {name: names.index(name) for name in columns if name in names})
                piece, begun = start[end:], True
            for block in splitter.feed(piece):
                yield parser.parse(_in_utf8(block), rows)
                rows += block.rows
        if begun:
            for block in splitter.finish():
                yield parser.parse(_in_utf8(block), rows)
                rows += block.rows


def _in_utf8(block: Block) -> Block:
    """Replace bytes that are not UTF-8: csv files have Marketo's own bytes."""
    return block if is_utf8(block.data) else replace(block, data=utf8(block.data))


def _json_tables(path: Path, columns: Mapping[str, str]) -> Iterator[pa.Table]:
    """Yield tables of texts of a file with one JSON object per line; numbers keep their digits."""
    with path.open("rb") as file:
        while lines := list(islice(file, _LINES)):
            rows = [json.loads(line, parse_float=str, parse_int=str) for line in lines]
            there = set().union(*rows)  # a column that is in the file's path is missing in the rows
            yield pa.table(
                {name: pa.array(_column_texts(rows, name), pa.string()) for name in columns if name in there}
            )


def _column_texts(rows: Sequence[Mapping[str, Any]], name: str) -> list[str | None]:
    return [as_text(row.get(name)) for row in rows]
