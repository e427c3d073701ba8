"""Folders and files of a local disk that survive a crash of their host."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_folders(folder: Path, *, private: int = 0) -> None:
    """
    Make a folder, and those above it, unless they exist.

    :param folder: the folder.
    :param private: how many of the innermost levels only this user may enter, where they are new.
    """
    if folder.is_dir():
        return
    make_folders(folder.parent, private=private - 1)
    folder.mkdir(mode=0o700 if private > 0 else 0o777, exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """
    Wait until a file's content, or a folder's list of names, is on the disk.

    :param path: of the file or the folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
