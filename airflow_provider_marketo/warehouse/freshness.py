"""How old the tables of a warehouse are, and whether each keeps its promise."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.counts import duration
from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.log import SKIPPED, Log
from airflow_provider_marketo.warehouse.names import LOADS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Freshness", "check_freshness", "freshness"]


@dataclass(frozen=True)
class Freshness:
    """
    How new a table is.

    :param table: name of the table.
    :param until: the time up to which Marketo's changes are in it: the end of the newest span, or the time of the
        reading where a list was read.
    :param age: how long ago that is.
    :param skipped: why the newest run has not read it, if Marketo refused; else None.
    """

    table: str
    until: datetime | None
    age: timedelta | None
    skipped: str | None = None


def freshness(sql_conn_id: str, schema: str | None = None, *, now: datetime | None = None) -> dict[str, Freshness]:
    """
    Return how new each table is, by its name.

    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param now: the time to compare with; default now.
    """
    moment = now or datetime.now(timezone.utc)
    with closing(connect(sql_conn_id, schema)) as engine:
        if not Log(engine).exists:
            return {}
        loads = engine.table(LOADS)
        found = engine.query(
            f"SELECT table_name, MAX(CASE WHEN mode <> '{SKIPPED}' THEN COALESCE(span_end, as_of) END), MAX(as_of)"
            f" FROM {loads} GROUP BY table_name ORDER BY table_name"
        )
        refused = engine.query(f"SELECT table_name, as_of, scope FROM {loads} WHERE mode = '{SKIPPED}' ORDER BY as_of")
    reasons = {(str(table), as_of): json.loads(scope)[SKIPPED][0] for table, as_of, scope in refused}
    return {
        str(table): _freshness(str(table), until, moment, reasons.get((str(table), newest)))
        for table, until, newest in found
    }


def check_freshness(
    sql_conn_id: str, schema: str | None = None, *, promises: Mapping[str, timedelta], now: datetime | None = None
) -> dict[str, Freshness]:
    """
    Check that tables are as new as was promised.

    :param sql_conn_id: connection of the database.
    :param schema: schema of the tables.
    :param promises: the maximum age of each table, by its name.
    :param now: the time to compare with; default now.
    :return: how new each table is.
    :raises MarketoInvalidRequestError: no load has made one of the tables.
    :raises MarketoWarehouseError: a table is older than promised; the text has its promise and its age.
    """
    found = freshness(sql_conn_id, schema, now=now)
    missing = [table for table in promises if table not in found]
    if missing:
        raise MarketoInvalidRequestError(
            f"no load has made the table {' or '.join(missing)}",
            parameter="promises",
            remedy=f"The tables are {', '.join(found)}." if found else "No load has made any table yet.",
        )
    late = [_late(found[table], promise) for table, promise in promises.items() if _is_late(found[table], promise)]
    if late:
        raise MarketoWarehouseError("; ".join(late), remedy="Look at the runs of the DAG that loads these tables.")
    return found


def _freshness(table: str, until: Any, now: datetime, skipped: str | None) -> Freshness:
    moment = parse_date(until) if isinstance(until, str) else until
    return Freshness(table, moment, None if moment is None else now - moment, skipped)


def _is_late(one: Freshness, promise: timedelta) -> bool:
    return one.age is None or one.age > promise


def _late(one: Freshness, promise: timedelta) -> str:
    reason = f"; Marketo refuses it: {one.skipped}" if one.skipped else ""
    if one.age is None or one.until is None:
        return f"{one.table} was never loaded, and {duration(promise)} is promised{reason}"
    return (
        f"{one.table} is {duration(one.age)} old (it has all changes up to {iso(one.until)}),"
        f" and {duration(promise)} is promised{reason}"
    )
