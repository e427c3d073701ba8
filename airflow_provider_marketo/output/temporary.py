"""Finds files that killed tasks did not finish, for ``airflow marketo clean``."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder

A_DAY = timedelta(days=1)
"""No task that writes a file works on it for longer."""


@dataclass(frozen=True)
class Leftover:
    """
    A temporary folder or file that no task has changed for a while.

    :param path: its path, in the output folder or on this host.
    :param bytes: its size, with everything in it.
    :param changed: when a file in it was last changed.
    """

    path: Path
    bytes: int
    changed: datetime

    def remove(self) -> None:
        """Delete it; it may be missing."""
        shutil.rmtree(self.path, ignore_errors=True)


def find_leftovers(url: str, *, older_than: timedelta = A_DAY) -> list[Leftover]:
    """
    Return temporary files of an output folder that killed tasks left and no later try will remove.

    A task removes its own files at its next try. These files belong to tasks without a next try, or with a next try on
    another host.

    :param url: URL of the output folder. A local folder holds its temporary files itself. Those of an object store lie
        in the temporary folder of each host, so the command is run on every worker.
    :param older_than: how long the files must be unchanged: younger files may belong to a running task.
    :raises MarketoInvalidRequestError: no file system is registered for the URL.
    """
    folder = OutputFolder(url)
    place = Path(folder.path(layout.STAGING).path) if folder.is_local else Path(tempfile.gettempdir())
    pattern = f"*/{layout.TEMPORARY_PREFIX}*-*" if folder.is_local else f"{layout.TEMPORARY_PREFIX}*-*"
    found = (_leftover(path) for path in place.glob(pattern) if path.is_dir() and _is_mine(path))
    latest = datetime.now(timezone.utc) - older_than
    return sorted((each for each in found if each.changed <= latest), key=lambda each: each.path)


def _is_mine(path: Path) -> bool:
    """Whether this user owns the path; the temporary folder of a host is open to all users."""
    return path.stat().st_uid == os.geteuid()


def _leftover(path: Path) -> Leftover:
    facts = [each.stat() for each in (path, *path.rglob("*"))]
    changed = max(each.st_mtime for each in facts)
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return Leftover(path, size, datetime.fromtimestamp(changed, timezone.utc))
