"""The programs whose members are extracted when an author names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_marketo.client.batches import batches
from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.dates import iso, parse_date_or_none
from airflow_provider_marketo.client.ids import id_of
from airflow_provider_marketo.client.printable import printable_logger

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.client.client import MarketoClient

log = printable_logger(__name__)

MEMBERSHIP_TYPES = (104, 113, 114, 115)
"""
Activity types that tell of a membership: Change Status in Progression, Add to Nurture, Change Nurture Track, Change
Nurture Cadence. The primary attribute is the program.
"""

_PAGE, _ACTIVITIES, _IDS = 200, 300, 50


def all_programs(client: MarketoClient) -> list[int]:
    """
    Return the ids of all programs (``programs.get``).

    :param client: the instance.
    """
    return sorted({id_of(record, "a program") for record in client.paginate("programs.get", maxReturn=_PAGE)})


def changed_programs(client: MarketoClient, span: Window) -> list[int]:
    """
    Return the ids of the programs in which a membership began or changed in a span, as activities tell.

    Programs that were deleted meanwhile are left out: Marketo refuses to export their members.

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
        if record.get("primaryAttributeValueId") and (moment is None or span.start <= moment < span.end):
            found.add(id_of(record, "an activity", "primaryAttributeValueId"))
    existing = _existing(client, sorted(found))
    log.info("Memberships of %s have changed", counted(len(existing), "program"))
    return existing


def _existing(client: MarketoClient, ids: list[int]) -> list[int]:
    asked = (
        client.paginate("programs.get", filterType="id", filterValues=list(map(str, some)), maxReturn=_PAGE)
        for some in batches(ids, _IDS)
    )
    return sorted({id_of(record, "a program") for records in asked for record in records})
