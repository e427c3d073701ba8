"""The engines: what a database needs beyond plain SQL. To add one, add a file here and a row to the table."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.hooks.databases import UNREACHABLE, saying_plainly
from airflow_provider_marketo.hooks.finding import finding

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_marketo.warehouse.engine import Engine

__all__ = ["ENGINES", "EngineRow", "connect", "engine_of"]

log = printable_logger(__name__)


@dataclass(frozen=True)
class EngineRow:
    """
    An engine.

    :param name: name in messages.
    :param module: the file in this folder, which has a class named ``Warehouse``.
    :param extra: the extra of this package that installs what the engine needs.
    :param conn_types: types of Airflow connections that it serves.
    :param status: ``supported``, ``tests and tutorials`` or ``preview``.
    """

    name: str
    module: str
    extra: str
    conn_types: tuple[str, ...]
    status: str = "supported"


PREVIEW = "preview"
"""Status of an engine that was tested only on an emulator."""

ENGINES: tuple[EngineRow, ...] = (
    EngineRow("DuckDB", "duckdb", "duckdb", ("duckdb",)),
    EngineRow("PostgreSQL", "postgres", "postgres", ("postgres",)),
    EngineRow("SQLite", "sqlite", "sqlite", ("sqlite",), status="tests and tutorials"),
    EngineRow("Snowflake", "snowflake", "snowflake", ("snowflake",), status=PREVIEW),
    EngineRow("BigQuery", "bigquery", "bigquery", ("gcpbigquery", "google_cloud_platform"), status=PREVIEW),
)


def engine_of(connection: Connection) -> EngineRow | None:
    """Return the engine for an Airflow connection; None if no engine serves its type."""
    return next((row for row in ENGINES if connection.conn_type in row.conn_types), None)


def connect(sql_conn_id: str, schema: str | None) -> Engine:
    """
    Open a connection of the engine that serves an Airflow connection.

    :param sql_conn_id: id of the connection.
    :param schema: schema of the tables; None for the database's default.
    :raises MarketoInvalidRequestError: no engine serves the connection's type, or its package is not installed.
    :raises MarketoDatabaseError: the database does not answer.
    """
    with finding(sql_conn_id, parameter="sql_conn_id"):
        connection = BaseHook.get_connection(sql_conn_id)
    row = engine_of(connection)
    if row is None:
        known = ", ".join(f"{row.name} (type {', '.join(row.conn_types)}, pip extra {row.extra})" for row in ENGINES)
        raise MarketoInvalidRequestError(
            f"connection {sql_conn_id} has the type {connection.conn_type!r}, for which there is no engine",
            parameter="sql_conn_id",
            remedy=f"Use a connection to {known}.",
        )
    try:
        module = import_module(f"{__name__}.{row.module}")
        hook = connection.get_hook()  # type: ignore[no-untyped-call]
    except ImportError as error:
        raise MarketoInvalidRequestError(
            f"to load into {row.name}, this worker needs a package that it does not have: {error}",
            parameter="sql_conn_id",
            remedy=f"Install airflow-provider-marketo[{row.extra}] on every worker.",
        ) from error
    if row.status == PREVIEW:
        log.warning("Loads into %s are a preview: tested on an emulator, not yet run on a real account", row.name)
    with saying_plainly("the database cannot be reached", "sql_conn_id", remedy=UNREACHABLE):
        engine: Engine = module.Warehouse(hook, schema)
    return engine
