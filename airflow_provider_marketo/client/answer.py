"""
Read an HTTP answer: JSON, a file, or the error that it stands for.

An answer may come from a proxy, a captive portal or an attacker. Therefore its size is bounded, every type in it is
checked, and every problem is a typed error.
"""

from __future__ import annotations

import json
import zlib
from datetime import timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

import requests
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ReadTimeoutError

from airflow_provider_marketo.client import codes, errors, meanings
from airflow_provider_marketo.client.packing import packing_of, unpacked
from airflow_provider_marketo.client.records import ReplyRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow_provider_marketo.client.deadline import Deadline
    from airflow_provider_marketo.client.operations import Operation

LARGEST_REPLY = 32 << 20
"""Largest JSON reply, in bytes after decompression. Marketo's largest pages have a few megabytes."""

LARGEST_ERROR = 1 << 20
"""The same for a reply that reports an error."""

_BLOCK = 1 << 20
_BLOCK_TIME = 300.0
"""Seconds in which a block of a file must arrive. A file may have any size, so its whole time has no bound."""

_SNIFF = 4096
_TOKEN_HEADERS = ("Authorization", "X-Mkto-User-Token")
_SECRET_NAME = "client_secret"
_SHORTEST_SECRET = 8
"""Characters. Adobe's secrets and tokens are longer, and a shorter text may be an ordinary word of an answer."""

_PLAIN_RESULTS = frozenset({"custom_object_schema.get_type_field_data_types"})
"""Operations whose result is a list of texts. All other results are objects."""


_NEVER_THERE: Mapping[str, tuple[str, str]] = {
    "ProxyError": (
        "no connection through the proxy",
        "Check the connection's proxy, or the worker's HTTPS_PROXY and NO_PROXY.",
    ),
    "SSLError": (
        "the certificate is not trusted, or TLS failed",
        "Check the connection's host; behind a proxy that opens TLS, name its certificate in the extra ca_bundle.",
    ),
    "NameResolutionError": (
        "there is no such host",
        "Check the connection's host, such as the Munchkin ID in it, then the DNS of the worker.",
    ),
    "NewConnectionError": (
        "nothing listens there, or there is no route",
        "Check the connection's host, the proxy and the network of the worker.",
    ),
    "ConnectTimeoutError": (
        "no answer",
        "Check that the worker's firewall allows the connection, and whether the worker needs a proxy.",
    ),
    "ConnectTimeout": (
        "no answer",
        "Check that the worker's firewall allows the connection, and whether the worker needs a proxy.",
    ),
    "InvalidSchema": (
        "a SOCKS proxy needs the package PySocks",
        "Install it on every worker and triggerer (pip install PySocks), or name an HTTP proxy.",
    ),
    "ValueError": (
        "an address is not a URL",
        "Check the connection's host, identity_url and proxy, and the worker's HTTPS_PROXY.",
    ),
}
"""
By exception of ``requests`` or ``urllib3``: why a connection was never made, and what to do about it. The first name
that fits counts, and a name also fits subclasses.
"""


def unreachable(operation: str, error: Exception, host: str) -> errors.MarketoError:
    """
    Distinguish a connection that was never made (nothing ran) from a broken one (the request may have run).

    :param operation: the operation's name.
    :param error: what ``requests`` raised.
    :param host: the host that was called.
    """
    if type(error) is OSError and error.errno is None:  # requests cannot find its certificates
        return errors.MarketoConnectionError(
            f"cannot connect to {host} (the file of trusted certificates is missing)",
            operation=operation,
            remedy="Check the connection's ca_bundle, and the worker's REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE.",
        )
    reason = _reason(error)
    name = next((name for name in _NEVER_THERE if name in _class_names(error) | _class_names(reason)), None)
    if name is None or isinstance(reason, InvalidHeader):  # an invalid header of the answer
        return broken(operation, error)
    what, remedy = _NEVER_THERE[name]
    return errors.MarketoConnectionError(
        f"cannot connect to {host} ({type(reason).__name__}: {what})", operation=operation, remedy=remedy
    )


def broken(operation: str, error: Exception) -> errors.MarketoTransientError:
    """
    Return the error for an answer that did not come, or was cut off.

    :param operation: the operation's name.
    :param error: what ``requests`` raised.
    """
    reason = _reason(error)
    if isinstance(error, requests.Timeout) or isinstance(reason, (TimeoutError, ReadTimeoutError)):
        text = "Marketo did not answer in time"
    elif isinstance(error, zlib.error):
        text = "the compressed answer is damaged or cut off"
    else:
        text = f"the connection broke before the answer was complete ({type(reason).__name__})"
    return errors.MarketoTransientError(text, operation=operation, executed=True)


def _class_names(error: Exception) -> set[str]:
    return {each.__name__ for each in type(error).__mro__}


def _reason(error: Exception) -> Exception:
    """Return the error that an exception of ``requests`` wraps, or else the exception itself."""
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    return cause if isinstance(cause, Exception) else error


def read_json(operation: Operation, response: requests.Response) -> Any:
    """
    Read a reply.

    :raises MarketoError: the reply reports an error, or it is not from Marketo.
    """
    content = read_body(operation.name, response, LARGEST_REPLY)
    if not content and operation.reply != "envelope":
        return None
    body = parse_json(operation.name, content, response)
    raise_for_envelope(operation.name, body)
    if operation.reply == "envelope" and not _is_envelope(operation, body):
        raise _not_marketo(operation.name, response)
    return body


def read_token_reply(operation: str, response: requests.Response) -> Any:
    """Read identity's reply, which is small."""
    return parse_json(operation, read_body(operation, response, LARGEST_ERROR), response)


def parse_json(operation: str, content: bytes, response: requests.Response) -> Any:
    """
    Parse the text of a reply.

    :raises MarketoTransientError: the text is not JSON, or Python cannot hold its value.
    """
    try:
        return json.loads(content.decode("utf-8"), object_hook=ReplyRecord)
    except (ValueError, RecursionError):
        pass
    raise _not_marketo(operation, response)


def raise_for_envelope(operation: str, body: Any) -> None:
    """
    Raise the error that a parsed reply reports.

    :raises MarketoError: the reply has a ``success`` that is not true.
    """
    if isinstance(body, dict) and "success" in body and body["success"] is not True:
        raise meanings.from_reply(operation, body.get("errors"), body.get("requestId"))


def raise_for_status(operation: str, response: requests.Response) -> None:
    """
    Raise the error that the HTTP status of an answer stands for.

    :raises MarketoError: the status is not 2xx.
    """
    status = response.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    facts: dict[str, Any] = {"operation": operation, "code": codes.http(status)}
    if status < HTTPStatus.BAD_REQUEST:
        raise errors.MarketoConnectionError("the host redirects instead of answering", **facts)
    said = json_or_none(operation, response)
    body: Mapping[str, Any] = said if isinstance(said, dict) else {}
    listed = body["errors"] if isinstance(body.get("errors"), list) else []
    error = meanings.from_reply(operation, listed, body.get("requestId"))
    if listed and (error.code or status >= HTTPStatus.INTERNAL_SERVER_ERROR):
        error.code = error.code or facts["code"]
        if status < HTTPStatus.INTERNAL_SERVER_ERROR or not isinstance(error, errors.MarketoInvalidRequestError):
            raise error
        facts |= {"code": error.code, "request_id": error.request_id}
        raise errors.MarketoTransientError(error.message, executed=True, **facts)
    # Data ingestion answers with its own code and a text.
    facts["code"] = str(body.get("error_code") or facts["code"])
    message = body.get("message") or (error.message if listed else "")
    reason = f": {message}" if message else ""
    if facts["code"] == codes.INGESTION_DAILY_QUOTA:
        raise errors.MarketoQuotaExhaustedError(
            f"the daily quota of data ingestion is spent{reason}",
            remedy="Wait for the next day, or ask Adobe to raise the allowance.",
            **facts,
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise errors.MarketoThrottledError(f"too many requests{reason}", remedy="Try again later.", **facts)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise errors.MarketoTransientError(
            f"{'Adobe' if operation.startswith('ims.') else 'Marketo'}'s gateway failed{reason}", executed=True, **facts
        )
    kind, text = _STATUS.get(status, (errors.MarketoInvalidRequestError, "Marketo refuses the request"))
    if kind is errors.MarketoAuthError and operation.startswith("identity."):
        text = "Marketo's identity service refuses this client id and secret"
        raise kind(text + reason, **facts)
    raise kind(text + reason, remedy=meanings.way_out(kind, codes.http(status), operation), **facts)


def date_of(response: requests.Response) -> datetime | None:
    """Return Marketo's clock when it answered, aware; None if the answer has no date."""
    try:
        date = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def file_blocks(operation: str, response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    """
    Yield the file in an answer block by block.

    :param deadline: the answer's; each block has its own time.
    :raises MarketoTransientError: the connection broke; reading may resume where it stopped.
    :raises MarketoError: something else came in place of the file, such as a JSON error with HTTP 200.
    """
    if packing := packing_of(response):
        raise errors.MarketoDataError(
            f"the file is compressed as {packing!r}, and the request accepts only files that are not compressed",
            operation=operation,
            remedy="A proxy between the worker and Marketo compresses the files: exempt Marketo's host from it.",
        )
    blocks = _blocks(operation, response, deadline)
    first = next(blocks, b"")
    # The rest of a file may begin with anything, even with the attributes of an activity, which are JSON.
    if response.status_code != HTTPStatus.PARTIAL_CONTENT and _looks_like_json(first, response):
        document, first = _document(first, blocks, response), b""
        if document is not None:
            raise_for_envelope(operation, parse_json(operation, document, response))
        raise errors.MarketoDataError(
            "a JSON document came in place of the file",
            operation=operation,
            remedy=errors.ASK_ADOBE_WITH_OPERATION,
        )
    return _chain(first, blocks)


def _document(first: bytes, blocks: Iterator[bytes], response: requests.Response) -> bytes | None:
    """Return the document that came in place of a file; None if it is too large for an error."""
    document = bytearray(first)
    while len(document) <= LARGEST_ERROR and (block := next(blocks, b"")):
        document += block
    return _without_secrets(bytes(document), response) if len(document) <= LARGEST_ERROR else None


def _is_envelope(operation: Operation, body: Any) -> bool:
    """Whether a body is Marketo's: it has ``success`` or ``result``, and the result has the right type."""
    if not isinstance(body, dict) or not ("success" in body or "result" in body):
        return False
    result = body.get("result")
    if operation.retry != "read" or operation.name in _PLAIN_RESULTS:
        return True
    if isinstance(result, list):
        return all(isinstance(record, dict) for record in result)
    return result is None or isinstance(result, dict)


def read_body(operation: str, response: requests.Response, most: int = LARGEST_REPLY) -> bytes:
    """
    Return the whole body, uncompressed.

    :param operation: the operation's name.
    :param response: the answer.
    :param most: largest number of bytes that the body may have.
    :raises MarketoTransientError: the body is larger, or was cut off.
    """
    pieces, size = [], 0
    failure: errors.MarketoError | None = None
    try:
        for piece in unpacked(operation, response):
            size += len(piece)
            if size > most:
                failure = errors.MarketoTransientError(
                    f"the answer is larger than {most >> 20} MB",
                    operation=operation,
                    code=codes.http(response.status_code),
                    executed=True,
                    remedy="Ask for less at once, such as fewer fields or records.",
                )
                response.close()
                break
            pieces.append(piece)
    except (requests.RequestException, HTTPError, OSError, zlib.error) as error:
        failure = broken(operation, error)
    if failure is not None:
        pieces.clear()  # the error's traceback keeps this frame
        raise failure
    return _without_secrets(b"".join(pieces), response)


def _without_secrets(content: bytes, response: requests.Response) -> bytes:
    """
    Return the content of an answer, with stars in place of its request's secrets.

    Proxies and gateways repeat the address or the headers of a request in their error pages, and the words of an
    answer go into errors, logs and tracebacks.
    """
    for secret in _secrets_of(response.request):
        content = content.replace(secret, b"***")
    return content


def _secrets_of(request: requests.PreparedRequest) -> set[bytes]:
    """Return the token and the client secret of a request, as they are, and as a URL spells them."""
    body = request.body if isinstance(request.body, str) else ""
    given = [value for name, value in parse_qsl(f"{urlsplit(str(request.url)).query}&{body}") if name == _SECRET_NAME]
    given += [str(request.headers.get(name, "")).removeprefix("Bearer ") for name in _TOKEN_HEADERS]
    spelled = {text.encode() for each in given for text in (each, quote(each), quote(each, safe=""), quote_plus(each))}
    return {each for each in spelled if len(each) >= _SHORTEST_SECRET}


def json_or_none(operation: str, response: requests.Response) -> Any:
    """Return the body of an answer that reports an error; None if it is not JSON."""
    try:
        return parse_json(operation, read_body(operation, response, LARGEST_ERROR), response)
    except errors.MarketoError:
        return None


def _not_marketo(operation: str, response: requests.Response) -> errors.MarketoTransientError:
    return errors.MarketoTransientError(
        f"something other than Marketo answered ({content_type(response)})",
        operation=operation,
        code=codes.http(response.status_code),
        remedy="Try again later; if it happens again, check the connection's host and the proxy.",
        executed=True,
    )


def content_type(response: requests.Response) -> str:
    """Return the content type that an answer names, for errors."""
    return _without_secrets(response.headers.get("Content-Type", "no content type").encode(), response).decode()


def _looks_like_json(first: bytes, response: requests.Response) -> bool:
    """Marketo serves export files, and errors in their place, from a ``.json`` address as CSV with HTTP 200."""
    return first[:_SNIFF].lstrip().startswith(b"{") and (
        b'"success"' in first[:_SNIFF] or "json" in response.headers.get("Content-Type", "")
    )


def _blocks(operation: str, response: requests.Response, deadline: Deadline) -> Iterator[bytes]:
    announced = response.headers.get("Content-Length", "")
    received = 0
    try:
        while True:
            deadline.start(_BLOCK_TIME)
            block = response.raw.read(_BLOCK)
            if not block:
                break
            received += len(block)
            yield block
    except (HTTPError, OSError) as error:
        failure = errors.MarketoTransientError(
            f"the download broke after {received} bytes ({type(error).__name__})", operation=operation
        )
    else:
        if not announced.isdecimal() or received >= int(announced):
            return
        failure = errors.MarketoTransientError(
            f"the download ended after {received} of {announced} bytes", operation=operation
        )
    raise failure


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


_STATUS: Mapping[int, tuple[type[errors.MarketoError], str]] = {
    401: (errors.MarketoAuthError, "Marketo refuses the access token"),
    403: (errors.MarketoPermissionError, "Marketo refuses this call"),
    404: (errors.MarketoNotFoundError, "Marketo has nothing at this address"),
    413: (errors.MarketoInvalidRequestError, "the request is larger than Marketo takes"),
    414: (errors.MarketoInvalidRequestError, "the URL is longer than Marketo takes"),
}
