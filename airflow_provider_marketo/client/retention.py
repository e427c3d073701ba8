"""How long Marketo keeps activities."""

from __future__ import annotations

from datetime import timedelta

DELETE_LEAD = "Delete Lead"

DAYS_7, DAYS_14, DAYS_90, MONTHS_25 = (timedelta(days=days) for days in (7, 14, 90, 760))

HIGH_VOLUME = frozenset(
    {
        "add to list",
        "change data value",
        "change score",
        "click link",
        "click link on webpage",
        "email delivered",
        "request campaign",
        "send email",
        "sync lead to microsoft",
        "sync lead to sfdc",
        "sync lead updates to sfdc",
        "update opportunity",
        "visit webpage",
    }
)
"""Names, in lower case, of the activity types that Marketo keeps for 90 days and not for 25 months."""


def kept(type_name: str) -> timedelta:
    """How long Marketo keeps activities of a type. Contracts may say more, never less."""
    if type_name == DELETE_LEAD:
        return DAYS_14
    return DAYS_90 if type_name.lower() in HIGH_VOLUME else MONTHS_25
