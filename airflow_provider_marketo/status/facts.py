"""The facts in three sections: why tasks wait, how fresh the data are, and what needs a person (*experimental*)."""

from __future__ import annotations

import math
import shlex
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.at_most_once.decision import ALIVE, ASKING
from airflow_provider_marketo.at_most_once.entries import PREFIX as ONCE
from airflow_provider_marketo.at_most_once.entries import SETTLED, Entry
from airflow_provider_marketo.at_most_once.how_to_check import how_to_check
from airflow_provider_marketo.client.dates import parse_date, parse_date_or_none
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStateError
from airflow_provider_marketo.client.names import key_part
from airflow_provider_marketo.client.printable import LONGEST, printable, printable_logger
from airflow_provider_marketo.conversions import as_period
from airflow_provider_marketo.hooks.export_account import PREFIX as EXPORTS
from airflow_provider_marketo.hooks.export_account import ExportAccount
from airflow_provider_marketo.hooks.quota import MEGABYTE, Quota
from airflow_provider_marketo.hooks.quota import PREFIX as QUOTA
from airflow_provider_marketo.hooks.usage_history import PREFIX as USAGE
from airflow_provider_marketo.hooks.usage_history import UsageHistory
from airflow_provider_marketo.hooks.variables import TABLES
from airflow_provider_marketo.policy import POOLS_VARIABLE
from airflow_provider_marketo.status.database import Snapshot
from airflow_provider_marketo.streams.position import PREFIX as POSITION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

log = printable_logger(__name__)

PROMISES = "marketo_promises"
"""Variable in which people say how old a stream, a watcher, a table or an Airflow asset may be, by its name."""

VERSION = 1
"""Version of the form of the facts."""


def collect(session: Any, *, dag_ids: Collection[str] | None = None, now: datetime | None = None) -> dict[str, Any]:
    """
    Return everything that Airflow's database knows about Marketo, as plain JSON.

    A section that fails has the reason in ``error``; the other sections are still complete.

    :param session: a session of Airflow's database.
    :param dag_ids: the DAGs that the reader may see; None for all. Calls of others are counted together.
    :param now: the time, aware.
    """
    at = now or datetime.now(timezone.utc)
    may_see = _sees(dag_ids)
    known = Snapshot(session, (QUOTA, USAGE, EXPORTS, POSITION, TABLES), (PROMISES, POOLS_VARIABLE))
    sections: dict[str, Callable[[], dict[str, Any]]] = {
        "waits": lambda: _waits(known, may_see, at),
        "fresh": lambda: _fresh(known, may_see, at),
        "needs": lambda: _needs(known, may_see),
    }
    facts: dict[str, Any] = {name: _plain(_safely(name, section)) for name, section in sections.items()}
    return {"version": VERSION, "now": at.isoformat(timespec="seconds")} | facts


def _plain(value: Any) -> Any:
    """
    Return facts that a browser and a terminal can show unchanged: printable texts of a bounded size, finite numbers.

    Names of assets, runs and Variables come from Marketo and from the authors of Variables. A mark that turns the
    direction of writing would change the rest of its line, and JSON has no number for infinity.
    """
    if isinstance(value, dict):
        return {printable(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return value if value.isprintable() and len(value) <= LONGEST else printable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sees(dag_ids: Collection[str] | None) -> Callable[[str], bool]:
    known = None if dag_ids is None else frozenset(dag_ids)
    return lambda dag_id: known is None or dag_id in known


def _safely(name: str, section: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return section()
    except Exception as error:  # noqa: BLE001 - one section must not take the others with it
        log.warning("The section %s of Marketo's status cannot be read: %s", name, error)
        return {"error": f"This section cannot be read ({type(error).__name__}). The log says more."}


def _waits(known: Snapshot, may_see: Callable[[str], bool], now: datetime) -> dict[str, Any]:
    names = [name for prefix in (QUOTA, USAGE, EXPORTS) for name in known.texts(prefix)]
    stored = {name: value for prefix in (QUOTA, USAGE, EXPORTS) for name, value in known.values(prefix).items()}
    # A connection of the environment or a secrets backend shows only in its Variables.
    ids = {name.removeprefix(QUOTA).removeprefix(USAGE).removeprefix(EXPORTS): "" for name in names}
    ids |= {key_part(conn_id): conn_id for conn_id in known.connection_ids}
    connections = [
        {"conn_id": conn_id or part}
        | _quota_facts(stored.get(QUOTA + part), now)
        | _usage_facts(stored.get(USAGE + part), known.pools, may_see)
        | _export_facts(stored.get(EXPORTS + part), may_see, now)
        for part, conn_id in sorted(ids.items())
    ]
    tasks = [task for task in known.unfinished_tasks if may_see(task["dag_id"])]
    return {"connections": connections, "tasks": tasks}


def _quota_facts(stored: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    try:
        known = Quota.from_dict(stored or {})
        return {
            "instance": known.instance,
            "measured_at": known.measured_at,
            "resets_at": known.resets_at,
            "is_new_day": now >= parse_date(known.resets_at),
            "calls": {"used": known.used, "left": known.calls_left, "quota": known.quota, "reserve": known.reserve},
            "export_mb": {
                "used": round(known.exported_bytes / MEGABYTE, 1),
                "left": round(known.export_mb_left, 1),
                "quota": round(known.export_quota_bytes / MEGABYTE, 1),
                "measured_at": known.exports_measured_at,
            },
            "latches": {name: until for name, until in known.latches.items() if parse_date(until) > now},
        }
    except (TypeError, ValueError, KeyError):
        return {}


def _usage_facts(
    stored: Mapping[str, Any] | None, pools: Mapping[str, Mapping[str, int]], may_see: Callable[[str], bool]
) -> dict[str, Any]:
    try:
        history = UsageHistory.from_dict(stored or {})
    except ValueError:
        return {}
    pool = pools.get(history.pool)
    return {
        "instance": history.instance,
        "usage": {
            "measured_at": history.measured_at,
            "days": [_day(day, may_see) for day in history.days],
            "errors": dict(history.errors),
        },
        "coordination": {"mode": history.coordination, "reason": history.reason},
        # The name of a pool that does not exist is any text that a person typed into the connection.
        "pool": {"name": history.pool, **pool} if pool else {"name": "", "slots": 0, "taken": 0},
    }


def _export_facts(stored: Mapping[str, Any] | None, may_see: Callable[[str], bool], now: datetime) -> dict[str, Any]:
    """Return what each DAG has exported today, and its daily budget if it has one."""
    try:
        account = ExportAccount.from_dict(stored or {}).at(now)
    except ValueError:
        return {}
    spent = account.spent_by_dag()
    rows = [
        {
            "dag_id": dag_id,
            "mb": round(spent.get(dag_id, 0) / MEGABYTE, 1),
            "budget_mb": account.budgets[dag_id].mb if dag_id in account.budgets else None,
        }
        for dag_id in sorted({*spent, *account.budgets})
        if may_see(dag_id)
    ]
    return {"exports_by_dag": rows} if rows else {}


def _day(day: Any, may_see: Callable[[str], bool]) -> dict[str, Any]:
    by_dag = {dag_id: calls for dag_id, calls in day.by_dag.items() if may_see(dag_id)}
    return {
        "date": day.date,
        "total": day.total,
        "by_dag": by_dag,
        "ours_otherwise": max(0, day.ours - sum(by_dag.values())),
        "others": dict(day.others),
    }


def _fresh(known: Snapshot, may_see: Callable[[str], bool], now: datetime) -> dict[str, Any]:
    found: dict[str, Mapping[str, Any]] = {}
    for key, position in [*known.values(POSITION).items(), *known.asset_positions(POSITION)]:
        # Where several stores have a position, the latest counts.
        time = parse_date_or_none(str(position.get("time")))
        if time is not None and (key not in found or time > parse_date(str(found[key]["time"]))):
            found[key] = position
    promises, _ = _promises(known)
    streams = [_stream(key.removeprefix(POSITION), position, now) for key, position in sorted(found.items())]
    assets = [
        each | {"lag_seconds": _lag(each["last_event"], now) if each["last_event"] else None}
        for each in known.asset_events
    ]
    return {
        "streams": [each | _kept(promises, each["lag_seconds"], each["name"]) for each in streams],
        "tables": [
            each | _kept(promises, each["lag_seconds"], each["name"], f"{each['place']}/{each['name']}")
            for each in _tables(known, may_see, now)
        ],
        "assets": [each | _kept(promises, each["lag_seconds"], each["uri"]) for each in assets],
    }


def _promises(known: Snapshot) -> tuple[dict[str, float], list[str]]:
    """Return the promised age in seconds by name, and the names whose promise cannot be read."""
    stored = known.values(PROMISES).get(PROMISES, {})
    promises, damaged = {}, []
    for name, text in stored.items():
        try:
            promises[str(name)] = as_period(PROMISES, text).total_seconds()
        except MarketoInvalidRequestError:
            damaged.append(str(name))
    return promises, damaged


def _kept(promises: Mapping[str, float], lag: float | None, *names: str) -> dict[str, Any]:
    """Return what is promised under one of the names, and whether the promise is broken."""
    promise = next((promises[name] for name in names if name in promises), None)
    return {"promise_seconds": promise, "late": promise is not None and (lag is None or lag > promise)}


def _lag(time: str, now: datetime) -> int:
    return max(0, round((now - parse_date(time)).total_seconds()))


def _tables(known: Snapshot, may_see: Callable[[str], bool], now: datetime) -> list[dict[str, Any]]:
    found = []
    for _, facts in sorted(known.values(TABLES).items()):
        dag_id, tables = str(facts.get("dag_id", "")), facts.get("tables")
        if not isinstance(tables, dict) or not may_see(dag_id):
            continue
        for name, table in sorted(tables.items()):
            if not isinstance(table, dict):
                continue
            until = parse_date_or_none(str(table.get("until") or table.get("loaded_at")))
            if until is not None:
                found.append(
                    {
                        "name": name,
                        "place": str(facts.get("place", "")),
                        "dag_id": dag_id,
                        "time": until.isoformat(timespec="seconds"),
                        "loaded_at": str(table.get("loaded_at") or ""),
                        "lag_seconds": _lag(until.isoformat(), now),
                    }
                )
    return found


def _stream(name: str, position: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    time = str(position["time"])
    return {
        "name": name,
        "kind": "watcher" if "pending" in position else "stream",
        "instance": str(position.get("instance", "")),
        "time": time,
        "lag_seconds": _lag(time, now),
    }


def _needs(known: Snapshot, may_see: Callable[[str], bool]) -> dict[str, Any]:
    return {"decisions": _decisions(known, may_see), "faults": _faults(known, may_see)}


def _decisions(known: Snapshot, may_see: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Return the requests that may or may not have run."""
    read = {key: _entry(text) for key, text in known.texts(ONCE).items()}
    waiting = {key: entry for key, entry in read.items() if entry and entry.state != SETTLED and may_see(entry.dag_id)}
    now = known.states(map(_instance, waiting.values()))
    found = [
        _decision(key, entry, now.get(_instance(entry)))
        for key, entry in sorted(waiting.items(), key=lambda each: each[1].since)
        if now.get(_instance(entry)) not in ALIVE
    ]
    return found + [_damaged(key) for key, entry in sorted(read.items()) if entry is None]


def _entry(text: str) -> Entry | None:
    try:
        return Entry.from_json(text)
    except MarketoStateError:  # a later release wrote it
        return None


def _decision(key: str, entry: Entry, state: str | None) -> dict[str, Any]:
    return {
        "key": key,
        "what": entry.what,
        "instance": entry.instance,
        "dag_id": entry.dag_id,
        "task_id": entry.task_id,
        "run_id": entry.run_id,
        "map_index": entry.map_index,
        "since": entry.since,
        "reason": entry.reason,
        "how_to_check": how_to_check(entry.operation),
        "asks": state in ASKING,
        "settle": _settle(key),
    }


def _settle(key: str) -> str:
    """Return the command to which ``--sent`` or ``--not-sent`` is added. It is quoted: a key may be any text."""
    return shlex.join(["airflow", "marketo", "ledger", "settle", key])


def _damaged(key: str) -> dict[str, Any]:
    return {
        "key": key,
        "what": "the request of an entry that cannot be read",
        "since": None,
        "how_to_check": "",
        "asks": False,
        "settle": _settle(key),
    }


def _instance(entry: Entry) -> tuple[str, str, str, int]:
    return entry.dag_id, entry.task_id, entry.run_id, entry.map_index


def _faults(known: Snapshot, may_see: Callable[[str], bool]) -> list[dict[str, str]]:
    """Return what is set up wrongly, as far as Airflow's database shows it. ``doctor`` finds more."""
    _, unreadable = _promises(known)
    marked = known.values(POOLS_VARIABLE).get(POOLS_VARIABLE, {})
    tasks = [task for task in known.unfinished_tasks if may_see(task["dag_id"])]
    setup = "Run: airflow marketo setup"
    found = [
        {
            "found": f"The pool {pool} of {conn_id} does not exist: tasks that name it wait for ever.",
            "remedy": setup,
        }
        for conn_id, pool in sorted(marked.items())
        if isinstance(pool, str) and pool not in known.pools
    ]
    found += [
        {
            "found": f"The promise of {name} in the Variable {PROMISES} is not a duration.",
            "remedy": "Write an ISO 8601 duration, such as PT2H.",
        }
        for name in unreadable
    ]
    if not marked and tasks:
        found.append({"found": "No pool of a Marketo connection is known.", "remedy": setup})
    outside = {f"{task['dag_id']}.{task['task_id']}" for task in tasks if task["pool"] not in marked.values()}
    if marked and outside:
        found.append(
            {
                "found": f"These tasks are not in a pool of a Marketo connection: {_some(outside)}.",
                "remedy": "Give them the pool of their connection, or switch [marketo] enforce_pool on.",
            }
        )
    return found


def _some(names: Iterable[str], most: int = 5) -> str:
    known = sorted(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")
