"""Which error each of Marketo's codes is: one table from code to class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.errors import (
    LONGEST_ID,
    MarketoAlreadyQueuedError,
    MarketoAuthError,
    MarketoError,
    MarketoFeatureUnavailableError,
    MarketoInvalidRequestError,
    MarketoNotFoundError,
    MarketoPermissionError,
    MarketoQueueFullError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.printable import printable
from airflow_provider_marketo.client.remedies import remedy_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_ENTRIES = 300


@dataclass(frozen=True)
class Meaning:
    """The class to raise for a code, and whether the request may have run."""

    error: type[MarketoError]
    executed: bool = False


_TRANSIENT_AMBIGUOUS = Meaning(MarketoTransientError, executed=True)
_TRANSIENT_SAFE = Meaning(MarketoTransientError)
_INVALID = Meaning(MarketoInvalidRequestError)
_NOT_FOUND = Meaning(MarketoNotFoundError)
_UNAVAILABLE = Meaning(MarketoFeatureUnavailableError)
_TOKEN = Meaning(MarketoAuthError)

_PLAIN_INVALID = frozenset(
    {
        codes.NO_SUCH_ADDRESS,
        codes.INVALID_DATA,
        codes.METHOD_UNSUPPORTED,
        codes.NOT_JSON,
        codes.WRONG_CONTENT_TYPE,
        codes.BAD_MULTIPART,
        codes.BLANK,
        codes.INVALID_DATE,
        codes.BUSINESS_RULE,
        codes.WRONG_FOLDER_TYPE,
        codes.PERSON_ACCOUNTS,
        codes.RECORD_TYPE_NOT_FOUND,
        codes.WRONG_TYPE,
        codes.PARAMETER_MISSING,
        codes.LEAD_EXISTS,
        codes.SEVERAL_LEADS_MATCH,
        codes.PARTITION_REQUIRED,
        codes.OTHER_PARTITION,
        codes.FIELD_NOT_SEARCHABLE,
        codes.BAD_COOKIE,
        codes.NOT_CREATED,
        codes.NOT_IN_LIST,
        codes.OBJECT_EXISTS,
        codes.COMPANY_FIELD_OF_LEAD,
        codes.IN_USE,
        codes.UNKNOWN_STATUS,
        codes.MOST_ACTIVITY_TYPES,
        codes.MOST_ATTRIBUTES,
        codes.SAME_REFERENCE,
        codes.STATUS_UNCHANGED,
        codes.TOO_FAR_AHEAD,
        codes.NOTHING_TO_DISCARD,
        codes.ACTIVITY_TOO_LARGE,
        codes.CRM_DUPLICATE,
        codes.CRM_FIELD_TOO_LONG,
        codes.CRM_MERGE_FAILED,
        codes.PERSONAL_URL_CONFLICT,
        codes.MERGE_TOO_MANY,
    }
)
"""Codes that mean no more than that the request is wrong, as a code without a name here does."""

MEANINGS: Mapping[str, Meaning] = {
    **dict.fromkeys(_PLAIN_INVALID, _INVALID),
    codes.INTERNAL_ERROR: _TRANSIENT_AMBIGUOUS,
    codes.BAD_GATEWAY: _TRANSIENT_AMBIGUOUS,
    codes.TOKEN_MISSING: _TOKEN,
    codes.TOKEN_INVALID: _TOKEN,
    codes.TOKEN_EXPIRED: _TOKEN,
    codes.ACCESS_DENIED: Meaning(MarketoPermissionError),
    codes.TIMED_OUT: _TRANSIENT_AMBIGUOUS,
    codes.RATE_LIMIT: Meaning(MarketoThrottledError),
    codes.DAILY_QUOTA: Meaning(MarketoQuotaExhaustedError),
    codes.TEMPORARILY_UNAVAILABLE: _TRANSIENT_SAFE,
    codes.SYSTEM_ERROR: _TRANSIENT_AMBIGUOUS,
    codes.SUBSCRIPTION_UNREACHABLE: _TRANSIENT_SAFE,
    codes.CONCURRENCY_LIMIT: Meaning(MarketoThrottledError),
    codes.WRONG_SUBSCRIPTION_TYPE: _UNAVAILABLE,
    codes.FEATURE_OFF: _UNAVAILABLE,
    codes.RESOURCE_UNAVAILABLE: _TRANSIENT_AMBIGUOUS,
    codes.LOCK_TIMEOUT: _TRANSIENT_AMBIGUOUS,
    codes.UNKNOWN_FIELD: _INVALID,
    codes.PARTITION_DENIED: Meaning(MarketoPermissionError),
    codes.TOO_MANY_IMPORTS: Meaning(MarketoQueueFullError),
    codes.CRM_OWNS_RECORDS: _UNAVAILABLE,
    codes.LIST_BUSY: Meaning(MarketoQueueFullError),
    codes.CLONE_ALLOWANCE: Meaning(MarketoQuotaExhaustedError),
    codes.CUSTOM_OBJECTS_OFF: _UNAVAILABLE,
    codes.FILTER_UNSUPPORTED: _UNAVAILABLE,
}
"""What codes mean, but for those that mean *not found*, and 1029."""

_RESTRICTIVENESS: Sequence[type[MarketoError]] = (
    MarketoPermissionError,
    MarketoInvalidRequestError,
    MarketoQuotaExhaustedError,
    MarketoQueueFullError,
    MarketoAuthError,
    MarketoThrottledError,
    MarketoTransientError,
)


def meaning_of(code: str, message: str) -> Meaning:
    """Return the meaning of a code. 1029 has three, which only its message tells apart; others are in the table."""
    if code == codes.EXPORT_REFUSED:
        text = message.lower()
        if "already" in text:
            return Meaning(MarketoAlreadyQueuedError)
        if "quota" in text or "mb" in text.split() or "exceed" in text:
            return Meaning(MarketoQuotaExhaustedError)
        return Meaning(MarketoQueueFullError)
    if codes.is_not_found(code):
        return _NOT_FOUND
    known = MEANINGS.get(code)
    if known is not None:
        return known
    # Unknown codes: a 5xx hides anything, the other families say that the request is wrong and was not executed.
    return _TRANSIENT_AMBIGUOUS if re.fullmatch("5..", code) else _INVALID


def from_reply(operation: str, errors: Any, request_id: Any) -> MarketoError:
    """
    Return the error for a reply with ``success: false``.

    Of several entries the most restrictive decides: one that needs a person comes before one that passes with time.

    :param operation: the operation's name in the catalogue.
    :param errors: Marketo's list of ``{"code", "message"}``; codes may be strings or numbers. Entries of another
        shape become messages.
    :param request_id: Marketo's request id.
    """
    given = errors if isinstance(errors, list) else [errors] if errors else []
    entries = [_entry(entry) for entry in given[:_MOST_ENTRIES]] or [
        ("", "Marketo reported a failure without a reason")
    ]
    ranked = sorted(entries, key=lambda entry: _rank(meaning_of(*entry).error))
    code, message = ranked[0]
    meaning = meaning_of(code, message)
    text = "; ".join(dict.fromkeys(message for _, message in ranked if message)) or "Marketo gave no message"
    facts: dict[str, Any] = {
        "operation": operation,
        "code": code or None,
        "request_id": request_id,
        "remedy": way_out(meaning.error, code, operation),
        # One ambiguous entry is enough to leave open whether the request ran.
        "executed": any(meaning_of(*entry).executed for entry in entries),
    }
    if meaning.error is MarketoQuotaExhaustedError:
        facts["quota"] = "export" if code == codes.EXPORT_REFUSED else "calls"
    return meaning.error(text, **facts)


def _entry(entry: Any) -> tuple[str, str]:
    """Return code and message of an entry in Marketo's list of errors. Anything else becomes a message."""
    if not isinstance(entry, dict):
        return "", printable(entry)
    code, message = entry.get("code"), entry.get("message")
    return "" if code is None else printable(code, LONGEST_ID), "" if message is None else printable(message)


def way_out(error: type[MarketoError], code: str, operation: str) -> str:
    """
    Return what a person can do about a code.

    :param error: the class that stands for the code.
    :param code: Marketo's code, or ``HTTP <status>``.
    :param operation: the operation's name in the catalogue.
    """
    described = f"Change what the message names: `airflow marketo describe {operation}` shows the parameters."
    return remedy_of(code, operation) or error.default_remedy or described


def _rank(error: type[MarketoError]) -> int:
    return next((rank for rank, kind in enumerate(_RESTRICTIVENESS) if issubclass(error, kind)), len(_RESTRICTIVENESS))
