"""What a public class costs in calls and megabytes, and which permissions it needs, from the pages that list them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DOCS = Path(__file__).parents[2] / "docs"
_CLASS = re.compile(r"`(\w+)`")
_TABLE = re.compile(r"(?:^\|.*\|$\n?)+", re.MULTILINE)
_USED_BY = "used by"
_PERMISSION = "permission of the API user's role"
_MORE = "..."
"""Begins a row that is about the same class as the row before it."""


class Cost(NamedTuple):
    """
    A row of the page *Which operator for which job*.

    :param job: what the class is used for.
    :param calls: what this costs in calls.
    :param megabytes: what it costs of the export quota; empty in tables of classes that export nothing.
    """

    job: str
    calls: str
    megabytes: str


@cache
def costs() -> dict[str, list[Cost]]:
    """Return the costs of each class, by its name."""
    found: dict[str, list[Cost]] = {}
    for row in _rows("reference/which_operator.md"):
        job = next(iter(row.values()))
        cost = Cost(job, row.get("calls") or row["calls a poll"], row.get("MB", ""))
        for name in _CLASS.findall(row["use"]):
            found.setdefault(name, []).append(cost)
    for row in _sensors():
        found[row["sensor"].strip("`")] = [Cost("a poll", row["calls per poll"], "")]
    return found


@cache
def permissions() -> dict[str, list[str]]:
    """Return the permissions of each class, by its name."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for row in _rows("connection.md"):
        if _USED_BY not in row:
            continue
        used_by, permission = row.values()
        if not used_by.startswith(_MORE):
            names = [name for name in _CLASS.findall(used_by) if name[0].isupper()]
        case = used_by.removeprefix(_MORE).strip() if used_by.startswith(_MORE) else _case(used_by)
        for name in names:
            found.setdefault(name, []).append(f"{case}: {permission}" if case else permission)
    return found | {row["sensor"].strip("`"): [row[_PERMISSION]] for row in _sensors()}


def of_class(name: str) -> list[str]:
    """
    Return a class's costs and permissions for the reference, as lines of reStructuredText.

    :param name: the class's name. A class that is in neither table has no lines.
    """
    lines = _listed("Calls, and megabytes of bulk export:", map(_cost, costs().get(name, [])))
    lines += _listed("Permissions of the API user:", permissions().get(name, []))
    return [line.replace("`", "``") for line in lines]


def _listed(head: str, items: Iterable[str]) -> list[str]:
    bullets = [f"* {item}" for item in items]
    return ["", head, "", *bullets, ""] if bullets else []


def _cost(cost: Cost) -> str:
    megabytes = f"; megabytes: {cost.megabytes}" if cost.megabytes else ""
    return f"{cost.job}: {cost.calls}{megabytes}"


def _case(used_by: str) -> str:
    """Return the case of a row, such as ``for `leads```; empty if the row is about the whole class."""
    _, found, case = used_by.partition(" for ")
    return f"for {case}" if found else ""


def _sensors() -> Iterator[dict[str, str]]:
    """Yield the rows of the table of sensors."""
    return (row for row in _rows("sensors.md") if "sensor" in row)


def _rows(page: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a page's tables, as cells by the names of their columns."""
    for table in _TABLE.findall((_DOCS / page).read_text("utf-8")):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
        yield from (dict(zip(head, row, strict=True)) for row in rows)
