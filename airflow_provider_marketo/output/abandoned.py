"""Removes temporary folders of tries that were killed: they hold lead data."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_marketo.output import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

ABANDONED_AFTER = timedelta(days=7)
"""Age at which a task removes unfinished files of any task: no try takes as long."""

_NAME = re.compile(rf"({layout.TEMPORARY_PREFIX})?[0-9a-f]{{16}}(-.*)?")
"""
Matches the name of a temporary folder: it contains the digest of the task instance that made the folder.

See :class:`~.folder.OutputFolder`.
"""


def remove_abandoned(place: Path, age: timedelta = ABANDONED_AFTER, *, dry_run: bool = False) -> int:
    """
    Remove temporary folders of this user to which no process has written for some time.

    :param place: folder that holds them, on a local disk.
    :param age: time since the last write.
    :param dry_run: only count.
    :return: how many such folders there were.
    """
    oldest = (datetime.now(timezone.utc) - age).timestamp()
    found = [each for each in _ours(place) if _last_write(each) < oldest]
    for each in [] if dry_run else found:
        shutil.rmtree(each, ignore_errors=True)
    return len(found)


def temporary_folder() -> Path:
    """Return the folder where this host keeps files until they are uploaded to an object store."""
    return Path(tempfile.gettempdir())


def _ours(place: Path) -> Iterator[Path]:
    """Yield the temporary folders of tasks in an output's staging folder, or in a host's temporary folder."""
    for each in place.glob("*"):
        if _NAME.fullmatch(each.name) and each.is_dir() and not each.is_symlink() and each.stat().st_uid == os.getuid():
            yield each


def _last_write(folder: Path) -> float:
    return max(each.lstat().st_mtime for each in (folder, *folder.rglob("*")))
