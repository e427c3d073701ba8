"""What each of Marketo's codes means: one table from the code to its error, and to what a person can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_ENTRIES = 300
_TOO_MANY = ("too many", "more than", "exceed", " limit")


@dataclass(frozen=True)
class Meaning:
    """
    What a code means.

    :param error: the class to raise.
    :param remedy: what a person can do, as one or two sentences; empty if the default remedy of the class is enough.
    :param executed: whether Marketo may have acted on the request.
    """

    error: type[MarketoError]
    remedy: str = ""
    executed: bool = False


_wrong = partial(Meaning, MarketoInvalidRequestError)
_not_found = partial(Meaning, MarketoNotFoundError)
_unavailable = partial(Meaning, MarketoFeatureUnavailableError)
_UNCERTAIN = Meaning(MarketoTransientError, executed=True)

_REPORT = "This is a fault of this provider: report it with the operation and the request id."
_TOKEN = (
    "Check that the connection's host and identity_url belong to the same Marketo instance. If so, try again later."
)
_SUBSCRIPTION = "The subscription does not have this feature: ask Adobe, or do without it."

MEANINGS: Mapping[str, Meaning] = {
    codes.INTERNAL_ERROR: _UNCERTAIN,
    codes.BAD_GATEWAY: _UNCERTAIN,
    codes.TOKEN_MISSING: Meaning(
        MarketoAuthError, "Check whether a proxy between the worker and Marketo removes the header Authorization."
    ),
    codes.TOKEN_INVALID: Meaning(MarketoAuthError, _TOKEN),
    codes.TOKEN_EXPIRED: Meaning(MarketoAuthError, _TOKEN),
    codes.ACCESS_DENIED: Meaning(MarketoPermissionError),
    codes.TIMED_OUT: Meaning(MarketoTransientError, "Ask for less at once: Marketo ran out of time.", executed=True),
    codes.METHOD_UNSUPPORTED: _wrong(_REPORT),
    codes.RATE_LIMIT: Meaning(MarketoThrottledError),
    codes.DAILY_QUOTA: Meaning(MarketoQuotaExhaustedError),
    codes.TEMPORARILY_UNAVAILABLE: Meaning(MarketoTransientError),
    codes.NOT_JSON: _wrong(_REPORT),
    codes.NO_SUCH_ADDRESS: _wrong("Check the connection's host: this address does not exist there."),
    codes.SYSTEM_ERROR: _UNCERTAIN,
    codes.WRONG_CONTENT_TYPE: _wrong(_REPORT),
    codes.BAD_MULTIPART: _wrong("Check that the file can be read and is not empty, and send it again."),
    codes.SUBSCRIPTION_UNREACHABLE: Meaning(
        MarketoTransientError, "Usually temporary; if it happens again, check the Munchkin ID in the connection's host."
    ),
    codes.CONCURRENCY_LIMIT: Meaning(MarketoThrottledError),
    codes.WRONG_SUBSCRIPTION_TYPE: _unavailable(_SUBSCRIPTION),
    codes.BLANK: _wrong("Fill the field that the message names."),
    codes.NOTHING_FOUND: _not_found(
        "Check the id or the name, and whether the API user's role and workspace may see it."
    ),
    codes.FEATURE_OFF: _unavailable(_SUBSCRIPTION),
    codes.INVALID_DATE: _wrong(
        "Write dates as ISO 8601, such as 2026-01-31 or 2026-01-31T00:00:00Z. For dynamic content, check its id."
    ),
    codes.BUSINESS_RULE: _wrong("The message has Marketo's rule: change the asset in Marketo, or the request."),
    codes.FOLDER_NOT_FOUND: _not_found("Check the folder's id and type: a program counts as a folder of type Program."),
    codes.WRONG_FOLDER_TYPE: _wrong("Choose a folder that may hold this kind of asset."),
    codes.PERSON_ACCOUNTS: _wrong("Merge Salesforce person accounts in Salesforce."),
    codes.RESOURCE_UNAVAILABLE: _UNCERTAIN,
    codes.RECORD_TYPE_NOT_FOUND: _wrong(
        "Give the API user's role in the CRM a default record type, or merge in the CRM."
    ),
    codes.SALES_PERSON_NOT_FOUND: _not_found("Create the sales person first."),
    codes.LOCK_TIMEOUT: _UNCERTAIN,
    codes.WRONG_TYPE: _wrong("Write the value in the field's type; describe shows the types."),
    codes.PARAMETER_MISSING: _wrong("Give the parameter that the message names."),
    codes.INVALID_DATA: _wrong(
        "Correct the value that the message names. If a query finds too many records, narrow its filter or use a bulk"
        " export."
    ),
    codes.LEAD_NOT_FOUND: _not_found("Check the lead's id: the lead may have been deleted, or merged into another."),
    codes.LEAD_EXISTS: _wrong("Use action='createOrUpdate', or leave the lead out."),
    codes.UNKNOWN_FIELD: _wrong(
        "Compare the field names with the REST API names that describe lists; those of leads are also in Field"
        " Management."
    ),
    codes.SEVERAL_LEADS_MATCH: _wrong("Merge the duplicates in Marketo, or use lookupField='id'."),
    codes.PARTITION_DENIED: Meaning(MarketoPermissionError, "Give the API user's role access to the lead partition."),
    codes.PARTITION_REQUIRED: _wrong("Give the name of the lead partition, partitionName."),
    codes.OTHER_PARTITION: _wrong("Leave partitionName out, or move the lead to that partition first."),
    codes.FIELD_NOT_SEARCHABLE: _wrong(),
    codes.BAD_COOKIE: _wrong("Send the value of the cookie _mkto_trk as the browser has it."),
    codes.OBJECT_NOT_FOUND: _not_found(
        "Check the id or the name: it may have been deleted, or the API user may not see it."
    ),
    codes.NOT_CREATED: _wrong("Send it again later; if it happens again, ask Adobe's support with the request id."),
    codes.NOT_IN_LIST: _wrong("The lead is not in the list: there is nothing to remove."),
    codes.TOO_MANY_IMPORTS: Meaning(MarketoQueueFullError),
    codes.OBJECT_EXISTS: _wrong("Use action='createOrUpdate', or another name."),
    codes.CRM_OWNS_RECORDS: _unavailable("A native CRM synchronisation owns these records: change them in the CRM."),
    codes.LIST_BUSY: Meaning(MarketoQueueFullError, "Wait until the running import into the same list has finished."),
    codes.CLONE_ALLOWANCE: Meaning(
        MarketoQuotaExhaustedError,
        "Clone the program with programs.clone instead, and schedule the campaign of the clone.",
    ),
    codes.COMPANY_FIELD_OF_LEAD: _wrong("Write company fields with companies.sync."),
    codes.IN_USE: _wrong("Remove what uses the object first; Marketo shows it under Used By."),
    codes.UNKNOWN_STATUS: _wrong("Use a status of the program's channel; channels.get_by_name lists them."),
    codes.CUSTOM_OBJECTS_OFF: _unavailable(_SUBSCRIPTION),
    codes.TOO_MANY_ACTIVITY_TYPES: _wrong(
        "Delete a custom activity type that is no longer used, or ask Adobe to raise the limit."
    ),
    codes.TOO_MANY_ATTRIBUTES: _wrong(
        "A custom activity type takes 20 attributes: leave some out, or put them into another type."
    ),
    codes.FILTER_UNSUPPORTED: _unavailable(
        "Select by createdAt or by a static list: the subscription does not have this filter."
    ),
    codes.SAME_REFERENCE: _wrong("Send rows with the same reference in different calls."),
    codes.STATUS_UNCHANGED: _wrong(
        "There is nothing to change: the lead has this status or a later one, or is not a member of the program."
    ),
    codes.TOO_FAR_AHEAD: _wrong("Choose a time within the next two years."),
    codes.NOTHING_TO_DISCARD: _wrong(
        "Check whether the custom object type has a draft: there may be nothing to discard."
    ),
    codes.ACTIVITY_TOO_LARGE: _wrong("Shorten the attributes of the activity: together they may have 65,536 bytes."),
    codes.CRM_DUPLICATE: _wrong("The merge would create a duplicate in the CRM: use the record that is there."),
    codes.CRM_FIELD_TOO_LONG: _wrong("Shorten the field, or call the merge with mergeInCRM=false."),
    codes.CRM_MERGE_FAILED: _wrong("Merge these leads in the CRM, or call the merge with mergeInCRM=false."),
    codes.PERSONAL_URL_CONFLICT: _wrong("Merge these leads in Marketo's UI."),
    codes.MERGE_TOO_MANY: _wrong("Merge at most 25 leads in a call."),
    codes.HTTP_UNAUTHORIZED: Meaning(MarketoAuthError, _TOKEN),
    codes.HTTP_NOT_FOUND: _not_found(
        "Check the names and ids in the request, and the connection's host. A bulk job has a file only after it is"
        " completed."
    ),
    codes.HTTP_TOO_LARGE: _wrong("Send fewer records at once."),
    codes.HTTP_URI_TOO_LONG: _wrong("Ask for fewer values at once."),
}
"""
What each code means: a row for every name in :mod:`.codes`, except 1029 and the codes of data ingestion.

A code that has a remedy here for a whole reply may also be the reason why Marketo skipped one record.
"""

_DESCRIBE = {"leads": "leads.describe2", "static_list_membership": "leads.describe2"}

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
    """
    Return the meaning of a code. 1029 has three meanings, told apart by its message; the table has the others.

    :param code: the code; empty if Marketo gives no code.
    :param message: Marketo's message.
    """
    if code == codes.EXPORT_REFUSED:
        text = message.lower()
        if "already" in text:
            return Meaning(MarketoAlreadyQueuedError)
        if "quota" in text or "mb" in text.split() or "exceed" in text:
            return Meaning(MarketoQuotaExhaustedError)
        return Meaning(MarketoQueueFullError)
    known = MEANINGS.get(code)
    if known is not None:
        return known
    # An unknown 5xx, or a failure without a code, may mean anything. Any other unknown code says that the request is
    # wrong and was not executed.
    return _UNCERTAIN if not code or re.fullmatch("5..", code) else _wrong()


def is_not_found(code: str | None) -> bool:
    """
    Whether a code says that the record, asset or file of the request does not exist.

    610 is no such code: it says that no operation has this address, and a wrong host also causes it.
    """
    known = MEANINGS.get(code or "")
    return known is not None and known.error is MarketoNotFoundError


def exceeds_limit(error: MarketoError) -> bool:
    """
    Whether Marketo refuses a query because it finds too many records, or because its list or program is too large.

    The code also means other mistakes, so the words of the message decide. They differ between queries.
    """
    text = error.message.lower()
    return error.code == codes.INVALID_DATA and any(words in text for words in _TOO_MANY)


def from_reply(operation: str, errors: Any, request_id: Any) -> MarketoError:
    """
    Return the error for a reply with ``success: false``.

    The most restrictive of several entries decides: one that needs a person comes before one that passes with time.

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
    if code == codes.FIELD_NOT_SEARCHABLE:
        family = operation.partition(".")[0].removeprefix("bulk_import_").removeprefix("bulk_export_")
        describe = _DESCRIBE.get(family, f"{family}.describe")
        return f"Use a field that Marketo can search by: {describe} lists them as searchableFields."
    if code == codes.FILTER_UNSUPPORTED and not operation.startswith("bulk_export_"):
        return _SUBSCRIPTION
    described = f"Change what the message names: `airflow marketo describe {operation}` shows the parameters."
    known = MEANINGS.get(code)
    return (known.remedy if known else "") or error.default_remedy or described


def _rank(error: type[MarketoError]) -> int:
    return next((rank for rank, kind in enumerate(_RESTRICTIVENESS) if issubclass(error, kind)), len(_RESTRICTIVENESS))
