"""Read what Marketo says of single records. Where it says less than documented, nothing is taken for certain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.client.printable import printable


def skipped_for(record: Any) -> tuple[bool, list[str]]:
    """
    Return whether Marketo left a record as it was, and its codes.

    :param record: of a reply. Anything but a record with a status is one that Marketo may have left as it was.
    """
    if not isinstance(record, Mapping):
        return True, []
    status = str(record.get("status") or "").lower()
    return status in ("", "skipped"), [reason_code for reason_code, _ in reasons_of(record)]


def reasons_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return code and message of each reason that Marketo gives. Adobe has three names for them."""
    reasons = record.get("reasons") or record.get("reason") or record.get("errors") or []
    reasons = [reasons] if isinstance(reasons, Mapping) else reasons
    return [
        (printable(reason.get("code", "")), printable(reason.get("message", "")))
        for reason in (reasons if isinstance(reasons, list) else ())
        if isinstance(reason, Mapping)
    ]
