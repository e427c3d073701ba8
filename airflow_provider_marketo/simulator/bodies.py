"""Bodies of requests, decoded by their content type: JSON, forms and files."""

from __future__ import annotations

import email.parser
import email.policy
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.request import Upload

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airflow_provider_marketo.client.operation import Operation

    Pairs = Collection[tuple[str, str]]

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_ENCODINGS = {"json": JSON, "form": FORM, "multipart": MULTIPART}
_NO_QUERY_AS_POST = "/rest/asset/"


@dataclass
class Body:
    """
    The decoded body of a request.

    :param kind: content type without parameters; empty without a body.
    :param pairs: fields of a form, and parts of a multipart body that are not files.
    :param files: files of a multipart body.
    :param json: value of a JSON body; None without one.
    """

    kind: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, Upload] = field(default_factory=dict)
    json: Any = None


def is_query(method: str, path: str, query: Pairs, headers: Mapping[str, str], content: bytes) -> bool:
    """
    Tell whether a POST stands for a GET whose URI would be too long. Marketo asset calls do not take that.

    Adobe specifies ``_method=GET`` in the query; widely used clients send it in the form.
    """
    if method != "POST" or path.startswith(_NO_QUERY_AS_POST):
        return False
    in_form = headers.get("content-type", "").startswith(FORM) and b"_method=GET" in content.split(b"&")
    return in_form or ("_method", "GET") in query


def read_body(operation: Operation, headers: Mapping[str, str], content: bytes, as_query: bool) -> Body:
    """
    Decode a body.

    :param as_query: whether this is a query sent as POST: a form or, for compound keys, JSON.
    :raises ApiError: 612 for a content type that the operation does not take, 609 for bad JSON, 613 for bad parts.
    """
    if not content:
        return Body()
    declared = headers.get("content-type", "")
    kind = declared.partition(";")[0].strip().lower()
    wanted = (JSON, FORM) if as_query else (_ENCODINGS.get(operation.encoding, ""),)
    if kind not in wanted:
        if operation.encoding == "none" and not as_query:
            # Parameters of the query may come in a form, as some samples of Adobe send them.
            return Body(kind, pairs=_decoded_pairs(content) if kind == FORM else [])
        raise ApiError("612")
    if kind == JSON:
        return Body(kind, json=parse_json(content))
    if kind == FORM:
        return Body(kind, pairs=_decoded_pairs(content))
    return _parts(kind, declared, content)


def parse_json(content: bytes) -> Any:
    """
    Return the value of JSON.

    :raises ApiError: 609, it is not JSON, has a key twice, or a number that is too large.
    """
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite
        )
    except (ValueError, RecursionError):
        raise ApiError("609") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ApiError("609", "Duplicate key in JSON object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _decoded_pairs(content: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(content.decode("utf-8"), keep_blank_values=True)
    except UnicodeDecodeError:
        raise ApiError("1003", "The form is not UTF-8") from None


def _parts(kind: str, declared: str, content: bytes) -> Body:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + declared.encode("latin-1", "replace") + b"\r\n\r\n" + content)
    if not message.is_multipart() or message.defects:
        raise ApiError("613")
    body = Body(kind)
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise ApiError("613")
        value = part.get_payload(decode=True)
        data = value if isinstance(value, bytes) else b""
        file_name = part.get_filename()
        if file_name is None:
            body.pairs.append((name, data.decode("utf-8", "replace")))
        else:
            body.files[name] = Upload(file_name, part.get_content_type(), data)
    return body
