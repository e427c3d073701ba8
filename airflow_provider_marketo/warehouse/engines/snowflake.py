"""
Snowflake, a preview: tested on an emulator, not yet on a real account.

Rows go in as Parquet files through a temporary stage of the session. Names are stored in capitals, so that queries need
no quotes. Creating or altering a table ends a transaction in Snowflake, so a load does that before the
transaction.
"""

from __future__ import annotations

import string
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import snowflake.connector

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import Engine, Row, literal, quote, rewritten
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.parquet import parquet_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_provider_marketo.warehouse.rows import DatasetRows

_CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_CONFLICTS = (
    "already exists",
    "conflict",
    "deadlock",
    "lock wait",
    "number of waiters",
    "duplicate key",  # the emulator's words: Snowflake enforces no key
)


class Warehouse(Engine):
    """Loads into Snowflake."""

    name = "snowflake"
    types: ClassVar = {
        types.BOOL: "BOOLEAN",
        types.INT: "NUMBER(38,0)",
        types.FLOAT: "FLOAT",
        types.DECIMAL: f"NUMBER({types.DECIMAL_DIGITS},{types.DECIMAL_SCALE})",
        types.DATE: "DATE",
        types.TIMESTAMP: "TIMESTAMP_TZ",
        types.TEXT: "TEXT",
        types.JSON: "VARIANT",
    }
    most_columns = 2_000
    type_without_zone = "TIMESTAMP_NTZ"
    definitions_commit = True
    locks_by_row = True
    remedies: ClassVar = {
        "Insufficient privileges": "Grant the role of the connection (sql_conn_id) USAGE on the database, and CREATE"
        " TABLE, CREATE STAGE and USAGE on the schema, or name another schema.",
        "No active warehouse": "Name a warehouse in the connection (sql_conn_id), or grant its role USAGE on one.",
        "does not exist or not authorized": "Check database, schema and role of the connection (sql_conn_id).",
    }

    def __init__(self, hook: Any, schema: str | None) -> None:
        super().__init__(hook, schema)
        self._files = f"_marketo_files_{uuid4().hex[:8]}"
        self._connection = hook.get_conn()
        hook.set_autocommit(self._connection, True)  # outside of the transactions that a load begins itself
        if schema is None:
            ((current,),) = self.query("SELECT CURRENT_SCHEMA()")
            self.schema = (current or "public").translate(_SMALL)

    def written(self, sql: str) -> str:
        """Write names in capitals, as Snowflake stores unquoted names, and double each backslash."""
        return rewritten(
            sql,
            name=lambda name: quote(name.translate(_CAPITALS)),
            text=lambda text: literal(text.replace("\\", "\\\\")),
        )

    def _execute(self, sql: str) -> None:
        self._query(sql)

    def _query(self, sql: str) -> list[Row]:
        with self._connection.cursor() as cursor:
            found: list[Row] = cursor.execute(sql).fetchall()
            return found

    def begin(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(snowflake.connector.errors.Error):
            self.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()

    def create_schema(self) -> None:
        # Its name is looked up first: a role may use a schema and not be allowed to create one.
        known = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {_name_as_text(self.schema)}"
        if not self.query(known):
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(str(self.schema))}")
        self.execute(f"USE SCHEMA {quote(str(self.schema))}")

    def stage(self, name: str, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> None:
        kinds = [self.types[types.type_of(str(field.type)) or types.TEXT] for field in schema]
        files = quote(self._files)
        self.execute(
            f"CREATE OR REPLACE TEMPORARY TABLE {quote(name)}"
            f" ({', '.join(f'{quote(column)} {kind}' for column, kind in zip(columns, kinds, strict=True))})"
        )
        self.execute(f"CREATE OR REPLACE TEMPORARY STAGE {files}")
        with tempfile.TemporaryDirectory(prefix="marketo-") as folder:
            for path in parquet_files(Path(folder), rows, schema, columns):
                self.execute(f"PUT 'file://{path}' @{files} AUTO_COMPRESS = FALSE")
        listed = ", ".join(f"$1:{column}::{kind}" for column, kind in zip(columns, kinds, strict=True))
        self.execute(
            f"COPY INTO {quote(name)} FROM (SELECT {listed} FROM @{files})"
            " FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) ON_ERROR = ABORT_STATEMENT"
        )
        ((copied,),) = self.query(f"SELECT COUNT(*) FROM {quote(name)}")
        if copied != rows.read:
            raise MarketoWarehouseError(f"Snowflake copied {copied} of {counted(rows.read, 'row')} from its stage")

    def define_temporary(self, name: str, columns: Mapping[str, str]) -> None:
        listed = ", ".join(f"{quote(column)} {self.types[kind]}" for column, kind in columns.items())
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {quote(name)} ({listed})")

    def fill_temporary(self, name: str, query: str) -> None:
        self.execute(f"INSERT INTO {quote(name)} {query}")

    def declared_columns(self, table: str) -> dict[str, str]:
        found = self.query(
            "SELECT column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns"
            f" WHERE table_schema = {_name_as_text(self.schema)} AND table_name = {_name_as_text(table)}"
            " ORDER BY ordinal_position"
        )
        return {
            str(name).translate(_SMALL): f"{kind}({digits},{scale})" if kind == "NUMBER" else str(kind)
            for name, kind, digits, scale in found
        }

    def cast(self, expression: str, kind: str) -> str:
        return f"PARSE_JSON({expression})" if kind == types.JSON else super().cast(expression, kind)

    def differs(self, one: str, other: str, kind: str) -> str:
        if kind == types.JSON:
            one, other = f"TO_JSON({one})", f"TO_JSON({other})"
        return super().differs(one, other, kind)

    def without_zone(self, expression: str) -> str:
        return f"CAST(CONVERT_TIMEZONE('UTC', {expression}) AS {self.type_without_zone})"

    def integer_or_null(self, expression: str) -> str:
        return f"TRY_CAST({expression} AS {self.types[types.INT]})"

    def is_conflict(self, error: Exception) -> bool:
        return any(word in str(error).lower() for word in _CONFLICTS)


def _name_as_text(name: str | None) -> str:
    return literal((name or "").translate(_CAPITALS))
