"""The range that a run reads of each source: settled once, stored, and the same after every retry and clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import (
    MarketoFeatureUnavailableError,
    MarketoInvalidRequestError,
    MarketoPermissionError,
)
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.conversions import as_utc
from airflow_provider_marketo.extract.request import ALL, CHANGED
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder
from airflow_provider_marketo.warehouse.descriptions import ask_and_share, share_programs
from airflow_provider_marketo.warehouse.watermarks import read_watermarks

if TYPE_CHECKING:
    from airflow_provider_marketo.hooks.marketo import MarketoHook

log = printable_logger(__name__)

LEADS, ACTIVITIES, REFERENCE, MEMBERS = "leads", "activities", "reference", "program_members"
OBJECTS, REMOVALS = "custom_objects", "removals"
SOURCES = (LEADS, ACTIVITIES, REFERENCE, MEMBERS, OBJECTS, REMOVALS)
"""Sources with a range and a watermark of their own."""

_SHORTEST = timedelta(minutes=1)
"""Marketo refuses an empty span. Without a lookback, a run right after another would have an empty span."""


@dataclass(frozen=True)
class RangeOfSource:
    """
    What a run reads of a source.

    :param start: first second; None for no limit.
    :param end: first second that is left to the next run; None for no limit.
    :param is_first: whether nothing of the source was loaded before.
    """

    start: datetime | None
    end: datetime | None
    is_first: bool = False


@dataclass(frozen=True)
class RunRanges(Serializable):
    """
    What :func:`ranges_of_run` returned in the first try of a run.

    :param values: the ranges and modes, by name.
    :param custom_objects: API names of the custom object types.
    """

    VERSION: ClassVar[int] = 1

    values: Mapping[str, str | None]
    custom_objects: tuple[str, ...] = ()

    @property
    def result(self) -> dict[str, Any]:
        """Arguments that the task passes on."""
        return {**self.values, OBJECTS: list(self.custom_objects)}


def ranges_of_run(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the range that this run reads of each source, as the following tasks take it.

    Each range goes from the end of the loaded data, minus ``lookback``, to the present by Marketo's clock; in the first
    run it goes from ``start``. A run with a data interval reads this interval, and moves no watermark.

    :param context: the running task's context.
    :param hook: the connection to Marketo.
    :param arguments: the operator's arguments, checked.
    :return: ``<source>_start`` and ``<source>_end`` of each source, ``leads_mode``, ``programs``, ``custom_objects``
        (the API names of the types that the instance has), and ``until``: the time to which the watermarks move when
        everything is loaded; None if they stay.
    :raises MarketoInvalidRequestError: the first run starts in the future.
    """
    task = context["ti"]
    folder = OutputFolder.for_task(arguments["output_path"], task)
    place = f"{layout.task_folder(task)}/ranges.json"
    before = folder.read_state(RunRanges, place)
    if before is not None:
        log.info("This run already has its ranges, and reads them again")
        return before.result
    folder.check_writable()
    ask_and_share(hook.get_conn(), folder)
    found = _settle(context, hook, arguments)
    if found["programs"] == ALL:
        share_programs(hook.get_conn(), folder)
    settled = RunRanges(found, _types(hook))
    folder.write_state(place, settled)
    for source in SOURCES:
        log.info("%s: %s to %s", source, found[f"{source}_start"] or "the beginning", found[f"{source}_end"] or "now")
    return settled.result


def _types(hook: MarketoHook) -> tuple[str, ...]:
    """Return the API names of the custom object types; empty if the API user or the subscription may not read them."""
    try:
        records = hook.get_conn().call("custom_objects.list").records
    except MarketoFeatureUnavailableError as error:
        log.warning("Custom objects are left out: %s", error)
        return ()
    except MarketoPermissionError as error:
        if error.code != codes.ACCESS_DENIED:
            raise
        log.warning("Custom objects are left out: %s", error)
        return ()
    return tuple(sorted({str(record["name"]) for record in records if record.get("name")}))


def _settle(context: Mapping[str, Any], hook: MarketoHook, arguments: Mapping[str, Any]) -> dict[str, Any]:
    first, last = (as_utc(name, context.get(f"data_interval_{name}"))[0] for name in ("start", "end"))
    if first is not None and last is not None and first < last:
        log.info("The run has a data interval and loads only that; no watermark moves")
        return _as_values({source: RangeOfSource(first, last) for source in SOURCES}, until=None)
    if getattr(context.get("dag_run"), "run_type", None) == "backfill":
        log.warning(
            "This run of a backfill has no data interval, so it reads what is new, like any other run. To load past"
            " days, give the DAG a schedule with intervals, such as CronDataIntervalTimetable"
        )
    now = hook.get_conn().marketo_time().replace(microsecond=0)
    begin: datetime = arguments["start"]
    if begin >= now:
        raise MarketoInvalidRequestError(
            f"the tables would start in the future, at {iso(begin)}: Marketo's clock says {iso(now)}",
            parameter="start",
            remedy="Give the day of the first lead, or of the first data that you want.",
        )
    loaded = read_watermarks(arguments["sql_conn_id"], arguments["schema"])
    ranges = {source: _range(source, loaded.get(source), now, begin, arguments["lookback"]) for source in SOURCES}
    return _as_values(ranges, until=now)


def _range(source: str, loaded: datetime | None, now: datetime, begin: datetime, lookback: timedelta) -> RangeOfSource:
    if loaded is None:
        everything = source in (REFERENCE, MEMBERS)
        return RangeOfSource(None, None, True) if everything else RangeOfSource(begin, now, is_first=True)
    if source == REFERENCE and loaded.date() < now.date():
        return RangeOfSource(None, None)  # once a day, since a list of changes does not show removals
    return RangeOfSource(max(begin, min(loaded - lookback, now - _SHORTEST)), now)


def _as_values(ranges: Mapping[str, RangeOfSource], until: datetime | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for source, one in ranges.items():
        values[f"{source}_start"] = iso(one.start) if one.start else None
        values[f"{source}_end"] = iso(one.end) if one.end else None
    return {
        **values,
        "leads_mode": "snapshot" if ranges[LEADS].is_first else "auto",
        "programs": ALL if ranges[MEMBERS].is_first else CHANGED,
        "until": iso(until) if until else None,
    }
