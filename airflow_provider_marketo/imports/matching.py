"""
Match the rows of Marketo's reports with the rows that were sent.

A report holds rows of the file, each with a reason. It has no row numbers, leaves out columns that are empty in all its
rows, and rewrites values. The key finds nearly every row: every row has one, it is the first column, and no key occurs
twice. If Marketo rewrote the key, the other cells find the row, if exactly one row of the chunk fits.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.bulk.imports import REASON_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WORDS: Mapping[str, str] = {"true": "1", "false": "0", "null": ""}
_LONGEST_NUMBER = 40


@dataclass(frozen=True)
class ReportRow:
    """
    A row of a report.

    :param at: its position among the rows sent; None if Marketo does not say.
    :param reason: Marketo's reason.
    :param values: the report's cells by column, for a row that Marketo does not name.
    """

    at: int | None
    reason: str
    values: Mapping[str, str]


def match(
    report: bytes, kind: str, header: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[ReportRow]:
    """
    Find the sent row of each row of a report.

    :param report: the file, as Marketo sent it.
    :param kind: ``failures`` or ``warnings``.
    :param header: API names of the columns sent.
    :param key: names of the columns that tell rows apart.
    :param rows: the rows, as they were sent.
    :return: an entry for each row of the report, in its order. No sent row is found twice.
    """
    lines = _read(report, REASON_COLUMNS[kind])
    places = [header.index(name) for name in key]
    exact = {tuple(str(row[at]) for at in places): number for number, row in enumerate(rows)}
    by_key: dict[tuple[str, ...], int | None] = {}
    for number, row in enumerate(rows):
        alike = tuple(plain(row[at]) for at in places)
        by_key[alike] = None if alike in by_key else number  # ``exact`` tells keys apart that differ only by case
    taken: set[int] = set()
    found: list[ReportRow] = []
    for values, reason in lines:
        at = exact.get(tuple(values.get(name, "") for name in key))
        if at is None:
            at = by_key.get(tuple(plain(values.get(name)) for name in key))
        if at in taken:
            at = None
        if at is not None:
            taken.add(at)
        found.append(ReportRow(at, reason, values))
    if all(one.at is not None for one in found):
        return found
    return [one if one.at is not None else _by_rest(one, header, rows, taken) for one in found]


def _by_rest(one: ReportRow, header: Sequence[str], rows: Sequence[Sequence[Any]], taken: set[int]) -> ReportRow:
    cells = {header.index(name): plain(value) for name, value in one.values.items() if name in header}
    cells = {at: value for at, value in cells.items() if value}
    if not cells:
        return one
    best, fitting = 0, []
    for number, row in enumerate(rows):
        if number in taken:
            continue
        equal = sum(plain(row[at]) == value for at, value in cells.items())
        if equal > best:
            best, fitting = equal, [number]
        elif equal == best:
            fitting.append(number)
    # All cells but one must agree: Marketo may have rewritten the key, and nothing is guessed.
    if len(fitting) != 1 or best < max(1, len(cells) - 1):
        return one
    taken.add(fitting[0])
    return ReportRow(fitting[0], one.reason, one.values)


def _read(report: bytes, reason_column: str) -> list[tuple[Mapping[str, str], str]]:
    text = report.decode("utf-8-sig", "replace").replace("\0", "")
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    lines: list[tuple[Mapping[str, str], str]] = []
    for row in filter(None, reader):
        # If the first column is empty in every row, Marketo drops its name but not its cells: count from the last cell.
        cells = dict(zip(header, row[len(row) - len(header) :], strict=True)) if len(row) >= len(header) else {}
        reason = cells.pop(reason_column, row[-1])
        lines.append((cells, reason.strip()))
    return lines


def plain(value: Any) -> str:
    """Return a value without the details that Marketo rewrites: the case of letters, spaces, the form of a number."""
    text = "" if value is None else str(value).strip().lower()
    text = _WORDS.get(text, text)
    if text[:1] in "+-.0123456789" and 0 < len(text) < _LONGEST_NUMBER:
        try:
            number = Decimal(text)
        except InvalidOperation:
            return text
        if number.is_finite():
            return f"{number.normalize():f}"
    return text
