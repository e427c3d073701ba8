"""When existing records were created. The date shows whether a lost call created a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.dates import parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoPermissionError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.imports.matching import plain
from airflow_provider_marketo.imports.targets import RECORDS_PER_CALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.imports.request import ImportRequest
    from airflow_provider_marketo.imports.targets import Record

log = printable_logger(__name__)

_CREATED = "createdAt"

Key = tuple[str, ...]


@dataclass
class CreationDates:
    """
    When records were created.

    :param dates: for each record asked for, the dates of all records of its key, or None if they cannot be read.
    :param calls: number of calls made.
    """

    dates: Sequence[Sequence[datetime] | None]
    calls: int


def creation_dates(
    client: MarketoClient, request: ImportRequest, key: Sequence[str], records: Sequence[Record]
) -> CreationDates:
    """
    Look up when records were created, by their keys, 300 a call (``leads.get_by_filter_type``, ``companies.get`` ...).

    :param client: the instance.
    :param request: the request, which names the kind of the records.
    :param key: names of the fields that tell records apart.
    :param records: records that exist.
    """
    keys = [tuple(plain(record.get(name)) for name in key) for record in records]
    found: dict[Key, list[datetime | None] | None] = {one: [] for one in keys}
    readable = [at for at, record in enumerate(records) if _can_be_asked(record, key)]
    for at in set(range(len(records))) - set(readable):
        found[keys[at]] = None
    calls = 0
    for part in batches(readable, RECORDS_PER_CALL):
        try:
            for page in client.pages(request.target.read, **_query(request, key, [records[at] for at in part])):
                calls += 1
                for each, date in _dates(page.records, key):
                    if (dates := found.get(each)) is not None:
                        dates.append(date)
        except (MarketoInvalidRequestError, MarketoPermissionError) as error:
            log.warning("Could not read from Marketo whether an earlier call created these records: %s", error)
            found.update((keys[at], None) for at in part)
    return CreationDates([_whole(found[one]) for one in keys], calls)


def _can_be_asked(record: Record, key: Sequence[str]) -> bool:
    """Whether Marketo can find a record. A comma splits a filter's value; keys of several fields go into the body."""
    return len(key) > 1 or "," not in str(record.get(key[0]))


def _query(request: ImportRequest, key: Sequence[str], records: Iterable[Record]) -> dict[str, Any]:
    query: dict[str, Any] = {"fields": [*key, _CREATED]}
    if request.custom_object is not None:
        query["customObjectName"] = request.custom_object
    if len(key) > 1:
        return {**query, "filterType": "dedupeFields", "input": [{name: one[name] for name in key} for one in records]}
    return {**query, "filterType": key[0], "filterValues": [str(one[key[0]]) for one in records]}


def _dates(found: Sequence[Any], key: Sequence[str]) -> Iterator[tuple[Key, datetime | None]]:
    for record in found:
        if isinstance(record, dict):
            yield tuple(plain(record.get(name)) for name in key), parse_date_or_none(str(record.get(_CREATED)))


def _whole(dates: Sequence[datetime | None] | None) -> list[datetime] | None:
    """Return the dates if all of them can be read."""
    if dates is None or None in dates:
        return None
    return [date for date in dates if date is not None]
