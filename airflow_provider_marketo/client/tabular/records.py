"""
Where one record of a CSV file ends and the next begins.

Marketo ends records with LF and quotes fields that need it; quotes may contain anything. Counting quotes finds the ends
of records fast. Counting fails where a quote was not doubled. Blocks with such a quote are read field by field with a
more tolerant rule: a quote closes a field only where a field can end.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK = 1 << 18
"""Bytes per block: few enough to stay in the processor's cache, and to reuse the same memory."""

LONGEST_RECORD = 64 << 20
"""Largest size of a record, in bytes. A larger one means that a quote never closes."""

BLOCKS_ALIKE = 7
"""Number of blocks that skip the quick way after it has failed on one."""

BOM = b"\xef\xbb\xbf"
NULL = b"null"

_COMMA, _LF, _CR, _QUOTE = b',\n\r"'
_END = b"\0"
_NOT_STRUCTURE = bytes(sorted(set(range(256)) - {_QUOTE, _LF}))
# A quoted field: from a position where one can begin to one where it can end, or to the end of the data. The literal in
# front makes the search fast. A comma after it is in the match: nearly all fields have one, and a lookahead is slow.
_QUOTED = re.compile(rb'"(?:(?<=[,\n]")|(?<=^"))[^"]*(?:",|(?:""[^"]*)*(?:",|"(?=\n|\r\n)|\Z))')
_END_OF_PLAIN = re.compile(rb"[,\n]")
_HALF_PAIR = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_SPECIAL = re.compile(r'[,"\r\n]')


@dataclass(frozen=True)
class Block:
    """
    Whole records.

    :param data: the records, without the header. Only the last record of a file may lack its line end.
    :param rows: number of records.
    :param simple: whether every line is a record.
    :param tolerant: whether it must be read field by field.
    """

    data: bytes
    rows: int
    simple: bool = False
    tolerant: bool = False

    def records(self) -> list[bytes]:
        """Return each record as it is in the file, with its line end."""
        if self.tolerant:
            ended = self.data if self.data.endswith(b"\n") else self.data + b"\n"
            return [self.data[start:end] for start, end in _spans(ended)]
        lines = [line + b"\n" for line in self.data.split(b"\n")]
        lines[-1] = lines[-1][:-1]  # the rest after the last line end: empty, except at the end of a file
        if not lines[-1]:
            del lines[-1]
        return lines if self.simple else list(_joined(lines))


@dataclass(frozen=True)
class Field:
    """
    One cell.

    :param text: its content, without quotes.
    :param start: its first position in the record, quotes included.
    :param end: the position after its last one.
    :param quoted: whether it was quoted: only an unquoted ``null`` is null.
    """

    text: bytes
    start: int
    end: int
    quoted: bool

    @property
    def is_null(self) -> bool:
        """Whether the field is null."""
        return not self.quoted and self.text == NULL


def outside_quotes(data: bytes) -> bytes | None:
    """Return what is not in quoted fields; None if a quote inside a field was not doubled: readers disagree on it."""
    outside = _QUOTED.sub(b"", data)
    return None if b'"' in outside else outside


class Splitter:
    """
    Cuts a stream of bytes, which arrive in pieces of any size, into blocks of whole records.

    :param block: bytes per block.
    :param quick: a quick way to find records: takes lines, and returns the records at their start that it is sure of.
        None if it is not sure of any.
    """

    def __init__(self, block: int, quick: Callable[[bytes], Block | None] = lambda _: None) -> None:
        self._block = self._limit = block
        self._quick = quick
        self._without_quick = 0
        self._parts: list[bytes | memoryview] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Block]:
        """Take bytes, and yield the blocks that they complete."""
        self._parts.append(data)
        self._size += len(data)
        while self._size >= self._limit:
            held = self._take(self._limit)
            block, end = self._cut(held)
            self._parts.insert(0, held[end:])
            self._size += len(held) - end
            if block is not None:
                self._limit = self._block
                yield block
            elif self._limit >= LONGEST_RECORD:
                raise MarketoDataError(f"a record does not end within {LONGEST_RECORD >> 20} MB")
            else:
                self._limit *= 2

    def _take(self, size: int) -> bytes:
        """Remove the first bytes of what is held, and return them."""
        surplus, behind = self._size - size, []
        while surplus > len(self._parts[-1]):
            behind.append(self._parts.pop())
            surplus -= len(behind[-1])
        last = memoryview(self._parts.pop())
        within = len(last) - surplus
        held = b"".join([*self._parts, last[:within]])
        self._parts = [last[within:], *reversed(behind)]
        self._size -= size
        return held

    def finish(self) -> Iterator[Block]:
        """Yield the rest. The last record may lack its line end."""
        held = b"".join(self._parts)
        self._parts, self._size = [], 0
        if not held:
            return
        ended = held.endswith(b"\n")
        held = held if ended else held + b"\n"
        while held:
            block, end = self._cut(held)
            if block is None:
                raise MarketoDataError("the file ends inside a quoted field")
            held = held[end:]
            yield block if held or ended else replace(block, data=block.data[:-1])

    def _cut(self, held: bytes) -> tuple[Block | None, int]:
        """Return the whole records at the start of some bytes, and the position after them."""
        end = held.rfind(b"\n") + 1
        data = held[:end]
        if b'"' not in data:
            return (Block(data, data.count(b"\n"), simple=True) if end else None), end
        found = self._ask_quick(data)
        if found is not None:
            return found, len(found.data)
        outside = outside_quotes(data + _END)
        if outside is None:
            return _cut_tolerantly(held)
        inside = 0 if outside.endswith(_END) else 1
        while inside and end:
            start = data.rfind(b"\n", 0, end - 1) + 1
            inside ^= data.count(b'"', start, end) & 1
            end = start
        return (Block(data[:end], outside.count(b"\n")) if end else None), end

    def _ask_quick(self, data: bytes) -> Block | None:
        """Try the quick way. If it cannot decide on a block, it probably cannot decide on the next ones either."""
        if self._without_quick:
            self._without_quick -= 1
            return None
        found = self._quick(data)
        if found is None:
            self._without_quick = BLOCKS_ALIKE
        return found


def even_lines(data: bytes) -> int | None:
    """Return the number of lines if each has an even number of quotes, so no line ends inside quotes; else None."""
    quotes = data.translate(None, _NOT_STRUCTURE)
    ends = quotes.replace(b'""""', b"").replace(b'""', b"")
    return None if b'"' in ends else len(ends)


def _joined(lines: list[bytes]) -> Iterator[bytes]:
    """Join lines to records: a line break inside quotes does not end a record."""
    held: list[bytes] = []
    inside = False
    for line in lines:
        inside ^= bool(line.count(b'"') & 1)
        if inside or held:
            held.append(line)
        if not inside:
            yield b"".join(held) if held else line
            held = []


def _cut_tolerantly(held: bytes) -> tuple[Block | None, int]:
    ends = [end for _, end in _spans(held)]
    return (Block(held[: ends[-1]], len(ends), tolerant=True), ends[-1]) if ends else (None, 0)


def _spans(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each complete record, by the tolerant rule."""
    start, size = 0, len(data)
    while start < size:
        end = start
        while True:
            _, end = _field_end(data, end)
            if end < 0 or end >= size:
                break
            end += 1
            if data[end - 1] == _LF:
                break
        if end < 0 or (end >= size and data[size - 1] != _LF):
            return
        yield start, end
        start = end


def _field_end(data: bytes, start: int) -> tuple[bool, int]:
    """Return whether the field at a position is quoted, and the position of the comma or LF after it, or -1."""
    if data[start : start + 1] != b'"':
        match = _END_OF_PLAIN.search(data, start)
        return False, match.start() if match else -1
    position = start + 1
    while True:
        position = data.find(b'"', position)
        if position < 0:
            return True, -1
        following = data[position + 1 : position + 3]
        if following[:1] == b'"':
            position += 2
        elif following[:1] in (b",", b"\n"):
            return True, position + 1
        elif following == b"\r\n":
            return True, position + 2
        else:
            position += 1  # not doubled, and no field can end here


def fields(record: bytes, count: int | None = None) -> list[Field]:
    """
    Return the cells of a record, by the tolerant rule for quotes.

    :param record: the record as it is in the file.
    :param count: number of cells wanted; None for all.
    """
    found: list[Field] = []
    start = 0
    data = record if record.endswith(b"\n") else record + b"\n"
    while count is None or len(found) < count:
        quoted, end = _field_end(data, start)
        if end < 0:
            raise MarketoDataError("a quoted field does not end")
        last = data[end] == _LF
        stop = end - 1 if last and end > start and data[end - 1] == _CR else end
        text = data[start + 1 : stop - 1].replace(b'""', b'"') if quoted else data[start:stop]
        found.append(Field(text, start, stop, quoted))
        if last:
            break
        start = end + 1
    return found


def header(data: bytes) -> tuple[list[str], int] | None:
    """
    Return the names in the first record and the position of the second; None while the first is not complete.

    :param data: the start of a file, perhaps with a byte order mark.
    """
    start = len(BOM) if data.startswith(BOM) else 0
    span = next(_spans(data[start:]), None)
    if span is None:
        return None
    end = start + span[1]
    return [field.text.decode("utf-8", "replace").strip() for field in fields(data[start:end])], end


def line(values: Iterable[Any]) -> bytes:
    """
    Return values as a record, the way Marketo writes them: null is ``null`` without quotes.

    JSON can hold half of a surrogate pair, UTF-8 cannot. It is written anyway, so that :func:`utf8` finds it.
    """
    return (",".join(map(_cell, values)) + "\n").encode("utf-8", "surrogatepass")


def utf8(data: bytes) -> bytes:
    """Replace bytes that are not UTF-8 with U+FFFD; half of a surrogate pair becomes one. ASCII around them stays."""
    return _HALF_PAIR.sub("\ufffd".encode(), data).decode("utf-8", "replace").encode()


def is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if type(value) is int:  # a number needs no quotes
        return str(value)
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"null"' if shown == "null" else cell(shown)


def cell(text: str) -> str:
    """Write a text as a CSV cell, in quotes if it needs them."""
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
