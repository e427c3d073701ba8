"""Output files that know their size and checksum."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

OPEN_FILES = 64

OpenFile = Callable[[str, str], BinaryIO]
"""Opens a file by name and mode: ``wb`` creates it, ``ab`` appends to it, ``rb`` reads it again."""


@dataclass(frozen=True)
class WrittenFile:
    """
    A file that was written.

    :param name: path relative to the output.
    :param rows: number of rows.
    :param size: bytes.
    :param sha256: hexadecimal.
    """

    name: str
    rows: int
    size: int
    sha256: str


class OutputFile(io.RawIOBase):
    """
    A file that counts and hashes its content. It is written from start to end, and may be closed in between.

    :param name: path relative to the output.
    :param open_file: opens the file.
    """

    def __init__(self, name: str, open_file: OpenFile) -> None:
        super().__init__()
        self.name = name
        self.rows = 0
        self._size = 0
        self._digest = hashlib.sha256()
        self._open_file = open_file
        self._file: BinaryIO | None = None
        self._begun = False

    def writable(self) -> bool:
        """Return True: the file is written and never read."""
        return True

    def tell(self) -> int:
        """Return how many bytes are written."""
        return self._size

    def write(self, data: Any) -> int:
        """Append bytes."""
        if self._file is None:
            self._file = self._open_file(self.name, "ab" if self._begun else "wb")
            self._begun = True
        self._file.write(data)
        self._digest.update(data)
        size = memoryview(data).nbytes
        self._size += size
        return size

    def pause(self) -> None:
        """Close the descriptor until more is written."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Close the file; it takes no more bytes."""
        self.pause()
        super().close()

    def written(self) -> WrittenFile:
        """Return the file's name, rows, size and checksum."""
        return WrittenFile(self.name, self.rows, self._size, self._digest.hexdigest())


class OutputFiles:
    """
    Files by name. A limited number of them is open at a time. :class:`.InBackground` can call :meth:`feed`.

    :param open_file: opens a file.
    :param limit: how many may be open.
    :ivar head: the first bytes of each file.
    """

    def __init__(self, open_file: OpenFile, limit: int = OPEN_FILES) -> None:
        self.head = b""
        self._open_file = open_file
        self._limit = limit
        self._files: dict[str, OutputFile] = {}
        self._open: OrderedDict[str, OutputFile] = OrderedDict()

    def feed(self, data: tuple[str, bytes | memoryview, int]) -> None:
        """Append rows to a file. The data are the file's name, the bytes of the rows, and the number of rows."""
        name, written, rows = data
        file = self.get(name)
        file.write(written)
        file.rows += rows

    def get(self, name: str) -> OutputFile:
        """Return a file."""
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = OutputFile(name, self._open_file)
            file.write(self.head)
        self._open[name] = file
        self._open.move_to_end(name)
        if len(self._open) > self._limit:
            _, oldest = self._open.popitem(last=False)
            oldest.pause()
        return file

    def finish(self) -> list[WrittenFile]:
        """Close all files and describe each of them."""
        self.abort()
        return [file.written() for _, file in sorted(self._files.items())]

    def abort(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
