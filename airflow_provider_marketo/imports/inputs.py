"""The arguments through which an operator takes rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.database import from_query, hook_of
from airflow_provider_marketo.imports.source import from_files, from_records
from airflow_provider_marketo.imports.targets import LEAD_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.imports.rows import Rows

WAYS = ("records", "lead_ids", "source", "sql")
"""The arguments that name the input; a task has exactly one of them."""


def open_rows(arguments: Mapping[str, Any]) -> Rows:
    """
    Open the input that was given.

    :param arguments: the operator's arguments, converted: ``records``, ``lead_ids``, ``source`` with ``source_format``,
        or ``sql`` with ``sql_conn_id`` and ``parameters``.
    :raises MarketoInvalidRequestError: the arguments name no input, or more than one.
    """
    given = {name: arguments[name] for name in WAYS if arguments.get(name) is not None}
    if len(given) != 1:
        raise MarketoInvalidRequestError(
            f"rows must come from exactly one argument, and {' and '.join(given) or 'no such argument'} "
            f"{'are' if given else 'is'} given",
            parameter=next(iter(given), "source"),
        )
    ((way, value),) = given.items()
    if way == "records":
        return from_records(value() if callable(value) else value)
    if way == "lead_ids":
        if arguments.get("lookup_field") is not None:
            raise MarketoInvalidRequestError(
                "lookup_field cannot be used with lead_ids, only with rows", parameter="lookup_field"
            )
        return from_records({LEAD_ID: lead_id} for lead_id in value)
    columns = arguments.get("columns")
    wanted = frozenset(columns) if columns is not None else None
    if way == "source":
        return from_files(value, arguments.get("source_format"), delimiter=arguments.get("delimiter"), wanted=wanted)
    return from_query(hook_of(arguments.get("sql_conn_id")), value, arguments.get("parameters"), wanted=wanted)
