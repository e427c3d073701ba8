"""Parquet files as batches of Python values. A column is read only when it is asked for."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.parquet_pages import page_sizes
from airflow_provider_marketo.imports.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BUFFER = 1 << 20
"""Bytes of a column that are read at a time. Otherwise Arrow reads a whole group of rows, perhaps the whole file."""

_ROWS = 8_192
"""Rows of a column that are in memory at a time."""

_BYTES = 256 << 20
"""Bytes of a column that are in memory at a time."""

LARGEST = 256 << 20
"""Largest size of one column in the rows of one call, in bytes. A compressed file of kilobytes may hold a terabyte."""

_MOST_UNPACKED = {"UNCOMPRESSED": 1, "SNAPPY": 24}
"""The largest factor by which unpacking may enlarge a column. Other compressions have no useful limit."""

_UNREADABLE = (ValueError, OverflowError, ArithmeticError, KeyError)
"""Errors for a value that Python cannot hold. Arrow raises ValueErrors, and KeyErrors for unknown zones."""


class ParquetReader:
    """
    Reads columns of one file.

    :param path: the file's address, for errors.
    :param file: the open file.
    :raises MarketoInvalidRequestError: the file is not Parquet.
    """

    def __init__(self, path: Any, file: IO[bytes]) -> None:
        self._path = path
        self._opened = file
        try:
            # Older writers store dates in nanoseconds, which overflow after the year 2262.
            self._file = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit="us")
        except (pa.ArrowException, OSError) as error:
            file.close()
            if _is_of_storage(error):
                raise unavailable(path, error) from error
            raise _refused(f"{path} is not Parquet: {error}") from None
        self.names: Sequence[str] = self._file.schema_arrow.names
        self.rows: int = self._file.metadata.num_rows
        self._columns: dict[int, _Column] = {}

    def values(self, place: int, start: int, stop: int) -> list[Any]:
        """
        Return values of a column.

        :param place: the column's position in ``names``.
        :param start: the first row. Each call for a column continues where the previous call stopped.
        :param stop: the row after the last.
        :raises MarketoInvalidRequestError: a value cannot be read. The error names file, column and row.
        """
        if place not in self._columns:
            self._columns[place] = _Column(f"{self._path}, column {self.names[place]}", self._arrays(place))
        return self._columns[place].values(start, stop)

    def _arrays(self, place: int) -> Iterator[Any]:
        name = self.names[place]
        self._check_pages(name)
        for batch in self._file.iter_batches(self._rows_at_once(name), columns=[name]):
            yield batch.column(name)

    def _chunks(self, name: str) -> Iterator[tuple[int, Any]]:
        """Yield what the file says about a column in each group of rows, with the number of the group."""
        for group in range(self._file.metadata.num_row_groups):
            facts = self._file.metadata.row_group(group)
            for chunk in map(facts.column, range(facts.num_columns)):
                if f"{chunk.path_in_schema}.".startswith(f"{name}."):  # the column, or a member of it
                    yield group, chunk

    def _check_pages(self, name: str) -> None:
        """Refuse a column with a page that would take too much memory, before Arrow unpacks the page."""
        for _, chunk in self._chunks(name):
            if chunk.total_compressed_size * _MOST_UNPACKED.get(chunk.compression, _BYTES) <= _BYTES:
                continue
            try:
                largest = max(page_sizes(self._opened, chunk), default=0)
            except ValueError as error:
                raise _refused(f"{self._path}, column {name} cannot be read: {error}") from None
            if largest > LARGEST:
                raise _refused(
                    f"{self._path}, column {name}: a page of it unpacks to {largest >> 20} MB, and the task reads at"
                    f" most {LARGEST >> 20} MB of a column at a time",
                    remedy="Do not send the column (columns=), or write the file in smaller pages.",
                )

    def _rows_at_once(self, name: str) -> int:
        """Return how many rows of a column may be read at a time: each may hold the dictionary's longest value."""
        most = 1.0
        for group, chunk in self._chunks(name):
            size = chunk.total_uncompressed_size
            if size * _ROWS <= _BYTES:
                continue
            most = max(most, size / max(1, chunk.num_values))
            if chunk.has_dictionary_page and chunk.physical_type == "BYTE_ARRAY":
                most = max(most, self._longest(name, group) if chunk.path_in_schema == name else size)
        return max(1, min(_ROWS, int(_BYTES / most)))

    def _longest(self, name: str, group: int) -> int:
        """Return the length of the longest value in the dictionary of a column, without a copy for each row."""
        file = pq.ParquetFile(self._opened, buffer_size=_BUFFER, pre_buffer=False, read_dictionary=[name])
        for batch in file.iter_batches(1, row_groups=[group], columns=[name]):
            found = batch.column(name)
            if pa.types.is_dictionary(found.type) and len(found.dictionary):
                return int(pc.max(pc.binary_length(found.dictionary)).as_py() or 0)
        return 0


class _Column:
    """
    The values of one column, from its beginning to its end.

    :param where: file and column, for errors.
    :param arrays: the column in pieces.
    """

    def __init__(self, where: str, arrays: Iterator[Any]) -> None:
        self._where = where
        self._arrays = arrays
        self._held = pa.nulls(0)
        self._start = 0

    def values(self, start: int, stop: int) -> list[Any]:
        found: list[Any] = []
        first, size = start, 0
        while start < stop:
            held_until = self._start + len(self._held)
            if start < held_until:
                piece = self._held.slice(start - self._start, stop - start)
                size += _size(piece)
                if size > LARGEST:
                    raise _refused(
                        f"{self._where}, rows {first + 1} to {start + len(piece)}: the values have {size >> 20} MB,"
                        f" and the task reads at most {LARGEST >> 20} MB of a column at a time",
                        remedy="Do not send the column (columns=), or shorten its values.",
                    )
                found += self._convert(piece, start)
                start += len(piece)
            else:
                self._start, self._held = held_until, self._next(held_until)
        return found

    def _next(self, row: int) -> Any:
        try:
            return next(self._arrays)
        except (pa.ArrowException, OSError, StopIteration) as error:
            if _is_of_storage(error):
                raise unavailable(self._where, error) from error
            raise _refused(f"{self._where} cannot be read from row {row + 1} on: {error}") from None

    def _convert(self, array: Any, start: int) -> list[Any]:
        try:
            # Parts of a microsecond are cut off. A date that microseconds cannot hold must not become another date.
            plain = array.cast(options=pc.CastOptions(_for_python(array.type), allow_time_truncate=True))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            plain = array
        try:
            values: list[Any] = plain.to_pylist()
            return values
        except _UNREADABLE:
            pass
        for row, value in enumerate(plain, start + 1):
            try:
                value.as_py()
            except _UNREADABLE as error:
                raise _refused(
                    f"{self._where}, row {row}: Python has no value for this {array.type} ({error})",
                    remedy="Correct the row (dates go from the year 1 to 9999), or do not send the column (columns=).",
                ) from None
        raise AssertionError("unreachable: a value that cannot be read was found before")


def _is_of_storage(error: Exception) -> bool:
    """Whether the storage failed. Arrow also raises an OSError, but without a number, for a file's content."""
    return isinstance(error, OSError) and (error.errno is not None or isinstance(error, PermissionError))


def _size(array: Any) -> int:
    """Return the bytes of the values. A repeated value counts each time."""
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _size(array.flatten())
    if pa.types.is_struct(array.type):
        return sum(map(_size, array.flatten()))
    if pa.types.is_dictionary(array.type):
        values = array.dictionary
        if not pa.types.is_string(values.type) and not pa.types.is_binary(values.type):
            return int(array.nbytes)
        return int(pc.sum(pc.take(pc.binary_length(values), array.indices)).as_py() or 0)
    return int(array.nbytes)


def _for_python(kind: Any) -> Any:
    """Return the type whose values Python can hold: microseconds for nanoseconds, also in nested values."""
    return next((convert(kind) for holds, convert in _CONVERSIONS if holds(kind)), kind)


_CONVERSIONS: Sequence[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = (
    (pa.types.is_timestamp, lambda kind: pa.timestamp("us", kind.tz)),
    (pa.types.is_time64, lambda _: pa.time64("us")),
    (pa.types.is_duration, lambda _: pa.duration("us")),
    (pa.types.is_float16, lambda _: pa.float32()),
    (pa.types.is_dictionary, lambda kind: _for_python(kind.value_type)),
    (pa.types.is_struct, lambda kind: pa.struct([field.with_type(_for_python(field.type)) for field in kind])),
    (pa.types.is_map, lambda kind: pa.map_(_for_python(kind.key_type), _for_python(kind.item_type))),
    (pa.types.is_large_list, lambda kind: pa.large_list(_for_python(kind.value_type))),
    (pa.types.is_list, lambda kind: pa.list_(_for_python(kind.value_type))),
    (pa.types.is_fixed_size_list, lambda kind: pa.list_(_for_python(kind.value_type))),
)


def _refused(text: str, remedy: str | None = None) -> MarketoInvalidRequestError:
    return MarketoInvalidRequestError(text, parameter="source", remedy=remedy)
