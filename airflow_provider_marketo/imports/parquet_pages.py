"""
The sizes of the pages of a Parquet file, read from the headers of the pages.

Arrow unpacks a whole page at once, and trusts the size in its header. A page of 20 KB may unpack to 2 GB, and a reader
notices this only when the bytes are in memory. The footer's sizes of a column are no limit: its pages may be larger.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WINDOW = 1 << 10
_LARGEST_HEADER = 16 << 20
"""Bytes. Arrow does not read larger headers. A header holds the least and the greatest value of its page."""

_DEPTH = 8
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(14)
_INTEGERS = (_I16, _I32, _I64)
_FIXED = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8, _UUID: 16}
_LONG = 15
"""This value in the place of a list's length means that the length follows."""

_UNPACKED, _PACKED = 2, 3
"""Fields of a page's header: the bytes of its content when unpacked, and in the file."""

_DATA_PAGES = (5, 8)
_VALUES = 1
"""The fields of a header that a page of data has, and the field inside them that counts the values."""


def page_sizes(file: IO[bytes], chunk: Any) -> Iterator[int]:
    """
    Yield how large each page of a column becomes when it is unpacked.

    :param file: the open file. This function changes its position.
    :param chunk: what the footer says about the column in a group of rows.
    :raises ValueError: a header cannot be read.
    """
    starts = [chunk.data_page_offset, chunk.dictionary_page_offset or 0]
    position = min((start for start in starts if start > 0), default=0)
    end, values = position + chunk.total_compressed_size, 0
    while position < end and values < chunk.num_values:  # Arrow stops reading at the same point
        header, length = _header(file, position)
        packed, unpacked = _number_in(header, _PACKED), _number_in(header, _UNPACKED)
        yield unpacked
        values += sum(_number_in(header[field], _VALUES) for field in _DATA_PAGES if field in header)
        position += length + packed


def _number_in(struct: Any, field: int) -> int:
    number = struct.get(field) if isinstance(struct, dict) else None
    if not isinstance(number, int) or number < 0:
        raise ValueError("the header of a page lacks a number, or has something else in its place")
    return number


def _header(file: IO[bytes], position: int) -> tuple[dict[int, Any], int]:
    """Return the header of a page, by the numbers of its fields, and its length."""
    size = _WINDOW
    while True:
        file.seek(position)
        content = file.read(size)
        try:
            thrift = _Thrift(content)
            return thrift.struct(), thrift.position
        except IndexError:
            if len(content) < size or size >= _LARGEST_HEADER:
                raise ValueError("the header of a page is cut off") from None
        size *= 16


class _Thrift:
    """Thrift's compact protocol, as far as headers of pages need it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Read a structure; return its numbers and structures by field, and skip everything else."""
        if depth > _DEPTH:
            raise ValueError("the header of a page is nested too deeply")
        found: dict[int, Any] = {}
        field = 0
        while (first := self._byte()) != _STOP:
            kind, step = first & 15, first >> 4
            field = field + step if step else self._number()
            if kind not in (_TRUE, _FALSE):  # the kind is the value
                value = self._value(kind, depth)
                if value is not None:
                    found[field] = value
        return found

    def _value(self, kind: int, depth: int) -> Any:
        """Read a value; return it if it is a number or a structure."""
        if kind in _INTEGERS:
            return self._number()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _BINARY:
            self._move(self._varint())
        elif kind in (_LIST, _SET):
            first = self._byte()
            self._skip([first & 15], self._varint() if first >> 4 == _LONG else first >> 4, depth)
        elif kind == _MAP:
            if count := self._varint():
                kinds = self._byte()
                self._skip([kinds >> 4, kinds & 15], count, depth)
        elif kind in _FIXED:
            self._move(_FIXED[kind])
        else:
            raise ValueError("the header of a page cannot be read")
        return None

    def _skip(self, kinds: Sequence[int], count: int, depth: int) -> None:
        if depth > _DEPTH:
            raise ValueError("the header of a page is nested too deeply")
        self._move(0 if count <= len(self._content) else count)  # each item has at least one byte
        for _ in range(count):
            for kind in kinds:
                self._value(kind, depth + 1)

    def _byte(self) -> int:
        self.position += 1
        return self._content[self.position - 1]

    def _move(self, length: int) -> None:
        self.position += length
        if self.position > len(self._content):
            raise IndexError

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):  # 64 bits
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise ValueError("a number in the header of a page is too long")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
