"""Objects of Marketo's replies, which may lack what Adobe documents."""

from __future__ import annotations

from typing import Any

from airflow_provider_marketo.client.errors import ASK_ADOBE_WITH_OPERATION, MarketoDataError


class MarketoMemberMissingError(MarketoDataError, KeyError):
    """A record of a reply lacks a documented member."""

    default_remedy = ASK_ADOBE_WITH_OPERATION


class ReplyRecord(dict[str, Any]):
    """A JSON object of a reply. Reading a missing member raises a typed error that names the member."""

    __slots__ = ()

    def __missing__(self, member: str) -> Any:
        raise MarketoMemberMissingError(f"a record of Marketo's reply has no {member!r}", executed=True)
