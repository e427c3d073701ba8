"""Users of the simulator: bare replies, HTTP statuses, and numbers for codes."""

from __future__ import annotations

from typing import Any

from tests.simulator.support import Api

USERS = "/userservice/management/v1/users"
ROLE = {"accessRoleId": 2, "workspaceId": 1}
INVITATION = {
    "emailAddress": "new@example.org",
    "firstName": "New",
    "lastName": "User",
    "userRoleWorkspaces": [ROLE],
}


def send(api: Api, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    reply = api.send(method, f"{USERS}/{path}.json", json=body)
    return reply.status_code, reply.json()


def test_an_invitation_is_not_a_user_yet(api):
    assert send(api, "POST", "invite", INVITATION) == (200, True)
    assert send(api, "GET", "new%40example.org/invite")[1]["firstName"] == "New"
    assert send(api, "GET", "new%40example.org/user")[0] == 404
    status, reply = send(api, "POST", "invite", INVITATION)
    assert (status, reply["errors"][0]["code"]) == (400, 1017)
    assert send(api, "POST", "new%40example.org/invite/delete") == (200, True)
    assert send(api, "GET", "new%40example.org/invite")[0] == 404


def test_users_are_a_bare_list_and_may_be_changed_and_deleted(api):
    (user,) = send(api, "GET", "allusers")[1]
    userid = user["userid"].replace("@", "%40")
    assert send(api, "POST", f"{userid}/update", {"lastName": "Changed"})[1]["lastName"] == "Changed"
    assert send(api, "POST", f"{userid}/delete") == (200, True)
    assert send(api, "GET", "allusers") == (200, [])


def test_roles_are_given_and_taken(api):
    (user,) = send(api, "GET", "allusers")[1]
    path = f"{user['userid'].replace('@', '%40')}/roles"
    assert len(send(api, "POST", f"{path}/create", [ROLE])[1]) == 2
    assert len(send(api, "POST", f"{path}/create", [ROLE])[1]) == 2
    assert len(send(api, "POST", f"{path}/delete", [ROLE])[1]) == len(send(api, "GET", path)[1]) == 1
    assert send(api, "POST", f"{path}/create", [{"accessRoleId": 999, "workspaceId": 1}])[0] == 400
    assert {role["id"] for role in send(api, "GET", "roles")[1]} == {1, 2, 101}
    assert [each["id"] for each in send(api, "GET", "workspaces")[1]] == [0, 1]
