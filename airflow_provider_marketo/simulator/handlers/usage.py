"""Handlers for usage: calls per user, and errors per code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.reply import Envelope, Reply
from airflow_provider_marketo.simulator.routes import answers

if TYPE_CHECKING:
    from datetime import date

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request


@answers("usage.get_daily_usage", "usage.get_weekly_usage")
def usage(instance: Instance, request: Request) -> Reply:
    return Envelope([_calls(instance, day) for day in _days(instance, request)])


@answers("usage.get_daily_errors", "usage.get_weekly_errors")
def errors(instance: Instance, request: Request) -> Reply:
    return Envelope([_errors(instance, day) for day in _days(instance, request)])


def _days(instance: Instance, request: Request) -> list[date]:
    days = instance.meter.last_days()
    return days if "weekly" in request.operation.name else days[:1]


def _calls(instance: Instance, day: date) -> dict[str, Any]:
    counts = instance.meter.calls.get(day, Counter())
    users = [{"userId": user_id, "count": count} for user_id, count in counts.items()]
    return {"date": day.isoformat(), "total": sum(counts.values()), "users": users}


def _errors(instance: Instance, day: date) -> dict[str, Any]:
    counts = instance.meter.errors.get(day, Counter())
    codes = [{"errorCode": code, "count": count} for code, count in sorted(counts.items())]
    return {"date": day.isoformat(), "total": sum(counts.values()), "errors": codes}
