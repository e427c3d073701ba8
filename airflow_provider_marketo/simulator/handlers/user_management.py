"""
Handlers for users, roles and invitations.

This API has no envelope: a reply is plain JSON, and a failure has its own HTTP status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        return _error(400, 1003, f"pageSize must be between 1 and {_MAX_PAGE_SIZE}")
    users = list(instance.store.users.all.values())
    return Bare([_show(user) for user in users[offset : offset + size]])


@answers("user_management.get_user_by_id")
def get_user(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.all.get(request["userid"])
    return _not_found(request) if user is None else Bare(_show(user))


@answers("user_management.get_invited_user_by_id")
def get_invited(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.invited.get(request["userid"])
    return _not_found(request) if user is None else Bare(_show(user))


@answers("user_management.invite_user")
def invite(instance: Instance, request: Request) -> Reply:
    users = instance.store.users
    userid = request.get("userid") or request["emailAddress"]
    if userid in users.all or userid in users.invited:
        return _error(400, 1017, f"User '{userid}' already exists")
    grants = _grants(request["userRoleWorkspaces"])
    if isinstance(grants, Bare):
        return grants
    attributes = {"apiOnly": False, **{name: request[name] for name in _ATTRIBUTES if name in request.parameters}}
    users.invite(userid, attributes, grants)
    return Bare(True)


@answers("user_management.update_user_attributes")
def update(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.all.get(request["userid"])
    if user is None:
        return _not_found(request)
    user.attributes |= {name: request[name] for name in _ATTRIBUTES if name in request.parameters}
    return Bare(_show(user))


@answers("user_management.delete_user")
def delete(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.all.pop(request["userid"], None)
    return _not_found(request) if user is None else Bare(True)


@answers("user_management.delete_invited_user")
def delete_invited(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.invited.pop(request["userid"], None)
    return _not_found(request) if user is None else Bare(True)


@answers("user_management.get_roles_and_workspaces_by_id")
def get_grants(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.all.get(request["userid"])
    return _not_found(request) if user is None else Bare(_show_grants(user))


@answers("user_management.add_roles", "user_management.delete_roles")
def change_roles(instance: Instance, request: Request) -> Reply:
    user = instance.store.users.all.get(request["userid"])
    if user is None:
        return _not_found(request)
    grants = _grants(request["input"])
    if isinstance(grants, Bare):
        return grants
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
            {"id": number, "name": name, "description": "", "status": "active", "globalVisualization": 0}
            for number, name in WORKSPACES.items()
        ]
    )


def _show(user: User) -> dict[str, Any]:
    return {"userid": user.userid, **user.attributes, "userRoleWorkspaces": _show_grants(user)}


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


def _grants(given: Iterable[Mapping[str, Any]]) -> list[Grant] | Bare:
    grants = [Grant(each["accessRoleId"], each["workspaceId"]) for each in given]
    for grant in grants:
        if grant.role not in ROLES or grant.workspace not in WORKSPACES:
            return _error(400, 1003, f"Invalid role {grant.role} or workspace {grant.workspace}")
    return grants


def _not_found(request: Request) -> Bare:
    return _error(404, 1013, f"User '{request['userid']}' not found")


def _error(status: int, code: int, message: str) -> Bare:
    """Return a failure. Error codes of this API are numbers."""
    return Bare({"success": False, "errors": [{"code": code, "message": message}]}, status)
