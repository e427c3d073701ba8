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

    :param path: where it lies, in the output folder or on this host.
    :param bytes: its size, with everything in it.
    :param changed: when a file in it was last changed.
    """

    path: Path
    bytes: int
    changed: datetime

    def remove(self) -> None:
        """Delete it; one that is gone is fine."""
        shutil.rmtree(self.path, ignore_errors=True)


def find_leftovers(url: str, *, older_than: timedelta = A_DAY) -> list[Leftover]:
    """
    Return what killed tasks have left of an output folder that no later try will remove.

    A task removes its own at its next try. These are of tasks that had none, or had it on another host.

    :param url: of the output folder. A local folder holds its temporary files itself; those of an object store lie in
        the temporary folder of each host, so the command is run on every worker.
    :param older_than: only what has not changed for so long: younger files may belong to a task that runs.
    :raises MarketoInvalidRequestError: no file system is registered for the URL.
    """
    folder = OutputFolder(url)
    place = Path(folder.path(layout.STAGING).path) if folder.is_local else Path(tempfile.gettempdir())
    pattern = f"*/{layout.TEMPORARY_PREFIX}*-*" if folder.is_local else f"{layout.TEMPORARY_PREFIX}*-*"
    found = (_leftover(path) for path in place.glob(pattern) if path.is_dir() and _is_mine(path))
    latest = datetime.now(timezone.utc) - older_than
    return sorted((each for each in found if each.changed <= latest), key=lambda each: each.path)


def _is_mine(path: Path) -> bool:
    """Whether this user made it; the temporary folder of a host is open to all."""
    return path.stat().st_uid == os.geteuid()


def _leftover(path: Path) -> Leftover:
    facts = [each.stat() for each in (path, *path.rglob("*"))]
    changed = max(each.st_mtime for each in facts)
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return Leftover(path, size, datetime.fromtimestamp(changed, timezone.utc))
