"""Faults that a seed chooses: what Marketo and the network can do to a task."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CODES = ("600", "601", "602", "604", "606", "607", "608", "611", "614", "615", "713", "719")
"""Errors that a later try can overcome, some of them only on the next day."""

PERMANENT = ("603", "605", "609", "610", "612", "702", "709", "1003", "1006", "1013", "1035")
"""Errors that last until a person removes their cause. Only readers meet them: a sender rejects the rows."""

STATUSES = (500, 502, 503, 504)
PAGES = (
    *("", "{", "<html>Bad gateway</html>", '{"success":tr', "[]", "null", '"text"', "0", "{}", "[" * 3_000, "\x00"),
    *('{"success":false}', '{"success":false,"errors":[]}', '{"success":false,"errors":[{"code":null}]}'),
    *('{"success":false,"errors":"611"}', '{"success":"no","result":[]}', '{"success":null,"result":[]}'),
)
"""Replies that may replace an answer. None claims a success, because no check could find such a lie."""

SUCCESSES = (
    *('{"success":true,"result":{}}', '{"success":true,"result":[{}]}', '{"success":true,"result":[null]}'),
    *('{"success":true,"result":"done"}', '{"success":true,"result":[[]]}'),
)
"""Answers of executed calls, without their content. A missing result would mean that nothing was found."""

EXPORTS_REFUSED = ("Too many jobs in queue", "Export daily quota 500MB exceeded.")
"""Messages of code 1029."""

MOST_FAULTS = 4
FILE_FAULTS: tuple[dict[str, Any], ...] = (
    {"truncate": 0},
    {"truncate": 1},
    {"truncate": 700},
    {"spoil": True},
    {"ignore_range": True},
    {"endless": True},
    {"drip": 0.01},
    {"status": 404},
    {"code": "611"},
    {"status": 200, "body": '{"success":true,"result":[]}'},
)
JOB_ENDS = ("failed", "cancelled", "stuck", "vanished")
IDENTITY = "identity.post_token"
IN_IDENTITY = 0.05
NO_TOKENS: tuple[dict[str, Any], ...] = (
    {"drop": True},
    {"status": 503},
    *(
        {"status": 200, "body": body}
        for body in ('{"access_token":null}', '{"access_token":"a b","expires_in":9}', '{"access_token":"a"}', "{}", "")
    ),
)


def faults_of(chance: random.Random, operations: Sequence[str], *, reads: bool) -> list[dict[str, Any]]:
    """
    Choose faults for the calls of a job.

    :param chance: the run's random numbers.
    :param operations: names in the catalogue that the job calls.
    :param reads: whether the job changes nothing in Marketo.
    :return: faults, as the simulator's ``fail`` takes them.
    """
    return [_fault(chance, chance.choice(operations), reads=reads) for _ in range(chance.randrange(MOST_FAULTS + 1))]


def is_stuck(faults: Sequence[dict[str, Any]]) -> bool:
    """Return whether a job never ends, so that its task has to give up."""
    return any(fault.get("job") == "stuck" for fault in faults)


def _fault(chance: random.Random, operation: str, *, reads: bool) -> dict[str, Any]:
    fault: dict[str, Any] = {"skip": chance.choice((0, 0, 1, 2)), "times": chance.choice((1, 1, 2))}
    if chance.random() < IN_IDENTITY:
        return {"operation": IDENTITY, **fault, **chance.choice(NO_TOKENS)}
    weights = _OFTEN | _OF_ACTIONS.get(operation.rpartition(".")[2], {}) | ({"permanent": 5} if reads else {})
    (way,) = chance.choices(list(weights), list(weights.values()))
    return {"operation": operation, **fault, **_WAYS[way](chance)}


_WAYS: Mapping[str, Callable[[random.Random], dict[str, Any]]] = {
    "code": lambda chance: {"code": chance.choice(CODES)},
    "permanent": lambda chance: {"code": chance.choice(PERMANENT)},
    "expire": lambda chance: {"expire": True},
    "drop": lambda chance: {"drop": True, "executed": chance.random() < 0.6},
    "status": lambda chance: {"status": chance.choice(STATUSES), "executed": chance.random() < 0.4},
    "success": lambda chance: {"status": 200, "body": chance.choice(SUCCESSES), "executed": True},
    "page": lambda chance: {"status": 200, "body": chance.choice(PAGES), "executed": chance.random() < 0.5},
    "file": lambda chance: dict(chance.choice(FILE_FAULTS)),
    "job": lambda chance: {"job": chance.choice(JOB_ENDS)},
    "refused": lambda chance: {"code": "1029", "message": chance.choice(EXPORTS_REFUSED)},
    "full": lambda chance: {"code": "1016"},
}
_OFTEN = {"code": 30, "expire": 5, "drop": 15, "status": 15, "success": 10, "page": 15}
"""How often each kind of fault comes."""

_OF_ACTIONS: Mapping[str, dict[str, int]] = {
    "get_file": {"file": 180},
    "create_job": {"refused": 10},
    "enqueue_job": {"job": 40, "refused": 10},
    "import": {"job": 40, "full": 10},
}
"""The same for faults that only some operations meet."""
