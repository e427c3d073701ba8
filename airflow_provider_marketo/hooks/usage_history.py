"""
Seven days of calls, in a Variable that the page and ``airflow marketo status`` read.

It holds no e-mail address: the calls of the connection's own API user are *ours*, other users are pseudonyms.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_marketo.client.dates import parse_date, stamp
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.client.serializable import Serializable
from airflow_provider_marketo.hooks.coordination import choose

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_marketo.client.client import MarketoClient
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

PREFIX = "marketo_usage_"
DESCRIPTION = (
    "Calls to Marketo of seven days, by DAG and by pseudonyms of other API users. Written at most once an hour."
)

REFRESH_EVERY = 3600.0
"""Seconds. A refresh takes two calls: 48 a day."""

_MOST_DAGS, _MOST_USERS, _MOST_ERRORS = 30, 10, 10
"""How many DAGs and users of a day, and errors, are kept by name, the largest first; the totals have all."""


@dataclass(frozen=True)
class UsageDay:
    """
    The calls of a day.

    :param date: the quota day, a date in Chicago.
    :param total: calls of all integrations.
    :param ours: calls of the connection's own API user.
    :param by_dag: calls among ``ours``, by DAG, if the counts are known: with the coordinations ``host`` and ``redis``.
    :param others: calls of other API users, by pseudonym.
    """

    date: str
    total: int
    ours: int = 0
    by_dag: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class UsageHistory(Serializable):
    """
    What the Variable holds.

    :param instance: the Munchkin ID.
    :param measured_at: when Marketo was asked; ISO 8601, UTC.
    :param days: the latest seven, newest first.
    :param errors: how many times each error code came in seven days, the most frequent first.
    :param coordination: how processes share the limits.
    :param reason: why this coordination was chosen, as a clause.
    :param pool: the pool of the connection.
    """

    VERSION: ClassVar[int] = 1

    instance: str
    measured_at: str
    days: tuple[UsageDay, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    coordination: str = ""
    reason: str = ""
    pool: str = ""

    @classmethod
    def load(cls, text: str | None) -> UsageHistory | None:
        """Return the history in a Variable's text; None if it is missing or this release cannot read it."""
        try:
            return cls.from_dict(json.loads(text or "null"))
        except (ValueError, RecursionError):
            return None


def variable_name(conn_id: str) -> str:
    """Return the name of a connection's Variable."""
    return PREFIX + key_part(conn_id)


def pseudonym(user: str, settings: ConnectionSettings) -> str:
    """
    Return a pseudonym of an API user. Computing it takes the connection's secret.

    :param user: the user's e-mail address.
    :param settings: the connection, whose ``hash_secret`` or client secret is the key.
    """
    key = settings.hash_secret or settings.client_secret
    return f"user-{hmac.new(key.reveal().encode(), user.lower().encode(), hashlib.sha256).hexdigest()[:8]}"


def keep_history(
    client: MarketoClient,
    settings: ConnectionSettings,
    *,
    read: Callable[[str], str | None],
    write: Callable[[str, str, str], None],
    now: datetime,
) -> None:
    """
    Write the Variable, unless that was done in the last hour.

    This calls ``usage.get_weekly_usage`` and ``usage.get_weekly_errors``.

    :param client: the instance.
    :param settings: the connection.
    :param read: reads a Variable's text by its name; returns None if the Variable does not exist.
    :param write: sets a Variable; it is given the name, the text and a description.
    :param now: the time, aware.
    :raises MarketoError: Marketo did not answer.
    """
    name = variable_name(settings.conn_id)
    before = UsageHistory.load(read(name))
    if before is not None and before.instance == client.instance and not _is_due(before, now):
        return
    if not client.governor.claim(name, REFRESH_EVERY / 2):
        return
    write(name, json.dumps(_measure(client, settings, before, now).to_dict()), DESCRIPTION)


def _is_due(before: UsageHistory, now: datetime) -> bool:
    try:
        return (now - parse_date(before.measured_at)).total_seconds() >= REFRESH_EVERY
    except ValueError:
        return True


def _measure(
    client: MarketoClient, settings: ConnectionSettings, before: UsageHistory | None, now: datetime
) -> UsageHistory:
    known = {day.date: day.by_dag for day in before.days} if before and before.instance == client.instance else {}
    mode, reason = choose(settings)
    found: list[UsageDay] = []
    for day in client.call("usage.get_weekly_usage").records:
        date = str(day.get("date", ""))[:10]
        by_dag = known.get(date, {}) if found else client.governor.calls_of() or known.get(date, {})
        with reading("usage.get_weekly_usage"):
            found.append(_day(day, date, by_dag, client.user, settings))
    errors: Counter[str] = Counter()
    for day in client.call("usage.get_weekly_errors").records:
        with reading("usage.get_weekly_errors"):
            for each in day.get("errors") or ():
                errors[str(each.get("errorCode"))] += int(each.get("count") or 0)
    return UsageHistory(
        instance=client.instance,
        measured_at=stamp(now),
        days=tuple(found),
        errors=dict(errors.most_common(_MOST_ERRORS)),
        coordination=mode,
        reason=reason,
        pool=settings.pool,
    )


def _day(
    day: Mapping[str, Any], date: str, by_dag: Mapping[str, int], own: str | None, settings: ConnectionSettings
) -> UsageDay:
    ours, others = 0, Counter[str]()
    for each in day.get("users") or ():
        user, count = str(each.get("userId") or ""), int(each.get("count") or 0)
        if own is not None and user.lower() == own.lower():
            ours += count
        else:
            others[pseudonym(user, settings)] += count
    return UsageDay(
        date=date,
        total=int(day.get("total") or 0),
        ours=ours,
        by_dag=dict(Counter(by_dag).most_common(_MOST_DAGS)),
        others=dict(others.most_common(_MOST_USERS)),
    )
