"""Which rows are superseded by a later row of the same key: exact, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import IO, Any

_DIGEST = 16
_ORDINAL = 6
_ENTRY = _DIGEST + _ORDINAL
_BUCKETS = 256
_IN_MEMORY = 16 << 20
_JOINT = "\x1f"


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
    Takes the key of every row, then tells which rows are superseded. Keys are held as digests of 128 bits, in 256
    buckets that go to temporary files when they fill the memory they may have.
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._files: list[IO[bytes]] | None = None
        self._room = in_memory
        self._held = 0

    def add(self, numbers: Iterable[int], columns: Sequence[Sequence[Any]]) -> None:
        """
        :param numbers: of the rows, ascending over all calls.
        :param columns: the values of the key's fields.
        """
        if len(columns) == 1:
            keys = list(map(str, columns[0]))
        else:
            keys = [_JOINT.join(map(str, row)) for row in zip(*columns, strict=True)]
        buckets = self._buckets
        for number, key in zip(numbers, keys, strict=True):
            digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
            buckets[digest[0]] += digest + number.to_bytes(_ORDINAL, "big")
        self._held += len(keys) * _ENTRY
        if self._held > self._room:
            self._spill()

    def superseded(self) -> Marks:
        """The rows whose key comes again later."""
        marks = Marks()
        for bucket, held in enumerate(self._buckets):
            last: dict[bytes, bytes] = {}
            data = self._spilt(bucket) + bytes(held)
            for at in range(0, len(data), _ENTRY):
                digest, number = data[at : at + _DIGEST], data[at + _DIGEST : at + _ENTRY]
                earlier = last.get(digest)
                if earlier is not None:
                    marks.add(int.from_bytes(earlier, "big"))
                last[digest] = number
        return marks

    def close(self) -> None:
        """Give the temporary files back."""
        for file in self._files or ():
            file.close()

    def _spill(self) -> None:
        if self._files is None:
            self._files = [tempfile.TemporaryFile() for _ in range(_BUCKETS)]  # noqa: SIM115 - closed by close
        for file, bucket in zip(self._files, self._buckets, strict=True):
            file.write(bucket)
            bucket.clear()
        self._held = 0

    def _spilt(self, bucket: int) -> bytes:
        if self._files is None:
            return b""
        self._files[bucket].seek(0)
        return self._files[bucket].read()
