"""
The time up to which the tables of a schema are complete: ``_marketo_watermarks``, beside the log of loads.

A load writes one row of the log for each table, even if another of its tables has failed. So the log does not show the
time up to which *all* activities are loaded. This table does: each source has a row, which moves when all tables of the
source are committed.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.dates import iso, parse_date
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import literal
from airflow_provider_marketo.warehouse.engines import connect
from airflow_provider_marketo.warehouse.transactions import repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_marketo.warehouse.engine import Engine

WATERMARKS = "_marketo_watermarks"
_COLUMNS: Mapping[str, str] = {
    "source": types.TEXT,
    "loaded_until": types.TIMESTAMP,
    "dag_id": types.TEXT,
    "run_id": types.TEXT,
    "moved_at": types.TIMESTAMP,
}


def read_watermarks(sql_conn_id: str, schema: str | None) -> dict[str, datetime]:
    """
    Return the time up to which each source is loaded; a source that was never loaded is missing.

    This creates the table if it does not exist, since loads at the same time might create it twice.

    :param sql_conn_id: id of the connection.
    :param schema: schema of the tables; None for the database's default.
    """
    with closing(connect(sql_conn_id, schema)) as engine:
        _create(engine)
        found = engine.query(f"SELECT source, loaded_until FROM {engine.table(WATERMARKS)}")
    return {str(source): parse_date(until) if isinstance(until, str) else _utc(until) for source, until in found}


def move_watermarks(
    sql_conn_id: str, schema: str | None, sources: Iterable[str], until: datetime, task: tuple[str, str]
) -> None:
    """
    Note that sources are loaded up to a time. A watermark never moves back.

    :param sql_conn_id: id of the connection.
    :param schema: schema of the tables; None for the database's default.
    :param sources: names of the sources.
    :param until: first second that is not loaded.
    :param task: ids of DAG and run.
    """
    moved = list(sources)

    def transaction() -> None:
        engine.begin()
        for source in moved:
            _move(engine, source, until, task)
        engine.commit()

    with closing(connect(sql_conn_id, schema)) as engine:
        repeated(engine, transaction, f"the watermarks of {', '.join(moved)}")


def _create(engine: Engine) -> None:
    def define() -> None:
        engine.create_schema()
        if not engine.declared_columns(WATERMARKS):
            engine.create_table(WATERMARKS, _COLUMNS, ("source",))

    def transaction() -> None:
        engine.begin_with(define)
        engine.commit()

    repeated(engine, transaction, f"the list of watermarks, {engine.table(WATERMARKS)}")


def _move(engine: Engine, source: str, until: datetime, task: tuple[str, str]) -> None:
    table, time = engine.table(WATERMARKS), engine.timestamp(iso(until))
    later = engine.query(f"SELECT 1 FROM {table} WHERE source = {literal(source)} AND loaded_until >= {time}")
    if later:
        return
    engine.execute(f"DELETE FROM {table} WHERE source = {literal(source)}")
    now = engine.timestamp(iso(datetime.now(timezone.utc)))
    engine.execute(
        f"INSERT INTO {table} ({', '.join(_COLUMNS)}) VALUES"
        f" ({literal(source)}, {time}, {literal(task[0])}, {literal(task[1])}, {now})"
    )


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
