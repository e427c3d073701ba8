"""The id of a record in a reply; an error if the record has none or is malformed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.client.errors import ASK_ADOBE, MarketoDataError


def lead_id_of(record: Any, member: str = "id") -> int:
    """
    Return the id of a lead.

    :param record: a record of a reply.
    :param member: the record's member that holds the id.
    :raises MarketoDataError: the value is not a record, or has no id.
    """
    return id_of(record, "a lead", member)


def id_of(record: Any, what: str, member: str = "id") -> int:
    """
    Return the id of a record.

    :param record: a record of a reply.
    :param what: the kind of record, for the error, such as ``a lead``.
    :param member: the record's member that holds the id.
    :raises MarketoDataError: the value is not a record, or has no id.
    """
    number = record.get(member) if isinstance(record, Mapping) else None
    if isinstance(number, bool) or not str(number).isdecimal():
        raise MarketoDataError(f"Marketo lists {what} without an id", remedy=ASK_ADOBE)
    return int(str(number))
