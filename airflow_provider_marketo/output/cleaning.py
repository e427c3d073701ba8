"""Removes files that task instances keep for later tries, once no try continues them: they hold lead data."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.output import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_marketo.output.folder import OutputFolder

_PARTS_OF_A_RUN = 4
"""Folders below ``_marketo/runs`` that name a task instance: DAG, task, run, map index."""


def remove_runs(folder: OutputFolder, age: timedelta, *, dry_run: bool = False) -> int:
    """
    Remove files that task instances keep for later tries, if they have not written for some time.

    A failed import keeps the rows that it has not sent. After the removal, a cleared task reads its source again.

    :param folder: the output.
    :param age: time since the last write.
    :param dry_run: only count.
    :return: the number of these task instances.
    """
    runs: dict[str, list[str]] = {}
    for name in folder.tree(layout.RUNS):
        parts = name.split("/")
        if len(parts) > _PARTS_OF_A_RUN:
            runs.setdefault("/".join([layout.RUNS, *parts[:_PARTS_OF_A_RUN]]), []).append(f"{layout.RUNS}/{name}")
    oldest = datetime.now(timezone.utc) - age
    found = [run for run, names in runs.items() if _newest(folder, names) < oldest]
    for run in [] if dry_run else found:
        folder.delete_tree(run)
    return len(found)


def _newest(folder: OutputFolder, names: Iterable[str]) -> datetime:
    return max(map(folder.modified, names))
