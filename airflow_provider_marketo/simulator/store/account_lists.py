"""Lists of named accounts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field


@dataclass
class AccountList:
    """
    :param guid: Marketo's id.
    :param members: ids of named accounts, in the order in which they came.
    """

    guid: str
    name: str
    created: int
    updated: int
    members: dict[str, None] = field(default_factory=dict)


class AccountLists:
    """Lists by id."""

    def __init__(self) -> None:
        self.all: dict[str, AccountList] = {}

    def named(self, name: str) -> AccountList | None:
        """The list of a name, the case of letters aside."""
        return next((each for each in self.all.values() if each.name.lower() == name.lower()), None)

    def create(self, name: str, now: int) -> AccountList:
        """A new list."""
        made = AccountList(str(uuid.uuid4()), name, now, now)
        self.all[made.guid] = made
        return made
