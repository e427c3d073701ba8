"""Plan the export jobs of an extract within Marketo's limits: one filter each, 31 days, ten programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.dates import compact, iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import with_nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow_provider_marketo.client.bulk.objects import ExportObject

LONGEST_WINDOW = timedelta(days=31)
ORDERS = ("oldest_first", "newest_first")


@dataclass(frozen=True)
class Window:
    """
    A span of time in whole seconds, in UTC.

    :param start: the first second that belongs to it.
    :param end: the first second after it.
    """

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """The window in the name of a file: sortable, and without characters that object stores refuse."""
        return f"{compact(self.start)}_{compact(self.end)}"


@dataclass(frozen=True)
class Slice:
    """
    The part of an extract that one export job fetches.

    :param name: unique within an extract and the same in every run, because file names contain it.
    :param filter: the job's filter in Adobe's spelling.
    :param window: the time it covers; None for a list, which has no time.
    """

    name: str
    filter: Mapping[str, Any]
    window: Window | None

    @property
    def seconds(self) -> float:
        """Length of the window; 0 for a list."""
        return (self.window.end - self.window.start).total_seconds() if self.window else 0.0


def windows(start: datetime, end: datetime, length: timedelta) -> Iterator[Window]:
    """
    Yield neighbouring windows from ``start`` to ``end``, oldest first.

    A filter of Marketo counts whole seconds and, as far as is known, includes both ends. Neighbours therefore share
    their boundary second, and rows that come twice are removed later.

    :param start: inclusive.
    :param end: exclusive.
    :param length: whole seconds, at most 31 days.
    """
    if length > LONGEST_WINDOW or length < timedelta(seconds=1):
        raise MarketoInvalidRequestError(
            f"window={length} is not between one second and 31 days, Marketo's limit for a job", parameter="window"
        )
    if start >= end:
        raise MarketoInvalidRequestError(
            f"start={iso(start)} is not before end={iso(end)}", parameter="start", remedy="Swap or widen them."
        )
    while start < end:
        following = end if end - start <= length else start + length
        yield Window(start, following)
        start = following


def slices(
    export: ExportObject,
    *,
    name: str,
    date_filter: str | None,
    spans: Sequence[Window],
    filters: Mapping[str, Any],
    order: str,
) -> list[Slice]:
    """
    Return the slices of an extract, one for each export job.

    :param export: the kind of object.
    :param name: the beginning of each slice's name.
    :param date_filter: name of the filter that takes the window; None for no dates.
    :param spans: windows, oldest first; empty without a date filter.
    :param filters: other filters by Adobe's names; more than ten ``programIds`` make several jobs.
    :param order: ``oldest_first`` or ``newest_first``.
    """
    if order not in ORDERS:
        raise MarketoInvalidRequestError(f"order={order!r} is not one of {', '.join(ORDERS)}", parameter="order")
    _check_filters(export, date_filter, filters)
    planned = []
    windows_or_none: Sequence[Window | None] = spans or [None]
    for window in windows_or_none:
        dates = (
            {date_filter: {"startAt": iso(window.start), "endAt": iso(window.end)}} if window and date_filter else {}
        )
        for batch_name, batch in _batches(export, filters):
            parts = (name, window.name if window else "", batch_name)
            planned.append(Slice("_".join(part for part in parts if part), {**batch, **dates}, window))
    return planned if order == "oldest_first" else planned[::-1]


def _batches(export: ExportObject, filters: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    batched = export.batched
    ids = sorted({int(each) for each in filters.get(batched.name) or ()}) if batched else []
    if batched is None or batched.name not in filters:
        yield "", dict(filters)
        return
    for batch in batches(ids, batched.most):
        yield f"{batched.label}-{batch[0]}-{batch[-1]}", {**filters, batched.name: batch}


def _check_filters(export: ExportObject, date_filter: str | None, filters: Mapping[str, Any]) -> None:
    def refuse(text: str, remedy: str) -> None:
        raise MarketoInvalidRequestError(text, parameter="filters", remedy=remedy)

    unknown = [name for name in filters if name not in export.filters]
    if unknown:
        hint = "Name dates with start, end and date_field. " if set(unknown) & {"createdAt", "updatedAt"} else ""
        refuse(
            f"{export.name} cannot be filtered by {', '.join(with_nearest(name, export.filters) for name in unknown)}",
            f"{hint}Use {', '.join(export.filters)}.",
        )
    if export.exclusive and len(filters) + bool(date_filter) > 1:
        given = ", ".join([*filters, date_filter or ""]).rstrip(", ")
        refuse(f"Marketo takes one filter for {export.name}, and {given} were given", "Filter by dates or by one list.")
    if export.needs and sum(name in filters for name in export.needs) != 1:
        refuse(
            f"{export.name} need exactly one of {' and '.join(export.needs)}",
            f"Give filters={{'{export.needs[-1]}': [...]}}.",
        )
    if {"primaryAttributeValueIds", "primaryAttributeValues"} <= set(filters):
        refuse("primaryAttributeValueIds and primaryAttributeValues cannot be used together", "Give one of them.")
