"""A Redis client for an Airflow connection. Importing this needs the extra ``redis``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.finding import unreadable

if TYPE_CHECKING:
    from airflow_provider_marketo.hooks.settings import ConnectionSettings

_REQUIREMENTS = ("none", "optional", "required")
_TIMEOUT = 2.0
"""Seconds, for connecting and for each answer. They are few because a Marketo call waits for Redis."""


def redis_client(settings: ConnectionSettings) -> Redis:
    """
    Return a client for the Airflow connection that ``redis_conn_id`` names.

    The connection takes the same extras as with Airflow's own Redis hook: ``db``, and extras whose names begin with
    ``ssl``. As usual in Redis URIs, ``redis://host:6379/1`` names the database 1, and the type ``rediss`` uses TLS.

    :param settings: the Marketo connection.
    :raises MarketoInvalidRequestError: the Redis connection does not exist, or its database is not a number.
    """
    connection = _find_connection(settings)
    try:
        return Redis(
            host=connection.host or "localhost",
            port=connection.port or 6379,
            username=connection.login or None,
            password=connection.password or None,
            db=_database(connection, settings),
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 1),
            **_tls(connection, settings),
        )
    except TypeError:  # the error's text has the name of the extra, and its frames have the value
        pass
    raise _refused(
        settings,
        "an extra that begins with ssl is not an argument of redis.Redis",
        "Compare these extras with the arguments of redis.Redis.",
    )


def _tls(connection: Any, settings: ConnectionSettings) -> dict[str, Any]:
    """Return how the connection is encrypted: its type, and the extras that begin with ``ssl``."""
    extra = _extra(connection, settings)
    wanted = extra.get("ssl_cert_reqs")
    if isinstance(wanted, str) and wanted not in _REQUIREMENTS:
        del wanted
        raise _refused(settings, f"ssl_cert_reqs is not one of {', '.join(_REQUIREMENTS)}", "Correct this extra.")
    given = {name: value for name, value in extra.items() if name.startswith("ssl") and value is not None}
    return {"ssl": connection.conn_type == "rediss"} | given


def _extra(connection: Any, settings: ConnectionSettings) -> Mapping[str, Any]:
    extra = connection.extra_dejson
    if not isinstance(extra, Mapping):
        raise _refused(settings, "its extra is not a JSON object", 'Write it like {"db": 1}.')
    return extra


def _refused(settings: ConnectionSettings, what: str, remedy: str) -> MarketoInvalidRequestError:
    """Return an error about the Redis connection. It quotes no value: a value may be a secret in the wrong field."""
    return MarketoInvalidRequestError(
        f"connection {settings.redis_conn_id}: {what}", parameter="redis_conn_id", remedy=remedy
    )


def _database(connection: Any, settings: ConnectionSettings) -> int:
    """Return the number of the database: the extra ``db``, or the connection's schema."""
    named = str(_extra(connection, settings).get("db") or connection.schema or 0).strip()
    if not (named.isascii() and named.isdecimal()):
        raise _refused(
            settings,
            "the database is not a number",
            'Redis numbers its databases from 0: give the extra {"db": 1}, or redis://host:6379/1.',
        )
    return int(named)


def _find_connection(settings: ConnectionSettings) -> Any:
    assert settings.redis_conn_id is not None
    try:
        return BaseHook.get_connection(settings.redis_conn_id)
    except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
        # Airflow reports a connection that it cannot read as missing. The error's own text may hold a part of a secret.
        remedy = unreadable(settings.redis_conn_id)
        is_missing = isinstance(error, AirflowNotFoundException) and not remedy
        what = (
            "redis_conn_id names a connection that does not exist"
            if is_missing
            else "Airflow cannot read the connection in redis_conn_id"
        )
        raise MarketoInvalidRequestError(
            f"connection {settings.conn_id}: {what} ({type(error).__name__})",
            parameter="redis_conn_id",
            remedy=remedy
            or (
                "Create it as an Airflow connection of type redis, or choose another coordination."
                if is_missing
                else "Check Airflow's API server and the secrets backend, then run the task again."
            ),
        ) from None
