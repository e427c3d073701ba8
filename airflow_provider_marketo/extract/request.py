"""The request for an extract, checked before the first call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from typing import Any, ClassVar

from airflow_provider_marketo.client.bulk.objects import OBJECTS, ExportObject, export_object
from airflow_provider_marketo.client.bulk.plan import LONGEST_WINDOW, Slice, Window, slices, windows
from airflow_provider_marketo.client.counts import duration
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.client.suggest import with_nearest
from airflow_provider_marketo.conversions import as_list, as_utc, refuse_empty
from airflow_provider_marketo.output.formats import FORMATS
from airflow_provider_marketo.output.manifest import CHANGES, FULL, Removal

log = printable_logger(__name__)

ALL_FIELDS = "all"

PROGRAM_IDS = "programIds"
CHANGED, ALL = "changed", "all"
"""The programs whose members are read: those with a change of a membership in the span, or all."""

MOST_WINDOWS = 20_000
"""Largest number of windows of an extract: two years by the hour. Each window is a job of a minute or more."""

CLOCK_TOLERANCE = timedelta(seconds=30)
"""A span that ends at most this long after Marketo's time is not cut: clocks differ, and an export takes longer."""

GIVE_A_SPAN = (
    "Give start and end, or schedule the DAG with CronDataIntervalTimetable: in Airflow 3, runs of a plain cron"
    " schedule and of a DAG without a schedule have no interval."
)
"""The remedy for an extract without a span."""

_FIRST_SECOND = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class ExtractRequest(Serializable):
    """
    A bulk extract, as an author asks for it.

    Names and meanings are those of
    :class:`~airflow_provider_marketo.operators.bulk_extract.MarketoBulkExtractOperator`. Values are rendered and typed.

    :param start: first second of the span, aware; None together with ``end`` if a list selects the rows.
    :param end: first second after the span.
    """

    VERSION: ClassVar[int] = 1

    object_type: str
    start: datetime | None = None
    end: datetime | None = None
    date_field: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    fields: str | Sequence[str] | None = None
    custom_object: str | None = None
    file_format: str = "parquet"
    window: timedelta = timedelta(days=30)
    order: str = "oldest_first"
    lookback: timedelta = timedelta(0)
    activity_types: Sequence[str | int] = ()
    attributes: str | None = None
    partition_by: Sequence[str] = ()
    on_schema_change: str = "evolve"
    exclude_fields: Sequence[str] = ()
    hash_fields: Sequence[str] = ()
    on_type_error: str = "null"
    programs: str | None = None

    def __post_init__(self) -> None:
        export = self.export
        self._check_object(export)
        self._check_format()
        self._check_dates(export)
        self._check_fields(export)
        self.slices({})
        if self.start is not None and not self.has_span:
            raise MarketoInvalidRequestError(
                f"{self._selection} selects the rows, and start and end would change nothing",
                parameter="filters" if self.programs is None else "programs",
                remedy="Leave out start and end, or select by dates alone."
                if self.programs is None
                else f"Leave out start and end, or use programs={CHANGED!r}.",
            )

    @property
    def export(self) -> ExportObject:
        """The table's entry with the capabilities of this kind of object."""
        return export_object(self.object_type)

    @property
    def date_filter(self) -> str | None:
        """The name of the filter for the windows; None if a list or the program selects the rows."""
        export = self.export
        if self.date_field is not None:
            return self.date_field
        if self.programs is not None:
            return None
        by_list = export.exclusive and bool(self.filters)
        return None if by_list or self.start is None else export.date_filters[0]

    @property
    def has_span(self) -> bool:
        """Whether the span decides what is read: it selects the rows, or the programs whose members are read."""
        return self.date_filter is not None or (self.programs == CHANGED and self.start is not None)

    @property
    def _selection(self) -> str:
        """What selects the rows if dates do not, as the author wrote it."""
        return next(iter(self.filters)) if self.programs is None else f"programs={self.programs!r}"

    @property
    def attributes_form(self) -> str:
        """The form in which attributes of activities are written: the author's, else the format's own."""
        return self.attributes or FORMATS[self.file_format].attributes

    @property
    def name(self) -> str:
        """Name of the extract's manifest, the same for every run over the same span."""
        return f"{self._table}_{self._span.name}" if self._span else self._table

    @property
    def _table(self) -> str:
        """Prefix of file names. If a list selects the rows instead of dates, the prefix also names the list."""
        name = key_part(self.custom_object or self.object_type)
        if not (self.export.exclusive and self.filters):
            return name
        list_filter, value = next(iter(self.filters.items()))
        return f"{name}_{list_filter}-{key_part(str(value))}"

    @property
    def _span(self) -> Window | None:
        if not self.has_span or self.start is None or self.end is None:
            return None
        return Window(self.start - min(self.lookback, self.start - _FIRST_SECOND), self.end)

    @property
    def kind(self) -> str:
        """What the rows mean to a reader: ``changes`` of a span, or the ``full`` list that the filters select."""
        return CHANGES if self.date_filter is not None else FULL

    @property
    def removal(self) -> Removal | None:
        """The rows of another table that these rows remove; None if they remove no rows."""
        return None

    def refuse_future(self, now: datetime) -> None:
        """
        Refuse a span that lies in the future.

        :param now: Marketo's time.
        :raises MarketoInvalidRequestError: the whole span lies in the future.
        """
        if self.has_span and self.start is not None and self.start >= now:
            raise MarketoInvalidRequestError(
                f"the span from {iso(self.start)} lies in the future: Marketo's clock says {iso(now)}",
                parameter="start",
                remedy="Ask for a span that has begun.",
            )

    def cap(self, now: datetime) -> datetime | None:
        """
        Return the end of reading if the rest of the span lies in the future; None if the whole span has passed.

        :param now: Marketo's time, whole seconds.
        :raises MarketoInvalidRequestError: the whole span lies in the future.
        """
        self.refuse_future(now)
        if not self.has_span or self.end is None or self.end <= now + CLOCK_TOLERANCE:
            return None
        log.warning("%s lies in the future; the rows are read up to now, %s", iso(self.end), iso(now))
        return now

    def slices(self, more_filters: Mapping[str, Any], until: datetime | None = None) -> list[Slice]:
        """
        Return the jobs to run. Their names follow from the requested span, so jobs of other spans have other names.

        :param more_filters: filters found out from Marketo, such as ``activityTypeIds`` for ``activity_types``.
        :param until: first second that is not read, from :meth:`cap`.
        """
        span = self._span if self.date_filter else None
        spans = self._windows(span, until) if span else []
        planned = slices(
            self.export,
            name=self.name if (span and span.end - span.start > self.window) or self.programs else self._table,
            date_filter=self.date_filter,
            spans=spans,
            filters={**self.filters, **more_filters},
            order=self.order,
        )
        return planned if until is None else [self._capped(one, until) for one in planned if _begins_before(one, until)]

    def _windows(self, span: Window, until: datetime | None) -> list[Window]:
        """
        Return the windows of a span.

        :raises MarketoInvalidRequestError: so many windows have begun that the plan would take minutes, and the jobs
            weeks.
        """
        if until is None and (span.end - span.start) / self.window > MOST_WINDOWS:
            # Windows far in the future are not read. Only the run learns the time on Marketo's clock.
            until = datetime.now(timezone.utc) + LONGEST_WINDOW
        begun = takewhile(
            lambda window: until is None or window.start < until, windows(span.start, span.end, self.window)
        )
        found = list(islice(begun, MOST_WINDOWS + 1))
        if len(found) > MOST_WINDOWS:
            raise MarketoInvalidRequestError(
                f"the span from {iso(span.start)} to {iso(span.end)} has more than {MOST_WINDOWS:,} windows of"
                f" {duration(self.window)}, and each window needs an export job",
                parameter="window",
                remedy="Use longer windows (at most 31 days), start on the day of the first row, or divide the span"
                " among several runs.",
            )
        return found

    def _capped(self, one: Slice, until: datetime) -> Slice:
        if one.window is None or self.date_filter is None or one.window.end <= until:
            return one
        dates = {**one.filter[self.date_filter], "endAt": iso(until)}
        return replace(one, filter={**one.filter, self.date_filter: dates}, window=Window(one.window.start, until))

    def fingerprint(self) -> str:
        """Return a digest of the request, so that a retry never continues with another request's jobs."""
        facts = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Return a phrase for the log."""
        span = f" from {iso(self.start)} to {iso(self.end)}" if self.start and self.end and self.has_span else ""
        return f"{self.object_type}{span} as {self.file_format}"

    def _check_object(self, export: ExportObject) -> None:
        if export.custom and not self.custom_object:
            raise MarketoInvalidRequestError(
                f"object_type={export.name!r} needs the API name of the type",
                parameter="custom_object",
                remedy="Give custom_object='car_c'.",
            )
        for other in OBJECTS.values():
            for parameter in other.arguments:
                if getattr(self, parameter) and parameter not in export.arguments:
                    raise MarketoInvalidRequestError(
                        f"{parameter} is for {other.name} only, and object_type is {export.name!r}", parameter=parameter
                    )
        if "activityTypeIds" in self.filters and self.activity_types:
            raise MarketoInvalidRequestError(
                "activity_types and filters['activityTypeIds'] say the same thing twice",
                parameter="activity_types",
                remedy="Give one of them.",
            )

    def _check_format(self) -> None:
        forms = FORMATS[self.file_format].attribute_forms
        if self.attributes is not None and self.attributes not in forms:
            able = [each.name for each in FORMATS.values() if self.attributes in each.attribute_forms]
            raise MarketoInvalidRequestError(
                f"attributes={self.attributes!r} cannot be written as {self.file_format}",
                parameter="attributes",
                remedy=f"Use file_format={' or '.join(map(repr, able))}.",
            )

    def _check_dates(self, export: ExportObject) -> None:
        if self.date_field is not None and self.date_field not in export.date_filters:
            raise MarketoInvalidRequestError(
                f"{export.name} cannot be selected by {with_nearest(self.date_field, export.date_filters)}",
                parameter="date_field",
                remedy=f"Use {' or '.join(export.date_filters)}.",
            )
        for parameter in ("start", "end"):
            value = getattr(self, parameter)
            if value is not None and value.tzinfo is None:
                raise MarketoInvalidRequestError(f"{parameter} has no time zone", parameter=parameter)
        if self.programs is not None and self.date_field is not None:
            raise MarketoInvalidRequestError(
                f"programs={self.programs!r} reads all members of its programs, and date_field would leave out some",
                parameter="date_field",
                remedy="Give filters={'programIds': [...]} to select members by date.",
            )
        if (self.start is None) != (self.end is None):
            missing = "start" if self.start is None else "end"
            raise MarketoInvalidRequestError(f"{missing} is missing", parameter=missing, remedy="Give both or neither.")
        if self.start is None and (export.window_required or self.date_field or not self.filters):
            raise MarketoInvalidRequestError(
                f"{export.name} need a span of time, and the run has no data interval",
                parameter="start",
                remedy=GIVE_A_SPAN,
            )

    def _check_fields(self, export: ExportObject) -> None:
        if not self.fields and not export.fields:
            raise MarketoInvalidRequestError(
                f"a bulk export of {export.name} needs the names of the fields",
                parameter="fields",
                remedy="Give a list of API names, or 'all'.",
            )
        for name in self.hash_fields:
            if name in export.key:
                raise MarketoInvalidRequestError(
                    f"{name} tells the rows apart and cannot be hashed", parameter="hash_fields"
                )


def _begins_before(one: Slice, until: datetime) -> bool:
    return one.window is None or one.window.start < until


def checked_filters(filters: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Return filters with the ids of programs as numbers.

    :param filters: filters by Adobe's names.
    :raises MarketoInvalidRequestError: ``programIds`` are not ids, or a filter is an empty list.
    """
    found = dict(filters or {})
    for name, value in found.items():
        if name != PROGRAM_IDS and not isinstance(value, Mapping):
            refuse_empty("filters", as_list("filters", value), member=name)
    if PROGRAM_IDS in found:
        programs = [str(each).strip() for each in as_list("filters", found[PROGRAM_IDS]) or ()]
        if not programs or not all(each.isdecimal() for each in programs):
            raise MarketoInvalidRequestError(
                f"filters['programIds']={found['programIds']!r} is not a list of program ids",
                parameter="filters",
                remedy="Give the ids from the programs' URLs, such as [1001, 1002].",
            )
        found[PROGRAM_IDS] = [int(each) for each in programs]
    return found


def interval_selects(export: ExportObject, date_field: str | None, filters: Mapping[str, Any]) -> bool:
    """
    Whether the run's data interval selects the rows if an author gives no dates.

    It does not if a list selects them. It selects program members only if the author names a date field.

    :param export: the kind of object that is exported.
    :param date_field: the author's date field.
    :param filters: the author's filters.
    """
    return date_field is not None or not (export.needs or (export.exclusive and filters))


def data_interval(context: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """
    Return the start and end of the run's data interval; None for both if the run has no interval.

    :param context: the running task's context.
    :raises MarketoInvalidRequestError: the interval is empty, as with a plain cron schedule in Airflow 3.
    """
    start, _ = as_utc("start", context.get("data_interval_start"))
    end, _ = as_utc("end", context.get("data_interval_end"))
    if start is not None and start == end:
        raise MarketoInvalidRequestError(
            f"the run's data interval is empty: it starts and ends at {iso(start)}",
            parameter="start",
            remedy=GIVE_A_SPAN,
        )
    return start, end
