"""The ways in which an operator may be given rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowNotFoundException
from airflow.sdk import BaseHook

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.finding import finding
from airflow_provider_marketo.imports.source import Rows, from_files, from_query, from_records
from airflow_provider_marketo.imports.targets import LEAD_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGES: Mapping[str, str] = {
    "athena": "amazon",
    "drill": "apache-drill",
    "druid": "apache-druid",
    "gcpbigquery": "google",
    "gcpcloudsql": "google",
    "hiveserver2": "apache-hive",
    "impala": "apache-impala",
    "kylin": "apache-kylin",
    "mssql": "microsoft-mssql",
    "pinot": "apache-pinot",
    "redshift": "amazon",
}
"""Types of connection whose provider has another name."""

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
        package = f"apache-airflow-providers-{_PACKAGES.get(kind, kind.replace('_', '-'))}"
        raise MarketoInvalidRequestError(
            f"connection {conn_id} is of type {kind}, and Airflow has no hook for it ({error})",
            parameter="sql_conn_id",
            remedy=f"Install the provider on every worker: pip install {package}.",
        ) from None
    if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
        raise MarketoInvalidRequestError(
            f"connection {conn_id} is not one of a database with a DB-API", parameter="sql_conn_id"
        )
    return hook
