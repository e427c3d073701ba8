"""DuckDB: a file or MotherDuck. One process at a time may write to a file."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import pyarrow as pa

from airflow_provider_marketo.client.counts import duration
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import ConnectionEngine, literal, names, quote
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.names import LOADS, LOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_marketo.warehouse.rows import DatasetRows

log = printable_logger(__name__)

_PATIENCE, _PAUSE, _LONGEST_PAUSE = 600.0, 0.1, 5.0
"""Seconds to wait until another process has closed the file, and between two tries: ever longer, up to a limit."""

_HOLDER = re.compile(r"held in (.+?)\.?(?: See also|$)")

_CONFLICTS = ("duplicate key", "catalog write-write", "conflict", "could not set lock", "already been committed")


class Warehouse(ConnectionEngine):
    """Loads into DuckDB."""

    name = "duckdb"
    types: ClassVar = {
        types.BOOL: "BOOLEAN",
        types.INT: "BIGINT",
        types.FLOAT: "DOUBLE",
        types.DECIMAL: f"DECIMAL({types.DECIMAL_DIGITS},{types.DECIMAL_SCALE})",
        types.DATE: "DATE",
        types.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
        types.TEXT: "VARCHAR",
        types.JSON: "JSON",
    }
    most_columns = 3_000
    remedies: ClassVar = {
        "read-only": "Take read_only out of the extra of the connection (sql_conn_id).",
        "Out of Memory": "Set a larger memory_limit, or a temp_directory with room, in the extra of the connection"
        " (sql_conn_id).",
        "No space left": "Make room on the disk of the file (sql_conn_id), and run the task again.",
    }
    locks_by_row = True
    ignores_case = True
    _has_index = False

    def __init__(self, hook: Any, schema: str | None) -> None:
        """:raises MarketoInvalidRequestError: the connection names no file."""
        super().__init__(hook, schema or "main")
        if hook.get_database() in ("", ":memory:"):
            raise MarketoInvalidRequestError(
                "the connection names no file, so the database and its tables would be gone when the task ends",
                parameter="sql_conn_id",
                remedy="Set the connection's host to the path of a file.",
            )
        self._connection = _opened(hook)
        self.schema = self._existing(schema or "main")
        self.execute("SET TimeZone = 'UTC'")
        self.execute("SET preserve_insertion_order = false")  # keeping the order would leave the insert to one core

    def _existing(self, schema: str) -> str:
        """Return the name of a schema as it was created: DuckDB ignores case, and its catalog keeps it."""
        found = self.query(
            "SELECT schema_name FROM information_schema.schemata WHERE catalog_name = current_database()"
            f" AND LOWER(schema_name) = LOWER({literal(schema)})"
        )
        return str(found[0][0]) if found else schema

    def create_schema(self) -> None:
        """:raises MarketoInvalidRequestError: schema and file have the same name, and DuckDB cannot tell them apart."""
        database = str(self.query("SELECT current_database()")[0][0])
        if database.lower() == (self.schema or "").lower():
            raise MarketoInvalidRequestError(
                f"the schema {self.schema} has the name of the database's file, and DuckDB cannot tell them apart",
                parameter="schema",
                remedy="Give the schema or the file another name.",
            )
        super().create_schema()

    def rollback(self) -> None:
        with suppress(duckdb.Error):  # no transaction is open
            self.execute("ROLLBACK")

    def stage(self, name: str, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> None:
        renamed = pa.schema([field.with_name(column) for field, column in zip(schema, columns, strict=True)])
        batches = (batch.rename_columns(list(columns)) for batch in rows.batches())
        self._read(
            f"CREATE TEMP TABLE {quote(name)} AS SELECT {names(columns)} FROM marketo_rows",
            pa.RecordBatchReader.from_batches(renamed, batches),
        )

    def append(self, table: str, key: Sequence[str], rows: pa.RecordBatchReader) -> bool:
        target = self.table(table)
        self._read(f"INSERT INTO {target} BY NAME SELECT * FROM marketo_rows", rows)
        keys = f"SELECT DISTINCT {names(key)} FROM {target}"
        ((repeated,),) = self.query(f"SELECT COUNT(*) - (SELECT COUNT(*) FROM ({keys})) FROM {target}")
        if repeated:
            self.execute(f"DELETE FROM {target}")
        return not repeated

    def _read(self, sql: str, rows: pa.RecordBatchReader) -> None:
        """Run a statement that reads rows as ``marketo_rows``."""
        self._connection.register("marketo_rows", rows)
        try:
            self.execute(sql)
        finally:
            with suppress(duckdb.Error):  # a transaction that has failed refuses it, and its first error counts
                self._connection.unregister("marketo_rows")

    def declared_columns(self, table: str) -> dict[str, str]:
        found = self.query(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_catalog = current_database()"
            f" AND LOWER(table_schema) = LOWER({literal(self.schema)}) AND table_name = {literal(table)}"
            " ORDER BY ordinal_position"
        )
        return {str(name): str(kind) for name, kind in found}

    def create_table(self, table: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """
        Create a table. Only tables of the log have an index.

        An index makes merges ten times slower, and a column that it covers cannot be widened.
        """
        self._has_index = table in (LOADS, LOCKS)
        super().create_table(table, columns, key)

    def constraints(self, key: Sequence[str]) -> list[str]:
        return super().constraints(key) if self._has_index else []

    def alter_type(self, table: str, column: str, kind: str) -> bool:
        self.execute(f"ALTER TABLE {self.table(table)} ALTER COLUMN {quote(column)} TYPE {self.types[kind]}")
        return True

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(error, duckdb.Error) and any(word in str(error).lower() for word in _CONFLICTS)


def _opened(hook: Any) -> Any:
    """
    Open the database; wait while another process has it, since one process at a time may write to a file.

    :raises MarketoWarehouseError: another process has the file for too long.
    """
    deadline, pause, known = time.monotonic() + _PATIENCE, _PAUSE, ""
    while True:
        try:
            return hook.get_conn()
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise
            found = _HOLDER.search(str(error))
            holder = found[1] if found else "another process"
            if time.monotonic() > deadline:
                raise MarketoWarehouseError(
                    f"sql_conn_id: the database cannot be reached: {holder} has the file open",
                    remedy="Give all loads into this file one pool with one slot. If that process is not a load, end"
                    " it.",
                ) from error
            if holder != known:
                log.warning("Waiting up to %s for %s, which has the file open", duration(_PATIENCE), holder)
                known = holder
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
