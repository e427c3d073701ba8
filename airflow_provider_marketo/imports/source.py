"""Sources of rows: files, and a list of records. They become batches of columns."""

from __future__ import annotations

import glob
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import IO, Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.parquet import ParquetReader
from airflow_provider_marketo.imports.rows import BATCH_ROWS, Batch, Rows, Table, refused
from airflow_provider_marketo.imports.text_files import FileOptions, delimited, json_lines, opened
from airflow_provider_marketo.imports.unavailable import unavailable

RANDOM_ACCESS_OPTIONS = {"cache_type": "none"}
"""Tells object stores to read nothing ahead: Parquet is not read from its beginning to its end."""

_FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_MAGIC = "*?["


def from_records(records: Iterable[Mapping[str, Any]]) -> Rows:
    """
    Return the rows of records.

    :param records: field names and values; a name that a record lacks is null in it.
    :raises MarketoInvalidRequestError: a record is not a mapping.
    """
    taken = list(records)
    for number, record in enumerate(taken, 1):
        if not isinstance(record, Mapping):
            raise refused(
                f"record {number} is of type {type(record).__name__} and must be a mapping of field names to values",
                parameter="records",
            )
    names = list(dict.fromkeys(str(name) for record in taken for name in record))
    batches = (
        Batch.of([[record.get(name) for record in taken[first : first + BATCH_ROWS]] for name in names])
        for first in range(0, len(taken), BATCH_ROWS)
    )
    return Rows(names, batches)


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
            raise refused(f"there is no file {text}")
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
            raise refused(f"{path} has other columns than {paths[0]}: they differ in {differing}")
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
        raise refused(
            f"{where} has more than one column {', '.join(name or 'without a name' for name in twice)}",
            parameter=parameter,
            remedy="Give each column a name of its own, or leave it out (columns=).",
        )


@contextmanager
def _intact(path: Any) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise refused(
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
        raise refused(
            f"the name of {path} does not say whether it is csv, tsv, jsonl or parquet",
            parameter="source_format" if options.file_format else "source",
            remedy="Say what it is with source_format.",
        )
    with _intact(path):
        file = opened(path, packed, **(RANDOM_ACCESS_OPTIONS if kind == "parquet" else {}))
        if kind == "parquet":
            return _parquet(path, file)
        if kind == "jsonl":
            return json_lines(path, file, options)
        return delimited(path, packed, file, options.delimiter or _DELIMITERS[kind], guess=options.delimiter is None)


def _parquet(path: Any, file: IO[bytes]) -> Table:
    reader = ParquetReader(path, file)
    # The file stays open while a batch may still read columns from it.
    batches = (
        Batch(stop - start, len(reader.names), partial(reader.values, start=start, stop=stop))
        for start in range(0, reader.rows, BATCH_ROWS)
        for stop in [min(start + BATCH_ROWS, reader.rows)]
    )
    return reader.names, batches
