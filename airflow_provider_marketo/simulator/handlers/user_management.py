"""
Handlers for users, roles and invitations.

This API has no envelope: a reply is plain JSON, and a failure has its own HTTP status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.simulator.dates import timestamp
from airflow_provider_marketo.simulator.problems import ApiError
from airflow_provider_marketo.simulator.reply import Bare, Reply
from airflow_provider_marketo.simulator.routes import answers
from airflow_provider_marketo.simulator.store.users import ROLES, WORKSPACES, Grant, User

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_marketo.simulator.instance import Instance
    from airflow_provider_marketo.simulator.request import Request

_ATTRIBUTES = ("emailAddress", "firstName", "lastName", "apiOnly", "expiresAt")
_MAX_PAGE_SIZE = 200
_FIRST_CUSTOM_ROLE = 100


@answers("user_management.get_users")
def get_users(instance: Instance, request: Request) -> Reply:
    offset, size = int(request.get("pageOffset", 0)), int(request.get("pageSize", 20))
    if offset < 0 or not 1 <= size <= _MAX_PAGE_SIZE:
        raise ApiError("1003", f"pageSize must be between 1 and {_MAX_PAGE_SIZE}")
    users = list(instance.store.users.all.values())
    return Bare([_show_listed(user) for user in users[offset : offset + size]])


@answers("user_management.get_user_by_id")
def get_user(instance: Instance, request: Request) -> Reply:
    user = _user(instance.store.users.all, request)
    return Bare(_show(user))


@answers("user_management.get_invited_user_by_id")
def get_invited(instance: Instance, request: Request) -> Reply:
    return Bare(_show_invited(_user(instance.store.users.invited, request)))


@answers("user_management.invite_user")
def invite(instance: Instance, request: Request) -> Reply:
    users = instance.store.users
    userid = request.get("userid") or request["emailAddress"]
    if userid in users.all or userid in users.invited:
        raise ApiError("1017", f"User '{userid}' already exists")
    grants = _grants(request["userRoleWorkspaces"])
    attributes = {"apiOnly": False, **{name: request[name] for name in _ATTRIBUTES if name in request.parameters}}
    users.invite(userid, attributes, grants, timestamp(instance.now))
    return Bare(True)


@answers("user_management.update_user_attributes")
def update(instance: Instance, request: Request) -> Reply:
    user = _user(instance.store.users.all, request)
    user.attributes |= {name: request[name] for name in _ATTRIBUTES if name in request.parameters}
    return Bare(_show(user))


@answers("user_management.delete_user")
def delete(instance: Instance, request: Request) -> Reply:
    del instance.store.users.all[_user(instance.store.users.all, request).userid]
    return Bare(True)


@answers("user_management.delete_invited_user")
def delete_invited(instance: Instance, request: Request) -> Reply:
    del instance.store.users.invited[_user(instance.store.users.invited, request).userid]
    return Bare(True)


@answers("user_management.get_roles_and_workspaces_by_id")
def get_grants(instance: Instance, request: Request) -> Reply:
    user = _user(instance.store.users.all, request)
    return Bare(_show_grants(user))


@answers("user_management.add_roles", "user_management.delete_roles")
def change_roles(instance: Instance, request: Request) -> Reply:
    user = _user(instance.store.users.all, request)
    grants = _grants(request["input"])
    if request.operation.name == "user_management.add_roles":
        user.grants += [grant for grant in grants if grant not in user.grants]
    else:
        user.grants = [grant for grant in user.grants if grant not in grants]
    return Bare(_show_grants(user))


@answers("user_management.get_roles")
def get_roles(instance: Instance, request: Request) -> Reply:
    return Bare(
        [
            {
                "id": number,
                "name": name,
                "description": "",
                "type": "system" if number < _FIRST_CUSTOM_ROLE else "custom",
                "isHidden": False,
                "isOnlyAllZones": number == 1,
            }
            for number, name in ROLES.items()
        ]
    )


@answers("user_management.get_workspaces")
def get_workspaces(instance: Instance, request: Request) -> Reply:
    return Bare(
        [
            {"id": number, "name": name, "description": "", "status": "active", "globalViz": 0, "currencyInfo": "USD"}
            for number, name in WORKSPACES.items()
        ]
    )


def _user(users: Mapping[str, User], request: Request) -> User:
    """
    Return the user that a request names.

    :raises ApiError: 1013, there is no such user.
    """
    user = users.get(request["userid"])
    if user is None:
        raise ApiError("1013", f"User '{request['userid']}' not found")
    return user


def _show(user: User) -> dict[str, Any]:
    login = {"failedDeviceCode": 0, "failedLogins": 0, "isLocked": False, "lockedReason": None, "optedIn": False}
    dates = {"expiresAt": None, "lastLoginAt": None}
    return {"userid": user.userid, **dates, **login, **user.attributes, "userRoleWorkspaces": _show_grants(user)}


def _show_invited(user: User) -> dict[str, Any]:
    names = ("id", "firstName", "lastName", "emailAddress")
    dates = {"expiresAt": user.attributes.get("expiresAt"), "createdAt": user.created, "updatedAt": user.created}
    shown = {name: user.attributes.get(name) for name in names}
    return {**shown, "userid": user.userid, "subscriptionId": "1", "status": "pending", **dates}


def _show_listed(user: User) -> dict[str, Any]:
    return {name: value for name, value in user.attributes.items() if name != "expiresAt"} | {"userid": user.userid}


def _show_grants(user: User) -> list[dict[str, Any]]:
    return [
        {
            "accessRoleId": grant.role,
            "accessRoleName": ROLES[grant.role],
            "workspaceId": grant.workspace,
            "workspaceName": WORKSPACES[grant.workspace],
        }
        for grant in user.grants
    ]


def _grants(given: Iterable[Mapping[str, Any]]) -> list[Grant]:
    grants = [Grant(each["accessRoleId"], each["workspaceId"]) for each in given]
    for grant in grants:
        if grant.role not in ROLES or grant.workspace not in WORKSPACES:
            raise ApiError("1003", f"Invalid role {grant.role} or workspace {grant.workspace}")
    return grants
