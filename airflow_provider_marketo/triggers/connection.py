"""From a connection to Marketo, in a triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from types import ModuleType


async def settings_of(marketo_conn_id: str) -> ConnectionSettings:
    """
    Read the connection as it is set up now, without blocking the event loop.

    :param marketo_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: a field is missing or out of range.
    """
    return ConnectionSettings.from_connection(await BaseHook.aget_connection(marketo_conn_id))


def off_loop() -> ModuleType:
    """Import what asks Marketo, for a thread: on the event loop the import would hold up every other trigger."""
    from airflow_provider_marketo.triggers import off_loop

    return off_loop
