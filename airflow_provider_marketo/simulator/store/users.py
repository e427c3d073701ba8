"""Users of an instance, their roles, and open invitations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROLES = {1: "Admin", 2: "Standard User", 101: "Airflow API"}
WORKSPACES = {0: "AllZones", 1: "Default"}


class Grant(NamedTuple):
    """A role in a workspace; workspace 0 means all workspaces."""

    role: int
    workspace: int


@dataclass
class User:
    """
    A user of the instance.

    :param userid: the login name.
    :param attributes: the other members of Adobe's user record, such as ``emailAddress``.
    :param grants: the user's roles, each in a workspace.
    :param created: time of the invitation; None for an initial user.
    """

    userid: str
    attributes: dict[str, Any]
    grants: list[Grant] = field(default_factory=list)
    created: str | None = None


class Users:
    """
    Users by id, and invitations that were not accepted yet.

    :param api_users: ids of the initial API users.
    """

    def __init__(self, api_users: Iterable[str]) -> None:
        self._next = 1
        self.all: dict[str, User] = {}
        self.invited: dict[str, User] = {}
        for userid in api_users:
            attributes = {"emailAddress": userid, "firstName": "API", "lastName": "User", "apiOnly": True}
            self.all[userid] = self._new_user(userid, attributes, [Grant(101, 1)])

    def invite(self, userid: str, attributes: Mapping[str, Any], grants: list[Grant], now: str) -> User:
        """Invite a user."""
        self.invited[userid] = self._new_user(userid, attributes, grants)
        self.invited[userid].created = now
        return self.invited[userid]

    def _new_user(self, userid: str, attributes: Mapping[str, Any], grants: list[Grant]) -> User:
        number, self._next = self._next, self._next + 1
        return User(userid, {"id": number, **attributes}, grants)
