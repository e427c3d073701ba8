"""Users of an instance, what they may do, and who was invited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ROLES = {1: "Admin", 2: "Standard User", 101: "Airflow API"}
WORKSPACES = {0: "AllZones", 1: "Default"}


class Grant(NamedTuple):
    """A role in a workspace; workspace 0 stands for all."""

    role: int
    workspace: int


@dataclass
class User:
    """
    :param grants: what the user may do, and where.
    :param facts: names, address and the like, by Adobe's names.
    """

    userid: str
    facts: dict[str, Any]
    grants: list[Grant] = field(default_factory=list)


class Users:
    """
    Users by id, and invitations that nobody has accepted.

    :param api_users: ids of the API users that are there from the start.
    """

    def __init__(self, api_users: Iterable[str]) -> None:
        self._next = 1
        self.all: dict[str, User] = {}
        self.invited: dict[str, User] = {}
        for userid in api_users:
            facts = {"emailAddress": userid, "firstName": "API", "lastName": "User", "apiOnly": True}
            self.all[userid] = self._made(userid, facts, [Grant(101, 1)])

    def invite(self, userid: str, facts: Mapping[str, Any], grants: list[Grant]) -> User:
        """Somebody who may come."""
        self.invited[userid] = self._made(userid, facts, grants)
        return self.invited[userid]

    def _made(self, userid: str, facts: Mapping[str, Any], grants: list[Grant]) -> User:
        number, self._next = self._next, self._next + 1
        return User(userid, {"id": number, **facts}, grants)
