"""The addresses of an instance, in any form that an admin copies from Marketo's pages."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

_MUNCHKIN = re.compile(r"\d{3}-[A-Z]{3}-\d{3}", re.IGNORECASE)
_PLAIN = re.compile(r"[!-~]+")
"""A URL has neither spaces nor control characters. All names of Marketo's hosts are ASCII."""

_UI = re.compile(r"(app|engage|login|experience)[\w-]*\.(marketo|adobe)\.com")
"""Hosts of Marketo's pages. They answer no calls, but people often copy their addresses from the browser."""

_PATHS_COPIED = ("/rest", "/identity", "/bulk")


_REMEDY = "Copy the endpoint from Admin > Web Services, or give the Munchkin ID, such as 123-ABC-456."


@dataclass(frozen=True)
class Endpoint:
    """
    The addresses of an instance.

    :param base: scheme, host and port of the instance, without a path.
    :param identity: URL of the identity service, up to and including ``/identity``.
    :param instance: the Munchkin ID in capitals, or host and port of a host without one.
    :param ingestion: scheme and host of data ingestion: Adobe's, or the simulator if the host is on this machine.
    """

    base: str
    identity: str
    instance: str
    ingestion: str = "https://mkto-ingestion-api.adobe.io"

    @classmethod
    def parse(cls, host: str, identity_url: str | None = None) -> Endpoint:
        """
        Read the addresses.

        :param host: ``https://123-ABC-456.mktorest.com``, the same with ``/rest``, the bare host, or ``123-ABC-456``.
        :param identity_url: the identity service, when it is not ``<host>/identity``; with or without ``/oauth/token``.
        :raises MarketoInvalidRequestError: the host has another form, or plain http leads to another machine.
        """
        host = (host or "").strip()
        if is_munchkin_id(host.rstrip("/")):
            host = f"https://{host.rstrip('/').lower()}.mktorest.com"
        base = _checked(host if "://" in host else f"https://{host}" if _looks_like_host(host) else "", "host")
        identity = f"{base}/identity"
        if identity_url:
            identity = _checked(identity_url.strip(), "identity_url")
            path = urlsplit(identity_url.strip()).path.rstrip("/").removesuffix("/oauth/token")
            identity += path or "/identity"
        parts = urlsplit(base)
        found = _MUNCHKIN.match(parts.netloc)
        instance = found.group().upper() if found else parts.netloc
        if is_this_machine(str(parts.hostname)):
            return cls(base, identity, instance, ingestion=base)
        return cls(base, identity, instance)


def _looks_like_host(host: str) -> bool:
    """Whether a text without a scheme is a host's name. A single word may be a secret in the wrong field."""
    name = re.split(r"[:/]", host, maxsplit=1)[0]
    return "." in name or "[" in name or is_this_machine(name)


def _checked(url: str, parameter: str) -> str:
    parts = parts_of(
        url,
        parameter,
        what="the URL of a Marketo instance",
        remedy=_REMEDY,
    )
    path = parts.path.rstrip("/")
    if _UI.fullmatch(str(parts.hostname)):
        raise MarketoInvalidRequestError(
            f"the connection's {parameter} is the address of Marketo's web pages, which do not answer API calls",
            parameter=parameter,
            remedy=_REMEDY,
        )
    if parameter == "host" and path and not path.startswith(_PATHS_COPIED):
        raise MarketoInvalidRequestError(
            "the connection's host has a path that no Marketo instance has",
            parameter=parameter,
            remedy="Copy the endpoint from Admin > Web Services; it ends in /rest.",
        )
    refuse_plain_http(parts, parameter)
    return origin(parts)


def parts_of(url: str, parameter: str, *, what: str, remedy: str) -> SplitResult:
    """
    Return the parts of a URL that leads to a host and names no user.

    :param url: a field of a connection.
    :param parameter: its name.
    :param what: what it should be, for the error.
    :param remedy: the way out.
    :raises MarketoInvalidRequestError: the text is not such a URL.
    """
    try:
        parts = urlsplit(url if _PLAIN.fullmatch(url) else "")  # urlsplit drops line breaks
        _ = parts.port
    except ValueError:  # not a valid port or IPv6 address
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.username or parts.password:
        raise MarketoInvalidRequestError(
            f"the connection's {parameter} is not {what}", parameter=parameter, remedy=remedy
        )
    return parts


def refuse_plain_http(parts: SplitResult, parameter: str) -> None:
    """
    Refuse a URL that would send a secret unencrypted over the network.

    :param parts: parts of the URL.
    :param parameter: name of the connection's field.
    :raises MarketoInvalidRequestError: the URL is plain http to another machine.
    """
    if parts.scheme == "http" and not is_this_machine(str(parts.hostname)):
        raise MarketoInvalidRequestError(
            f"the connection's {parameter} uses plain http, which would show the secret to the network",
            parameter=parameter,
            remedy="Use https. Plain http is only for a simulator on this machine.",
        )


def origin(parts: SplitResult) -> str:
    """Return scheme, host and port of a URL."""
    return f"{parts.scheme}://{parts.netloc}"


def is_munchkin_id(text: str) -> bool:
    """Whether a text is a Munchkin ID, such as ``123-ABC-456``, in capitals or not."""
    return _MUNCHKIN.fullmatch(text) is not None


def is_this_machine(hostname: str) -> bool:
    """Whether a host's name or address is the loopback."""
    if hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False
