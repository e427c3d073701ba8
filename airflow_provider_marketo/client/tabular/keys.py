"""
Find rows with the same key, exactly and in little memory.

:class:`SeenKeys` keeps the first row of each key and answers at once. :class:`LastRows` keeps the last row of each key
and answers when it has seen all of them.
"""

from __future__ import annotations

import gzip
import marshal
import sqlite3
import struct
import tempfile
from array import array
from typing import IO, TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PAGE_BITS = 12
_PAGE_BYTES = (1 << _PAGE_BITS) // 8
_OFFSET = (1 << _PAGE_BITS) - 1
_MAGNITUDE = 1 << 62
_JOINT = "\x1f"
_PIECE = 1 << 16

Key = str | int | None


class NumberSet:
    """
    A set of integers: one bit each where they are dense.

    :param dense: what :meth:`to_bytes` returned.
    """

    def __init__(self, dense: bytes = b"") -> None:
        starts = range(0, len(dense), _PAGE_BYTES)
        pages = {start // _PAGE_BYTES: bytearray(dense[start : start + _PAGE_BYTES]) for start in starts}
        self._pages = {number: page.ljust(_PAGE_BYTES, b"\0") for number, page in pages.items()}
        self._count = sum(int.from_bytes(page, "big").bit_count() for page in self._pages.values())

    def __contains__(self, number: int) -> bool:
        page = self._pages.get(number >> _PAGE_BITS)
        offset = number & _OFFSET
        return page is not None and bool(page[offset >> 3] & (1 << (offset & 7)))

    def __len__(self) -> int:
        return self._count

    def add(self, number: int) -> bool:
        """Add a number, and say whether it is new."""
        page = self._pages.get(number >> _PAGE_BITS)
        if page is None:
            page = self._pages[number >> _PAGE_BITS] = bytearray(_PAGE_BYTES)
        offset = number & _OFFSET
        bit = 1 << (offset & 7)
        if page[offset >> 3] & bit:
            return False
        page[offset >> 3] |= bit
        self._count += 1
        return True

    def update(self, other: NumberSet) -> None:
        """Add the numbers of another set."""
        for number, bits in other._pages.items():
            self._merge_page(number, bits)

    def between(self, first: int, last: int) -> list[int]:
        """Return the numbers from ``first`` to ``last``, both included, in order."""
        found: list[int] = []
        for number in range(first >> _PAGE_BITS, (last >> _PAGE_BITS) + 1) if self._count else ():
            for at, byte in enumerate(self._pages.get(number, b"")):
                if byte:
                    start = (number << _PAGE_BITS) + (at << 3)
                    found += [start + bit for bit in range(8) if byte & (1 << bit)]
        return [number for number in found if first <= number <= last]

    def to_bytes(self) -> bytes:
        """Return one bit for each number from 0 on. The set must not hold negative numbers."""
        pages = range(max(self._pages, default=-1) + 1)
        return b"".join(bytes(self._pages.get(number, bytes(_PAGE_BYTES))) for number in pages).rstrip(b"\0")

    def save(self, file: IO[bytes] | gzip.GzipFile) -> None:
        """Write the set page by page; :meth:`load` reads it."""
        file.write(struct.pack(">q", len(self._pages)))
        for number, bits in self._pages.items():
            file.write(struct.pack(">q", number) + bits)

    def load(self, file: IO[bytes] | gzip.GzipFile) -> None:
        """Add the numbers that :meth:`save` wrote."""
        for _ in range(_number(file.read(8))):
            number = _number(file.read(8))
            self._merge_page(number, file.read(_PAGE_BYTES))

    def _merge_page(self, number: int, bits: bytes | bytearray) -> None:
        before = int.from_bytes(self._pages.get(number, b""), "big")
        merged = before | int.from_bytes(bits, "big")
        self._pages[number] = bytearray(merged.to_bytes(_PAGE_BYTES, "big"))
        self._count += merged.bit_count() - before.bit_count()


class SeenKeys:
    """
    A set of keys. Integers live in a :class:`NumberSet`, texts in a temporary SQLite file.

    Rows without a key cannot be told apart, so they are always new.

    :param before: further keys that count as seen; this set does not change them.
    """

    def __init__(self, before: SeenKeys | None = None) -> None:
        self._before = before
        self._integers = NumberSet()
        self._texts: sqlite3.Connection | None = None

    def branch(self) -> SeenKeys:
        """Start a set that begins with these keys; :meth:`merge` takes over the keys that are added to it."""
        return SeenKeys(self)

    def merge(self, branch: SeenKeys) -> None:
        """Take over the keys that were added to a branch."""
        self._integers.update(branch._integers)
        for key in branch._own_texts():
            self._insert(key)

    def add(self, rows: Sequence[Sequence[Key]]) -> list[bool]:
        """
        Add the keys of rows.

        :param rows: the key of each row, one or several values.
        :return: for each row whether its key is new; of two equal keys in one call the first is new.
        """
        return [self._add_text(row) if (key := _integer(row)) is None else self._add_integer(key) for row in rows]

    def save(self, file: BinaryIO) -> None:
        """Write the keys that were added here, for another process."""
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed:
            self._integers.save(packed)
            held = bytearray()  # each call of gzip costs as much as ten keys
            for text in self._own_texts():
                data = text.encode()
                held += struct.pack(">q", len(data)) + data
                if len(held) > _PIECE:
                    packed.write(held)
                    held.clear()
            packed.write(held)

    def load(self, file: BinaryIO) -> None:
        """Add the keys that :meth:`save` wrote."""
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            self._integers.load(packed)
            while length := packed.read(8):
                self._insert(packed.read(_number(length)).decode())

    def close(self) -> None:
        """Delete the temporary file."""
        if self._texts is not None:
            self._texts.close()
            self._texts = None

    def _has_integer(self, key: int) -> bool:
        return key in self._integers or (self._before is not None and self._before._has_integer(key))

    def _add_integer(self, key: int) -> bool:
        seen = self._before is not None and self._before._has_integer(key)
        return not seen and self._integers.add(key)

    def _has_text(self, key: str) -> bool:
        here = self._texts is not None and self._texts.execute("SELECT 1 FROM keys WHERE key = ?", (key,)).fetchone()
        return bool(here) or (self._before is not None and self._before._has_text(key))

    def _add_text(self, row: Sequence[Key]) -> bool:
        if all(value is None for value in row):
            return True
        key = _JOINT.join("" if value is None else str(value) for value in row)
        if self._before is not None and self._before._has_text(key):
            return False
        return self._insert(key)

    def _insert(self, key: str) -> bool:
        if self._texts is None:
            # An empty name is a temporary file that SQLite deletes by itself.
            self._texts = sqlite3.connect("", check_same_thread=False, isolation_level=None)
            self._texts.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
            self._texts.execute("BEGIN")
        return self._texts.execute("INSERT OR IGNORE INTO keys VALUES (?)", (key,)).rowcount == 1

    def _own_texts(self) -> Iterator[str]:
        for (key,) in self._texts.execute("SELECT key FROM keys") if self._texts else ():
            yield key


_PARTS = 256
_IN_MEMORY = 200_000
"""Keys: about twenty megabytes of e-mail addresses."""
_MARSHAL_VERSION = 2
"""The version of marshal that does not look for repeated objects."""


class LastRows:
    """
    Takes the key of every row, then tells which rows are superseded by a later row of the same key.

    Keys that exceed the memory go to a temporary file in parts, with equal keys in the same part.

    :param in_memory: how many keys are kept in memory.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._room = in_memory
        self._numbers = array("q")
        self._keys: list[Any] = []
        self._file: IO[bytes] | None = None
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(_PARTS)]

    def add(self, numbers: Iterable[int], columns: Sequence[Sequence[Any]]) -> None:
        """
        Add the keys of rows.

        :param numbers: numbers of the rows, ascending over all calls.
        :param columns: the values of the key's fields.
        """
        self._numbers.extend(numbers)
        self._keys.extend(columns[0] if len(columns) == 1 else zip(*columns, strict=True))
        if len(self._keys) > self._room:
            self._spill()

    def superseded(self) -> NumberSet:
        """Return the numbers of the rows whose key a later row repeats."""
        found = NumberSet()
        for numbers, keys in self._parts():
            last = dict(zip(keys, numbers, strict=True))
            if len(last) < len(keys):
                for number, key in zip(numbers, keys, strict=True):
                    if last[key] != number:
                        found.add(number)
        return found

    def close(self) -> None:
        """Delete the temporary file."""
        if self._file is not None:
            self._file.close()

    def _parts(self) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
        """Yield numbers and keys, with equal keys in the same part."""
        if self._file is None:
            yield self._numbers, self._keys
            return
        self._spill()
        for blocks in self._blocks:
            numbers: array[int] = array("q")
            keys: list[Any] = []
            for start, size in blocks:
                self._file.seek(start)
                more_numbers, more_keys = marshal.loads(self._file.read(size))
                numbers.frombytes(more_numbers)
                keys += more_keys
            yield numbers, keys

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        parts: list[tuple[array[int], list[Any]]] = [(array("q"), []) for _ in self._blocks]
        for number, key in zip(self._numbers, self._keys, strict=True):
            numbers, keys = parts[hash(key) % _PARTS]
            numbers.append(number)
            keys.append(key)
        for blocks, (numbers, keys) in zip(self._blocks, parts, strict=True):
            start = self._file.tell()
            blocks.append((start, self._file.write(marshal.dumps((numbers.tobytes(), keys), _MARSHAL_VERSION))))
        self._numbers, self._keys = array("q"), []


def _integer(row: Sequence[Key]) -> int | None:
    key = row[0]
    return key if len(row) == 1 and isinstance(key, int) and abs(key) < _MAGNITUDE else None


def _number(data: bytes) -> int:
    return int(struct.unpack(">q", data)[0])
