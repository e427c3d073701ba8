"""The fields of a Marketo connection, read and checked in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_marketo.client import limits
from airflow_provider_marketo.client.counts import named_type
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.client.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

log = printable_logger(__name__)

DEFAULT_POOL = "marketo"
DEFAULT_MAX_PARALLEL = limits.OUR_PARALLEL
DEFAULT_RATE_LIMIT = limits.OUR_CALLS
DEFAULT_POLL_INTERVAL = 60.0
DEFAULT_CONNECT_TIMEOUT = 10.0
DEFAULT_DAILY_QUOTA = limits.DAILY_CALLS
DEFAULT_EXPORT_DAILY_MB = limits.DAILY_EXPORT_MB
DEFAULT_RESERVE = 0
CONN_TYPE = "marketo"
COORDINATIONS = ("auto", "host", "redis", "pool")
_LARGEST = 1_000_000_000

INSTANCE_SETTINGS = (
    "pool",
    "max_parallel",
    "rate_limit",
    "daily_quota",
    "export_daily_mb",
    "reserve",
    "export_reserve_mb",
    "coordination",
    "redis_conn_id",
)
"""Fields that belong to the instance: all connections to one instance must have the same values."""

_CLIENT_ID, _SECRET = "login (client id)", "password (client secret)"
_ALIKE = 0.8
_LONGEST_TEXT = 10_000

_PASSWORD_IN_URL = re.compile(r"//[^/@:]*:([^/@]+)@")


@dataclass(frozen=True)
class ConnectionSettings:
    """
    The fields of a Marketo connection, under the names that they have in the connection form.

    ``repr`` shows no text that an admin typed, because it may be a secret in the wrong field; only the id is shown.

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
    :param export_reserve_mb: megabytes of the daily bulk export that tasks with ``daily_export_mb`` leave to others.
    :param coordination: how processes share the limits: ``auto``, ``host``, ``redis`` or ``pool``.
    :param redis_conn_id: id of the Airflow connection to the Redis server, for ``redis``.
    :param poll_interval: seconds between two polls of export jobs; Marketo updates their status once a minute.
    :param connect_timeout: seconds to establish a connection.
    :param read_timeout: seconds for a whole answer, except a file; None uses each operation's own, which is longer than
        Marketo's.
    :param proxy: URL of an HTTP proxy.
    :param ca_bundle: path of a file with certificates to trust.
    :param ui_url: address of Marketo's UI, for links to leads and lists.
    :param hash_secret: key of the digests of ``hash_fields`` and of the evidence of erasures.
    """

    conn_id: str
    host: str = field(repr=False)
    client_id: str = field(repr=False)
    client_secret: Secret
    identity_url: str | None = field(default=None, repr=False)
    partner_id: str | None = field(default=None, repr=False)
    pool: str = field(default=DEFAULT_POOL, repr=False)
    max_parallel: int = DEFAULT_MAX_PARALLEL
    rate_limit: int = DEFAULT_RATE_LIMIT
    daily_quota: int = DEFAULT_DAILY_QUOTA
    export_daily_mb: int = DEFAULT_EXPORT_DAILY_MB
    reserve: int = DEFAULT_RESERVE
    export_reserve_mb: int = DEFAULT_RESERVE
    coordination: str = "auto"
    redis_conn_id: str | None = field(default=None, repr=False)
    poll_interval: float = DEFAULT_POLL_INTERVAL
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT
    read_timeout: float | None = None
    proxy: Secret | None = None
    ca_bundle: str | None = field(default=None, repr=False)
    ui_url: str | None = field(default=None, repr=False)
    hash_secret: Secret | None = None

    def mask(self, mask: Callable[[str], Any]) -> None:
        """
        Mask everything that a log must not show: the secrets, and the password in the proxy URL.

        :param mask: Airflow's ``mask_secret``.
        """
        for secret in filter(None, (self.client_secret, self.hash_secret)):
            mask(secret.reveal())
        mask_proxy(self.proxy, mask)

    def shown(self, name: str) -> str:
        """
        Return a field as ``name=value``, or the name alone if its value may be a secret in the wrong field.

        :param name: name of the field.
        """
        is_shown = next(each.repr for each in fields(self) if each.name == name)
        return f"{name}={getattr(self, name)}" if is_shown else f"another {name}"

    def hash_key(self, fields: Collection[str], *, parameter: str = "hash_fields") -> Secret | None:
        """
        Return the key with which fields are hashed; None if there is neither a field nor a key.

        :param fields: the fields to hash.
        :param parameter: argument that names them.
        :raises MarketoInvalidRequestError: there are fields and no key. Digests without a key are reversible: there are
            few enough e-mail addresses and ids to try all of them.
        """
        if fields and self.hash_secret is None:
            raise MarketoInvalidRequestError(
                f"connection {self.conn_id} has no hash_secret, which is needed to hash {', '.join(fields)}",
                parameter=parameter,
                remedy="Add the extra hash_secret to the connection: a long random text that never changes.",
            )
        return self.hash_secret

    @classmethod
    def from_connection(cls, connection: Any) -> ConnectionSettings:
        """
        Read an Airflow connection.

        :param connection: an Airflow connection.
        :raises MarketoInvalidRequestError: a field is missing or out of range; the message names it.
        """
        conn_type, host, port = getattr(connection, "conn_type", None), connection.host, connection.port
        login, password = connection.login, Secret.optional(connection.password)
        reader = FieldReader(connection.conn_id, connection.extra_dejson or {})
        del connection  # a traceback that is recorded with variables would show its password
        reader.refuse_other_extra('{"max_parallel": 8}')
        reader.warn_of_misspelt(tuple(cls.__dataclass_fields__))
        reader.refuse_other_type(conn_type, CONN_TYPE, "Marketo")
        if not host:
            raise reader.refused("host", "is empty", "Enter the instance URL or the Munchkin ID, such as 123-ABC-456.")
        login, password = reader.credentials(login, password, "Copy it from Admin > LaunchPoint > View Details.")
        if port and "://" in host and f":{port}" not in host:
            host = f"{host.rstrip('/')}:{port}"
        coordination, redis_conn_id = reader.choice("coordination", COORDINATIONS), reader.text("redis_conn_id")
        if coordination == "redis" and redis_conn_id is None:
            raise reader.refused("redis_conn_id", "is empty", "coordination=redis needs an Airflow Redis connection.")
        daily_quota = reader.number("daily_quota", int, DEFAULT_DAILY_QUOTA, 1, _LARGEST)
        export_daily_mb = reader.number("export_daily_mb", int, DEFAULT_EXPORT_DAILY_MB, 1, _LARGEST)
        return cls(
            conn_id=reader.conn_id,
            host=host,
            client_id=login,
            client_secret=password,
            identity_url=reader.text("identity_url"),
            partner_id=reader.text("partner_id"),
            pool=reader.text("pool") or DEFAULT_POOL,
            max_parallel=reader.number("max_parallel", int, DEFAULT_MAX_PARALLEL, 1, limits.PARALLEL),
            rate_limit=reader.number("rate_limit", int, DEFAULT_RATE_LIMIT, 1, limits.CALLS),
            daily_quota=daily_quota,
            export_daily_mb=export_daily_mb,
            reserve=reader.number("reserve", int, DEFAULT_RESERVE, 0, daily_quota),
            export_reserve_mb=reader.number("export_reserve_mb", int, DEFAULT_RESERVE, 0, export_daily_mb),
            coordination=coordination,
            redis_conn_id=redis_conn_id,
            poll_interval=reader.number("poll_interval", float, DEFAULT_POLL_INTERVAL, 0.1, 3600),
            connect_timeout=reader.number("connect_timeout", float, DEFAULT_CONNECT_TIMEOUT, 0.1, 300),
            read_timeout=reader.number("read_timeout", float, 0.0, 1, 3600) or None,
            proxy=reader.secret("proxy"),
            ca_bundle=reader.text("ca_bundle"),
            ui_url=reader.text("ui_url"),
            hash_secret=reader.secret("hash_secret"),
        )


def mask_proxy(proxy: Secret | None, mask: Callable[[str], Any]) -> None:
    """
    Mask the password in a proxy's URL, both as the URL spells it and decoded.

    :param proxy: the URL; None for no proxy.
    :param mask: Airflow's ``mask_secret``.
    """
    if proxy and (found := _PASSWORD_IN_URL.search(proxy.reveal())):
        mask(found.group(1))
        mask(unquote(found.group(1)))


@dataclass(frozen=True)
class FieldReader:
    """
    Reads extras: texts from the form, values of any type from a URI or a secrets backend.

    No error quotes the value of a field: people type secrets into the wrong field.
    """

    conn_id: str
    extra: Mapping[str, Any] = field(repr=False)

    def refused(self, name: str, what: str, remedy: str = "") -> MarketoInvalidRequestError:
        """Return the error about a field."""
        return MarketoInvalidRequestError(
            f"connection {self.conn_id}: {name} {what}", parameter=name, remedy=remedy or None
        )

    def refuse_other_extra(self, example: str) -> None:
        """
        Refuse an extra that is not a JSON object.

        :param example: a correct extra.
        """
        if not isinstance(self.extra, Mapping):
            raise self.refused("extra", "is not a JSON object", f"Write it like {example}.")

    def refuse_other_type(self, conn_type: str | None, expected: str, system: str, where: str = "") -> None:
        """
        Refuse a connection of another system, whose password must not be sent to this one.

        :param conn_type: type of the connection; empty where it comes from the environment or a secrets backend.
        :param expected: the type that it should have.
        :param system: what the connection is for.
        :param where: the argument that names the connection, with its preposition.
        """
        if not conn_type or conn_type == expected:
            return
        if conn_type.strip().lower() == expected:
            raise self.refused("conn_type", f"is {conn_type!r}", f"Write it exactly as {expected}.")
        raise self.refused(
            "conn_type",
            f"is {conn_type!r}, and its password is not meant for {system}",
            f"Name a connection of type {expected}{where}.",
        )

    def credentials(self, login: str | None, password: Secret | None, remedy: str) -> tuple[str, Secret]:
        """
        Return the client's id and secret.

        :param login: login of the connection.
        :param password: password of the connection.
        :param remedy: where a person finds them.
        :raises MarketoInvalidRequestError: one is empty, or was copied with other characters around it.
        """
        if not login or not password:
            raise self.refused(_SECRET if login else _CLIENT_ID, "is empty", remedy)
        self._check_copied(_CLIENT_ID, Secret(login))
        self._check_copied(_SECRET, password)
        return login, password

    def _check_copied(self, name: str, value: Secret) -> None:
        """
        Refuse a text that was copied with whitespace, an invisible mark or quotation marks around it.

        :param name: name of the field.
        :param value: the copied text, which is never shown.
        """
        problem = _read_copied(value)
        if problem:
            raise self.refused(name, problem, "Enter it again, without other characters before or after it.")

    def warn_of_misspelt(self, known: Collection[str]) -> None:
        """Warn of unknown extras whose names are almost those of known ones."""
        for name in self.extra:
            near = nearest(str(name), known, likeness=_ALIKE) if name not in known else []
            if near:
                log.warning(
                    "Connection %s: the extra %r is not read. %s", self.conn_id, name, did_you_mean([repr(near[0])])
                )

    def text(self, name: str) -> str | None:
        """Return an extra as a text; None if it is missing, empty, or only whitespace."""
        found, problem = _read_text(self.extra.get(name))
        if problem:
            raise self.refused(name, problem)
        return found

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of an extra: a list, or a text with commas or spaces between them."""
        words, problem = _read_words(self.extra.get(name))
        if problem:
            raise self.refused(name, problem)
        return words

    def secret(self, name: str) -> Secret | None:
        """Return an extra that is a secret."""
        return Secret.optional(self.text(name))

    def matching(self, name: str, pattern: re.Pattern[str], what: str, remedy: str) -> str:
        """Return an extra that must match a pattern."""
        found = Secret(self.text(name) or "")
        if not pattern.fullmatch(found.reveal()):
            raise self.refused(name, what, remedy)
        return found.reveal()

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """Return an extra that must be one of some words. Default: the first of them."""
        given = Secret((self.text(name) or choices[0]).lower())
        if given.reveal() not in choices:
            near = nearest(given.reveal(), choices)
            raise self.refused(
                name, f"is not one of {', '.join(choices)}", did_you_mean([repr(near[0])]) if near else ""
            )
        return given.reveal()

    def number(self, name: str, kind: Callable[[Any], Any], default: Any, lowest: float, highest: float) -> Any:
        """Return a number within bounds."""
        if self.extra.get(name) in (None, ""):
            return default
        number = _read_number(self.extra.get(name), kind, lowest, highest)
        if number is None:
            what = "a whole number" if kind is int else "a number"
            raise self.refused(name, f"is not {what} from {lowest:,} to {highest:,}")
        return number


# The following functions raise nothing, because the frames of an error would hold what was typed.


def _read_copied(value: Secret) -> str:
    """Return what is wrong with a text that was copied from a page; an empty text if nothing is."""
    parts = (("begins", value.reveal()[:1]), ("ends", value.reveal()[-1:]))
    ends = [end for end, part in parts if part.isspace()]
    if ends:
        return f"{' and '.join(ends)} with whitespace"
    if not value.reveal().isprintable():
        return "has a character that cannot be shown"
    return "is in quotation marks" if {part for _, part in parts} in ({'"'}, {"'"}, {"`"}) else ""


def _read_text(value: Any) -> tuple[str | None, str]:
    """Return a value as a text and what is wrong with it; one of the two is empty."""
    if value is None:
        return None, ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None, f"is {named_type(value)} and must be a text"
    found = str(value).strip()
    if not found.isprintable() or len(found) > _LONGEST_TEXT:
        return None, f"has a character that cannot be shown, or more than {_LONGEST_TEXT} characters"
    return found or None, ""


def _read_words(value: Any) -> tuple[tuple[str, ...], str]:
    """Return the words of a value and what is wrong with it; one of the two is empty."""
    if isinstance(value, (list, tuple)):
        words, problem = list(value), ""
    else:
        text, problem = _read_text(value)
        words = re.split(r"[\s,]+", text or "")
    if problem or not all(isinstance(each, str) and each.isprintable() for each in words):
        return (), problem or "is not a list of texts"
    return tuple(dict.fromkeys(each.strip() for each in words if each.strip())), ""


def _read_number(value: Any, kind: Callable[[Any], Any], lowest: float, highest: float) -> Any:
    """Return a value as a number; None if it is not a number within the bounds."""
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        return None
    is_cut = kind is int and isinstance(value, float) and number != value
    return None if is_cut or isinstance(value, bool) or not lowest <= number <= highest else number
