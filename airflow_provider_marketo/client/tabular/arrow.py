"""Turn blocks of CSV into typed columns with pyarrow. This is the only place that parses in bulk."""

from __future__ import annotations

import re
import struct
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from airflow_provider_marketo.client import dates
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoDataError
from airflow_provider_marketo.client.tabular import cells
from airflow_provider_marketo.client.tabular import schema as kinds
from airflow_provider_marketo.client.tabular.cells import DECIMAL_DIGITS, DECIMAL_SCALE
from airflow_provider_marketo.client.tabular.records import Block, even_lines, fields, outside_quotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

_LONE_CR = re.compile(rb"\r(?!\n)")
_TRUE, _FALSE = ("true", "1"), ("false", "0")


class Parser:
    """
    Turns blocks into tables of texts: null where Marketo wrote an unquoted ``null``.

    :param width: how many columns the file has.
    :param wanted: names of the columns to read, and their positions.
    """

    def __init__(self, width: int, wanted: Mapping[str, int]) -> None:
        self._width = width
        self._wanted = wanted
        self._last: tuple[bytes, Any] = (b"", None)

    def lines(self, data: bytes) -> Block | None:
        """Return lines as a block if each is a row and all quotes in fields are doubled; None otherwise."""
        lines = even_lines(data)
        last_line = data[data.rfind(b"\n", 0, -1) + 1 :]  # may continue after the data, where Arrow does not look
        if lines is None or outside_quotes(last_line) is None:
            return None
        self._last = (data, self._parse(data, lines))
        return None if self._last[1] is None else Block(data, lines, simple=True)

    def parse(self, block: Block, first_row: int) -> Any:
        """
        Read a block as a table of texts.

        :param block: whole records, in UTF-8.
        :param first_row: number of the block's first record in the file, for errors.
        :raises MarketoDataError: a record has more or fewer cells than the header.
        """
        table = self.parse_fast(block)
        return table if table is not None else self._parse_tolerantly(block, first_row)

    def parse_fast(self, block: Block) -> Any:
        """Read a block as :meth:`parse` does, but return None if Arrow might read it differently than we do."""
        table = self._last[1] if self._last[0] is block.data else None
        self._last = (b"", None)
        if table is None and not block.tolerant:
            table = self._parse(block.data, block.rows)
        return table

    def _parse(self, data: bytes, rows: int) -> Any:
        """Return the table, or None if Arrow might read it differently than we do."""
        if b"\r" in data and _LONE_CR.search(data):  # to Arrow a CR ends a record
            return None
        names = [str(position) for position in range(self._width)]
        columns = [names[position] for position in self._wanted.values()]
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(data),
                # Several threads would spend more time on finding each other's records than they save.
                read_options=pa.csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
                parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=columns,
                    column_types={name: pa.string() for name in columns},
                    null_values=["null"],
                    strings_can_be_null=True,
                    check_utf8=False,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:  # its text may hold a row; the reader below says which row it is
            return None
        # A quote that was not doubled ends the quoted part for Arrow. Then either the number of cells is wrong, or the
        # quote that was meant to end the field has become the last character of its text.
        if table.num_rows != rows or (_ends_with_quote(pa, table) and outside_quotes(data) is None):
            return None
        return table.rename_columns(list(self._wanted))

    def _parse_tolerantly(self, block: Block, first_row: int) -> Any:
        columns: dict[str, list[str | None]] = {name: [] for name in self._wanted}
        for number, record in enumerate(block.records(), first_row):
            row = fields(record)
            if len(row) != self._width:
                raise MarketoDataError(
                    f"row {number} has {counted(len(row), 'cell')}, and the header has {self._width}"
                )
            for name, position in self._wanted.items():
                field = row[position]
                columns[name].append(None if field.is_null else field.text.decode())
        return pa.table([pa.array(column, pa.string()) for column in columns.values()], names=list(columns))


def _ends_with_quote(pa: Any, table: Any) -> bool:
    columns = [column for column in table.columns if any(b'"' in data for data in values_of(column))]
    return any(pc.any(pc.ends_with(column, '"')).as_py() for column in columns)


def values_of(texts: Any) -> Iterator[bytes]:
    """
    Yield the texts of an array as one run of bytes.

    Searching all of them at once is much faster than letting Arrow search each text.
    """
    return map(bytes, views_of(texts))


def views_of(texts: Any) -> Iterator[memoryview]:
    """Yield the texts of an array as one run of bytes, where they lie in memory."""
    for chunk in getattr(texts, "chunks", [texts]):
        _, offsets, data = chunk.buffers()
        if data is not None:
            ends = memoryview(offsets).cast("i")
            yield memoryview(data)[ends[chunk.offset] : ends[chunk.offset + len(chunk)]]


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8. Like :func:`.records.is_utf8`, but does not decode a large block into a text."""
    if data.isascii():
        return True
    ends = pa.py_buffer(struct.pack("=ii", 0, len(data)))
    try:
        pa.StringArray.from_buffers(1, ends, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def arrow_type(kind: str) -> Any:
    """Return the type of a kind in Arrow and Parquet."""
    return {
        kinds.STRING: pa.string(),
        kinds.INTEGER: pa.int64(),
        kinds.FLOAT: pa.float64(),
        kinds.DECIMAL: pa.decimal128(DECIMAL_DIGITS, DECIMAL_SCALE),
        kinds.BOOLEAN: pa.bool_(),
        kinds.DATE: pa.date32(),
        kinds.DATETIME: pa.timestamp("us", "UTC"),
        kinds.ATTRIBUTES: pa.map_(pa.string(), pa.string()),
    }[kind]


def typed(texts: Any, kind: str) -> tuple[Any, Any]:
    """
    Convert texts to values of a kind, as :func:`.cells.read` reads each of them.

    :param texts: an array of strings.
    :param kind: one of the words of :mod:`.schema`, except attributes.
    :return: the values, and a boolean array that is true where a text did not fit and the value is null. None in place
        of the array if every text fits.
    """
    if kind == kinds.STRING:
        return texts, None
    try:
        return _cast(pa, texts, kind), None  # most columns are clean: one pass
    except pa.ArrowInvalid:
        pass
    respelled = texts
    for pattern, replacement in _SPELLINGS.get(kind, ()):
        respelled = pc.replace_substring_regex(respelled, pattern, replacement)
    is_usual = pc.match_substring_regex(respelled, _USUAL[kind])
    nothing = pa.scalar(None, pa.string())
    try:
        usual = _cast(pa, pc.if_else(is_usual, respelled, nothing), kind)
        values = pc.coalesce(usual, _read_each(pc.if_else(is_usual, nothing, texts), kind))
    except pa.ArrowInvalid:  # a text that looks usual and is impossible, such as 31 February
        values = _read_each(texts, kind)
    misfits = pc.and_(pc.not_equal(pc.utf8_trim_whitespace(texts), ""), pc.is_null(values))
    misfits = pc.fill_null(misfits, False)
    return values, misfits if pc.any(misfits).as_py() else None


def outside(texts: Any, span: tuple[datetime, datetime]) -> Any:
    """
    Say which rows lie outside of a span, as a boolean array without nulls.

    :param texts: the dates of the rows. A row without a date counts as inside.
    :param span: the first moment inside and the first moment after it.
    """
    dates, _ = typed(texts, kinds.DATETIME)
    return pc.fill_null(pc.or_(pc.less(dates, span[0]), pc.greater_equal(dates, span[1])), False)


def _cast(pa: Any, texts: Any, kind: str) -> Any:
    """Convert texts in one pass; raise ArrowInvalid if a text does not fit."""
    if kind == kinds.BOOLEAN:
        lowered = pc.utf8_lower(texts)
        is_true = pc.is_in(lowered, value_set=pa.array(_TRUE))
        known = pc.or_(is_true, pc.is_in(lowered, value_set=pa.array(_FALSE)))
        if pc.any(pc.and_(pc.is_valid(texts), pc.invert(known))).as_py():
            raise pa.ArrowInvalid("not a boolean")
        return pc.if_else(pc.is_valid(texts), is_true, pa.scalar(None, pa.bool_()))
    if kind == kinds.INTEGER and any(b"x" in data or b"X" in data for data in values_of(texts)):
        raise pa.ArrowInvalid("a hexadecimal number")
    values = pc.cast(texts, arrow_type(kind))
    if kind == kinds.FLOAT and pc.any(pc.invert(pc.is_finite(values))).as_py():
        raise pa.ArrowInvalid("not a number")
    if kind in _BOUNDS:  # Arrow also reads values of the years 0 and 10000, which cannot be read back
        ends = pc.min_max(values.cast(pa.int64() if kind == kinds.DATETIME else pa.int32())).as_py()
        if ends["min"] is not None and not _BOUNDS[kind][0] <= ends["min"] <= ends["max"] <= _BOUNDS[kind][1]:
            raise pa.ArrowInvalid("not a year of four digits")
    return values


_EPOCH = date(1970, 1, 1)
_BOUNDS = {
    kinds.DATE: ((date.min - _EPOCH).days, (date.max - _EPOCH).days),
    kinds.DATETIME: (
        (date.min - _EPOCH + timedelta(days=1)) // timedelta(microseconds=1),  # before it, the text may say year 0
        (date.max - _EPOCH + timedelta(days=1)) // timedelta(microseconds=1) - 1,
    ),
}
"""First and last value, as Arrow counts: days or microseconds since 1970."""

_USUAL = {
    kinds.INTEGER: r"^-?\d{1,18}$",
    kinds.FLOAT: r"^-?\d+(\.\d+)?$",
    kinds.DECIMAL: r"^-?\d{1,16}(\.\d{1,4})?$",
    kinds.BOOLEAN: r"^(true|false|1|0)$",
    kinds.DATE: r"^\d{4}-\d\d-\d\d$",
    kinds.DATETIME: r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$",
}
"""Texts that a cast reads as :func:`.cells.read` does, or refuses. Others are read one by one."""

_SPELLINGS: Mapping[str, Sequence[tuple[str, str]]] = {
    kinds.INTEGER: ((r"^(-?\d+)\.0$", r"\1"),),
    kinds.DATE: (dates.COLUMN_MIDNIGHT,),
    kinds.DATETIME: (dates.COLUMN_WITH_OFFSET, dates.COLUMN_IN_UTC, dates.COLUMN_DAY),
}
"""Frequent spellings that a cast does not read: 2.0 as an integer, Z+0000 as a zone, no zone at all."""


def _read_each(texts: Any, kind: str) -> Any:
    """Read texts one by one; equal texts once."""
    return convert_each(texts, lambda text: cells.read(text, kind), arrow_type(kind))


def convert_each(values: Any, convert: Callable[[Any], Any], data_type: Any) -> Any:
    """Convert each value by a function, equal values once; null stays null."""
    codes = pc.dictionary_encode(values)
    chunks = codes.chunks if isinstance(codes, pa.ChunkedArray) else [codes]
    made = [pa.array(map(convert, chunk.dictionary.to_pylist()), data_type).take(chunk.indices) for chunk in chunks]
    return pa.chunked_array(made, data_type)


def replace_each(texts: Any, change: Callable[[str], str | None]) -> Any:
    """Replace each text with the function's result; null stays null. Equal texts need one call."""
    return convert_each(texts, change, pa.string())
