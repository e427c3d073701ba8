"""Rows of a query on any database that Airflow has a hook for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.sdk import BaseHook

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest
from airflow_provider_marketo.hooks.databases import UNREACHABLE, saying_plainly
from airflow_provider_marketo.hooks.finding import finding
from airflow_provider_marketo.imports.rows import BATCH_ROWS, Batch, Rows
from airflow_provider_marketo.imports.source import refuse_repeated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

_SAME_NAME = (
    *("databricks", "duckdb", "elasticsearch", "exasol", "jdbc", "mysql", "odbc", "opensearch", "oracle", "pgvector"),
    *("postgres", "presto", "snowflake", "sqlite", "teradata", "trino", "vertica", "ydb"),
)
_PACKAGES: Mapping[str, str] = {
    **{kind: kind for kind in _SAME_NAME},
    "athena": "amazon",
    "cassandra": "apache-cassandra",
    "drill": "apache-drill",
    "druid": "apache-druid",
    "gcpbigquery": "google",
    "gcpcloudsql": "google",
    "gcpcloudsqldb": "google",
    "hive_cli": "apache-hive",
    "hive_metastore": "apache-hive",
    "hiveserver2": "apache-hive",
    "iceberg": "apache-iceberg",
    "impala": "apache-impala",
    "kylin": "apache-kylin",
    "mssql": "microsoft-mssql",
    "pinot": "apache-pinot",
    "redshift": "amazon",
    "spark_sql": "apache-spark",
}
"""
Provider package of each type of database connection, without the prefix that all packages have.

A name is never derived from a type: anybody can publish a package under the name that a misspelt type would give.
"""


def hook_of(conn_id: str | None) -> Any:
    """
    Return the hook of a database.

    :param conn_id: id of its connection.
    :raises MarketoInvalidRequestError: the connection does not lead to a database.
    """
    if conn_id is None:
        raise MarketoInvalidRequestError("sql needs the connection of a database", parameter="sql_conn_id")
    try:
        with finding(conn_id, parameter="sql_conn_id"):
            hook: Any = BaseHook.get_hook(conn_id)
    except AirflowNotFoundException:
        raise  # there is no such connection
    except (AirflowException, ImportError) as error:
        kind = BaseHook.get_connection(conn_id).conn_type or ""
        raise MarketoInvalidRequestError(
            f"connection {conn_id} is of type {kind}, and Airflow has no hook for it ({error})",
            parameter="sql_conn_id",
            remedy=_way_to_hook(kind),
        ) from None
    if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
        raise MarketoInvalidRequestError(
            f"connection {conn_id} does not lead to a database with a DB-API", parameter="sql_conn_id"
        )
    return hook


def _way_to_hook(kind: str) -> str:
    if kind in _PACKAGES:
        package = f"apache-airflow-providers-{_PACKAGES[kind]}"
        return f"Install the provider on every worker: pip install {package}. Then restart Airflow."
    near = nearest(kind, list(_PACKAGES))
    hint = f"{did_you_mean(near)} " if near else ""
    return (
        f"{hint}Correct the connection's type. If it is right, install its Airflow provider on every worker and restart"
        " Airflow."
    )


def from_query(hook: Any, sql: str, parameters: Any = None, *, wanted: Set[str] | None = None) -> Rows:
    """
    Return the rows of a query. If the driver would keep all results on the client, a server-side cursor reads them.

    :param hook: a ``DbApiHook``.
    :param sql: one statement that returns rows.
    :param parameters: values for its placeholders, in the driver's style.
    :param wanted: names of the columns that are used; None for all.
    :raises MarketoInvalidRequestError: the statement is not a query.
    :raises MarketoDatabaseError: the database failed. The error shows no values of parameters or rows.
    """
    with saying_plainly("the database cannot be reached", "sql_conn_id", remedy=UNREACHABLE):
        connection = hook.get_conn()
        cursor = _server_side(connection)
    cursor.arraysize = BATCH_ROWS
    try:
        with saying_plainly("the query failed", "sql", parameters):
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            rows = cursor.fetchmany(BATCH_ROWS)
        # A named cursor of psycopg describes its columns only after the first fetch.
        if cursor.description is None:
            raise MarketoInvalidRequestError("the statement is not a query", parameter="sql", remedy="Give a SELECT.")
        columns = [column[0] for column in cursor.description]
        refuse_repeated("the query", columns, wanted, parameter="sql")
    except BaseException:
        connection.close()
        raise

    def batches(rows: Sequence[Sequence[Any]]) -> Iterator[Batch]:
        try:
            while rows:
                yield Batch.of(list(zip(*rows, strict=True)))
                with saying_plainly("the query failed", "sql", parameters):
                    rows = cursor.fetchmany(BATCH_ROWS)
        finally:
            cursor.close()
            connection.close()

    return Rows(columns, batches(rows))


def _server_side(connection: Any) -> Any:
    driver = type(connection).__module__.partition(".")[0]
    if driver in ("psycopg", "psycopg2"):
        return connection.cursor(name="airflow_marketo")
    if driver in ("MySQLdb", "pymysql"):
        return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    return connection.cursor()
