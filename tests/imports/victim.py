"""Imports that are killed by SIGKILL at a step that a table names."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from airflow_provider_marketo.imports import begin
from airflow_provider_marketo.imports.staging import ChunkLimits
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.sync import MarketoSyncOperator
from airflow_provider_marketo.output.folder import OutputFolder
from tests.support import run_task, task_context

# Victims are copies of a process that has imported everything once, including Airflow's file systems.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__, "airflow_provider_marketo.hooks.marketo"])
OutputFolder("/")


@dataclass(frozen=True)
class Step:
    """
    Where a process dies.

    :param where: ``module:Class.method`` of the import.
    :param turn: number of the call, from 1; for deaths after a call, a call that raises does not count.
    :param after: whether the process dies after the call, not before it.
    :param under_way: whether a chunk was sent and its outcome is not written down.
    :param sent: whether Marketo has that chunk.
    """

    where: str
    turn: int = 1
    after: bool = False
    under_way: bool = False
    sent: bool = False


def kill(step: Step, folder: Path, **arguments: Any) -> None:
    """Run an import in a process of its own until it dies."""
    process = _PROCESSES.Process(target=_die, args=(step, dict(os.environ), folder, arguments))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def go_on(folder: Path, **arguments: Any) -> tuple[dict[str, Any], bool]:
    """
    Run the next try, whose progress is beside its chunks.

    :return: its account, and whether it failed.
    """
    context = task_context()
    operator = MarketoBulkImportOperator if arguments.get("source") else MarketoSyncOperator
    given = {
        "rejects_path": str(folder / "rejects"),
        "deferrable": False,
        "poll_interval": 0.05,
        "max_reject_ratio": 1.0,
    }
    task = operator(task_id="a_task", **given, **arguments)
    try:
        return run_task(task, context), False
    except Exception:
        if "account" not in context["ti"].xcoms:
            raise
        return context["ti"].xcoms["account"], True


def small_chunks() -> None:
    """Make chunks small: some sixty rows in an import, and one call in a chunk of calls."""
    begin.BULK = ChunkLimits(rows=None, size=1_200, row=1_200)
    begin.CALLS_PER_CHUNK = 1


def _die(step: Step, environment: Mapping[str, str], folder: Path, arguments: Mapping[str, Any]) -> None:
    os.environ.update(environment)
    small_chunks()
    owner, _, name = f"airflow_provider_marketo.{step.where}".rpartition(".")
    method = getattr(resolve_name(owner), name)
    turns = itertools.count(1)

    def die_in_turn() -> None:
        if next(turns) == step.turn:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(*given: Any, **named: Any) -> Any:
        if not step.after:
            die_in_turn()
        result = method(*given, **named)
        if step.after:
            die_in_turn()
        return result

    setattr(resolve_name(owner), name, dying)
    go_on(folder, **arguments)
