"""Lists of named accounts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


@dataclass
class AccountList:
    """
    A list of named accounts.

    :param guid: Marketo's id of the list.
    :param name: the name, unique without regard to case.
    :param created: creation time, in seconds since 1970.
    :param updated: time of the last change, in seconds since 1970.
    :param members: ids of the named accounts, in the order in which they were added.
    """

    guid: str
    name: str
    created: int
    updated: int
    members: dict[str, None] = field(default_factory=dict)


class AccountLists:
    """Named account lists by id."""

    def __init__(self) -> None:
        self.all: dict[str, AccountList] = {}

    def named(self, name: str) -> AccountList | None:
        """Return the list of a name, ignoring case."""
        return next((each for each in self.all.values() if each.name.lower() == name.lower()), None)

    def create(self, name: str, now: int) -> AccountList:
        """Create a list."""
        made = AccountList(str(uuid.uuid4()), name, now, now)
        self.all[made.guid] = made
        return made
