"""Folders and files of a local disk that survive a crash of their host."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_WRITE_BACK = 8 << 20
"""Bytes after which the system starts to write a file to the disk."""


class EarlyFile(io.FileIO):
    """
    A file whose content goes to the disk while more of it is written, so that :func:`sync` has less to wait for.

    It takes the parameters of :class:`io.FileIO`.
    """

    _waiting = 0

    def write(self, data: Any) -> int:
        """Write bytes, and let the system start to write waiting bytes to the disk."""
        written = super().write(data)
        self._waiting += written
        if self._waiting >= _WRITE_BACK and hasattr(os, "posix_fadvise"):  # macOS does not have it
            start = self.tell() - self._waiting
            with suppress(OSError):  # some file systems refuse it
                os.posix_fadvise(self.fileno(), start, self._waiting, os.POSIX_FADV_DONTNEED)
            self._waiting = 0
        return written


def make_folders(folder: Path, *, private: int = 0) -> None:
    """
    Make a folder, and the folders above it, unless they exist.

    :param folder: the folder.
    :param private: how many of the innermost levels, if they are new, only this user may enter.
    """
    if folder.is_dir():
        return
    make_folders(folder.parent, private=private - 1)
    folder.mkdir(mode=0o700 if private > 0 else 0o777, exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """
    Wait until a file's content, or a folder's list of names, is on the disk.

    :param path: the path of the file or the folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
