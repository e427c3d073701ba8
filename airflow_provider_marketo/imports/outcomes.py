"""What became of a record that was sent. If Marketo says less than documented, the outcome is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.client import codes
from airflow_provider_marketo.client.printable import printable
from airflow_provider_marketo.imports.answers import reasons_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow_provider_marketo.imports.targets import Stage

ALREADY_THERE = frozenset({codes.LEAD_EXISTS, codes.OBJECT_EXISTS})
"""The code of createOnly for a record that exists. After a repeated call, the first call may have created it."""

DONE = frozenset({"created", "updated", "added", "removed", "deleted", "memberof", "notmemberof"})
"""Marketo's words for a record that is now in the wanted state."""

_SKIPPED = "skipped"


@dataclass(frozen=True)
class Outcome:
    """
    What became of a record.

    :param kind: ``accepted``, ``rejected``, ``unknown`` or ``submitted``.
    :param status: Marketo's word for it.
    :param code: the code of the reason.
    :param message: the reason.
    """

    kind: str
    status: str = ""
    code: str = ""
    message: str = ""

    @classmethod
    def unknown(cls, message: str) -> Outcome:
        """Return the outcome of a record that may or may not be in Marketo."""
        return cls("unknown", code="unknown", message=message)


def outcomes_of(stage: Stage, batch: Sequence[int], entries: Sequence[Any]) -> dict[int, Outcome]:
    """
    Read the entries of a reply.

    An entry names its record by ``seq``, or else by its position. Positions do not count if the numbers of entries and
    records differ. If two entries disagree about a record, its outcome is unknown.

    :param stage: the kind of call.
    :param batch: positions of the records that were sent.
    :param entries: entries of the reply.
    :return: position to outcome.
    """
    complete = len(entries) == len(batch)
    found: dict[int, set[Outcome]] = {}
    for position, entry in enumerate(entries):
        place = _place(entry, position if complete else None)
        if place is not None and 0 <= place < len(batch):
            found.setdefault(batch[place], set()).add(_outcome(stage, entry))
    silent = Outcome.unknown("Marketo's answer has no clear entry for this row")
    told = {at: next(iter(outcomes)) for at, outcomes in found.items() if len(outcomes) == 1}
    return {at: told.get(at, silent) for at in batch}


def judge(outcome: Outcome, created: Sequence[datetime] | None, sent_since: datetime) -> Outcome:
    """
    Decide the outcome of a row whose record exists: an earlier sending of the same row may have created the record.

    :param outcome: what Marketo says to the repeated call: the record exists.
    :param created: when the records of this key were created; None if it cannot be read, empty if no record was found.
    :param sent_since: when the row was first sent, on Marketo's clock.
    """
    if not created:
        why = "its time of creation cannot be read" if created is None else "Marketo finds no record with its key"
        return Outcome.unknown(f"a repeated call says that the record exists, but {why}")
    since = sent_since.replace(microsecond=0)  # Marketo's dates have no fractions
    return Outcome("accepted", "created") if min(created) >= since else outcome


def _place(entry: Any, position: int | None) -> int | None:
    if not isinstance(entry, Mapping):
        return None
    if entry.get("seq") is None:
        return position
    written = str(entry["seq"])
    return int(written) if written.isdecimal() and not isinstance(entry["seq"], bool) else None


def _outcome(stage: Stage, entry: Mapping[str, Any]) -> Outcome:
    status = str(entry.get("status") or "").lower()
    if status in DONE:
        return Outcome("accepted", status)
    if status != _SKIPPED:
        said = f"the status {printable(status)!r}, which is not documented" if status else "no status"
        return Outcome.unknown(f"Marketo's answer has {said}")
    reasons = reasons_of(entry)
    if reasons and all(code in stage.fine for code, _ in reasons):
        return Outcome("accepted", _SKIPPED)
    message = "; ".join(message for _, message in reasons) or "Marketo gave no reason"
    return Outcome("rejected", _SKIPPED, reasons[0][0] if reasons else "", message)
