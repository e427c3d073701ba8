"""The ways in which an operator may be given rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.source import Rows, from_files, from_query, from_records
from airflow_provider_marketo.imports.targets import LEAD_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

_WAYS = ("records", "lead_ids", "source", "sql")


def open_rows(arguments: Mapping[str, Any]) -> Rows:
    """
    Open the input, whichever it is.

    :param arguments: of the operator, converted: ``records``, ``lead_ids``, ``source`` with ``source_format``, or
        ``sql`` with ``sql_conn_id`` and ``parameters``.
    :raises MarketoInvalidRequestError: none is given, or more than one.
    """
    given = {name: arguments[name] for name in _WAYS if arguments.get(name) is not None}
    if len(given) != 1:
        raise MarketoInvalidRequestError(
            f"rows come from exactly one place, and {' and '.join(given) or 'none'} is given",
            parameter=next(iter(given), "source"),
        )
    ((way, value),) = given.items()
    if way == "records":
        return from_records(value() if callable(value) else value)
    if way == "lead_ids":
        return from_records({LEAD_ID: lead_id} for lead_id in value)
    if way == "source":
        return from_files(value, arguments.get("source_format"))
    return from_query(_database(arguments.get("sql_conn_id")), value, arguments.get("parameters"))


def _database(conn_id: str | None) -> Any:
    """
    Return the hook of a database.

    :raises MarketoInvalidRequestError: the connection is not one of a database.
    """
    if conn_id is None:
        raise MarketoInvalidRequestError("sql needs the connection of a database", parameter="sql_conn_id")
    hook: Any = BaseHook.get_hook(conn_id)
    if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
        raise MarketoInvalidRequestError(
            f"connection {conn_id} is not one of a database with a DB-API", parameter="sql_conn_id"
        )
    return hook
