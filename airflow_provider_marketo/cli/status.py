"""``airflow marketo status``: what the page *Marketo* shows, in the terminal (*experimental*)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.airflow_compat import (
    action_cli,
    create_session,
    providers_configuration_loaded,
)
from airflow_provider_marketo.cli.tables import print_facts, print_rows
from airflow_provider_marketo.client.dates import parse_date
from airflow_provider_marketo.status.facts import collect

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping


@action_cli(check_db=False)
@providers_configuration_loaded
def status(args: Namespace) -> None:
    """Print the three sections."""
    with create_session() as session:
        facts = collect(session)
    if args.output == "table":
        _print_tables(facts)
    else:
        print_facts(facts, args.output)


def _print_tables(facts: Mapping[str, Any]) -> None:
    for name, title, rows_of in _TABLES:
        section = facts[name]
        rows = [{"error": section["error"]}] if "error" in section else list(rows_of(section, facts["now"]))
        print(f"{title}: {'' if rows else 'nothing'}")
        if rows:
            print_rows(rows)


def _decisions(needs: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for each in needs["decisions"]:
        yield {
            "unknown whether it ran": each["what"],
            "task": f"{each['dag_id']}.{each['task_id']}" if "dag_id" in each else "",
            "since": each["since"] or "",
            "how to check": each["how_to_check"],
            "then": f"{'answer in Required Actions, or ' if each['asks'] else ''}{each['settle']} --sent or --not-sent",
        }


def _faults(needs: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    return ({"found": each["found"], "what to do": each["remedy"]} for each in needs["faults"])


def _quotas(waits: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for each in waits["connections"]:
        row = {"connection": each["conn_id"], "instance": each.get("instance", "")}
        if "calls" not in each:
            yield row | {"calls left": "not measured", "MB left": "", "starts again": "", "spent": "", "measured": ""}
            continue
        calls, export = each["calls"], each["export_mb"]
        yield row | {
            "calls left": "new day" if each["is_new_day"] else f"{calls['left']} of {calls['quota']}",
            "MB left": f"{export['left']} of {export['quota']}" if export["measured_at"] else "not measured",
            "starts again": each["resets_at"],
            "spent": ", ".join(each["latches"]),
            "measured": _ago(each["measured_at"], now),
        }


def _tasks(waits: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for each in waits["tasks"]:
        yield {
            "task": f"{each['dag_id']}.{each['task_id']}",
            "run": each["run_id"],
            "state": each["state"],
            "pool": each["pool"],
            "since": each["since"] or "",
            "jobs": ", ".join(each["jobs"]),
        }


def _calls(waits: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for connection in waits["connections"]:
        usage = connection.get("usage", {"days": []})
        for day in usage["days"]:
            yield {
                "connection": connection["conn_id"],
                "day": day["date"],
                "all": day["total"],
                "ours": sum(day["by_dag"].values()) + day["ours_otherwise"],
                "by DAG": ", ".join(f"{dag} {calls}" for dag, calls in day["by_dag"].items()),
                "measured": _ago(usage["measured_at"], now),
            }


def _streams(fresh: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for each in fresh["streams"]:
        yield {
            "stream": each["name"],
            "kind": each["kind"],
            "published up to": each["time"],
            "behind now": _span(each["lag_seconds"]),
            "promised": _promise(each),
        }


def _fresh_tables(fresh: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for each in fresh["tables"]:
        yield {
            "table": each["name"],
            "in": each["place"],
            "has all up to": each["time"],
            "behind now": _span(each["lag_seconds"]),
            "promised": _promise(each),
        }


def _exports(waits: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for connection in waits["connections"]:
        for each in connection.get("exports_by_dag", ()):
            yield {
                "connection": connection["conn_id"],
                "DAG": each["dag_id"],
                "MB today": each["mb"],
                "daily_export_mb": "" if each["budget_mb"] is None else each["budget_mb"],
            }


def _assets(fresh: Mapping[str, Any], now: str) -> Iterator[dict[str, Any]]:
    for each in fresh["assets"]:
        yield {"asset": each["uri"], "last event": each["last_event"] or "none", "promised": _promise(each)}


_TABLES = (
    ("needs", "What needs me: decisions", _decisions),
    ("needs", "What needs me: faults", _faults),
    ("waits", "Why does it wait: quotas", _quotas),
    ("waits", "Why does it wait: tasks", _tasks),
    ("waits", "Exports of today by DAG", _exports),
    ("waits", "Calls of seven days", _calls),
    ("fresh", "How fresh: streams and watchers", _streams),
    ("fresh", "How fresh: tables of warehouses", _fresh_tables),
    ("fresh", "How fresh: Airflow assets", _assets),
)


def _promise(row: Mapping[str, Any]) -> str:
    promise = row["promise_seconds"]
    return "" if promise is None else f"{_span(promise)}{', LATE' if row['late'] else ''}"


def _ago(when: str, now: str) -> str:
    return f"{_span((parse_date(now) - parse_date(when)).total_seconds())} ago"


def _span(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
