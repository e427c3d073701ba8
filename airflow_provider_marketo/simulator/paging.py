"""Pages of a result, and the tokens that lead to the next one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import NOTHING_FOUND, Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_marketo.simulator.request import Request

Row = TypeVar("Row")
_MAX_ASSETS = 200
_PAGING = ("nextPageToken", "batchSize")


def seal(kind: str, **content: Any) -> str:
    """Return a paging token: opaque, long, and ending in ``=`` like Marketo's."""
    text = json.dumps([kind, content], separators=(",", ":"))
    return base64.b32encode(text.encode() + b" " * ((3 - len(text)) % 5)).decode()


def unseal(kind: str, token: str) -> dict[str, Any]:
    """
    Return the content of a paging token.

    :raises ApiError: 1003, the simulator did not issue this token, or it is of another kind.
    """
    try:
        found, content = json.loads(base64.b32decode(token))
    except (binascii.Error, ValueError):
        found, content = None, {}
    if found != kind:
        raise ApiError("1003", "Invalid paging token")
    return dict(content)


def page(
    request: Request,
    rows: Sequence[Row],
    show: Callable[[Row], Any],
    *,
    says_more: bool = True,
    numbered: bool = False,
    most: int | None = None,
) -> Envelope:
    """
    Return one page of a query that is paged by position.

    :param rows: everything that the query finds; only the rows of the page are read.
    :param show: makes a result from a row.
    :param says_more: whether this operation sends ``moreResult``; several do not.
    :param numbered: whether results have ``seq``, as those of every object except leads do.
    :param most: largest page, where that is less than Marketo's maximum.
    """
    query = {name: value for name, value in request.parameters.items() if name not in _PAGING}
    text = json.dumps([request.operation.name, query, request.user.client_id], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    token = request.get("nextPageToken")
    position = 0
    if token:
        content = unseal("position", token)
        if content["query"] != digest:
            raise ApiError("1003", "Paging token belongs to another query")
        position = int(content["at"])
    size = min(request.batch_size, most or request.batch_size)
    result = [show(row) for row in islice(rows, position, position + size)]
    if numbered:
        result = [{"seq": number, **each} for number, each in enumerate(result)]
    more: dict[str, Any] = {}
    last = position + size >= len(rows)
    if not last:
        more["nextPageToken"] = seal("position", at=position + size, query=digest)
    if says_more:
        more["moreResult"] = not last
    return Envelope(result, more)


def asset_page(request: Request, rows: Sequence[Row], show: Callable[[Row], Any]) -> Envelope:
    """
    Return one page of an asset query: ``offset`` and ``maxReturn``, no total, a warning instead of an empty result.

    :param rows: everything that the query finds.
    :param show: makes a result from a row.
    """
    offset, most = int(request.get("offset", 0)), int(request.get("maxReturn", 20))
    if offset < 0 or not 1 <= most <= _MAX_ASSETS:
        raise ApiError("701", f"offset must not be negative, and maxReturn must be between 1 and {_MAX_ASSETS}")
    result = [show(row) for row in islice(rows, offset, offset + most)]
    return Envelope(result) if result else NOTHING_FOUND
