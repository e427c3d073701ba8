"""SQLite: for tests and tutorials. Times are texts in UTC, and decimals are texts."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import ConnectionEngine, literal, names, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_marketo.warehouse.rows import DatasetRows

_PATIENCE = 60
"""Seconds to wait for another load to end."""


class Warehouse(ConnectionEngine):
    """Loads into SQLite."""

    name = "sqlite"
    types: ClassVar = {
        types.BOOL: "BOOLEAN",
        types.INT: "BIGINT",
        types.FLOAT: "DOUBLE",
        types.DECIMAL: "DECIMAL_TEXT",
        types.DATE: "DATE_TEXT",
        types.TIMESTAMP: "TIMESTAMP_TEXT",
        types.TEXT: "TEXT",
        types.JSON: "JSON_TEXT",
    }
    most_columns = 1_900
    has_schemas = False
    remedies: ClassVar = {
        "readonly": "Let the user of the worker write to the file of the connection (sql_conn_id), and to its folder.",
        "is full": "Make room on the disk of the file (sql_conn_id), and run the task again.",
        "locked": "Another program writes to the file (sql_conn_id). End it, or give the loads a pool with one slot.",
    }

    def __init__(self, hook: Any, schema: str | None) -> None:
        super().__init__(hook, schema)
        self._connection = hook.get_conn()
        self._connection.isolation_level = None
        self._connection.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000}")

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")

    def rollback(self) -> None:
        with suppress(sqlite3.Error):  # if the connection itself failed, closing it undoes the transaction
            if self._connection.in_transaction:
                self.execute("ROLLBACK")

    def replace_view(self, name: str, query: str) -> bool:
        self.drop_view(name)
        self.execute(f"CREATE VIEW {self.table(name)} AS {query}")
        return True

    def create_schema(self) -> None:
        """SQLite has no schemas; the tables are in the one file."""

    def stage(self, name: str, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> None:
        self.execute(f"CREATE TEMP TABLE {quote(name)} ({names(columns)})")
        insert = f"INSERT INTO {quote(name)} VALUES ({', '.join('?' * len(columns))})"
        for batch in rows.batches():
            self._connection.executemany(insert, zip(*(_plain(column) for column in batch.columns), strict=True))

    def declared_columns(self, table: str) -> dict[str, str]:
        return {str(row[1]): str(row[2]) for row in self.query(f"PRAGMA table_info({quote(table)})")}

    def cast(self, expression: str, kind: str) -> str:
        kinds = {types.BOOL: "INTEGER", types.INT: "INTEGER", types.FLOAT: "REAL"}
        return f"CAST({expression} AS {kinds.get(kind, 'TEXT')})"

    def from_stage(self, expression: str, staged: str, kind: str) -> str:
        same = staged == kind or kind in (types.DECIMAL, types.JSON)
        return expression if same else self.cast(expression, kind)

    def differs(self, one: str, other: str, kind: str) -> str:
        return f"{one} IS NOT {other}"

    def timestamp(self, moment: str | None) -> str:
        if moment is None:
            return "NULL"
        return literal(_text(pa.array([moment]).cast(pa.timestamp("us", "UTC")))[0])

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _plain(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        return _text(column)
    if pa.types.is_decimal(column.type) or pa.types.is_date(column.type):
        return column.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    return column.to_pylist()  # type: ignore[no-any-return]


def _text(column: pa.Array) -> list[str | None]:
    """Return times as texts with microseconds, so that the texts sort in the order of the times."""
    return pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ").to_pylist()  # type: ignore[no-any-return]
