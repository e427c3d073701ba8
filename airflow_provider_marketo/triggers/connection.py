"""From a connection to Marketo, in a triggerer."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseHook

from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.settings import ConnectionSettings


async def settings_of(marketo_conn_id: str) -> ConnectionSettings:
    """
    The connection as it is set up at present, read without blocking the loop.

    :param marketo_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: a field is missing or out of range.
    """
    return ConnectionSettings.from_connection(await BaseHook.aget_connection(marketo_conn_id))


def hook_of(settings: ConnectionSettings) -> MarketoHook:
    """
    A hook with as many calls at once as a triggerer may have.

    :param settings: the connection.
    """
    parallel = conf.getint("marketo", "triggerer_parallel", fallback=1)
    return MarketoHook(settings.conn_id, parallel=parallel, settings=settings)
