"""Read what Marketo says about single records. If it says less than documented, nothing counts as certain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.client.printable import printable


def skipped_for(record: Any) -> tuple[bool, list[str]]:
    """
    Return whether Marketo skipped a record, and the codes of its reasons.

    :param record: a record of a reply. It counts as skipped if it has no status or is malformed.
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
