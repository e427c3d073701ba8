"""
The page *Marketo* under the FAB auth manager: who may read it, and what the others have instead.

These tests run where ``apache-airflow-providers-fab`` is installed. It is no requirement of this project's tests.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.airflow.browser import find_browser, open_page
from tests.airflow.test_page import PAGE, SECRET, page_server
from tools.real_airflow import RealAirflow

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("airflow.providers.fab") is None, reason="the FAB provider is not installed"
)

ROLES = ("Admin", "Op", "User", "Viewer")


FAB = {"AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"}


def make_users(airflow: RealAirflow) -> None:
    for role in ROLES:
        name = role.lower()
        words = ("--username", name, "--password", f"{name}-password", "--role", role, "--firstname", name)
        airflow.cli("users", "create", *words, "--lastname", name, "--email", f"{name}@example.org")


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


def facts(server: RealAirflow, token: str | None) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{server.url}/air/marketo/facts", headers=headers, timeout=60)


def test_nobody_reads_the_facts_without_a_login(server: RealAirflow) -> None:
    assert facts(server, None).status_code == 401


@pytest.mark.parametrize("role", ["Admin", "Op"])
def test_who_may_see_plugins_may_read_the_page(server: RealAirflow, token: Callable[[str], str], role: str) -> None:
    reply = facts(server, token(role))
    assert reply.status_code == 200
    assert SECRET not in reply.text
    program = find_browser()
    if program is None:
        pytest.skip("Chromium is not installed")
    cookie = {"name": "_token", "value": token(role), "domain": "127.0.0.1", "path": "/air"}
    with open_page(program, [cookie]) as page:
        page.open(f"{server.url}/air/plugin/marketo")
        page.wait_for(f"!!{PAGE}?.querySelector('section')")
        assert "930 of 1,000 calls used, 70 left" in page.run(f"{PAGE}.innerText")


@pytest.mark.parametrize("role", ["User", "Viewer"])
def test_who_may_see_no_plugin_has_the_command(server: RealAirflow, token: Callable[[str], str], role: str) -> None:
    assert facts(server, token(role)).status_code == 403
    said = server.cli("status", "-o", "json", module="airflow_provider_marketo")
    found: dict[str, Any] = json.loads(said[said.index("{\n") :])
    assert {each["conn_id"] for each in found["waits"]["connections"]} == {"marketo_default", "other"}


def test_a_role_that_is_given_the_permission_may_read(server: RealAirflow, token: Callable[[str], str]) -> None:
    server.cli("roles", "add-perms", "Viewer", "-a", "can_read", "-r", "Plugins")
    assert facts(server, token("Viewer")).status_code == 200
