"""The programs whose members are extracted when the author names no programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date_or_none
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)

MEMBERSHIP_TYPES = (104, 113, 114, 115, 123)
"""
Activity types about a membership: Change Status in Progression, Add to Nurture, Change Nurture Track, Change
Nurture Cadence, Change Program Member Data. The primary attribute is the program, or an attribute names it.
"""

_PROGRAM_ID = "Program ID"

PROGRAMS, PROGRAMS_PAGE = "programs.get", {"maxReturn": 200}
_ACTIVITIES, _IDS = 300, 50


def all_programs(client: MarketoClient) -> list[int]:
    """
    Return the ids of all programs (``programs.get``).

    :param client: the instance.
    """
    return sorted({id_of(record, "a program") for record in client.paginate(PROGRAMS, **PROGRAMS_PAGE)})


def changed_programs(client: MarketoClient, span: Window) -> list[int]:
    """
    Return the ids of the programs in which a membership began or changed in a span, according to activities.

    Programs that were deleted since are left out: Marketo refuses to export their members.

    :param client: the instance.
    :param span: the span.
    """
    known = {kind["id"] for kind in client.call("activities.get_types").records}
    types = [each for each in MEMBERSHIP_TYPES if each in known]
    token = client.call("activities.get_paging_token", sinceDatetime=iso(span.start)).next_page_token
    found: set[int] = set()
    for record in client.paginate(
        "activities.get_lead_activities", nextPageToken=token, activityTypeIds=types, batchSize=_ACTIVITIES
    ):
        moment = parse_date_or_none(str(record.get("activityDate") or ""))
        if moment is None or span.start <= moment < span.end:
            found.update(_programs(record))
    existing = _existing(client, sorted(found))
    log.info("Memberships of %s have changed", counted(len(existing), "program"))
    return existing


def _programs(activity: Mapping[str, Any]) -> Iterator[int]:
    """Yield the ids in an activity that may be those of programs."""
    if activity.get("primaryAttributeValueId"):
        yield id_of(activity, "an activity", "primaryAttributeValueId")
    for attribute in activity.get("attributes") or ():
        if attribute.get("name") == _PROGRAM_ID and str(attribute.get("value")).isdecimal():
            yield int(attribute["value"])


def _existing(client: MarketoClient, ids: list[int]) -> list[int]:
    asked = (
        client.paginate(PROGRAMS, filterType="id", filterValues=list(map(str, some)), **PROGRAMS_PAGE)
        for some in batches(ids, _IDS)
    )
    return sorted({id_of(record, "a program") for records in asked for record in records})
