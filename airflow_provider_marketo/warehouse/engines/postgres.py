"""PostgreSQL. Rows go in by binary COPY through the ADBC driver. One connection does the whole load."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi

from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import Engine, Row, literal, names, quote
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_marketo.warehouse.rows import DatasetRows

log = printable_logger(__name__)

_SETTINGS = {"lock_timeout": "60s", "default_statistics_target": "10", "work_mem": "64MB", "jit": "off"}
"""
Settings for the transaction of a load: how long it waits for locks, how many rows ``ANALYZE`` reads, and the memory of
a sort. Compilation is off, because it takes longer than it saves.
"""

_PATIENCE, _WAITS = "10min", 6
"""
How long a load waits for another load of its table each time, and how many times before it gives up.

A first load holds its table while it reads files, since it writes rows without staging them. Another load of the table
can do nothing before that, and the log says after each wait which one it waits for.
"""

_STAGE_MEMORY = "64MB"
"""How much memory staged rows may use. A load reads them several times, which is faster from memory."""

_JOINS_THAT_READ_ALL = ("enable_hashjoin", "enable_mergejoin")
_MUCH_LARGER = 5
"""A load looks its rows up one by one if the table is more than this many times as large as the load."""

_LOCK_TIMEOUT = "55P03"
_EXISTS = ("23505", "42701", "42710", "42P06", "42P07")
"""Two loads have made the same object at the same time."""

_CONFLICTS = ("40001", "40P01", _LOCK_TIMEOUT, *_EXISTS, "XX000")
_USED_BY_A_VIEW, _OTHER_COLUMNS, _HAS_DEPENDENTS, _REPEATED_KEY = "0A000", "42P16", "2BP01", "23505"
_JSONB_VERSION = "\x01"
_LONGEST_NAME = 63
_OPTIONS = ("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "connect_timeout", "application_name", "options")


class Warehouse(Engine):
    """Loads into PostgreSQL, 15 and later."""

    name = "postgres"
    types: ClassVar = {
        types.BOOL: "boolean",
        types.INT: "bigint",
        types.FLOAT: "double precision",
        types.DECIMAL: f"numeric({types.DECIMAL_DIGITS},{types.DECIMAL_SCALE})",
        types.DATE: "date",
        types.TIMESTAMP: "timestamp with time zone",
        types.TEXT: "text",
        types.JSON: "jsonb",
    }
    most_columns = 1_590
    remedies: ClassVar = {
        "permission denied to create temporary tables": "Grant the connection's user (sql_conn_id) TEMPORARY on the"
        " database: rows are staged in temporary tables.",
        "permission denied for table": "Tables belong to the user that created them: load with that connection"
        " (sql_conn_id), or grant its user SELECT, INSERT, UPDATE and DELETE on all tables of the schema.",
        "permission denied": "Grant the connection's user (sql_conn_id) CREATE and USAGE on the schema, or name another"
        " schema.",
        "must be owner": "Only the owner can alter a table: load with the connection (sql_conn_id) that created it.",
        "row is too big": "A row must fit into a page of 8 KB: extract fewer fields (fields), or set"
        " max_columns, for example to 400, so that the other fields are members of one column.",
        "index row ": "PostgreSQL takes keys of at most 2,700 bytes: extract without these rows, or load them into"
        " DuckDB.",
        "statement timeout": "The server ends statements of the connection's user (sql_conn_id) too early. Raise its"
        ' statement_timeout, for example by the connection\'s extra {"options": "-c statement_timeout=0"}.',
        "read-only transaction": "The connection (sql_conn_id) leads to a server or a user that may only read: name the"
        " primary server, and a user who may write.",
        "No space left on device": "Make room on the server's disk, and run the task again.",
        "lock timeout": "Another transaction holds the table (sql_conn_id). Wait until it ends, or end it, for"
        " example by pg_terminate_backend(PID), and run the task again.",
    }

    def __init__(self, hook: Any, schema: str | None) -> None:
        super().__init__(hook, schema or "public")
        self._connection = dbapi.connect(_conninfo(hook), autocommit=True)
        self._has_own_name = bool(hook.get_connection(hook.get_conn_id()).extra_dejson.get("application_name"))
        self.execute("SET TIME ZONE 'UTC'")
        with suppress(adbc_driver_manager.Error):  # refused in a pooler's session that has had temporary tables
            self.execute(f"SET temp_buffers = '{_STAGE_MEMORY}'")

    def _execute(self, sql: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.executescript(sql)

    def _query(self, sql: str) -> list[Row]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            found: list[Row] = cursor.fetchall()
            return found

    def begin(self) -> None:
        self.execute("BEGIN")
        for name, value in _SETTINGS.items():
            self.execute(f"SET LOCAL {name} = '{value}'")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(adbc_driver_manager.Error):
            self.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def introduce(self, task: str) -> None:
        if task and not self._has_own_name:
            with suppress(adbc_driver_manager.Error):  # only people need it
                self.execute(f"SET application_name = {literal(task[:_LONGEST_NAME])}")

    def lock(self, table: str) -> None:
        """:raises MarketoWarehouseError: another load keeps the table for too long."""
        name = literal(self.table(table))
        holds = (
            "l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            f" AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended({name}, 0)"
        )
        self.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        for _ in range(_WAITS):
            if holder := self._holders(holds):
                log.info("Another load is at work on %s: waiting for %s", table, holder)
            if self._unless(_LOCK_TIMEOUT, f"SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))"):
                break
        else:
            raise MarketoWarehouseError(
                f"another load has been at work on {table} for too long: {self._holders(holds)}",
                remedy="The transaction was rolled back. Run the task again when that load has ended; if it hangs,"
                " end its session (sql_conn_id) by SELECT pg_terminate_backend(PID).",
            )
        self.execute(f"SET LOCAL lock_timeout = '{_SETTINGS['lock_timeout']}'")

    def _holders(self, condition: str) -> str:
        """Return who holds locks: process, user, application, and since when their transactions run."""
        found = self.query(
            "SELECT DISTINCT a.pid::text, a.usename::text, a.application_name, to_char(a.xact_start,"
            " 'YYYY-MM-DD HH24:MI:SS') FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid"
            f" WHERE l.granted AND l.pid <> pg_backend_pid() AND {condition}"
        )
        return ", ".join(
            f"{name or user or 'a session'} (PID {process}{f', since {start} UTC' if start else ''})"
            for process, user, name, start in found
        )

    def stage(self, name: str, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> None:
        renamed = pa.schema([field.with_name(column) for field, column in zip(schema, columns, strict=True)])
        batches = (batch.rename_columns(list(columns)) for batch in rows.batches())
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(name, pa.RecordBatchReader.from_batches(renamed, batches), mode="create", temporary=True)

    def declared_columns(self, table: str) -> dict[str, str]:
        found = self.query(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
            f" WHERE attrelid = to_regclass({literal(self.table(table))}) AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum"
        )
        return {str(name): str(kind) for name, kind in found}

    def alter_type(self, table: str, column: str, kind: str) -> bool:
        return self._unless(
            _USED_BY_A_VIEW,
            f"ALTER TABLE {self.table(table)} ALTER COLUMN {quote(column)} TYPE {self.types[kind]}"
            f" USING {self.cast(quote(column), kind)}",
        )

    def integer_or_null(self, expression: str) -> str:
        return f"CASE WHEN {expression} ~ '^ *-?[0-9]{{1,18}} *$' THEN CAST({expression} AS bigint) END"

    def replace_view(self, name: str, query: str) -> bool:
        create = f"VIEW {self.table(name)} AS {query}"
        if self._unless(_OTHER_COLUMNS, f"CREATE OR REPLACE {create}"):
            return True
        if not self.drop_view(name):
            return False
        self.execute(f"CREATE {create}")
        return True

    def drop_view(self, name: str) -> bool:
        return self._unless(_HAS_DEPENDENTS, f"DROP VIEW IF EXISTS {self.table(name)}")

    def append(self, table: str, key: Sequence[str], rows: pa.RecordBatchReader) -> bool:
        """Copy the rows, then build the index of the key. That takes half of the time, and detects repeated keys."""
        name = self.table(table)
        ((constraint,),) = self.query(
            f"SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass({literal(name)}) AND contype = 'p'"
        )
        documents = [column for column, kind in self.columns(table).items() if kind == types.JSON]

        def copy() -> None:
            self.statements.append(f"COPY {name} ({names(rows.schema.names)}) FROM STDIN (FORMAT binary)")
            with self._connection.cursor() as cursor:
                cursor.adbc_ingest(table, _as_jsonb(rows, documents), mode="append", db_schema_name=self.schema)

        return self._unless(
            _REPEATED_KEY,
            f"ALTER TABLE {name} DROP CONSTRAINT {quote(constraint)}",
            copy,
            f"ALTER TABLE {name} ADD PRIMARY KEY ({names(key)})",
        )

    def _unless(self, sqlstate: str, *steps: str | Callable[[], None]) -> bool:
        """Run the steps. If one fails with this SQLSTATE, undo them all and return False."""
        self.execute("SAVEPOINT attempt")
        try:
            for step in steps:
                if isinstance(step, str):
                    self.execute(step)
                else:
                    step()
        except adbc_driver_manager.Error as error:
            if error.sqlstate != sqlstate:
                raise
            self.execute("ROLLBACK TO SAVEPOINT attempt")
            return False
        return True

    def analyze(self, name: str, key: Sequence[str]) -> None:
        self.execute(f"ANALYZE {quote(name)} ({names(key)})")

    @contextmanager
    def lookups(self, name: str, table: str) -> Iterator[None]:
        """
        Look rows up by the index if the table is much larger than the load.

        The planner does not know that the keys of a load lie close together. It would read the whole table, which takes
        longer.
        """
        sizes = f"pg_relation_size({literal(quote(name))}), pg_relation_size({literal(self.table(table))})"
        ((rows, all_rows),) = self.query(f"SELECT {sizes}")
        switches = _JOINS_THAT_READ_ALL if rows * _MUCH_LARGER < all_rows else ()
        for switch in switches:
            self.execute(f"SET LOCAL {switch} = off")
        yield
        for switch in switches:
            self.execute(f"RESET {switch}")

    def reason(self, error: Exception) -> str:
        # The driver puts the whole statement before the server's words.
        words = super().reason(error).rpartition("ERROR:")[2].strip()
        if getattr(error, "sqlstate", None) != _LOCK_TIMEOUT:
            return words
        with suppress(adbc_driver_manager.Error):
            tables = "SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            if holders := self._holders(f"l.relation IN ({tables} WHERE nspname = {literal(self.schema)})"):
                return f"{words}; tables of {self.schema} are locked by {holders}"
        return words

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(error, adbc_driver_manager.Error) and error.sqlstate in _CONFLICTS


def _as_jsonb(rows: pa.RecordBatchReader, documents: Sequence[str]) -> pa.RecordBatchReader:
    """Put the version of the format before each document: a binary COPY into a jsonb column requires it."""
    if not documents:
        return rows

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            values = (
                pc.binary_join_element_wise(_JSONB_VERSION, batch.column(name), "")
                if name in documents
                else batch.column(name)
                for name in rows.schema.names
            )
            yield pa.record_batch(list(values), schema=rows.schema)

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _conninfo(hook: Any) -> str:
    """Return libpq's connection string. Its keyword form needs less escaping than a URL, and takes every option."""
    connection = hook.get_connection(hook.get_conn_id())
    extra = connection.extra_dejson
    password = connection.password
    login, port = connection.login, connection.port
    if extra.get("iam"):
        login, password, port = hook.get_iam_token(connection)
    facts = {
        "host": connection.host,
        "port": port,
        "user": login,
        "password": password,
        "dbname": getattr(hook, "database", None) or connection.schema,
        **{name: extra[name] for name in _OPTIONS if extra.get(name)},
    }
    return " ".join(f"{name}={_escaped(value)}" for name, value in facts.items() if value not in (None, ""))


def _escaped(value: Any) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
