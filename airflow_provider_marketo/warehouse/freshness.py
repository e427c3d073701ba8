"""How old the tables of a warehouse are, and whether they are as new as was promised."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.log import Log
from airflow_provider_marketo.warehouse.names import LOADS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Freshness", "check_freshness", "freshness"]


@dataclass(frozen=True)
class Freshness:
    """
    How new a table is.

    :param table: its name.
    :param until: the time up to which Marketo's changes are in it: the end of the newest span, or the time of the
        reading where a list was read.
    :param age: how long ago that is.
    """

    table: str
    until: datetime
    age: timedelta


def freshness(sql_conn_id: str, schema: str | None = None, *, now: datetime | None = None) -> dict[str, Freshness]:
    """
    Return how new each table is, by its name.

    :param sql_conn_id: connection of the database.
    :param schema: where the tables are.
    :param now: the time to compare with; default now.
    """
    moment = now or datetime.now(timezone.utc)
    with closing(connect(sql_conn_id, schema)) as engine:
        if not Log(engine).exists:
            return {}
        found = engine.query(
            "SELECT table_name, MAX(COALESCE(span_end, as_of)) FROM"
            f" {engine.table(LOADS)} GROUP BY table_name ORDER BY table_name"
        )
    return {str(table): _freshness(str(table), until, moment) for table, until in found}


def check_freshness(
    sql_conn_id: str, schema: str | None = None, *, promises: Mapping[str, timedelta], now: datetime | None = None
) -> dict[str, Freshness]:
    """
    Check that tables are as new as was promised.

    :param sql_conn_id: connection of the database.
    :param schema: where the tables are.
    :param promises: the greatest age of each table by its name.
    :param now: the time to compare with; default now.
    :return: how new each table is.
    :raises MarketoInvalidRequestError: no load has made one of the tables.
    :raises MarketoWarehouseError: a table is older than promised; the text has its promise and its age.
    """
    found = freshness(sql_conn_id, schema, now=now)
    missing = [table for table in promises if table not in found]
    if missing:
        raise MarketoInvalidRequestError(
            f"no load has made {', '.join(missing)}",
            parameter="promises",
            remedy=f"The tables are {', '.join(found) or 'none yet'}.",
        )
    late = [
        f"{table} is {_short(found[table].age)} old (it has all up to {iso(found[table].until)}), and"
        f" {_short(promise)} is promised"
        for table, promise in promises.items()
        if found[table].age > promise
    ]
    if late:
        raise MarketoWarehouseError("; ".join(late), remedy="Look at the runs of the DAG that loads these tables.")
    return found


def _freshness(table: str, until: Any, now: datetime) -> Freshness:
    moment = parse_date(until) if isinstance(until, str) else until
    return Freshness(table, moment, now - moment)


def _short(age: timedelta) -> str:
    """Return a duration without fractions of a second."""
    return str(timedelta(seconds=round(age.total_seconds())))
