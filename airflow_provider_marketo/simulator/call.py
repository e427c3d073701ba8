"""A request as the web server reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from airflow_provider_marketo.simulator import bodies

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Call:
    """
    A request as the web server reads it.

    :param method: HTTP verb.
    :param target: path and query, percent-encoded.
    :param headers: headers with names in lower case.
    :param body: all bytes.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without the query."""
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    @cached_property
    def verb(self) -> str:
        """The HTTP verb that the call stands for: ``_method`` in the query of a POST replaces its verb."""
        override = dict(self.query).get("_method") if self.method == "POST" else None
        return self.method if override in (None, "GET") else str(override).upper()

    @cached_property
    def is_query(self) -> bool:
        """Whether this is a query sent as POST."""
        return bodies.is_query(self.method, self.path, self.query, self.headers, self.body)
