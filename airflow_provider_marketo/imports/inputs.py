"""The ways in which an operator may be given rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.sdk import BaseHook

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.suggest import did_you_mean, nearest
from airflow_provider_marketo.hooks.finding import finding
from airflow_provider_marketo.imports.source import Rows, from_files, from_query, from_records
from airflow_provider_marketo.imports.targets import LEAD_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

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
Provider of each type of connection to a database, without the beginning that all have.

A name is never made up from a type: anybody can publish a package under the name that a misspelt type would give.
"""

WAYS = ("records", "lead_ids", "source", "sql")
"""The arguments of which exactly one is given."""


def open_rows(arguments: Mapping[str, Any]) -> Rows:
    """
    Open the input that was given.

    :param arguments: of the operator, converted: ``records``, ``lead_ids``, ``source`` with ``source_format``, or
        ``sql`` with ``sql_conn_id`` and ``parameters``.
    :raises MarketoInvalidRequestError: none is given, or more than one.
    """
    given = {name: arguments[name] for name in WAYS if arguments.get(name) is not None}
    if len(given) != 1:
        raise MarketoInvalidRequestError(
            f"rows come from exactly one place, and {' and '.join(given) or 'none'} is given",
            parameter=next(iter(given), "source"),
        )
    ((way, value),) = given.items()
    if way == "records":
        return from_records(value() if callable(value) else value)
    if way == "lead_ids":
        if arguments.get("lookup_field") is not None:
            raise MarketoInvalidRequestError("lookup_field goes with rows, not with lead_ids", parameter="lookup_field")
        return from_records({LEAD_ID: lead_id} for lead_id in value)
    columns = arguments.get("columns")
    wanted = frozenset(columns) if columns is not None else None
    if way == "source":
        return from_files(value, arguments.get("source_format"), delimiter=arguments.get("delimiter"), wanted=wanted)
    return from_query(_database(arguments.get("sql_conn_id")), value, arguments.get("parameters"), wanted=wanted)


def _database(conn_id: str | None) -> Any:
    """
    Return the hook of a database.

    :raises MarketoInvalidRequestError: the connection is not one of a database.
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
            f"connection {conn_id} is not one of a database with a DB-API", parameter="sql_conn_id"
        )
    return hook


def _way_to_hook(kind: str) -> str:
    if kind in _PACKAGES:
        return f"Install the provider on every worker: pip install apache-airflow-providers-{_PACKAGES[kind]}."
    near = nearest(kind, _PACKAGES)
    return f"{did_you_mean(near)} " * bool(near) + (
        "Correct the connection's type, or install the provider that has it on every worker."
    )
