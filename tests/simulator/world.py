"""A small instance that is called without a web server in between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.operation import Operation
from airflow_provider_marketo.simulator import ManualClock, Settings
from airflow_provider_marketo.simulator.call import Call
from airflow_provider_marketo.simulator.gateway import Gateway
from airflow_provider_marketo.simulator.instance import Instance
from airflow_provider_marketo.simulator.reply import Bare, Envelope, Reply
from tests.seed import DATES

BOUNDARY = "a-boundary"
SMALL = Settings(leads=40, activities=120, custom_objects=10, assets=2, limits=False, **DATES)


@dataclass(frozen=True)
class File:
    """A file of a multipart body."""

    content: bytes
    name: str | None = "a.csv"
    content_type: str = "text/csv"


class World:
    """
    A small instance whose time stands still.

    :param folder: directory of its export files.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.instance = Instance(SMALL, self.clock, folder)
        self._gateway = Gateway(self.instance)
        user = SMALL.users[0]
        credentials = {"client_id": user.client_id, "client_secret": user.client_secret}
        granted = self.instance.tokens.grant({"grant_type": "client_credentials", **credentials})
        self._token = granted.body["access_token"]

    def send(self, name: str, parameters: Mapping[str, Any]) -> Reply:
        """Send a call and return the reply."""
        with self._gateway.exchange(encoded(operations.get(name), parameters, self._token)) as reply:
            return reply

    def json(self, operation: str, parameters: Mapping[str, Any]) -> Any:
        """Send a call and return the JSON body of the reply, as a client reads it."""
        reply = self.send(operation, parameters)
        assert isinstance(reply, (Envelope, Bare)), reply
        body = reply.body if isinstance(reply, Bare) else {"result": reply.result, **reply.more}
        return json.loads(json.dumps(body))

    def first(self, operation: str, member: str, /, **parameters: Any) -> Any:
        """Send a call and return a member of its first result."""
        return self.json(operation, parameters)["result"][0][member]


def encoded(operation: Operation, parameters: Mapping[str, Any], token: str) -> Call:
    """Return a call as it is on the wire, whether or not the parameters fit the catalogue."""
    path, query, form, members, whole = operation.path, [], [], {}, None
    parts: list[tuple[str, Any]] = []
    ingestion = operation.area == "ingestion"
    headers = {"x-mkto-user-token": token} if ingestion else {"authorization": f"Bearer {token}"}
    # The headers that every caller of the operation sends.
    headers |= {
        name: str(parameter.default)
        for name, parameter in operation.parameters.items()
        if parameter.place == "header" and parameter.default is not None
    }
    for name, value in parameters.items():
        parameter = operation.parameters[name]
        if parameter.place == "path":
            path = path.replace(f"{{{name}}}", quote(_text(value), safe="") or "%20")
        elif parameter.place == "query":
            repeats = parameter.list_style == "repeat" and isinstance(value, list)
            query += [(name, _text(each)) for each in value] if repeats else [(name, _query(value))]
        elif parameter.place == "header":
            headers[name.lower()] = _text(value)
        elif parameter.place == "form":
            form.append((name, _text(value)))
        elif parameter.place == "part":
            parts.append((name, value))
        elif parameter.place == "json":
            members[name] = value
        else:
            whole = value
    body = b""
    if parts:
        headers["content-type"], body = f"multipart/form-data; boundary={BOUNDARY}", b"".join(_parts(parts))
    elif members or whole is not None:
        headers["content-type"], body = "application/json", json.dumps(members or whole).encode()
    elif form:
        headers["content-type"], body = "application/x-www-form-urlencoded", urlencode(form).encode()
    method = operation.method
    if body and method == "GET":
        method, query = "POST", [*query, ("_method", "GET")]
    return Call(method, path + (f"?{urlencode(query)}" if query else ""), headers, body)


def _query(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parts(parts: Iterable[tuple[str, Any]]) -> Iterable[bytes]:
    for name, value in parts:
        if isinstance(value, File):
            file_name = "" if value.name is None else f'; filename="{value.name}"'
            kind, content = f"\r\nContent-Type: {value.content_type}", value.content
        else:
            file_name, kind, content = "", "", _text(value).encode()
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file_name}{kind}\r\n\r\n'.encode()
        yield content + b"\r\n"
    yield f"--{BOUNDARY}--\r\n".encode()
