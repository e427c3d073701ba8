"""When Marketo's quota day ends, and when it is worth asking again after a quota is spent."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

QUOTA_ZONE = ZoneInfo("America/Chicago")
"""Adobe writes both "CST" and "Central Time"; in summer, midnight Central Time is an hour earlier."""

RESET_MARGIN = timedelta(minutes=5)
"""Time after the reset at which the quota is certainly back, although Marketo's clock and ours may differ."""

_STANDARD_TIME_PROBE = timedelta(hours=6) + RESET_MARGIN
_PROBE_EVERY = timedelta(minutes=15)
_PROBE_FOR = timedelta(hours=3)


def quota_date(now: datetime, *, ago: timedelta = timedelta(0)) -> str:
    """
    Return the quota day as Marketo writes it: a date in Chicago, such as ``2026-01-31``.

    :param now: a time of the day, aware.
    :param ago: how many days earlier the wanted day is.
    """
    return (now.astimezone(QUOTA_ZONE).date() - ago).isoformat()


def day_start(now: datetime) -> datetime:
    """Return the last midnight in Chicago, in UTC: the start of the quota day."""
    return now.astimezone(QUOTA_ZONE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(timezone.utc)


def next_reset(now: datetime) -> datetime:
    """Return the next midnight in Chicago, in UTC."""
    tomorrow = now.astimezone(QUOTA_ZONE).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=QUOTA_ZONE).astimezone(timezone.utc)


def next_probe(now: datetime) -> datetime:
    """
    Return when to try again after Marketo said that a daily quota is spent.

    The sources disagree about daylight saving, so a refusal shortly after midnight may belong to the previous day. Try
    at 00:05 in Chicago, then at 06:05 UTC (midnight standard time), then every 15 minutes for three hours. A refusal
    later in the day belongs to this day and lasts until the next midnight.

    :param now: the time of the refusal, aware.
    :return: a later time, in UTC.
    """
    standard_midnight = (
        now.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) + _STANDARD_TIME_PROBE
    )
    if day_start(now) <= now < day_start(now) + RESET_MARGIN:
        return day_start(now) + RESET_MARGIN
    if day_start(now) + RESET_MARGIN <= now < standard_midnight and standard_midnight - now < timedelta(hours=2):
        return standard_midnight
    if standard_midnight <= now < standard_midnight + _PROBE_FOR:
        return now.astimezone(timezone.utc) + _PROBE_EVERY
    return next_reset(now) + RESET_MARGIN
