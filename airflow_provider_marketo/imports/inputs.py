"""The ways in which an operator may be given rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.source import Rows, from_files, from_query, from_records


def open_rows(
    *,
    records: Iterable[Mapping[str, Any]] | None = None,
    source: Any = None,
    source_format: str | None = None,
    sql: str | None = None,
    sql_conn_id: str | None = None,
    parameters: Any = None,
) -> Rows:
    """
    The input, whichever it is.

    :raises MarketoInvalidRequestError: none is given, or more than one.
    """
    given = [name for name, value in (("records", records), ("source", source), ("sql", sql)) if value is not None]
    if len(given) != 1:
        raise MarketoInvalidRequestError(
            f"rows come from exactly one place, and {' and '.join(given) if given else 'none'} is given",
            parameter=given[0] if given else "source",
        )
    if records is not None:
        return from_records(records)
    if source is not None:
        return from_files(source, source_format)
    return from_query(_database(sql_conn_id), str(sql), parameters)


def _database(conn_id: str | None) -> Any:
    """
    :raises MarketoInvalidRequestError: the connection is not one of a database.
    """
    from airflow.sdk import BaseHook

    if conn_id is None:
        raise MarketoInvalidRequestError("sql needs the connection of a database", parameter="sql_conn_id")
    hook: Any = BaseHook.get_hook(conn_id)
    if not hasattr(hook, "get_conn") or not hasattr(hook, "get_records"):
        raise MarketoInvalidRequestError(
            f"connection {conn_id} is not one of a database with a DB-API", parameter="sql_conn_id"
        )
    return hook
