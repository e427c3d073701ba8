"""Files of text, csv, tsv and jsonl: read line by line, with the number of the line in each error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.rows import BATCH_ROWS, Batch, Table, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

BATCH_BYTES = 64 << 20
"""Bytes of lines after which a batch ends early: a compressed file of a megabyte may hold gigabytes."""

LONGEST_CELL = 64 << 20
"""Longest cell, in bytes; Python's csv module takes 128 KB. A cell too long for Marketo is a reject, not a crash."""

_TOO_LONG = f"the line is longer than {LONGEST_CELL >> 20} MB"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

_OTHER_DELIMITERS = ";\t|,^~\x1f"
_OTHER_KINDS: Sequence[tuple[bytes, str, str]] = (
    (b"\x1f\x8b", "is gzipped", "End its name with .gz."),
    (b"PK\x03\x04", "is an Excel workbook or a zip file", "Save the table as csv (UTF-8)."),
    (b"PAR1", "is Parquet", "Set source_format='parquet'."),
    (b"\xff\xfe", "is UTF-16", "Save it as UTF-8."),
    (b"\xfe\xff", "is UTF-16", "Save it as UTF-8."),
)
"""Signs of a file that is not UTF-8 text: its first bytes, what the file is, and what to do."""


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


def delimited(path: Any, packed: bool, file: IO[bytes], delimiter: str, *, guess: bool) -> Table:
    """
    Return the table of a csv or tsv file.

    :param path: the file.
    :param packed: whether it is gzipped.
    :param file: the open file.
    :param delimiter: the text between its cells.
    :param guess: whether another delimiter in the header is refused by name.
    :raises MarketoInvalidRequestError: the file has no header, or is not UTF-8.
    """
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
        raise refused(f"{path} is empty: it has no header", remedy="A file without rows still needs its header.")
    if any(_ADDRESS.fullmatch(name) for cell in header for name in re.split(r"[;\t|,\s]", cell)):
        raise refused(
            f"{path} has no header: its first line holds an e-mail address",  # which is not shown
            remedy="Write the names of the columns into the first line.",
        )
    other = next((sign for sign in _OTHER_DELIMITERS if guess and len(header) == 1 and sign in header[0]), None)
    if other is not None:
        raise refused(
            f"{path} has one column {header[0]!r}: its cells are not separated by {delimiter!r}",
            parameter="delimiter",
            remedy=f"Set delimiter={other!r}. If the column really has this name, set delimiter={delimiter!r}.",
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
        Return the next rows: a few thousand, or fewer if they have many bytes.

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
    with opened(path, packed) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
        row = next(row for row in reader if row and len(row) != width)
        return refused(
            f"{path}, line {reader.line_num}: the row has {counted(len(row), 'cell')}, and the header has {width}",
            remedy="Quote cells that contain the delimiter, a quote or a line break.",
        )


def _unreadable(path: Any, packed: bool, line: int, error: Exception) -> MarketoInvalidRequestError:
    if not isinstance(error, UnicodeDecodeError):
        line += str(error) == _TOO_LONG  # the reader has not counted this line
        return refused(f"{path}, line {line}: {error}")
    with opened(path, packed) as file:
        begins = 0
        for number, data in enumerate(iter(partial(file.readline, LONGEST_CELL), b""), 1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as fault:
                where = f"byte {begins + fault.start} of the file is 0x{data[fault.start]:02x}"
                return _not_text(path, number, data, where)
            begins += len(data)
    return refused(f"{path} is not UTF-8: it ends inside a character")


def _not_text(path: Any, line: int, data: bytes, where: str) -> MarketoInvalidRequestError:
    """
    Return the error for a line that is not UTF-8.

    :param line: the line's number.
    :param data: the line.
    :param where: the first byte that is not UTF-8, in words.
    """
    for mark, what, remedy in _OTHER_KINDS if line == 1 else ():
        if data.startswith(mark):
            return refused(f"{path} {what}, and is read as text", remedy=remedy)
    return refused(f"{path} is not UTF-8: line {line}, {where}", remedy="Convert the file to UTF-8 first.")


def opened(path: Any, packed: bool, **how: Any) -> IO[bytes]:
    """
    Open a file for its bytes as they are after unpacking.

    :param path: the file.
    :param packed: whether it is gzipped.
    :param how: options of its file system.
    """
    file: IO[bytes] = path.open("rb", **how)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value]


def json_lines(path: Any, file: IO[bytes], options: FileOptions) -> Table:
    """
    Return the table of a jsonl file. Its first rows name the columns.

    :param path: the file.
    :param file: the open file.
    :param options: how it is read.
    :raises MarketoInvalidRequestError: a line is not a JSON object.
    """
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
                        raise refused(
                            f"{path}, line {number}: the first {announced} rows define the columns, and none of them"
                            f" has {', '.join(new)}",
                            remedy="Write every column into the first line, with null where it has no value.",
                        )
                    records.append(record)

    return names, batches()


def _object(path: Any, number: int, line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST_CELL:
        raise refused(f"{path}, line {number}: {_TOO_LONG}")
    try:
        record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise _not_text(path, number, line, f"byte {error.start} of the line") from None
    except (ValueError, RecursionError) as error:
        raise refused(f"{path}, line {number} is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise refused(f"{path}, line {number} is not a JSON object")
    return record
