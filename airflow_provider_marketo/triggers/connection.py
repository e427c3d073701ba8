"""
From a connection to Marketo, in a triggerer.

Airflow imports triggers on its event loop, and warns of what holds that up. The client takes longer than a tenth of a
second to import: it is imported where it is used, off the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseHook

from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from airflow_provider_marketo.hooks.marketo import MarketoHook


async def settings_of(marketo_conn_id: str) -> ConnectionSettings:
    """
    The connection as it is set up at present, read without blocking the loop.

    :param marketo_conn_id: id of the connection.
    :raises MarketoInvalidRequestError: a field is missing or out of range.
    """
    return ConnectionSettings.from_connection(await BaseHook.aget_connection(marketo_conn_id))


def hook_of(settings: ConnectionSettings) -> MarketoHook:
    """
    A hook with as many calls at once as a triggerer may have. To be called off the loop.

    :param settings: the connection.
    """
    from airflow_provider_marketo.hooks.marketo import MarketoHook

    parallel = conf.getint("marketo", "triggerer_parallel", fallback=1)
    return MarketoHook(settings.conn_id, parallel=parallel, settings=settings)
