"""
Whether the scheduler of this process surely runs on this host.

The configured executor does not show this: pods of the KubernetesExecutor are configured with a LocalExecutor. The
parent processes of a task show it. For a triggerer or a command, the mark that such a task left on this host shows it.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from airflow_provider_marketo import airflow_compat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BY_HAND = "this process is a script or a command, not a task or trigger"
"""The reason of a process that a person has started. Tasks have another reason, or no reason."""

_IN_CONTAINERS = ("AIRFLOW_IS_K8S_EXECUTOR_POD", "AIRFLOW_IS_EXECUTOR_CONTAINER")
_LOCAL_WORKER = "airflow worker -- LocalExecutor"
_MARK = "scheduler-host"
_MARK_LIFE = 7 * 24 * 3600.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def reason_for_host(folder: Path, *, is_task: bool) -> str | None:
    """
    Return why the scheduler of this process surely runs on this host; None if that is not sure.

    :param folder: the governor's folder, with the mark of an earlier task.
    :param is_task: whether this process runs a task.
    """
    if any(os.environ.get(name) for name in _IN_CONTAINERS):
        return None
    if airflow_compat.runs_in_process():
        return "a test command runs the task in its own process"
    if not airflow_compat.is_supervised():
        # A person waits for this process: with the small share of a triggerer, five calls would take a minute.
        return BY_HAND
    commands = list(_commands())
    if any(_is_airflow(command, "standalone") for command in commands):
        return "airflow standalone runs everything on this host"
    if is_task:
        started_here = any(_is_scheduler(command) for command in commands)
        if started_here:
            _leave_mark(folder)
        return "the scheduler on this host has started this task" if started_here else None
    return "the scheduler has started tasks on this host" if _has_mark(folder) else None


def _commands() -> Iterator[Sequence[str]]:
    """Yield the command lines of this process and its ancestors, as far as they can be read."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process()
        for each in (process, *process.parents()):
            with suppress(psutil.Error):
                yield each.cmdline() or [""]


def _is_scheduler(command: Sequence[str]) -> bool:
    return command[0].startswith(_LOCAL_WORKER) or _is_airflow(command, "scheduler")


def _is_airflow(command: Sequence[str], subcommand: str) -> bool:
    """Whether a command line is that of ``airflow <subcommand>``, however Airflow is started."""
    words = command[0].split(" ") if len(command) == 1 else command  # a process with a changed title has one word
    return any(
        following == subcommand and (Path(word).name == "airflow" or word.endswith("airflow/__main__.py"))
        for word, following in pairwise(words)
    )


def _leave_mark(folder: Path) -> None:
    mark = folder / _MARK
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = mark.with_name(f"{_MARK}.{os.getpid()}")
        partial.write_text(_this_host())
        partial.replace(mark)


def _has_mark(folder: Path) -> bool:
    mark = folder / _MARK
    try:
        return mark.read_text() == _this_host() and time.time() - mark.stat().st_mtime < _MARK_LIFE
    except (OSError, ValueError):
        return False


def _this_host() -> str:
    """Return an id of this host since its start. Its containers have the same id: they share clock and locks."""
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return f"{platform.node()} {psutil.boot_time():.0f}"
