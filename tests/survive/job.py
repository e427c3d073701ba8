"""
The base of the jobs that survive faults, and their independent checks.

A check compares what was published, loaded or sent with what the simulator holds. It never asks the provider.
"""

from __future__ import annotations

import csv
import json
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet

from tests.simulated import Marketo
from tests.survive.trouble import AIRFLOW, BUCKET, DISK, SCHEME

FIRST_LEAD, LEADS = 1001, 500
POLL = 0.05
PATIENT, HURRIED = timedelta(days=30), timedelta(seconds=1)
"""How long a task waits for Marketo's jobs. It hurries if a job never ends."""

LOST, DOUBLED, ORPHANED, WRONG = "lost", "doubled", "orphaned", "wrong"
IN_BUCKET = 0.4
"""Share of the runs whose files are objects of a store."""


class Job(ABC):
    """
    A task that a run tries until it succeeds.

    :param marketo: the instance.
    :param folder: the folder of the run.
    :param chance: the run's random numbers.
    """

    operations: ClassVar[Sequence[str]]
    more_places: ClassVar[Sequence[str]] = ()
    reads: ClassVar[bool] = False
    """Whether the job changes nothing in Marketo."""
    once: ClassVar[bool] = False
    """Whether a try may end with an outcome that a person has to find out."""

    def __init__(self, marketo: Marketo, folder: Path, chance: random.Random) -> None:
        self.marketo = marketo
        self.folder = folder
        self.chance = chance
        self.text = type(self).__name__.lower()
        self.in_bucket = chance.random() < IN_BUCKET
        self.patience = PATIENT

    @property
    def places(self) -> Sequence[str]:
        """The places besides Marketo where the task's operations may fail."""
        return (DISK, AIRFLOW, *([BUCKET] if self.in_bucket else []), *self.more_places)

    def prepare(self, context: dict[str, Any]) -> None:  # noqa: B027 - most jobs need no preparation
        """
        Do what other tasks have done before, without faults.

        :param context: the context of a task of an earlier run.
        """

    def wait_for_others(self) -> None:  # noqa: B027 - most jobs are alone
        """Wait for the tasks that run at the same time."""

    def end_faults(self) -> None:
        """Let Marketo work without faults, and also complete its stuck jobs."""
        self.marketo.clear_faults()
        self.patience = PATIENT
        with self.marketo.instance.lock:
            for each in (*self.marketo.instance.exports.all(), *self.marketo.instance.imports.all()):
                each.fate = None if each.fate == "stuck" else each.fate

    def url(self, name: str) -> str:
        """Return the path or URL by which the task knows a folder of the run."""
        return f"{SCHEME}://{self.folder / name}" if self.in_bucket else str(self.folder / name)

    @property
    def store(self) -> Any:
        """The records that the simulated instance holds."""
        return self.marketo.instance.store

    @abstractmethod
    def operator(self) -> Any:
        """Return the operator of one process."""

    @abstractmethod
    def check(self, result: Any) -> Iterable[tuple[str, str]]:
        """
        Yield each problem: one of the words above, such as ``lost``, and a text.

        :param result: the result of the task; None if no try succeeded.
        """

    def orphans(self) -> Iterable[tuple[str, str]]:
        """Yield jobs that Marketo works on for a task that has ended."""
        for record in self.marketo.jobs():
            if record["status"] in ("Queued", "Processing"):
                yield ORPHANED, f"export job {record['exportId']} is {record['status']}"


def keys(folder: Path, column: str) -> list[Any]:
    """Return a column of all files that readers of a dataset see."""
    found: list[Any] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(part.startswith("_") for part in path.relative_to(folder).parts):
            continue
        if path.suffix == ".parquet":
            found += pyarrow.parquet.ParquetFile(path).read([column]).column(column).to_pylist()
        elif path.suffix == ".jsonl":
            found += [json.loads(line)[column] for line in path.read_text("utf-8").splitlines()]
        else:
            with path.open(encoding="utf-8", newline="") as file:
                found += [row[column] for row in csv.DictReader(file)]
    return found


def differences(wanted: Counter[Any], found: Counter[Any]) -> Iterable[tuple[str, str]]:
    """Yield how many keys are missing, are there twice, or are unwanted."""
    missing, surplus = wanted - found, found - wanted
    if missing:
        yield LOST, f"{sum(missing.values())} of {sum(wanted.values())} are missing, such as {next(iter(missing))}"
    twice = {key for key in surplus if key in wanted}
    if twice:
        yield DOUBLED, f"{len(twice)} of {sum(wanted.values())} are there twice, such as {next(iter(twice))}"
    if surplus.keys() - twice:
        yield WRONG, f"{len(surplus.keys() - twice)} were not asked for, such as {next(iter(surplus.keys() - twice))}"
