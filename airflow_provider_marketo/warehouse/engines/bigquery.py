"""
BigQuery, a preview: tested on an emulator, not yet on a real account.

Rows go in as Parquet files by load jobs, which cost nothing, into a table that expires by itself. A load is a session,
as transactions and temporary tables of several statements need one. A transaction cannot create or alter permanent
tables, so a load does that before the transaction.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from airflow.providers.google.cloud.hooks.bigquery import BigQueryHook
from google.api_core.exceptions import GoogleAPIError, NotFound
from google.cloud import bigquery

from airflow_provider_marketo.client.counts import counted
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.databases import without_values
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.engine import Engine, Row, names, quote, rewritten
from airflow_provider_marketo.warehouse.errors import MarketoWarehouseError
from airflow_provider_marketo.warehouse.names import VIEWS
from airflow_provider_marketo.warehouse.parquet import parquet_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from airflow_provider_marketo.warehouse.rows import DatasetRows

_API_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
"""Types of the API that have another name in SQL."""

_CONFLICTS = (
    "concurrent update",
    "already exists",
    "could not serialize",
    "conflict",
    "exceeded rate limits",
    "failed to commit",  # the emulator's words
)

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "`": "\\`", "\n": "\\n", "\r": "\\r"})


class Warehouse(Engine):
    """Loads into BigQuery."""

    name = "bigquery"
    types: ClassVar = {
        types.BOOL: "BOOL",
        types.INT: "INT64",
        types.FLOAT: "FLOAT64",
        types.DECIMAL: "NUMERIC",
        types.DATE: "DATE",
        types.TIMESTAMP: "TIMESTAMP",
        types.TEXT: "STRING",
        types.JSON: "JSON",
    }
    most_columns = 2_000
    """BigQuery takes 10,000 columns, but only statements of a megabyte, which name each column several times."""
    type_without_zone = "TIMESTAMP"
    definitions_commit = True
    pause = 1.0
    remedies: ClassVar = {
        "Access Denied": "Grant the account of the connection (sql_conn_id) the roles BigQuery Job User on the project"
        " and BigQuery Data Editor on the dataset; on the project, if loads are to create the dataset.",
        "billing": "Transactions need a project with billing: the sandbox of BigQuery changes no rows.",
        "Quota exceeded": "Ask for a higher quota, or load less often: BigQuery limits the changes of a table.",
    }

    def __init__(self, hook: Any, schema: str | None) -> None:
        """:raises MarketoInvalidRequestError: no dataset is given, and a connection to BigQuery does not name one."""
        if schema is None:
            raise MarketoInvalidRequestError(
                "BigQuery has no dataset by default", parameter="schema", remedy="Name the dataset, such as marketo."
            )
        # A connection of the type google_cloud_platform gives a hook that knows nothing of BigQuery.
        super().__init__(BigQueryHook(gcp_conn_id=hook.gcp_conn_id, use_legacy_sql=False), schema)
        self._project = self.hook.project_id
        self._client = self.hook.get_client(project_id=self._project)
        self._session: str | None = None
        self._in_transaction = False
        self._stage = f"_marketo_stage_{uuid4().hex[:8]}"
        self._staged_as: str | None = None

    # Statements.

    def written(self, sql: str) -> str:
        return rewritten(sql, name=self._name, text=lambda text: f"'{text.translate(_ESCAPES)}'")

    def _name(self, name: str) -> str:
        written = f"`{name.translate(_ESCAPES)}`"
        # The stage is a table of the dataset: load jobs fill no temporary tables.
        return self.written(self.table(self._stage)) if name == self._staged_as else written

    def _execute(self, sql: str) -> None:
        self._query(sql)

    def _query(self, sql: str) -> list[Row]:
        session = bigquery.ConnectionProperty("session_id", self._session)
        config = bigquery.QueryJobConfig(
            use_legacy_sql=False,
            create_session=self._session is None,
            connection_properties=[] if self._session is None else [session],
        )
        job = self._client.query(sql, job_config=config, location=self._location)
        found = [tuple(row.values()) for row in job.result()]
        self._session = self._session or job.session_info.session_id
        return found

    def begin(self) -> None:
        self.execute("BEGIN TRANSACTION")
        self._in_transaction = True

    def commit(self) -> None:
        if self._in_transaction:  # definitions run outside of one
            self.execute("COMMIT TRANSACTION")
        self._in_transaction = False

    def rollback(self) -> None:
        if self._in_transaction:
            with suppress(GoogleAPIError):
                self.execute("ROLLBACK TRANSACTION")
        self._in_transaction = False

    def close(self) -> None:
        with suppress(GoogleAPIError):  # both end by themselves, a day later
            if self._staged_as:
                self._client.delete_table(self._reference(self._stage), not_found_ok=True)
            if self._session:
                self.query("CALL BQ.ABORT_SESSION()")
        self._client.close()

    # Places.

    @property
    def place(self) -> str:
        return f"bigquery://{self._project}/{self.schema}"

    def table(self, name: str) -> str:
        return f"{quote(self._project)}.{super().table(name)}"

    def _reference(self, table: str) -> bigquery.TableReference:
        return bigquery.DatasetReference(self._project, str(self.schema)).table(table)

    @cached_property
    def _location(self) -> str | None:
        """Where jobs run: where the dataset is, or else the location that the connection names."""
        dataset = self._dataset()
        location: str | None = dataset.location if dataset else self.hook.location
        return location

    def _dataset(self) -> bigquery.Dataset | None:
        with suppress(NotFound):
            return self._client.get_dataset(bigquery.DatasetReference(self._project, str(self.schema)))
        return None

    def create_schema(self) -> None:
        if self._dataset() is None:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(self._project)}.{quote(str(self.schema))}")

    # Tables. The API lists their columns free of charge; each query of INFORMATION_SCHEMA costs something.

    def declared_columns(self, table: str) -> dict[str, str]:
        with suppress(NotFound):
            found = self._client.get_table(self._reference(table)).schema
            return {field.name: _API_TYPES.get(field.field_type, field.field_type) for field in found}
        return {}

    def create_table(self, table: str, columns: Mapping[str, str], key: Sequence[str]) -> None:
        """
        Create a table, and another one beside it that locks it.

        If two transactions change one table, BigQuery ends the later one. If all loads changed one list of locks, a
        load of one table would end the loads of all others.
        """
        super().create_table(table, columns, key)
        if table == VIEWS or not table.startswith("_marketo"):
            self.execute(f"CREATE TABLE IF NOT EXISTS {self._lock_of(table)} AS SELECT 0 AS loads")

    def lock(self, table: str) -> None:
        self.execute(f"UPDATE {self._lock_of(table)} SET loads = loads + 1 WHERE TRUE")

    def _lock_of(self, table: str) -> str:
        return self.table(f"_marketo_lock_{table}")

    def constraints(self, key: Sequence[str]) -> list[str]:
        return [f"PRIMARY KEY ({names(key)}) NOT ENFORCED"] if key else []

    def add_columns(self, table: str, columns: Mapping[str, str]) -> None:
        """Add columns by one statement: BigQuery allows five changes of a table in ten seconds."""
        added = ", ".join(f"ADD COLUMN {quote(name)} {self.types[kind]}" for name, kind in columns.items())
        if added:
            self.execute(f"ALTER TABLE {self.table(table)} {added}")

    def alter_type(self, table: str, column: str, kind: str) -> bool:
        """Widen an integer to a decimal; BigQuery can widen no other column."""
        if kind != types.DECIMAL:
            return False
        self.execute(f"ALTER TABLE {self.table(table)} ALTER COLUMN {quote(column)} SET DATA TYPE {self.types[kind]}")
        return True

    # Rows.

    def stage(self, name: str, rows: DatasetRows, schema: pa.Schema, columns: Sequence[str]) -> None:
        kinds = [self.types[types.type_of(str(field.type)) or types.TEXT] for field in schema]
        listed = ", ".join(f"{quote(column)} {kind}" for column, kind in zip(columns, kinds, strict=True))
        self._staged_as = name
        self.execute(
            f"CREATE OR REPLACE TABLE {quote(name)} ({listed})"
            " OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 DAY))"
        )
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET, write_disposition=bigquery.WriteDisposition.WRITE_APPEND
        )
        loaded = 0
        with tempfile.TemporaryDirectory(prefix="marketo-") as folder:
            for path in parquet_files(Path(folder), rows, schema, columns):
                with path.open("rb") as file:
                    job = self._client.load_table_from_file(
                        file, self._reference(self._stage), job_config=config, location=self._location
                    )
                loaded += job.result().output_rows
        if loaded != rows.read:
            raise MarketoWarehouseError(f"BigQuery loaded {loaded} of {counted(rows.read, 'row')} into its stage")

    def define_temporary(self, name: str, columns: Mapping[str, str]) -> None:
        listed = ", ".join(f"{quote(column)} {self.types[kind]}" for column, kind in columns.items())
        self.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} ({listed})")

    def fill_temporary(self, name: str, query: str) -> None:
        self.execute(f"INSERT INTO {quote(name)} {query}")

    def cast(self, expression: str, kind: str) -> str:
        if kind == types.JSON:  # a number with more digits than a double must not stop the load
            return f"PARSE_JSON({expression}, wide_number_mode => 'round')"
        return super().cast(expression, kind)

    def as_text(self, expression: str, kind: str | None) -> str:
        return f"TO_JSON_STRING({expression})" if kind == types.JSON else super().as_text(expression, kind)

    def differs(self, one: str, other: str, kind: str) -> str:
        if kind == types.JSON:
            one, other = f"TO_JSON_STRING({one})", f"TO_JSON_STRING({other})"
        return super().differs(one, other, kind)

    def without_zone(self, expression: str) -> str:
        return expression  # a TIMESTAMP has no zone, and Fivetran writes this type

    def integer_or_null(self, expression: str) -> str:
        return f"SAFE_CAST({expression} AS {self.types[types.INT]})"

    # Errors.

    def reason(self, error: Exception) -> str:
        # The client repeats the sentence, with the kind of the error before it.
        return without_values(Exception(str(error).partition("; reason:")[0]))

    def is_conflict(self, error: Exception) -> bool:
        return isinstance(error, GoogleAPIError) and any(word in str(error).lower() for word in _CONFLICTS)
