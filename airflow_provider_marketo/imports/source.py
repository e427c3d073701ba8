"""Sources of rows: files, and a list of records. They become batches of columns."""

from __future__ import annotations

import csv
import glob
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import IO, Any, Generic, TypeVar

from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.parquet import ParquetReader
from airflow_provider_marketo.imports.unavailable import unavailable

BATCH_ROWS = 2_000
"""Rows that are in memory at a time."""

BATCH_BYTES = 64 << 20
"""Bytes of lines after which a batch ends early: a compressed file of a megabyte may hold gigabytes."""

LONGEST_CELL = 64 << 20
"""Longest cell, in bytes; Python's csv module takes 128 KB. A cell too long for Marketo is a reject, not a crash."""

_TOO_LONG = f"the line is longer than {LONGEST_CELL >> 20} MB"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

RANDOM_ACCESS_OPTIONS = {"cache_type": "none"}
"""Tells object stores to read nothing ahead: Parquet is not read from its beginning to its end."""

OUR_COLUMNS = "_marketo_"
"""Prefix of the columns that this provider adds to its tables of rejects. They are skipped when a table is sent."""

_FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_OTHER_DELIMITERS = ";\t|,^~\x1f"
_OTHER_KINDS: Sequence[tuple[bytes, str, str]] = (
    (b"\x1f\x8b", "is gzipped", "End its name with .gz."),
    (b"PK\x03\x04", "is an Excel workbook or a zip file", "Save the table as csv (UTF-8)."),
    (b"PAR1", "is Parquet", "Set source_format='parquet'."),
    (b"\xff\xfe", "is UTF-16", "Save it as UTF-8."),
    (b"\xfe\xff", "is UTF-16", "Save it as UTF-8."),
)
"""Signs of a file that is not UTF-8 text: its first bytes, what the file is, and what to do."""
_MAGIC = "*?["


class Batch(Sequence[Sequence[Any]]):
    """
    Some rows, column by column. A column is read when it is asked for.

    :param rows: how many rows.
    :param width: how many columns.
    :param column: returns the values of the column at a position.
    :param faults: position of a row that cannot be sent to the code and the text of the reason.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        column: Callable[[int], Sequence[Any]],
        faults: Mapping[int, tuple[str, str]] | None = None,
    ) -> None:
        self.rows = rows
        self.faults = faults or {}
        self._width = width
        self._column = column
        self._read: dict[int, Sequence[Any]] = {}

    @classmethod
    def of(cls, columns: Sequence[Sequence[Any]]) -> Batch:
        """Return a batch of columns, which have equal lengths."""
        return cls(len(columns[0]) if columns else 0, len(columns), columns.__getitem__)

    def reordered(self, order: Sequence[int | None]) -> Batch:
        """Return the batch with its columns in another order; None is a column that it lacks."""

        def column(place: int) -> Sequence[Any]:
            at = order[place]
            return [None] * self.rows if at is None else self[at]

        return Batch(self.rows, len(order), column)

    def __len__(self) -> int:
        return self._width

    def __getitem__(self, place: Any) -> Any:
        if not 0 <= place < self._width:
            raise IndexError(place)
        if place not in self._read:
            self._read[place] = self._column(place)
        return self._read[place]


Table = tuple[Sequence[str], Iterator[Batch]]
"""Names of the columns, and the batches."""


@dataclass
class Rows:
    """
    An open input.

    :param columns: names, in the order of each batch.
    :param batches: the values, column by column.
    :param files: address of each file that was begun, and how many rows were read before it.
    """

    columns: Sequence[str]
    batches: Iterator[Batch]
    files: list[tuple[str, int]] = field(default_factory=list)


def from_records(records: Iterable[Mapping[str, Any]]) -> Rows:
    """
    Return the rows of records.

    :param records: field names and values; a name that a record lacks is null in it.
    :raises MarketoInvalidRequestError: a record is not a mapping.
    """
    taken = list(records)
    for number, record in enumerate(taken, 1):
        if not isinstance(record, Mapping):
            raise _refused(
                f"record {number} is of type {type(record).__name__} and must be a mapping of field names to values",
                parameter="records",
            )
    names = list(dict.fromkeys(str(name) for record in taken for name in record))
    batches = (
        Batch.of([[record.get(name) for record in taken[first : first + BATCH_ROWS]] for name in names])
        for first in range(0, len(taken), BATCH_ROWS)
    )
    return Rows(names, batches)


@dataclass(frozen=True)
class FileOptions:
    """
    How files are read.

    :param file_format: ``csv``, ``tsv``, ``jsonl`` or ``parquet``; None to decide by the files' names.
    :param delimiter: the text between the cells of a csv file; None for a comma, or a tab in a tsv file.
    :param wanted: names of the columns that are used; None for all. Others may be missing or new in some of the files.
    """

    file_format: str | None = None
    delimiter: str | None = None
    wanted: Set[str] | None = None

    def wants(self, name: str) -> bool:
        """Whether a column is used."""
        return self.wanted is None or name in self.wanted


def from_files(
    source: Any,
    file_format: str | None = None,
    *,
    delimiter: str | None = None,
    wanted: Set[str] | None = None,
) -> Rows:
    """
    Return the rows of files: csv and tsv (UTF-8, with a header), jsonl and parquet; each perhaps gzipped.

    :param source: a path, URL, glob or ``ObjectStoragePath``, or a list of them. A glob may find nothing.
    :param file_format: see :class:`FileOptions`.
    :param delimiter: see :class:`FileOptions`.
    :param wanted: see :class:`FileOptions`.
    :raises MarketoInvalidRequestError: a file is missing, is not what its name says, or has other columns than the
        first one.
    """
    paths = [path for one in ([source] if _is_one(source) else source) for path in _found(one)]
    if not paths:
        return Rows((), iter(()))
    options = FileOptions(file_format, delimiter, wanted)
    tables = (_table(path, options) for path in paths)
    columns, batches = next(tables)
    refuse_repeated(str(paths[0]), columns, wanted)
    rows = Rows(columns, iter(()))
    rows.batches = _chained(rows, paths, chain([(columns, batches)], tables), options)
    return rows


def _is_one(source: Any) -> bool:
    return isinstance(source, str) or not isinstance(source, Sequence)


def _found(source: Any) -> list[Any]:
    text = str(source)
    try:
        path = ObjectStoragePath(text)
        if path.exists():  # a file of exactly this name, even if it looks like a pattern
            return [path]
        if not _is_pattern(path.path):
            raise _refused(f"there is no file {text}")
        prefix = text[: len(text) - len(path.path.lstrip("/"))] if "://" in text else ""
        names = sorted(path.fs.glob(_with_literal_folders(path)))
        return [ObjectStoragePath(f"{prefix}{name.lstrip('/')}" if prefix else name) for name in names]
    except MarketoInvalidRequestError:
        raise
    except Exception as error:  # each kind of storage has errors of its own
        raise unavailable(text, error) from error


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in _MAGIC)


def _with_literal_folders(path: ObjectStoragePath) -> str:
    """Return a pattern in which the names of existing folders, such as ``EU [2026]``, match literally."""
    names = path.path.split("/")
    escaped = list(names)
    for at, name in enumerate(names[:-1]):
        if _is_pattern(name):
            if not path.fs.isdir("/".join(names[: at + 1])):
                break
            escaped[at] = glob.escape(name)
    return "/".join(escaped)


def _chained(rows: Rows, paths: Sequence[Any], tables: Iterator[Table], options: FileOptions) -> Iterator[Batch]:
    read = 0
    for path, (columns, batches) in zip(paths, tables, strict=True):
        rows.files.append((str(path), read))
        differing = ", ".join(sorted(filter(options.wants, set(columns) ^ set(rows.columns))))
        if differing:
            raise _refused(f"{path} has other columns than {paths[0]}: they differ in {differing}")
        refuse_repeated(str(path), columns, options.wanted)
        order = [columns.index(name) if name in columns else None for name in rows.columns]
        with _intact(path):
            for batch in batches:
                read += batch.rows
                yield batch.reordered(order)


def refuse_repeated(
    where: str, columns: Sequence[str], wanted: Set[str] | None = None, parameter: str = "source"
) -> None:
    """
    Refuse a column that the input has twice: the author has not said which one counts.

    :param where: the input, for the error.
    :param columns: names of its columns.
    :param wanted: names of those that are used; None for all.
    :param parameter: the argument that gives the input.
    :raises MarketoInvalidRequestError: the input has a used column twice.
    """
    twice = sorted(name for name, count in Counter(columns).items() if count > 1 and (wanted is None or name in wanted))
    if twice:
        raise _refused(
            f"{where} has more than one column {', '.join(name or 'without a name' for name in twice)}",
            parameter=parameter,
            remedy="Give each column a name of its own, or leave it out (columns=).",
        )


@contextmanager
def _intact(path: Any) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _refused(
            f"{path} cannot be unpacked: {error}",
            remedy="Check that the file is complete, and that its format is the one in its name.",
        ) from error
    except OSError as error:
        raise unavailable(path, error) from error


def _table(path: Any, options: FileOptions) -> Table:
    name = str(path).lower()
    packed = name.endswith(".gz")
    suffix = "." + name.removesuffix(".gz").rpartition(".")[2]
    kind = options.file_format or _FORMATS.get(suffix)
    if kind is None or kind not in _FORMATS.values():
        raise _refused(
            f"{path} is not csv, tsv, jsonl or parquet by its name",
            parameter="source_format" if options.file_format else "source",
            remedy="Say what it is with source_format.",
        )
    with _intact(path):
        file = _opened(path, packed, **(RANDOM_ACCESS_OPTIONS if kind == "parquet" else {}))
        if kind == "parquet":
            return _parquet(path, file)
        if kind == "jsonl":
            return _jsonl(path, file, options)
        return _delimited(path, packed, file, options.delimiter or _DELIMITERS[kind], guess=options.delimiter is None)


def _delimited(path: Any, packed: bool, file: IO[bytes], delimiter: str, *, guess: bool) -> Table:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    limit = csv.field_size_limit(LONGEST_CELL)
    lines = _Counted(_lines(text))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, delimiter, guess=guess)
    except (UnicodeDecodeError, csv.Error) as error:
        csv.field_size_limit(limit)
        raise _unreadable(path, packed, reader.line_num, error) from None
    except MarketoInvalidRequestError:
        csv.field_size_limit(limit)
        raise

    def batches() -> Iterator[Batch]:
        try:
            with file:
                while rows := lines.batch(reader):
                    width = len(header)
                    if any(len(row) != width for row in rows):
                        rows = [row for row in rows if row]  # blank lines
                        ragged = next((row for row in rows if len(row) != width), None)
                        if ragged is not None:
                            raise _ragged(path, packed, delimiter, width)
                    if rows:
                        yield Batch.of(list(zip(*rows, strict=True)))
        except (UnicodeDecodeError, csv.Error) as error:
            raise _unreadable(path, packed, reader.line_num, error) from None
        finally:
            csv.field_size_limit(limit)

    return header, batches()


def _check_header(path: Any, header: Sequence[str], delimiter: str, *, guess: bool) -> None:
    """Raise MarketoInvalidRequestError if the first line does not name the columns."""
    if not header:
        raise _refused(f"{path} is empty: it has no header", remedy="A file without rows still needs its header.")
    if any(_ADDRESS.fullmatch(name) for cell in header for name in re.split(r"[;\t|,\s]", cell)):
        raise _refused(
            f"{path} has no header: its first line holds an e-mail address",  # which is not shown
            remedy="Write the names of the columns into the first line.",
        )
    other = next((sign for sign in _OTHER_DELIMITERS if guess and len(header) == 1 and sign in header[0]), None)
    if other is not None:
        raise _refused(
            f"{path} has one column {header[0]!r}: its cells are not separated by {delimiter!r}",
            parameter="delimiter",
            remedy=f"Set delimiter={other!r}, or delimiter={delimiter!r} if that is its name.",
        )


Line = TypeVar("Line", str, bytes)
Row = TypeVar("Row")


class _Counted(Generic[Line]):
    """
    Lines whose bytes are counted, to end batches of rows early.

    :param lines: the lines.
    """

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines: Iterator[Line] = lines
        self._taken = 0

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        line = next(self._lines)
        self._taken += len(line)
        return line

    def batch(self, rows: Iterator[Row]) -> list[Row]:
        """
        Return the next rows: some thousands, or fewer if they have many bytes.

        :param rows: the rows that are parsed from these lines.
        """
        self._taken = 0
        found = []
        for row in islice(rows, BATCH_ROWS):
            found.append(row)
            if self._taken >= BATCH_BYTES:
                break
        return found


def _lines(text: IO[str]) -> Iterator[str]:
    """Yield lines of a bounded length: a compressed file of a megabyte may hold a line that fills the memory."""
    for line in iter(partial(text.readline, LONGEST_CELL + 1), ""):
        if len(line) > LONGEST_CELL:
            raise csv.Error(_TOO_LONG)
        yield line


def _ragged(path: Any, packed: bool, delimiter: str, width: int) -> MarketoInvalidRequestError:
    """Return the error for a row that has more or fewer cells than the header; find its line by reading again."""
    with _opened(path, packed) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
        row = next(row for row in reader if row and len(row) != width)
        return _refused(
            f"{path}, line {reader.line_num}: the row has {counted(len(row), 'cell')}, and the header has {width}",
            remedy="Quote cells that contain the delimiter, a quote or a line break.",
        )


def _unreadable(path: Any, packed: bool, line: int, error: Exception) -> MarketoInvalidRequestError:
    if not isinstance(error, UnicodeDecodeError):
        line += str(error) == _TOO_LONG  # the reader has not counted this line
        return _refused(f"{path}, line {line}: {error}")
    with _opened(path, packed) as file:
        begins = 0
        for number, data in enumerate(iter(partial(file.readline, LONGEST_CELL), b""), 1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as fault:
                where = f"byte {begins + fault.start} of the file is 0x{data[fault.start]:02x}"
                return _not_text(path, number, data, where)
            begins += len(data)
    return _refused(f"{path} is not UTF-8: it ends inside a character")


def _not_text(path: Any, line: int, data: bytes, where: str) -> MarketoInvalidRequestError:
    """
    Return the error for a line that is not UTF-8.

    :param line: the line's number.
    :param data: the line.
    :param where: the first byte that is not UTF-8, in words.
    """
    for mark, what, remedy in _OTHER_KINDS if line == 1 else ():
        if data.startswith(mark):
            return _refused(f"{path} {what}, and is read as text", remedy=remedy)
    return _refused(f"{path} is not UTF-8: line {line}, {where}", remedy="Convert the file to UTF-8 first.")


def _opened(path: Any, packed: bool, **how: Any) -> IO[bytes]:
    file: IO[bytes] = path.open("rb", **how)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


def _jsonl(path: Any, file: IO[bytes], options: FileOptions) -> Table:
    lines = _Counted(iter(partial(file.readline, LONGEST_CELL + 1), b""))
    numbered = ((number, _object(path, number, line)) for number, line in enumerate(lines, 1) if line.strip())
    first = [record for _, record in lines.batch(numbered)]
    names = list(dict.fromkeys(name for record in first for name in record))
    known, announced = set(names), len(first)

    def batches() -> Iterator[Batch]:
        with file:
            records = first
            while records:
                yield Batch.of([[record.get(name) for record in records] for name in names])
                records = []
                for number, record in lines.batch(numbered):
                    new = [] if known.issuperset(record) else sorted(filter(options.wants, set(record) - known))
                    if new:
                        raise _refused(
                            f"{path}, line {number}: {', '.join(new)} is in none of the first"
                            f" {announced} rows, which define the columns",
                            remedy="Write every column into the first line, with null where it has no value.",
                        )
                    records.append(record)

    return names, batches()


def _object(path: Any, number: int, line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_CELL:
        raise _refused(f"{path}, line {number}: {_TOO_LONG}")
    try:
        record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise _not_text(path, number, line, f"byte {error.start} of the line") from None
    except (ValueError, RecursionError) as error:
        raise _refused(f"{path}, line {number} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise _refused(f"{path}, line {number} is not a JSON object")
    return record


def _parquet(path: Any, file: IO[bytes]) -> Table:
    reader = ParquetReader(path, file)
    # The file stays open while a batch may still read columns from it.
    batches = (
        Batch(stop - start, len(reader.names), partial(reader.values, start=start, stop=stop))
        for start in range(0, reader.rows, BATCH_ROWS)
        for stop in [min(start + BATCH_ROWS, reader.rows)]
    )
    return reader.names, batches


def _refused(text: str, parameter: str = "source", remedy: str | None = None) -> MarketoInvalidRequestError:
    return MarketoInvalidRequestError(text, parameter=parameter, remedy=remedy)
