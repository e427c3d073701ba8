"""The id of a lead in a reply, which is never taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.client.errors import MarketoDataError


def lead_id_of(record: Any, member: str = "id") -> int:
    """
    Return the id of a lead.

    :param record: of a reply.
    :param member: the record's member that holds it.
    :raises MarketoDataError: the record is not one, or has no id.
    """
    number = record.get(member) if isinstance(record, Mapping) else None
    if isinstance(number, bool) or not str(number).isdecimal():
        raise MarketoDataError(
            "Marketo lists a lead without an id", remedy="Try again; if it stays, ask Adobe's support."
        )
    return int(str(number))
