"""The addresses of a journal: the URL that an admin copies from Adobe's console, and the links of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

import requests

from airflow_provider_marketo.client.endpoint import is_this_machine, origin, parts_of, refuse_plain_http
from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

ADOBE_IMS = "https://ims-na1.adobelogin.com"

_COPY_IT = "Copy it from the event registration in Adobe's Developer Console: Journaling > Unique API endpoint."


@dataclass(frozen=True)
class JournalAddress:
    """
    Where a journal is read.

    :param url: the journal's URL, as Adobe's console shows it. Adobe decides the path.
    :param ims: scheme and host of Adobe's identity service, IMS.
    """

    url: str
    ims: str = ADOBE_IMS

    @classmethod
    def parse(cls, url: str, ims_url: str | None = None) -> JournalAddress:
        """
        Read the addresses.

        :param url: the journal's URL.
        :param ims_url: the identity service. Default: Adobe's, or the simulator if the journal is on this machine.
        :raises MarketoInvalidRequestError: one of the addresses is not a URL, or plain http leads to another machine.
        """
        url = (url or "").strip()
        base = _checked(url, "host", _COPY_IT)
        if not urlsplit(url).path.strip("/"):
            raise MarketoInvalidRequestError(
                "the connection's host is not the URL of a journal: it has no path", parameter="host", remedy=_COPY_IT
            )
        if ims_url:
            remedy = f"Leave it empty for {ADOBE_IMS}."
            return cls(url, _checked(ims_url.strip(), "ims_url", remedy))
        return cls(url, base if is_this_machine(str(urlsplit(url).hostname)) else ADOBE_IMS)

    @property
    def base(self) -> str:
        """Scheme, host and port of the journal."""
        return origin(urlsplit(self.url))

    @property
    def name(self) -> str:
        """The path of the URL. It identifies the journal."""
        return urlsplit(self.url).path.rstrip("/")

    def resolve(self, link: str) -> str:
        """
        Return the URL of a link, which is relative to the journal's host.

        :param link: the link in a ``Link`` header, or one that an earlier run stored.
        :raises MarketoDataError: the link leads to another host, which must not see the token.
        """
        try:
            url = urljoin(self.url, link)
            parts = urlsplit(url)
        except ValueError:
            raise MarketoDataError(
                "the journal links to something that is not a URL",
                operation="journal.read",
                remedy="Check the connection's host and the proxy; if it happens again, ask Adobe's support.",
            ) from None
        if origin(parts) != self.base:
            raise MarketoDataError(
                f"the journal at {urlsplit(self.url).netloc} links to another host, {parts.netloc}, which must not see"
                " the token",
                operation="journal.read",
                remedy="Nothing was sent there. Check the connection's host and the proxy; if that does not help, ask"
                " Adobe's support.",
            )
        return url

    def relative(self, link: str) -> str:
        """Return a link as it is stored: path and query, without the host."""
        parts = urlsplit(self.resolve(link))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def oldest(self) -> str:
        """Return the URL of the oldest events that Adobe still keeps."""
        return self.url

    def since(self, position: str) -> str:
        """
        Return the URL of the events after a position.

        :param position: the position of an event in the journal.
        """
        return self._with(f"since={quote(position, safe='')}")

    def seek(self, back: timedelta) -> str:
        """
        Return the URL of a time. The journal starts at a position near it, so the page may have earlier events.

        :param back: how far before now.
        """
        return self._with(f"seek=-PT{max(1, int(back.total_seconds()))}S")

    def latest(self) -> str:
        """Return the URL of the journal's end. Use it once: its answer links to later events."""
        return self._with("latest=true")

    def _with(self, query: str) -> str:
        return f"{self.url}{'&' if urlsplit(self.url).query else '?'}{query}"


def links_of(headers: Mapping[str, str]) -> dict[str, str]:
    """
    Return the links of an answer by their relation. Several ``Link`` headers come joined by commas.

    :param headers: headers of the answer.
    """
    found = requests.utils.parse_header_links(headers.get("Link", ""))
    return {each["rel"]: each["url"] for each in found if each.get("rel") and each.get("url")}


def _checked(url: str, parameter: str, remedy: str) -> str:
    """Return scheme, host and port of a URL that may see a secret."""
    parts = parts_of(url, parameter, what="a URL such as https://events-va6.adobe.io/...", remedy=remedy)
    refuse_plain_http(parts, parameter)
    return origin(parts)
