"""Blocks of CSV to typed columns, with pyarrow. The only place that parses in bulk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.tabular import schema as kinds
from airflow_provider_marketo.client.tabular.records import Block, records
from airflow_provider_marketo.client.tabular.schema import Column

DECIMAL_DIGITS, DECIMAL_SCALE = 20, 4
_STRAY_QUOTE = r'[^,\n"]"[^,\r\n"]'
_INTEGER = r"^[+-]?\d{1,18}(\.0*)?$"
_FLOAT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_DECIMAL = r"^[+-]?\d{1,15}(\.\d{1,4}0*)?$"
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_DATETIME = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?)(Z|[+-]\d{2}:?\d{2})?(?:\+0000)?$"
_TRUE, _FALSE = ("true", "1"), ("false", "0")


def require_arrow() -> Any:
    """
    pyarrow, or the way to it.

    :raises MarketoInvalidRequestError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.csv
    except ImportError as error:
        raise MarketoInvalidRequestError(
            "jsonl and parquet are written with pyarrow, which is not installed",
            parameter="file_format",
            remedy="pip install 'airflow-provider-marketo[arrow]', or use file_format='csv'.",
        ) from error
    return pyarrow


def parse(block: Block, names: Sequence[str], first_row: int) -> Any:
    """
    A block as a table of texts: null where Marketo wrote an unquoted ``null``.

    :param block: whole records.
    :param names: of the file's columns.
    :param first_row: number of the block's first record in the file, for errors.
    :raises MarketoDataError: a record has more or fewer cells than the header.
    """
    pa = require_arrow()
    if not block.tolerant and not _has_stray_quotes(pa, block.data):
        try:
            return pa.csv.read_csv(
                pa.BufferReader(block.data),
                read_options=pa.csv.ReadOptions(column_names=list(names), block_size=1 << 20),
                parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=pa.csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    null_values=["null"],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            pass  # its text may hold a row; the tolerant reader says which row it is
    return _parse_tolerantly(pa, block.data, names, first_row)


def _has_stray_quotes(pa: Any, data: bytes) -> bool:
    """A quote amid a field that was not doubled: readers disagree on those, so none is left to guess."""
    return bool(pa.compute.match_substring_regex(pa.array([data], pa.binary()), _STRAY_QUOTE)[0].as_py())


def _parse_tolerantly(pa: Any, data: bytes, names: Sequence[str], first_row: int) -> Any:
    columns: list[list[str | None]] = [[] for _ in names]
    for number, fields in enumerate(records(data), first_row):
        if len(fields) != len(names):
            raise MarketoDataError(f"row {number} has {len(fields)} cells, and the header has {len(names)}")
        for column, field in zip(columns, fields):
            try:
                column.append(None if field.is_null else field.text.decode("utf-8"))
            except UnicodeDecodeError:
                raise MarketoDataError(f"row {number} is not UTF-8") from None
    return pa.table([pa.array(column, pa.string()) for column in columns], names=list(names))


def arrow_type(kind: str) -> Any:
    """What values of a kind are in Arrow and Parquet."""
    pa = require_arrow()
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
    Texts as values of a kind.

    :param texts: an array of strings.
    :param kind: one of the words of :mod:`.schema`, but attributes.
    :return: the values, and a boolean array that is true where a text did not fit and the value is null; None for none.
    """
    pa = require_arrow()
    if kind == kinds.STRING:
        return texts, None
    try:
        return _cast(pa, texts, kind), None  # most columns are clean: one pass
    except pa.ArrowInvalid:
        pass
    pc = pa.compute
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    fits = pc.match_substring_regex(texts, _PATTERNS[kind])
    clean = pc.if_else(fits, texts, None)
    while True:
        try:
            values = _cast(pa, _NORMALISE.get(kind, lambda _, same: same)(pa, clean), kind)
            break
        except pa.ArrowInvalid:
            clean = _without_impossible(pa, clean, kind)
    misfits = pc.and_(pc.is_valid(texts), pc.is_null(values))
    return values, misfits if pc.any(misfits).as_py() else None


def _cast(pa: Any, texts: Any, kind: str) -> Any:
    if kind == kinds.BOOLEAN:
        lowered = pa.compute.utf8_lower(texts)
        is_true = pa.compute.is_in(lowered, value_set=pa.array(_TRUE))
        known = pa.compute.or_(is_true, pa.compute.is_in(lowered, value_set=pa.array(_FALSE)))
        if pa.compute.any(pa.compute.and_(pa.compute.is_valid(texts), pa.compute.invert(known))).as_py():
            raise pa.ArrowInvalid("not a boolean")
        return pa.compute.if_else(pa.compute.is_valid(texts), is_true, None)
    if kind == kinds.DATETIME:
        try:
            return pa.compute.cast(texts, arrow_type(kind))
        except pa.ArrowInvalid:
            naive = pa.compute.cast(texts, pa.timestamp("us"))
            return pa.compute.assume_timezone(naive, "UTC")
    return pa.compute.cast(texts, arrow_type(kind))


_PATTERNS = {
    kinds.INTEGER: _INTEGER,
    kinds.FLOAT: _FLOAT,
    kinds.DECIMAL: _DECIMAL,
    kinds.BOOLEAN: r"(?i)^(true|false|1|0)$",
    kinds.DATE: _DATE,
    kinds.DATETIME: _DATETIME,
}

_NORMALISE: dict[str, Callable[[Any, Any], Any]] = {
    kinds.INTEGER: lambda pa, texts: pa.compute.replace_substring_regex(texts, r"^\+?(-?\d+)(?:\.0*)?$", r"\1"),
    kinds.DECIMAL: lambda pa, texts: pa.compute.replace_substring_regex(texts, r"^\+?(-?\d+(?:\.\d{1,4})?)0*$", r"\1"),
    kinds.DATETIME: lambda pa, texts: pa.compute.replace_substring_regex(
        pa.compute.replace_substring_regex(texts, _DATETIME, r"\1T\2\3"), r"(T[\d:.]+)$", r"\1Z"
    ),
}
"""Spellings that mean the same to a person and not to a cast: 2.0 as an integer, Z+0000 as a zone, no zone at all."""


def _without_impossible(pa: Any, texts: Any, kind: str) -> Any:
    """Values that look right and cannot be, such as the 31st of February: found one by one, since they are rare."""
    normalise = _NORMALISE.get(kind, lambda _, same: same)

    def possible(text: str | None) -> bool:
        if text is None:
            return True
        try:
            _cast(pa, normalise(pa, pa.array([text], pa.string())), kind)
        except pa.ArrowInvalid:
            return False
        return True

    return pa.chunked_array([[text if possible(text) else None for text in texts.to_pylist()]], pa.string())


def column_or_null(table: Any, column: Column) -> Any:
    """A column of texts by name; nulls where the file does not have it."""
    pa = require_arrow()
    if column.name in table.column_names:
        return table.column(column.name)
    return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def count_misfits(errors: Counter[str], column: str, misfits: Any) -> None:
    """Add the values that did not fit to the count of their column."""
    errors[column] += require_arrow().compute.sum(misfits).as_py()
