"""The fields of a Marketo connection, read and checked in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT_POOL = "marketo"
DEFAULT_MAX_PARALLEL = 8
DEFAULT_RATE_LIMIT = 90
DEFAULT_POLL_INTERVAL = 60.0
DEFAULT_CONNECT_TIMEOUT = 10.0
DEFAULT_DAILY_QUOTA = limits.DAILY_CALLS
DEFAULT_EXPORT_DAILY_MB = limits.DAILY_EXPORT_MB
DEFAULT_RESERVE = 0
COORDINATIONS = ("auto", "host", "redis", "pool")
_LARGEST = 1_000_000_000

INSTANCE_SETTINGS = (
    "pool",
    "max_parallel",
    "rate_limit",
    "daily_quota",
    "export_daily_mb",
    "reserve",
    "coordination",
    "redis_conn_id",
)
"""Fields that belong to the instance: all connections to one instance must have the same values."""

_PASSWORD_IN_URL = re.compile(r"//[^/@:]*:([^/@]+)@")


@dataclass(frozen=True)
class ConnectionSettings:
    """
    The fields of a Marketo connection, under the names that they have in the connection form.

    :param conn_id: id of the Airflow connection, for messages.
    :param host: instance URL, with or without ``/rest``, or Munchkin ID.
    :param client_id: the connection's login.
    :param client_secret: the connection's password.
    :param identity_url: identity URL, if it is not ``<host>/identity``.
    :param partner_id: LaunchPoint partner key.
    :param pool: Airflow pool of the tasks that use this instance.
    :param max_parallel: slots of the pool; Marketo answers 10 calls at once.
    :param rate_limit: calls in 20 seconds; Marketo's limit is 100.
    :param daily_quota: calls a day, of all integrations together, from the contract with Adobe.
    :param export_daily_mb: megabytes of bulk export a day, of all integrations together.
    :param reserve: calls of the daily quota that extracts leave to others.
    :param coordination: how processes share the limits: ``auto``, ``host``, ``redis`` or ``pool``.
    :param redis_conn_id: id of the Airflow connection to the Redis server, for ``redis``.
    :param poll_interval: seconds between two polls of export jobs; Marketo updates their status once a minute.
    :param connect_timeout: seconds to establish a connection.
    :param read_timeout: seconds to wait for data; None uses each operation's own, longer than Marketo's timeout.
    :param proxy: URL of an HTTP proxy.
    :param ca_bundle: path of a file with certificates to trust.
    :param ui_url: address of Marketo's UI, for links to leads and lists.
    :param hash_salt: key for ``hash_fields``.
    """

    conn_id: str
    host: str
    client_id: str
    client_secret: str = field(repr=False)
    identity_url: str | None = None
    partner_id: str | None = None
    pool: str = DEFAULT_POOL
    max_parallel: int = DEFAULT_MAX_PARALLEL
    rate_limit: int = DEFAULT_RATE_LIMIT
    daily_quota: int = DEFAULT_DAILY_QUOTA
    export_daily_mb: int = DEFAULT_EXPORT_DAILY_MB
    reserve: int = DEFAULT_RESERVE
    coordination: str = "auto"
    redis_conn_id: str | None = None
    poll_interval: float = DEFAULT_POLL_INTERVAL
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT
    read_timeout: float | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    ui_url: str | None = None
    hash_salt: str | None = field(default=None, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts to mask in logs: the client secret, the salt, and the password in the proxy URL."""
        in_proxy = _PASSWORD_IN_URL.search(self.proxy or "")
        return tuple(filter(None, (self.client_secret, self.hash_salt, in_proxy and in_proxy.group(1))))

    @classmethod
    def from_connection(cls, connection: Any) -> ConnectionSettings:
        """
        Read an Airflow connection.

        :param connection: an Airflow connection.
        :raises MarketoInvalidRequestError: a field is missing or out of range; the message names it.
        """
        extra: Mapping[str, Any] = connection.extra_dejson or {}
        reader = _Reader(connection.conn_id, extra)
        if not connection.host:
            raise reader.refused("host", "is empty", "Enter the instance URL or the Munchkin ID, such as 123-ABC-456.")
        if not connection.login or not connection.password:
            missing = "login (client id)" if not connection.login else "password (client secret)"
            raise reader.refused(missing, "is empty", "Copy it from Admin > LaunchPoint > View Details.")
        host = connection.host
        if connection.port and "://" in host and f":{connection.port}" not in host:
            host = f"{host.rstrip('/')}:{connection.port}"
        coordination, redis_conn_id = reader.choice("coordination", COORDINATIONS), reader.text("redis_conn_id")
        if coordination == "redis" and redis_conn_id is None:
            raise reader.refused("redis_conn_id", "is empty", "coordination=redis needs an Airflow Redis connection.")
        daily_quota = reader.number("daily_quota", int, DEFAULT_DAILY_QUOTA, 1, _LARGEST)
        return cls(
            conn_id=connection.conn_id,
            host=host,
            client_id=connection.login,
            client_secret=connection.password,
            identity_url=reader.text("identity_url"),
            partner_id=reader.text("partner_id"),
            pool=reader.text("pool") or DEFAULT_POOL,
            max_parallel=reader.number("max_parallel", int, DEFAULT_MAX_PARALLEL, 1, limits.PARALLEL),
            rate_limit=reader.number("rate_limit", int, DEFAULT_RATE_LIMIT, 1, limits.CALLS),
            daily_quota=daily_quota,
            export_daily_mb=reader.number("export_daily_mb", int, DEFAULT_EXPORT_DAILY_MB, 1, _LARGEST),
            reserve=reader.number("reserve", int, DEFAULT_RESERVE, 0, daily_quota),
            coordination=coordination,
            redis_conn_id=redis_conn_id,
            poll_interval=reader.number("poll_interval", float, DEFAULT_POLL_INTERVAL, 0.1, 3600),
            connect_timeout=reader.number("connect_timeout", float, DEFAULT_CONNECT_TIMEOUT, 0.1, 300),
            read_timeout=reader.number("read_timeout", float, 0.0, 1, 3600) or None,
            proxy=reader.text("proxy"),
            ca_bundle=reader.text("ca_bundle"),
            ui_url=reader.text("ui_url"),
            hash_salt=reader.text("hash_salt"),
        )


@dataclass(frozen=True)
class _Reader:
    """Reads extras: texts from the form, values of any type from a URI or a secrets backend."""

    conn_id: str
    extra: Mapping[str, Any]

    def refused(self, name: str, what: str, remedy: str = "") -> MarketoInvalidRequestError:
        return MarketoInvalidRequestError(
            f"connection {self.conn_id}: {name} {what}", parameter=name, remedy=remedy or None
        )

    def text(self, name: str) -> str | None:
        value = self.extra.get(name)
        return str(value).strip() or None if value is not None else None

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = (self.text(name) or choices[0]).lower()
        if value not in choices:
            raise self.refused(name, f"is {value!r} and must be one of {', '.join(choices)}")
        return value

    def number(self, name: str, kind: Callable[[Any], Any], default: Any, lowest: float, highest: float) -> Any:
        value = self.extra.get(name)
        if value is None or value == "":
            return default
        try:
            number = kind(value)
        except (TypeError, ValueError):
            raise self.refused(name, f"is not a number: {value!r}") from None
        if not lowest <= number <= highest:
            raise self.refused(name, f"is {number} and must be between {lowest:g} and {highest:g}")
        return number
