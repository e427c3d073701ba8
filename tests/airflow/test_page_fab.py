"""The page *Marketo* under the FAB auth manager: who may read it, and what the others see instead."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.airflow.browser import find_browser, open_page
from tests.airflow.test_page import PAGE, SECRET, page_server
from tools.real_airflow import RealAirflow

ROLES = ("Admin", "Op", "User", "Viewer")
FAB = {
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__FAB__CACHE_TTL": "0",  # otherwise the API server keeps a user's permissions for half a minute
}
MAKE_USERS = """
import sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

@providers_configuration_loaded
def make_users():
    with get_application_builder() as builder:
        for role in sys.argv[1:]:
            name = role.lower()
            words = (name, name, name, f"{name}@example.org", builder.sm.find_role(role), f"{name}-password")
            assert builder.sm.add_user(*words), name

make_users()
"""
"""What ``airflow users create`` does, for all roles in one process."""


def make_users(airflow: RealAirflow) -> None:
    subprocess.run([sys.executable, "-c", MAKE_USERS, *ROLES], env=airflow.environment, check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    with page_server(tmp_path_factory.mktemp("fab"), FAB, make_users) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def token(server: RealAirflow) -> Callable[[str], str]:
    def of(role: str) -> str:
        body = {"username": role.lower(), "password": f"{role.lower()}-password"}
        reply = requests.post(f"{server.url}/air/auth/token", json=body, timeout=60)
        return str(reply.json()["access_token"])

    return of


def get(server: RealAirflow, path: str, token: str | None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{server.url}/air{path}", headers=headers, timeout=60)


def facts(server: RealAirflow, token: str | None) -> requests.Response:
    return get(server, "/marketo/facts", token)


def test_the_facts_need_a_login(server: RealAirflow) -> None:
    assert facts(server, None).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("Admin", 200), ("Op", 200), ("User", 403), ("Viewer", 403)])
def test_a_user_who_may_see_plugins_may_read_the_facts(
    server: RealAirflow, token: Callable[[str], str], role: str, status: int
) -> None:
    """Airflow's list of plugins, from which the menu is made, has the same rule."""
    reply = facts(server, token(role))
    assert (reply.status_code, get(server, "/api/v2/plugins", token(role)).status_code) == (status, status)
    assert SECRET not in reply.text


@pytest.mark.parametrize("role", ["Admin", "Op"])
def test_the_page_opens_for_each_role_of_fab(server: RealAirflow, token: Callable[[str], str], role: str) -> None:
    program = find_browser()
    if program is None:
        pytest.skip("Chromium is not installed")
    cookie = {"name": "_token", "value": token(role), "domain": "127.0.0.1", "path": "/air"}
    with open_page(program, [cookie]) as page:
        page.open(f"{server.url}/air/plugin/marketo")
        page.wait_for(f"!!{PAGE}?.querySelector('section')")
        assert "930 of 1,000 calls used, 70 left" in page.run(f"{PAGE}.innerText")


def test_a_user_who_may_see_no_plugin_has_the_command(server: RealAirflow) -> None:
    said = server.cli("status", "-o", "json", module="airflow_provider_marketo")
    found: dict[str, Any] = json.loads(said[said.index("{\n") :])
    assert {each["conn_id"] for each in found["waits"]["connections"]} == {"marketo_default", "other"}


def test_a_role_that_is_given_the_permission_may_read(server: RealAirflow, token: Callable[[str], str]) -> None:
    assert facts(server, token("Viewer")).status_code == 403
    server.cli("roles", "add-perms", "Viewer", "-a", "can_read", "-r", "Plugins")
    assert facts(server, token("Viewer")).status_code == 200
