"""The table of results: one row for each measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Row:
    """
    One measurement.

    :param what: what was measured.
    :param how: the input, in words.
    :param reached: the result, in words.
    :param reference: what the result is compared with, in words.
    :param value: the figure that counts.
    :param target: the target of the figure; None if the figure is for orientation only.
    :param at_most: whether the target is a maximum.
    """

    what: str
    how: str
    reached: str
    reference: str
    value: float
    target: float | None
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Whether the target was reached."""
        return self.target is None or (self.value <= self.target if self.at_most else self.value >= self.target)

    def cells(self) -> list[str]:
        """Return the cells of the row as text."""
        bound = "at most" if self.at_most else "at least"
        target = "" if self.target is None else f"{bound} {_shown(self.target)}"
        verdict = "" if self.target is None else "yes" if self.passed else "NO"
        return [self.what, self.how, self.reached, self.reference, _shown(self.value), target, verdict]


_WHOLE_FROM = 100
"""Larger figures are shown without decimals."""

HEAD = ["What", "On", "Reached", "Reference", "Figure", "Target", "Met"]


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM or value == int(value) else f"{value:.2f}"
