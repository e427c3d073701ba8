"""Reads the Marketo connections that a command is about."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_marketo.airflow_compat import Connection, create_session, use_metadata_database
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.finding import ENVIRONMENT, MALFORMED, unreadable
from airflow_provider_marketo.hooks.settings import ConnectionSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

CONN_TYPE = "marketo"


def find_connection(conn_id: str) -> Any:
    """
    Return a connection from the environment, a secrets backend or the metadata database.

    :param conn_id: id of the connection.
    :raises MarketoInvalidRequestError: the connection does not exist.
    """
    use_metadata_database()
    try:
        return Connection.get_connection_from_secrets(conn_id)
    except ValueError:  # its text may hold a part of the secret
        raise MarketoInvalidRequestError(
            f"Airflow cannot read the connection {conn_id}",
            parameter="--conn-id",
            remedy=unreadable(conn_id) or MALFORMED,
        ) from None
    except AirflowNotFoundException:
        raise MarketoInvalidRequestError(
            f"there is no connection {conn_id}",
            parameter="--conn-id",
            remedy=unreadable(conn_id)
            or f"Create it in Admin > Connections, or: airflow connections add {conn_id} --conn-type marketo ...",
        ) from None


def read_settings(conn_ids: Sequence[str] | None) -> list[ConnectionSettings]:
    """
    Return the named connections, followed by all other valid ones, so that contradictions can be found.

    :param conn_ids: ids of connections; None for every connection of type ``marketo`` that can be listed. A secrets
        backend cannot list its connections. If no connection is found elsewhere, ``marketo_default`` is looked up.
    :raises MarketoInvalidRequestError: a named connection does not exist, or one of its fields is wrong.
    """
    known = known_ids()
    named = list(dict.fromkeys(conn_ids or known or ["marketo_default"]))
    settings = [ConnectionSettings.from_connection(find_connection(conn_id)) for conn_id in named]
    for conn_id in known:
        if conn_id not in named:
            with suppress(MarketoInvalidRequestError):
                settings.append(ConnectionSettings.from_connection(find_connection(conn_id)))
    return settings


def known_ids() -> list[str]:
    """Return the ids of the Marketo connections in the environment and the metadata database."""
    named = [name.removeprefix(ENVIRONMENT).lower() for name in os.environ if name.startswith(ENVIRONMENT)]
    ids = []
    for conn_id in sorted(named):
        with suppress(MarketoInvalidRequestError):  # a malformed connection of another type does not matter here
            if find_connection(conn_id).conn_type == CONN_TYPE:
                ids.append(conn_id)
    try:
        with create_session() as session:
            query = select(Connection.conn_id).where(Connection.conn_type == CONN_TYPE).order_by(Connection.conn_id)
            ids += session.scalars(query).all()
    except SQLAlchemyError:  # pools.json can be written on a laptop without a database
        pass
    return list(dict.fromkeys(ids))
