"""How a triggerer gets the settings of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook

from airflow_provider_marketo.client.errors import MarketoError
from airflow_provider_marketo.hooks.finding import MALFORMED, unreadable
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.triggers.poller import run_in_thread

if TYPE_CHECKING:
    from types import ModuleType

    from airflow.sdk import Connection

    from airflow_provider_marketo.hooks.adobe_events import JournalSettings


async def settings_of(marketo_conn_id: str) -> ConnectionSettings:
    """
    Read the connection as it is set up now, without blocking the event loop.

    :param marketo_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: a field is missing or out of range.
    :raises MarketoError: the triggerer finds no such connection.
    """
    return ConnectionSettings.from_connection(await _connection(marketo_conn_id))


async def journal_settings_of(adobe_conn_id: str) -> JournalSettings:
    """
    Read the connection to a journal as it is set up now, without blocking the event loop.

    :param adobe_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: a field is missing or wrong.
    :raises MarketoError: the triggerer finds no such connection.
    """
    connection = await _connection(adobe_conn_id)
    settings: JournalSettings = await run_in_thread(lambda: journal_blocking().read_settings(connection))
    return settings


async def _connection(marketo_conn_id: str) -> Connection:
    try:
        return await BaseHook.aget_connection(marketo_conn_id)
    except (AirflowNotFoundException, ValueError):
        pass
    # `airflow dags test` runs a trigger without an asynchronous way to the metadata database (Airflow 3.3).
    try:
        return await run_in_thread(lambda: BaseHook.get_connection(marketo_conn_id))
    except AirflowNotFoundException:
        raise MarketoError(
            f"the triggerer finds no connection {marketo_conn_id}",
            remedy=unreadable(marketo_conn_id)
            or "Define it where the triggerer also looks: in Admin > Connections, in the secrets backend, or in the"
            " environment of the triggerer.",
        ) from None
    except ValueError:  # its text may hold a part of the secret
        raise MarketoError(
            f"the triggerer cannot read the connection {marketo_conn_id}",
            remedy=unreadable(marketo_conn_id) or MALFORMED,
        ) from None


def blocking() -> ModuleType:
    """Import the module that calls Marketo. Do so in a thread: on the event loop it would delay every other trigger."""
    from airflow_provider_marketo.triggers import blocking

    return blocking


def journal_blocking() -> ModuleType:
    """Import the module that reads a journal. Do so in a thread, as :func:`blocking`."""
    from airflow_provider_marketo.triggers import journal_watch

    return journal_watch
