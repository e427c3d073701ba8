"""Export files, written line by line without holding them in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.store.activities import FIRST_ACTIVITY, Activities, Activity, as_json
from airflow_provider_marketo.simulator.store.csvfile import cell, flag
from airflow_provider_marketo.simulator.store.leads import FIRST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from airflow_provider_marketo.simulator.store.table import Record, Rows, Table

_LINES_AT_ONCE = 5_000
_DAY = 86_400


@dataclass(frozen=True)
class Written:
    """
    A finished file.

    :param path: path of the file.
    :param records: lines without the header.
    :param size: bytes.
    :param checksum: SHA-256, hexadecimal.
    """

    path: Path
    records: int
    size: int
    checksum: str


def write(path: Path, header: str, lines: Iterable[str], stopped: Callable[[], bool]) -> Written:
    """
    Write a file.

    :param header: the first line.
    :param lines: all other lines, made while they are written.
    :param stopped: tells whether to stop; asked between two blocks of lines.
    """
    digest = hashlib.sha256()
    size = records = 0
    lines = iter(lines)
    batch = [header]
    with path.open("wb", buffering=0) as file:
        while batch:
            data = ("\n".join(batch) + "\n").encode("utf-8", "surrogateescape")
            digest.update(data)
            file.write(data)
            size += len(data)
            batch = [] if stopped() else list(islice(lines, _LINES_AT_ONCE))
            records += len(batch)
    return Written(path, records, size, digest.hexdigest())


def given_lines(rows: Iterable[Sequence[Any]], delimiter: str) -> Iterator[str]:
    """Return the lines of rows that a test supplies."""
    return (delimiter.join(map(cell, row)) for row in rows)


def table_lines(table: Table, rows: Iterable[Rows], fields: Sequence[str], delimiter: str) -> Iterator[str]:
    """
    Yield the lines of a table's records.

    :param rows: the records to write, as the table returns them.
    """
    columns = [table.columns[name] for name in fields]
    for each in rows:
        if isinstance(each, range):
            cells = (column.cells(each.start, each.stop) for column in columns)
            yield from map(delimiter.join, zip(*cells, strict=True))
        else:
            yield delimiter.join(cell(each.get(name)) for name in fields)


def member_lines(
    members: Iterable[Record], lead: Callable[[int], Record | None], fields: Sequence[str], delimiter: str
) -> Iterator[str]:
    """
    Yield the lines of program members, with fields of their leads.

    :param lead: looks up a lead.
    """
    for member in members:
        values = {**(lead(member["leadId"]) or {}), **member}
        yield delimiter.join(
            flag(values[name]) if isinstance(values.get(name), bool) and name in member else cell(values.get(name))
            for name in fields
        )


@dataclass(frozen=True)
class ActivityFilter:
    """
    Which activities to export.

    :param start: first second.
    :param end: last second.
    :param types: type ids; empty for all.
    :param primary_ids: values of ``primaryAttributeValueId``; empty for all.
    :param primaries: values of ``primaryAttributeValue``; empty for all.
    """

    start: int
    end: int
    types: Collection[int] = ()
    primary_ids: Collection[int] = ()
    primaries: Collection[str] = ()

    def fits(self, activity: Activity) -> bool:
        """Return whether an activity of the time span is wanted."""
        return (
            (not self.types or activity.type_id in self.types)
            and (not self.primary_ids or activity.primary_id in self.primary_ids)
            and (not self.primaries or activity.primary in self.primaries)
        )


def activity_lines(
    log: Activities, wanted: ActivityFilter, fields: Sequence[str], delimiter: str, style: str
) -> Iterator[str]:
    """
    Yield the lines of activities, in order.

    :param style: how attributes are written, see ``attributes_style`` of :class:`~.settings.Settings`.
    """
    row, last = log.rows_between(wanted.start, wanted.end)
    generated = _GeneratedLines(log, wanted, fields, delimiter, style)
    for other in log.other_activities(wanted.start, wanted.end):
        stop = log.rows_between(wanted.start, other.at)[1]
        yield from generated.lines(row, stop)
        row = stop
        if wanted.fits(other):
            yield delimiter.join(_cells(other, fields, style))
    yield from generated.lines(row, last)


class _GeneratedLines:
    """Lines of generated activities at full speed: what a pattern has in common is written once."""

    def __init__(
        self, log: Activities, wanted: ActivityFilter, fields: Sequence[str], delimiter: str, style: str
    ) -> None:
        self._log = log
        self._wanted = wanted
        self._fields = fields
        self._delimiter = delimiter
        self._style = style
        self._varying = [name for name in fields if name in ("marketoGUID", "leadId", "activityDate")]
        self._templates: dict[int, str | None] = {}

    def lines(self, start: int, stop: int) -> Iterator[str]:
        log, templates, size = self._log, self._templates, self._log.patterns
        at, lead_row = log.at, log.lead_row
        usual = self._varying == ["marketoGUID", "leadId", "activityDate"]
        times = time_texts()
        today, date = 0, ""
        for row in range(start, stop):
            pattern = row % size
            if pattern not in templates:
                templates[pattern] = self._template(pattern)
            template = templates[pattern]
            if template is None:
                yield from self._one(row)
            elif template:
                day, second = divmod(at(row), _DAY)
                if day != today:
                    today, date = day, timestamp(day * _DAY)[:10]
                if usual:
                    yield template % (FIRST_ACTIVITY + row, FIRST_ID + lead_row(row), date + times[second])
                else:
                    found = {
                        "marketoGUID": FIRST_ACTIVITY + row,
                        "leadId": FIRST_ID + lead_row(row),
                        "activityDate": date + times[second],
                    }
                    yield template % tuple(found[name] for name in self._varying)

    def _one(self, row: int) -> Iterator[str]:
        activity = self._log.generated(row)
        if self._wanted.fits(activity):
            yield self._delimiter.join(_cells(activity, self._fields, self._style))

    def _template(self, number: int) -> str | None:
        """Return a format for all activities of a pattern; empty if unwanted, None if each has to be checked."""
        example = self._log.generated(number)
        if self._wanted.types and example.type_id not in self._wanted.types:
            return ""
        if self._log.pattern(number).for_lead is not None:
            return None
        if not self._wanted.fits(example):
            return ""
        cells = zip(self._fields, _cells(example, self._fields, self._style), strict=True)
        return self._delimiter.join("%s" if name in self._varying else text.replace("%", "%%") for name, text in cells)


def _cells(activity: Activity, fields: Sequence[str], style: str) -> list[str]:
    values: Mapping[str, Any] = {
        "marketoGUID": str(activity.number),
        "leadId": activity.lead_id,
        "activityDate": timestamp(activity.at),
        "activityTypeId": activity.type_id,
        "campaignId": activity.campaign_id,
        "primaryAttributeValueId": activity.primary_id,
        "primaryAttributeValue": activity.primary,
        "actionResult": activity.result,
    }
    return [cell(as_json(activity.attributes, style) if name == "attributes" else values[name]) for name in fields]


@cache
def time_texts() -> tuple[str, ...]:
    """Return the part of a time after the date, for every second of a day."""
    return tuple(timestamp(second)[10:] for second in range(_DAY))
