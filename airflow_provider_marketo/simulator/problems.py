"""Errors of the instance: codes, their messages, and which of them cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Record = TypeVar("Record")

TEXTS = {
    "601": "Access token invalid",
    "602": "Access token expired",
    "603": "Access denied",
    "604": "Request timed out",
    "605": "HTTP Method not supported",
    "606": "Max rate limit exceeded",
    "607": "Daily quota reached",
    "608": "API Temporarily Unavailable",
    "609": "Invalid JSON",
    "610": "Requested resource not found",
    "611": "System error",
    "612": "Invalid Content Type",
    "613": "Invalid Multipart Request",
    "614": "Invalid subscription",
    "615": "Concurrent access limit reached",
    "713": "Transient error",
    "719": "Lock wait timeout",
    "1003": "Invalid data",
    "1004": "Lead not found",
    "1005": "Lead already exists",
    "1006": "Field not found",
    "1007": "Multiple leads match the lookup criteria",
    "1008": "Access denied to partition",
    "1013": "Object not found",
    "1014": "Failed to create object",
    "1015": "Lead not in list",
    "1016": "Too many imports",
    "1017": "Object already exists",
    "1018": "CRM Enabled",
    "1019": "Import in progress",
    "1029": "Too many jobs in queue",
    "1035": "Unsupported filter type for target subscription",
}

UNCHARGED = frozenset({"601", "602", "604", "605", "608", "611"})
"""A call that ends with one of these counts toward neither the daily quota nor the rate limit."""


class CodedError(Exception):
    """
    A failure with one of Marketo's codes.

    :param code: Marketo's code.
    :param message: Marketo's message; None for the usual message of the code.
    """

    def __init__(self, code: str, message: str | None = None) -> None:
        self.code = code
        self.message = TEXTS.get(code, "Error") if message is None else message
        super().__init__(f"{code}: {self.message}")


class ApiError(CodedError):
    """The whole call fails: HTTP 200 and ``success: false``."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 200

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body of the reply."""
        return {
            "requestId": request_id,
            "success": False,
            "errors": [{"code": self.code, "message": self.message}],
        }


class HttpError(Exception):
    """
    The call fails at the HTTP level, in plain text.

    :param status: HTTP status.
    :param text: the body.
    """

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(f"HTTP {status}: {text}")


class ConnectionDropError(Exception):
    """The instance resets the connection without an answer."""


class RecordError(CodedError):
    """The instance skips one record of a batch and processes the others."""

    def skipped(self, **more: Any) -> dict[str, Any]:
        """Return the record's entry in the result."""
        return {"status": "skipped", "reasons": [{"code": self.code, "message": self.message}], **more}


class BadRecord(dict[str, Any]):
    """
    A record of a batch that lacks a member or has a wrong value. The instance skips it and processes the others.

    :param members: the members that the client sent.
    :param error: why it is skipped.
    """

    def __init__(self, members: Mapping[str, Any], error: ApiError) -> None:
        super().__init__(members)
        self.error = RecordError(error.code, error.message)


_IDENTIFYING = ("id", "leadId", "marketoGUID")
"""Members that the entry of a bad record repeats."""


def each_record(
    records: Iterable[Record | BadRecord],
    work: Callable[[Record], dict[str, Any]],
    identify: Callable[[Record], dict[str, Any]] | None = None,
    *,
    numbered: bool = False,
) -> list[dict[str, Any]]:
    """
    Return the result of a batch: an entry for each record, in order, processed or skipped.

    :param work: processes one record and returns its entry.
    :param identify: returns the members that identify a skipped record.
    :param numbered: whether entries have ``seq``, as those of every object except leads do.
    """
    result = []
    for number, record in enumerate(records):
        if isinstance(record, BadRecord):
            entry = record.error.skipped(**{name: record[name] for name in _IDENTIFYING if name in record})
        else:
            try:
                entry = work(record)
            except RecordError as error:
                entry = error.skipped(**(identify(record) if identify else {}))
        result.append({"seq": number, **entry} if numbered else entry)
    return result
