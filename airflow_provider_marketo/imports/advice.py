"""The next steps for a person who has a rejected row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_marketo.client import codes

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_VALUE, MISSING_KEY, TOO_LARGE = "invalid_value", "missing_key", "too_large"
"""Our own codes, for rows that Marketo would refuse."""

_BY_CODE: Mapping[str, str] = {
    INVALID_VALUE: "Correct the value in the source.",
    MISSING_KEY: "Fill the field that the message names, or leave the row out.",
    TOO_LARGE: "Shorten the row's values, or send fewer columns.",
    codes.WRONG_TYPE: "Write the value in the field's type.",
    codes.PARAMETER_MISSING: "Fill the field.",
    codes.INVALID_DATA: "Correct the value that the message names.",
    codes.LEAD_NOT_FOUND: "Correct the value, create the lead first, or leave the row out.",
    codes.LEAD_EXISTS: "The lead exists: use action='createOrUpdate', or leave the row out.",
    codes.UNKNOWN_FIELD: "Compare the column with Marketo's API names of the fields.",
    codes.SEVERAL_LEADS_MATCH: "Several leads match: merge them in Marketo, or use lookup_field='id'.",
    codes.PARTITION_DENIED: "Give the API user's role access to the lead partition.",
    codes.PARTITION_REQUIRED: "Set partition_name.",
    codes.OTHER_PARTITION: "The lead lives in another partition: leave partition_name out, or move the lead first.",
    codes.OBJECT_NOT_FOUND: "Create the record first, or leave the row out.",
    codes.NOT_CREATED: "Send the row again later; if it happens again, ask Adobe's support.",
    codes.OBJECT_EXISTS: "The record exists: use action='createOrUpdate', or leave the row out.",
    codes.CRM_OWNS_RECORDS: "A native CRM synchronisation owns these records: change them in the CRM.",
    codes.COMPANY_FIELD_OF_LEAD: "Write company fields with MarketoSyncOperator(object_type='companies').",
    codes.UNKNOWN_STATUS: "Use a status of the program's channel.",
    codes.SAME_REFERENCE: "Send rows with the same reference in different runs.",
    codes.SALES_PERSON_NOT_FOUND: "Create the sales person first.",
    "missing.dedupe.fields": "Fill the fields that tell records apart.",
    "unknown": "Check in Marketo whether the row exists before you send it again.",
}
_FALLBACK = "Correct the row as the message says, and send it again."
_CODE = re.compile(r"\s*(?:\[?(\d{3,4})\]?\b|([a-z]+(?:\.[a-z]+)+))")


def code_of(reason: str) -> str:
    """Return the code in the text of an import's report: digits, or a key such as ``missing.dedupe.fields``."""
    found = _CODE.match(reason)
    return (found.group(1) or found.group(2)) if found else ""


def next_step(code: str) -> str:
    """Return what to do about a code, as a sentence."""
    return _BY_CODE.get(code, _FALLBACK)
