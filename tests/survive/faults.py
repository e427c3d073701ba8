"""Faults that a seed chooses: what Marketo and the network can do to a task."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

# 607 and 1029 are not among them: after those a task waits for another day. Nor are codes that no later try can heal.
CODES = ("600", "601", "602", "604", "606", "608", "611", "614", "615", "713", "719")
STATUSES = (500, 502, 503, 504)
PAGES = ("", "{", "<html>Bad gateway</html>", '{"success":tr', "[]")
MOST_FAULTS = 4
FILE_FAULTS: tuple[dict[str, Any], ...] = (
    {"truncate": 0},
    {"truncate": 1},
    {"truncate": 700},
    {"spoil": True},
    {"ignore_range": True},
    {"status": 404},
    {"code": "611"},
)
JOB_ENDS = ("failed", "cancelled")


def faults_of(chance: random.Random, operations: Sequence[str]) -> list[dict[str, Any]]:
    """
    Choose faults for the calls of a job.

    :param chance: the run's.
    :param operations: names in the catalogue that the job calls.
    :return: faults, as the simulator's ``fail`` takes them.
    """
    return [_fault(chance, chance.choice(operations)) for _ in range(chance.randrange(MOST_FAULTS + 1))]


def _fault(chance: random.Random, operation: str) -> dict[str, Any]:
    fault: dict[str, Any] = {
        "operation": operation,
        "skip": chance.choice((0, 0, 1, 2)),
        "times": chance.choice((1, 1, 2)),
    }
    kind = chance.random()
    if operation.endswith(".get_file") and kind < 0.7:
        return fault | chance.choice(FILE_FAULTS)
    if operation.endswith(".enqueue_job") and kind < 0.3:
        return fault | {"job": chance.choice(JOB_ENDS)}
    if kind < 0.45:
        return fault | {"code": chance.choice(CODES)}
    if kind < 0.65:
        return fault | {"drop": True, "executed": chance.random() < 0.6}
    if kind < 0.85:
        return fault | {"status": chance.choice(STATUSES), "executed": chance.random() < 0.4}
    return fault | {"status": 200, "body": chance.choice(PAGES), "executed": chance.random() < 0.5}
