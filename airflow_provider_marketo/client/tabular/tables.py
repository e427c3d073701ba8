"""Write typed rows to files: spread over folders, in large pieces, and with few open files."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from pyarrow.parquet import ParquetWriter

from airflow_provider_marketo.client.tabular import arrow, jsontext
from airflow_provider_marketo.client.tabular.background import InBackground
from airflow_provider_marketo.client.tabular.files import OpenFile, OutputFile, OutputFiles, WrittenFile
from airflow_provider_marketo.client.tabular.schema import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_marketo.client.tabular.transform import Rules

HELD = 8 << 20
"""Bytes of rows that are collected before they are written in one piece."""

JSON_PIECE = 4 << 20
"""Bytes of rows that become JSON at a time. Conversion needs several times as much memory."""

OPEN_PARQUET_FILES = 16
_WAITING = ".waiting"


class Sink(ABC):
    """
    Writes files of one typed format.

    :param open_file: opens a file.
    :param embedded: columns of texts that are JSON already.
    """

    extension: ClassVar[str]
    """Extension of the files, without the dot."""
    block: ClassVar[int]
    """Bytes parsed at a time. Smaller blocks cost more calls of Arrow, larger ones more memory."""

    @abstractmethod
    def __init__(self, open_file: OpenFile, embedded: Iterable[str] = ()) -> None: ...

    @abstractmethod
    def write(self, name: str, rows: Any) -> None:
        """Append a table to a file. All tables of a file have one schema."""

    @abstractmethod
    def finish(self) -> list[WrittenFile]:
        """Close the files, and return what each of them holds."""

    @abstractmethod
    def abort(self) -> None:
        """Close the files without finishing them."""


class TableWriter:
    """
    Takes typed rows and writes files.

    :param rules: how rows are written.
    :param open_file: opens a file.
    :param sink: what writes the format.
    """

    def __init__(self, rules: Rules, open_file: OpenFile, sink: type[Sink]) -> None:
        self._rules = rules
        self._extension = sink.extension
        embedded = [column.name for column in rules.schema.columns if column.kind == ATTRIBUTES]
        if rules.attributes != "json":
            embedded = []
        self._sink = sink(open_file, embedded)
        self._held: dict[str, list[Any]] = {}
        self._size = 0

    def feed(self, data: tuple[str, Any]) -> None:
        """Take the folder of a dataset, and rows of it."""
        dataset, rows = data
        self._held.setdefault(dataset, []).append(rows)
        self._size += rows.nbytes
        if self._size >= HELD:
            self._flush()

    def finish(self) -> list[WrittenFile]:
        """Write the collected rows and close the files."""
        self._flush()
        return self._sink.finish()

    def abort(self) -> None:
        """Drop the collected rows and close the files."""
        self._held.clear()
        self._sink.abort()

    def _flush(self) -> None:
        for dataset in list(self._held):
            rows = pa.concat_tables(self._held.pop(dataset))
            for folder, part in self._spread(rows):
                self._sink.write(f"{dataset}{folder}{self._rules.name}.{self._extension}", part)
        self._size = 0

    def _spread(self, rows: Any) -> Iterator[tuple[str, Any]]:
        partitions = self._rules.partitions
        if not partitions.by:
            yield "", rows
            return
        levels = [self._levels(rows, name) for name in partitions.by]
        codes = pc.dictionary_encode(pc.binary_join_element_wise(*levels, "").combine_chunks())
        order = pc.sort_indices(codes.indices)
        rows = rows.take(order)
        start = 0
        for count in pc.value_counts(codes.indices.take(order)).to_pylist():
            folder = codes.dictionary[count["values"]].as_py()
            part = rows.slice(start, count["counts"])
            yield folder, part.drop_columns(list(partitions.told_by(folder)))
            start += count["counts"]

    def _levels(self, rows: Any, name: str) -> Any:
        """Return the level of each row's folder that stands for one partition."""
        partitions = self._rules.partitions

        def level(value: Any) -> str:
            return partitions.level(name, partitions.part_of(name, value))

        levels = arrow.convert_each(rows.column(partitions.source(name)), level, pa.string())
        return pc.fill_null(levels, partitions.level(name, None))


class JsonLinesFiles(Sink):
    """Writes one JSON object per line."""

    extension = "jsonl"
    block = 2 << 20

    def __init__(self, open_file: OpenFile, embedded: Iterable[str] = ()) -> None:
        self._files = InBackground(OutputFiles(open_file), waiting=1)
        self._embedded = frozenset(embedded)

    def write(self, name: str, rows: Any) -> None:
        """Append a table to a file."""
        count = max(1, rows.num_rows * JSON_PIECE // max(rows.nbytes, 1))
        for start in range(0, rows.num_rows, count):
            piece = rows.slice(start, count)
            self._files.feed((name, jsontext.lines(piece, self._embedded), piece.num_rows))

    def finish(self) -> list[WrittenFile]:
        """Close the files, and return what each of them holds."""
        return self._files.finish()

    def abort(self) -> None:
        """Close the files without finishing them."""
        self._files.abort()


class ParquetFiles(Sink):
    """
    Writes one Parquet file per folder, for rows in any order.

    A closed Parquet file cannot be appended to. A few files stay open; rows of other files wait on disk until the end.
    """

    extension = "parquet"
    block = 4 << 20

    def __init__(self, open_file: OpenFile, embedded: Iterable[str] = ()) -> None:
        self._open_file = open_file
        self._open: dict[str, _ParquetFile] = {}
        self._waiting = OutputFiles(open_file)

    def write(self, name: str, rows: Any) -> None:
        """Append a table to a file, or keep it on disk while too many files are open."""
        if name not in self._open and len(self._open) < OPEN_PARQUET_FILES:
            self._open[name] = _ParquetFile(name, rows.schema, self._open_file)
        if name in self._open:
            self._open[name].write(rows)
        else:
            file = self._waiting.get(f"{name}{_WAITING}")
            with pa.ipc.new_stream(file, rows.schema) as stream:
                stream.write_table(rows)

    def finish(self) -> list[WrittenFile]:
        """Convert what waits on disk, close the files, and return what each of them holds."""
        written = [file.finish() for file in self._open.values()]
        for waiting in self._waiting.finish():
            written.append(self._convert(waiting.name))
        return sorted(written, key=lambda file: file.name)

    def abort(self) -> None:
        """Close the files without finishing them."""
        self._waiting.abort()
        for file in self._open.values():
            file.abort()

    def _convert(self, waiting: str) -> WrittenFile:
        with self._open_file(waiting, "rb") as file:
            pieces = _large_pieces(file)
            first = next(pieces)
            target = _ParquetFile(waiting.removesuffix(_WAITING), first.schema, self._open_file)
            for rows in chain([first], pieces):
                target.write(rows)
        return target.finish()


def _large_pieces(file: BinaryIO) -> Iterator[Any]:
    """Yield the tables of a file of concatenated Arrow streams, several joined to one."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    held: list[Any] = []
    while file.tell() < size:
        held.append(pa.ipc.open_stream(file).read_all())
        if file.tell() == size or sum(rows.nbytes for rows in held) >= HELD:
            yield pa.concat_tables(held)
            held = []


class _ParquetFile:
    def __init__(self, name: str, schema: Any, open_file: OpenFile) -> None:
        self._file = OutputFile(name, open_file)
        self._writer = ParquetWriter(self._file, schema)

    def write(self, rows: Any) -> None:
        self._writer.write_table(rows)
        self._file.rows += rows.num_rows

    def finish(self) -> WrittenFile:
        self._writer.close()
        self._file.close()
        return self._file.written()

    def abort(self) -> None:
        self._file.close()
