"""What a prepared request looks like on the wire, read back without the client's help."""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from airflow_provider_marketo.client.operations import PreparedRequest


@dataclass(frozen=True)
class Sent:
    """
    What was sent.

    :param fields: fields of a form or multipart body, by name.
    :param body: the content of a JSON body.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    content_type: str | None
    fields: dict[str, str] = field(default_factory=dict)
    body: Any = None

    def names(self) -> Iterator[tuple[str, str]]:
        """Place and name of everything that is sent, except in the path."""
        yield from (("query", name) for name, _ in self.query)
        yield from (("header", name) for name in self.headers)
        yield from (("body", name) for name in (*self.fields, *(self.body if isinstance(self.body, dict) else ())))


def sent(request: PreparedRequest) -> Sent:
    """The request as ``requests`` would send it."""
    return read(
        requests.Request(
            request.method,
            "https://example.org" + request.path,
            params=list(request.query),
            headers=dict(request.headers),
            json=request.json,
            data=list(request.form) if request.form is not None else None,
            files=list(request.files) if request.files is not None else None,
        ).prepare()
    )


def read(raw: requests.PreparedRequest) -> Sent:
    """Return the parts of a prepared request that ``requests`` sends."""
    url = urlsplit(raw.url)
    content_type = raw.headers.get("Content-Type")
    kind = content_type.partition(";")[0] if content_type else None
    content = raw.body.encode() if isinstance(raw.body, str) else raw.body or b""
    return Sent(
        method=raw.method,
        path=url.path,
        query=parse_qsl(url.query, keep_blank_values=True),
        headers=dict(raw.headers),
        content_type=kind,
        fields=_fields(kind, content_type or "", content),
        body=json.loads(content) if kind == "application/json" else None,
    )


def _fields(kind: str | None, content_type: str, content: bytes) -> dict[str, str]:
    if kind == "application/x-www-form-urlencoded":
        return dict(parse_qsl(content.decode(), keep_blank_values=True))
    if kind == "multipart/form-data":
        message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + content)
        return {_name(part): str(part.get_payload()) for part in message.get_payload() if isinstance(part, Message)}
    return {}


def _name(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))
