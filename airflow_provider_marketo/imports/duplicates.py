"""Which rows are superseded by a later row of the same key: exact, in bounded memory."""

from __future__ import annotations

import marshal
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

_PARTS = 256
_IN_MEMORY = 200_000
"""Keys; some twenty megabytes of e-mail addresses."""
_PLAIN = 2
"""The version of marshal that does not look for what occurs twice."""


class Marks:
    """A set of row numbers, one bit each."""

    def __init__(self, bits: bytes = b"") -> None:
        self._bits = bytearray(bits)
        self.count = sum(map(int.bit_count, self._bits))

    def add(self, number: int) -> None:
        """Mark a row; marking it again changes nothing."""
        at = number >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(max(at + 1 - len(self._bits), len(self._bits) or 1024)))
        bit = 1 << (number & 7)
        if not self._bits[at] & bit:
            self._bits[at] |= bit
            self.count += 1

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bits) and bool(self._bits[at] & (1 << (number & 7)))

    def between(self, first: int, last: int) -> list[int]:
        """The marked rows from ``first`` to ``last``, both included, in order."""
        if not self.count:
            return []
        found = []
        for at, byte in enumerate(self._bits[first >> 3 : (last >> 3) + 1], first >> 3):
            if byte:
                found += [at << 3 | bit for bit in range(8) if byte & (1 << bit)]
        return [number for number in found if first <= number <= last]

    def to_bytes(self) -> bytes:
        """For another process."""
        return bytes(self._bits).rstrip(b"\0")


class KeyIndex:
    """
    Takes the key of every row, then tells which rows are superseded. Keys that do not fit the memory they may have go
    to a temporary file, in parts: equal keys into one of them.

    :param in_memory: keys.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._room = in_memory
        self._numbers = array("q")
        self._keys: list[Any] = []
        self._file: IO[bytes] | None = None
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(_PARTS)]

    def add(self, numbers: Iterable[int], columns: Sequence[Sequence[Any]]) -> None:
        """
        :param numbers: of the rows, ascending over all calls.
        :param columns: the values of the key's fields.
        """
        self._numbers.extend(numbers)
        self._keys.extend(columns[0] if len(columns) == 1 else zip(*columns, strict=True))
        if len(self._keys) > self._room:
            self._spill()

    def superseded(self) -> Marks:
        """The rows whose key comes again later."""
        marks = Marks()
        for numbers, keys in self._parts():
            last = dict(zip(keys, numbers, strict=True))
            if len(last) < len(keys):
                for number, key in zip(numbers, keys, strict=True):
                    if last[key] != number:
                        marks.add(number)
        return marks

    def close(self) -> None:
        """Give the temporary file back."""
        if self._file is not None:
            self._file.close()

    def _parts(self) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
        """Numbers and keys, so that equal keys are in one part."""
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
            blocks.append((start, self._file.write(marshal.dumps((numbers.tobytes(), keys), _PLAIN))))
        self._numbers, self._keys = array("q"), []
