"""The Marketo connections that a command of an Airflow operator is about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_marketo.airflow_compat import Connection, create_session, use_metadata_database
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.settings import ConnectionSettings

CONN_TYPE = "marketo"
_ENVIRONMENT = "AIRFLOW_CONN_"


def find_connection(conn_id: str) -> Any:
    """
    A connection from wherever Airflow keeps it: environment, secrets backend or metadata database.

    :raises MarketoInvalidRequestError: there is none of this id.
    """
    use_metadata_database()
    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        raise MarketoInvalidRequestError(
            f"there is no connection {conn_id}",
            parameter="--conn-id",
            remedy=f"Create it in Admin > Connections, or: airflow connections add {conn_id} --conn-type marketo ...",
        ) from None


def read_settings(conn_ids: Sequence[str] | None) -> list[ConnectionSettings]:
    """
    The connections named, and all others that can be listed and say nothing wrong: they may contradict each other.

    :param conn_ids: ids; None for every connection of type ``marketo`` that can be listed. A secrets backend cannot
        list, so the default connection is looked up there if nothing else is found.
    :raises MarketoInvalidRequestError: one that was named does not exist, or it says something wrong.
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
    """Ids of the Marketo connections in the environment and the metadata database."""
    named = [name.removeprefix(_ENVIRONMENT).lower() for name in os.environ if name.startswith(_ENVIRONMENT)]
    ids = [conn_id for conn_id in sorted(named) if find_connection(conn_id).conn_type == CONN_TYPE]
    try:
        with create_session() as session:
            query = select(Connection.conn_id).where(Connection.conn_type == CONN_TYPE).order_by(Connection.conn_id)
            ids += session.scalars(query).all()
    except SQLAlchemyError:  # no database here: pools.json can be made on any laptop
        pass
    return list(dict.fromkeys(ids))
