"""Marketo's five ways of paging, each as a rule that says what to ask for next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import ASK_ADOBE_WITH_OPERATION, MarketoDataError

if TYPE_CHECKING:
    from airflow_provider_marketo.client.transport import Reply

MOST_EMPTY_PAGES = 1000
"""Largest number of empty pages in a row. Feeds of rare activities have hundreds, because Marketo scans in blocks."""

Next = Mapping[str, Any] | None
"""Parameters that change in the next call; None after the last page."""


def by_position(reply: Reply, asked: Mapping[str, Any]) -> Next:
    """Lead database: follow ``moreResult`` if it is given, otherwise continue while Marketo gives a new token."""
    if reply.more_result:
        return _promised(reply, asked, "records")
    token = reply.next_page_token
    if reply.more_result is False or not token or token == asked.get("nextPageToken"):
        return None
    return {"nextPageToken": token}


def by_date(reply: Reply, asked: Mapping[str, Any]) -> Next:
    """Activity feeds: every page has a token and may be empty, so only a ``moreResult`` that is false ends the feed."""
    return None if reply.more_result is False else _promised(reply, asked, "activities")


def _promised(reply: Reply, asked: Mapping[str, Any], what: str) -> Next:
    """Return the token of the page that ``moreResult`` promises; to end without that page would lose records."""
    token = reply.next_page_token
    if not token or token == asked.get("nextPageToken"):
        raise MarketoDataError(
            f"Marketo says that more {what} follow but gives no new paging token",
            operation=reply.operation,
            remedy=ASK_ADOBE_WITH_OPERATION,
        )
    return {"nextPageToken": token}


def by_offset(reply: Reply, asked: Mapping[str, Any]) -> Next:
    """Marketo assets: replies have no total and no flag, so only an empty page is certain to be the last."""
    records = reply.records
    return {"offset": int(asked.get("offset") or 0) + len(records)} if records else None


def by_page(reply: Reply, asked: Mapping[str, Any]) -> Next:
    """Assets of the new designer: pages are numbered, and the total may be too high."""
    if not reply.records:
        return None
    index = int(asked.get("pageIndex") or 0)
    body = reply.body if isinstance(reply.body, dict) else {}
    counters = next((each for each in (body.get("pageDetails"), body.get("result")) if isinstance(each, dict)), {})
    total, size = _count(counters.get("totalItems")), _count(counters.get("pageSize")) or len(reply.records)
    if total is not None and (index + 1) * size >= total:
        return None
    return {"pageIndex": index + 1}


def by_page_offset(reply: Reply, asked: Mapping[str, Any]) -> Next:
    """Users: a list without an envelope; the offset counts users."""
    records = reply.records
    return {"pageOffset": int(asked.get("pageOffset") or 0) + len(records)} if records else None


def _count(value: Any) -> int | None:
    """Read a counter, which may be a text; None for anything else."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None


RULES: Mapping[str, Callable[[Reply, Mapping[str, Any]], Next]] = {
    "position": by_position,
    "date": by_date,
    "offset": by_offset,
    "page": by_page,
    "page_offset": by_page_offset,
}


def pages(call: Callable[[Mapping[str, Any]], Reply], paging: str, parameters: Mapping[str, Any]) -> Iterator[Reply]:
    """
    Yield every page of a query.

    :param call: makes one call.
    :param paging: the operation's paging style in the catalogue; a style without a rule has one page.
    :param parameters: parameters of the first call.
    :raises MarketoDataError: Marketo repeats a page, or sends too many empty pages in a row: the query has no end.
    """
    rule = RULES.get(paging)
    following: Next = {}
    before: list[Any] = []
    empty = 0
    while following is not None:
        parameters = {**parameters, **following}
        reply = call(parameters)
        records = reply.records
        if records and records == before:
            raise MarketoDataError(
                "Marketo sends the same page again and again",
                operation=reply.operation,
                remedy=ASK_ADOBE_WITH_OPERATION,
            )
        empty = 0 if records else empty + 1
        if empty > MOST_EMPTY_PAGES:
            raise MarketoDataError(
                f"Marketo says that more records follow but sent more than {MOST_EMPTY_PAGES} empty pages in a row",
                operation=reply.operation,
                remedy=ASK_ADOBE_WITH_OPERATION,
            )
        yield reply
        following, before = rule(reply, parameters) if rule else None, records
