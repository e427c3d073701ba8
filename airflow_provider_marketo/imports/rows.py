"""Rows as all inputs give them: batches of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

BATCH_ROWS = 2_000
"""Rows that are in memory at a time."""

OUR_COLUMNS = "_marketo_"
"""Prefix of the columns that this provider adds to its tables of rejects. They are skipped when a table is sent."""


class Batch(Sequence[Sequence[Any]]):
    """
    Some rows, column by column. A column is read when it is asked for.

    :param rows: how many rows.
    :param width: how many columns.
    :param column: returns the values of the column at a position.
    :param faults: position of a row that cannot be sent to the code and the text of the reason.
    """

    def __init__(
        self,
        rows: int,
        width: int,
        column: Callable[[int], Sequence[Any]],
        faults: Mapping[int, tuple[str, str]] | None = None,
    ) -> None:
        self.rows = rows
        self.faults = faults or {}
        self._width = width
        self._column = column
        self._read: dict[int, Sequence[Any]] = {}

    @classmethod
    def of(cls, columns: Sequence[Sequence[Any]]) -> Batch:
        """Return a batch of columns, which have equal lengths."""
        return cls(len(columns[0]) if columns else 0, len(columns), columns.__getitem__)

    def reordered(self, order: Sequence[int | None]) -> Batch:
        """Return the batch with its columns in another order; None is a column that it lacks."""

        def column(place: int) -> Sequence[Any]:
            at = order[place]
            return [None] * self.rows if at is None else self[at]

        return Batch(self.rows, len(order), column)

    def __len__(self) -> int:
        return self._width

    def __getitem__(self, place: Any) -> Any:
        if not 0 <= place < self._width:
            raise IndexError(place)
        if place not in self._read:
            self._read[place] = self._column(place)
        return self._read[place]


Table = tuple[Sequence[str], Iterator[Batch]]
"""Names of the columns, and the batches."""


@dataclass
class Rows:
    """
    An open input.

    :param columns: names, in the order of each batch.
    :param batches: the values, column by column.
    :param files: address of each file that was begun, and how many rows were read before it.
    """

    columns: Sequence[str]
    batches: Iterator[Batch]
    files: list[tuple[str, int]] = field(default_factory=list)


def refused(text: str, parameter: str = "source", remedy: str | None = None) -> MarketoInvalidRequestError:
    """
    Return the error about an input.

    :param text: what is wrong with it.
    :param parameter: the argument that gives the input.
    :param remedy: the way out.
    """
    return MarketoInvalidRequestError(text, parameter=parameter, remedy=remedy)
