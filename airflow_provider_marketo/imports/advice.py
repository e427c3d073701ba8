"""What a person can do about a rejected row."""

from __future__ import annotations

import re
from collections.abc import Mapping

_BY_CODE: Mapping[str, str] = {
    "value": "Correct the value in the source.",
    "1001": "Write the value in the field's type.",
    "1002": "Fill the field.",
    "1003": "Correct the value that the message names.",
    "1004": "Create the lead first, or leave the row out.",
    "1005": "The lead exists: use action='createOrUpdate', or leave the row out.",
    "1006": "Compare the column with the REST API names in Field Management.",
    "1007": "Several leads match: merge them in Marketo, or use lookup_field='id'.",
    "1008": "Give the API user's role access to the lead partition.",
    "1009": "Set partition_name.",
    "1010": "The lead lives in another partition: leave partition_name out, or move the lead first.",
    "1013": "Create the record first, or leave the row out.",
    "1014": "Send the row again later; if it stays, ask Adobe's support.",
    "1017": "The record exists: use action='createOrUpdate', or leave the row out.",
    "1018": "A native CRM synchronisation owns these records: change them in the CRM.",
    "1021": "Write company fields with MarketoSyncOperator(object_type='companies').",
    "1025": "Use a status of the program's channel.",
    "1036": "Send rows with the same reference in different runs.",
    "718": "Create the sales person first.",
    "missing.dedupe.fields": "Fill the fields that tell records apart.",
    "unknown": "Look in Marketo whether the row is there before you send it again.",
}
_FALLBACK = "Correct the row as the message says, then send the table of rejects again."
_CODE = re.compile(r"\s*(?:\[?(\d{3,4})\]?\b|([a-z]+(?:\.[a-z]+)+))")


def code_of(reason: str) -> str:
    """The code in the free text of an import's report: digits, or a key such as ``missing.dedupe.fields``."""
    found = _CODE.match(reason)
    return (found.group(1) or found.group(2)) if found else ""


def next_step(code: str) -> str:
    """A sentence."""
    return _BY_CODE.get(code, _FALLBACK)
