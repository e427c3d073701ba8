"""Which rows were written already: exact, and in little memory."""

from __future__ import annotations

import gzip
import sqlite3
import struct
from collections.abc import Sequence
from typing import BinaryIO

_PAGE_BITS = 12
_PAGE_BYTES = (1 << _PAGE_BITS) // 8
_MAGNITUDE = 1 << 62
_JOINT = "\x1f"

Key = str | int | None


class SeenKeys:
    """
    A set of keys. Integers live in a paged bitmap, one bit each where ids are dense; texts in a temporary SQLite file.

    Rows without a key cannot be told apart, so they are always new.

    :param before: keys that count as seen, too, and are not changed.
    """

    def __init__(self, before: SeenKeys | None = None) -> None:
        self._before = before
        self._pages: dict[int, bytearray] = {}
        self._texts: sqlite3.Connection | None = None

    def branch(self) -> SeenKeys:
        """The same keys, to which more can be added and forgotten again; :meth:`merge` makes them count."""
        return SeenKeys(self)

    def merge(self, branch: SeenKeys) -> None:
        """Take over what was added to a branch."""
        for page, bits in branch._pages.items():
            self._merge_page(page, bits)
        for (key,) in branch._texts.execute("SELECT key FROM keys") if branch._texts else ():
            self._insert(key)

    def add(self, rows: Sequence[Sequence[Key]]) -> list[bool]:
        """
        :param rows: the key of each row, one or several values.
        :return: for each row whether its key is new; of two equal ones in a call the first is.
        """
        return [self._add_text(row) if (key := _integer(row)) is None else self._add_integer(key) for row in rows]

    def save(self, file: BinaryIO) -> None:
        """Write down the keys that were added here, for another process."""
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed:
            packed.write(struct.pack(">q", len(self._pages)))
            for page, bits in self._pages.items():
                packed.write(struct.pack(">q", page) + bits)
            for (text,) in self._texts.execute("SELECT key FROM keys") if self._texts else ():
                data = text.encode()
                packed.write(struct.pack(">q", len(data)) + data)

    def load(self, file: BinaryIO) -> None:
        """Add the keys that :meth:`save` wrote."""
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            for _ in range(_number(packed.read(8))):
                page = _number(packed.read(8))
                self._merge_page(page, packed.read(_PAGE_BYTES))
            while length := packed.read(8):
                self._insert(packed.read(_number(length)).decode())

    def close(self) -> None:
        """Give the temporary file back."""
        if self._texts is not None:
            self._texts.close()
            self._texts = None

    def _has_integer(self, key: int) -> bool:
        page = self._pages.get(key >> _PAGE_BITS)
        offset = key & ((1 << _PAGE_BITS) - 1)
        here = page is not None and bool(page[offset >> 3] & (1 << (offset & 7)))
        return here or (self._before is not None and self._before._has_integer(key))

    def _add_integer(self, key: int) -> bool:
        if self._has_integer(key):
            return False
        offset = key & ((1 << _PAGE_BITS) - 1)
        page = self._pages.setdefault(key >> _PAGE_BITS, bytearray(_PAGE_BYTES))
        page[offset >> 3] |= 1 << (offset & 7)
        return True

    def _merge_page(self, page: int, bits: bytes | bytearray) -> None:
        mine = self._pages.get(page, b"")
        merged = int.from_bytes(mine, "big") | int.from_bytes(bits, "big")
        self._pages[page] = bytearray(merged.to_bytes(_PAGE_BYTES, "big"))

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


def _integer(row: Sequence[Key]) -> int | None:
    key = row[0]
    return key if len(row) == 1 and isinstance(key, int) and abs(key) < _MAGNITUDE else None


def _number(data: bytes) -> int:
    return int(struct.unpack(">q", data)[0])
