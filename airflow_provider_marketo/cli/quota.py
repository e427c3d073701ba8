"""``airflow marketo quota``: the calls of a week, what is left of today, and this Airflow's share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.airflow_compat import Variable, providers_configuration_loaded
from airflow_provider_marketo.cli.tables import print_facts, print_rows
from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.client.reading import reading
from airflow_provider_marketo.hooks.coordination import choose
from airflow_provider_marketo.hooks.known_connections import find_connection
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.quota import MEGABYTE, Quota, QuotaReader
from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping

_TOP_ERRORS = 10

_LABELS = (
    ("instance", "instance"),
    ("connection", "connection"),
    ("day", "day, US Central time"),
    ("calls_used", "calls made today, by all integrations"),
    ("calls_left", "calls left today"),
    ("calls_left_for_extracts", "calls left today for extracts, without the reserve"),
    ("daily_quota", "calls allowed a day"),
    ("exported_mb", "MB exported today"),
    ("export_mb_left", "MB of export left today"),
    ("spent", "quotas that are spent"),
    ("measured_at", "measured at"),
    ("resets_at", "quotas start again at"),
    ("calls_today", "calls made today by this Airflow"),
)
"""The facts of the table, and their labels."""


@providers_configuration_loaded
def quota(args: Namespace) -> None:
    """Print the quotas of a connection's instance."""
    try:
        settings = ConnectionSettings.from_connection(find_connection(args.conn_id))
        report = _report(settings, refresh=args.refresh)
    except MarketoError as error:
        raise SystemExit(f"airflow marketo quota: {error}") from None
    if args.output == "table":
        _as_table(report)
    else:
        print_facts(report, args.output)


def _report(settings: ConnectionSettings, *, refresh: bool) -> dict[str, Any]:
    hook = MarketoHook(settings.conn_id, settings=settings)
    reader = QuotaReader(hook.client, settings, read=_read, write=_write)
    calls = hook.call("usage.get_weekly_usage").records
    errors = hook.call("usage.get_weekly_errors").records
    with reading("usage.get_weekly_usage"):
        per_user = _calls_per_user(calls)
    with reading("usage.get_weekly_errors"):
        top_errors = _top_errors(errors)
    measured = reader.refresh(exports=True) if refresh else reader.current(exports=True)
    coordination, reason = choose(settings)
    return {
        "instance": measured.instance,
        "connection": settings.conn_id,
        "day": measured.day,
        "left": _left(measured),
        "calls_per_user": per_user,
        "errors_of_7_days": top_errors,
        "our_share": {
            "calls_today": sum(measured.calls_by_dag.values()),
            "calls_today_by_dag": dict(measured.calls_by_dag),
            "calls_in_20_seconds": f"{settings.rate_limit} of {limits.CALLS}",
            "calls_at_once": f"{settings.max_parallel} of {limits.PARALLEL}",
            "coordination": f"{coordination}, because {reason}",
        },
    }


def _left(measured: Quota) -> dict[str, Any]:
    return {
        "calls_used": measured.used,
        "calls_left": measured.calls_left,
        "calls_left_for_extracts": measured.calls_left_for_extracts,
        "daily_quota": measured.quota,
        "exported_mb": round(measured.exported_bytes / MEGABYTE, 1),
        "export_mb_left": round(measured.export_mb_left, 1),
        "spent": dict(measured.latches),
        "measured_at": measured.measured_at,
        "resets_at": measured.resets_at,
    }


def _calls_per_user(days: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for day in days:
        date = str(day.get("date", ""))[:10]
        rows += [
            {"day": date, "user": user.get("userId"), "calls": user.get("count")} for user in day.get("users") or ()
        ]
        rows.append({"day": date, "user": "all", "calls": day.get("total")})
    return rows


def _top_errors(days: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    for day in days:
        for error in day.get("errors") or ():
            counts[str(error.get("errorCode"))] += int(error.get("count") or 0)
    return [{"code": code, "errors": count} for code, count in counts.most_common(_TOP_ERRORS)]


def _as_table(report: Mapping[str, Any]) -> None:
    share = report["our_share"]
    facts = {**report, **report["left"], **share}
    rows_of_facts = [{"fact": label, "value": facts[name]} for name, label in _LABELS if facts[name] not in (None, {})]
    for label, name in (("20 seconds", "calls_in_20_seconds"), ("at once", "calls_at_once")):
        ours, _, marketos = share[name].partition(" of ")
        limit = f"{ours} calls; Marketo allows {marketos}"
        rows_of_facts.append({"fact": f"this Airflow's own limit, {label}", "value": limit})
    rows_of_facts.append({"fact": "how its processes share this limit", "value": share["coordination"]})
    for rows in (
        rows_of_facts,
        report["calls_per_user"],
        [{"dag": dag, "calls today": calls} for dag, calls in share["calls_today_by_dag"].items()],
        report["errors_of_7_days"],
    ):
        if rows:
            print_rows(rows)


def _read(name: str) -> str | None:
    text = Variable.get(name, default_var=None)
    return None if text is None else str(text)


def _write(name: str, text: str, description: str) -> None:
    Variable.set(name, text, description=description)
