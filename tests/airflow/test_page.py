"""
The page *Marketo* on a real API server: who may read it, and how it looks in Chromium.

The server has users with roles, and its base URL has a path.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_marketo.client.quota_day import quota_date
from tests.airflow.browser import Page, find_browser, open_page
from tests.status.conftest import entry, quota, usage
from tools.real_airflow import PATIENCE, RealAirflow

USERS = {"admin": "admin", "otto": "op", "uma": "user", "joe": "viewer"}
SECRET = "the-secret-of-the-connection"
DAG = """
from airflow.sdk import DAG, task

with DAG("send", schedule=None):

    @task
    def trigger(): ...

    trigger()
"""
SEED = """
import json, sys
from airflow.models import Connection, Variable
from airflow.utils.session import create_session
with create_session() as session:
    for name, value in json.loads(sys.argv[1]).items():
        Variable.set(name, value, session=session)
    session.add(Connection(**json.loads(sys.argv[2])))
"""
PAGE = """(() => { const find = (node) => { for (const each of node.querySelectorAll('*')) {
  if (each.shadowRoot?.querySelector('.page')) return each.shadowRoot.querySelector('.page'); } return null; };
  return find(document); })()"""
"""The page in its shadow root, wherever Airflow has put it."""


def _now(**ago: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(**ago)).isoformat(timespec="seconds")


def _variables() -> dict[str, str]:
    key, text, claim = entry(what="campaign Spring <2026> (1123) for 10 leads")
    gone, gone_text, gone_claim = entry(2, dag_id="a_dag_that_is_gone")
    tomorrow = (datetime.now(timezone.utc) + timedelta(hours=9)).isoformat(timespec="seconds")
    facts = {
        "marketo_quota_marketo_default": quota(
            used=930, measured_at=_now(minutes=3), exports_measured_at=_now(minutes=3), resets_at=tomorrow,
            latches={"export": tomorrow},
        ),
        "marketo_usage_marketo_default": usage(
            measured_at=_now(minutes=40), reason="this task's scheduler runs on this host"
        ),
        "marketo_quota_other": quota(resets_at=_now(hours=1)),
        "marketo_position_leads": {"time": _now(hours=5), "pages": {}},
        "marketo_position_forms": {"time": _now(seconds=30), "pending": None},
        "marketo_pools": {"marketo_default": "marketo"},
        "marketo_promises": {"leads": "PT2H", "forms": "PT5M"},
        "marketo_tables_send.trigger": {
            "dag_id": "send", "place": "duckdb://wh/marketo", "tables": {"emails": {"until": _now(hours=3)}},
        },
    }  # fmt: skip
    return {name: json.dumps(value) for name, value in facts.items()} | {
        key: text,
        claim: "a process",
        gone: gone_text,
        gone_claim: "a process",
    }


def _exports_of_today() -> str:
    return json.dumps(
        {
            "version": 1,
            "day": quota_date(datetime.now(timezone.utc)),
            "budgets": {},
            "entries": {"a": {"dag_id": "send", "since": _now(hours=1), "spent": 12_000_000}},
        }
    )


@contextmanager
def page_server(
    home: Path, settings: Mapping[str, str], make_users: Callable[[RealAirflow], None] = lambda airflow: None
) -> Iterator[RealAirflow]:
    """
    Run an API server with roles and a base URL with a path, whose database has facts about Marketo.

    :param home: Airflow's folder.
    :param settings: settings of its auth manager.
    :param make_users: makes the users that the settings do not name.
    """
    (home / "dags").mkdir()
    (home / "dags" / "send.py").write_text(DAG)
    airflow = RealAirflow(home, home / "dags")
    base = f"{airflow.url}/air"
    airflow.settings = {
        "AIRFLOW__API__BASE_URL": base,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        **settings,
    }
    with airflow:
        airflow.migrate()
        make_users(airflow)
        airflow.cli("dags", "reserialize")
        seed(airflow)
        airflow.start_component("api-server")
        wait_until_it_answers(airflow, f"{base}/api/v2/version")
        yield airflow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    users = ",".join(f"{name}:{role}" for name, role in USERS.items())
    with page_server(tmp_path_factory.mktemp("page"), {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users}) as airflow:
        yield airflow


def seed(airflow: RealAirflow) -> None:
    """Write the Variables and a connection, in one process that has the server's configuration."""
    connection = {"conn_id": "marketo_default", "conn_type": "marketo", "host": "127.0.0.1:9", "password": SECRET}
    subprocess.run(
        [sys.executable, "-c", SEED, json.dumps(_variables()), json.dumps(connection)],
        env=airflow.environment,
        check=True,
    )


def wait_until_it_answers(airflow: RealAirflow, url: str) -> None:
    deadline = time.monotonic() + 120 * PATIENCE
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:  # not started yet, or busy
            pass
        time.sleep(0.3)
    raise AssertionError(airflow.log("api-server").read_text()[-2000:])


@pytest.fixture(scope="module")
def token(server: RealAirflow) -> Callable[[str], str]:
    """Return a function that logs a user in and returns the token."""
    known: dict[str, str] = {}

    def of(user: str) -> str:
        if user not in known:
            passwords = json.loads((server.home / "simple_auth_manager_passwords.json.generated").read_text())
            body = {"username": user, "password": passwords[user]}
            reply = requests.post(f"{server.url}/air/auth/token", json=body, timeout=60)
            known[user] = reply.json()["access_token"]
        return known[user]

    return of


@pytest.fixture
def get(server: RealAirflow, token: Callable[[str], str]) -> Callable[..., requests.Response]:
    """Return a function that asks for a path of the page's app as a user; without a user it does not log in."""

    def ask(path: str, user: str | None = None, method: str = "GET", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token(user)}"} if user else {}
        return requests.request(method, f"{server.url}/air/marketo{path}", headers=headers, timeout=60, **more)

    return ask


def test_the_facts_need_a_login(get) -> None:
    assert get("/facts").status_code == 401
    assert get("/facts", cookies={"_token": "nonsense"}).status_code in (401, 403)


@pytest.mark.parametrize("user", USERS)
def test_a_user_who_may_see_plugins_may_read_the_facts(get, user: str) -> None:
    reply = get("/facts", user)
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    facts = reply.json()
    assert [each["conn_id"] for each in facts["waits"]["connections"]] == ["marketo_default", "other"]
    assert len(facts["fresh"]["streams"]) == 2
    assert SECRET not in reply.text


def test_a_user_who_may_read_a_dag_sees_its_decisions(get) -> None:
    """The DAG of the second entry is not in the database, so no user may read it."""
    (decision,) = get("/facts", "joe").json()["needs"]["decisions"]
    assert decision["dag_id"] == "send"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_page_changes_nothing(get, method: str) -> None:
    assert get("/facts", "admin", method).status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/static/../app.py", "/static/%2e%2e/app.py"])
def test_other_paths_of_the_plugin_are_not_found(get, path: str) -> None:
    assert get(path, "admin").status_code == 404


def test_the_code_of_the_page_is_public_and_a_javascript_module(get) -> None:
    reply = get("/static/marketo.js")
    assert (reply.status_code, reply.headers["Content-Type"].partition(";")[0]) == (200, "text/javascript")


def test_the_menu_names_the_page_below_the_path_of_the_base_url(server: RealAirflow, token) -> None:
    def api(path: str) -> Any:
        headers = {"Authorization": f"Bearer {token('joe')}"}
        return requests.get(f"{server.url}/air/api/v2/plugins{path}", headers=headers, timeout=60).json()

    (plugin,) = (each for each in api("")["plugins"] if each["name"] == "marketo")
    (app,) = plugin["react_apps"]
    assert app["bundle_url"].startswith("/air/marketo/static/marketo.js?v=")
    assert (app["destination"], app["category"]) == ("nav", "browse")
    assert api("/importErrors")["import_errors"] == []


@pytest.fixture(scope="module")
def page(server: RealAirflow, token: Callable[[str], str]) -> Iterator[Page]:
    """The page, open in Chromium as a viewer, with its facts."""
    program = find_browser()
    if program is None:
        pytest.skip("Chromium is not installed")
    # Write this only now: since the server was started, a new day may have begun at Marketo.
    server.cli("variables", "set", "marketo_exports_marketo_default", _exports_of_today())
    cookie = {"name": "_token", "value": token("joe"), "domain": "127.0.0.1", "path": "/air"}
    with open_page(program, [cookie]) as opened:
        opened.open(f"{server.url}/air/plugin/marketo")
        opened.wait_for(f"!!{PAGE}?.querySelector('section')")
        yield opened


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for pictures: that of the variable ``MARKETO_PICTURES``, for the documentation, or the test's own."""
    folder = Path(os.environ.get("MARKETO_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def text(page: Page) -> str:
    return str(page.run(f"{PAGE}.innerText"))


def test_the_sections_answer_the_three_questions(page: Page, pictures: Path) -> None:
    said = text(page)
    assert [title for title in ("What needs me", "Why does it wait", "How fresh") if title not in said] == []
    assert "930 of 1,000 calls used, 70 left" in said
    assert re.search(r"measured \d+ minutes ago", said)
    assert "The day's quota of export is spent" in said
    assert "120 of 500 MB used, 0 left" in said, "as long as Marketo refuses exports, none of the quota is left"
    assert "A new quota day has begun" in said
    assert "5 hours" in said
    assert "The pool marketo of marketo_default does not exist" in said
    assert "late: 2 hours is promised" in said
    assert "duckdb://wh/marketo" in said
    assert "Exported today: send 12 MB" in said
    page.screenshot(pictures / "page-light.png")


def test_bars_tell_a_screen_reader_what_they_show(page: Page) -> None:
    label = f"[...{PAGE}.querySelectorAll('[role=meter]')].map(each => each.getAttribute('aria-valuetext'))"
    assert "930 of 1,000 calls used, 70 left" in page.run(label)
    assert page.run(f"[...{PAGE}.querySelectorAll('section')].every(each => "
                    f"{PAGE}.querySelector('#' + each.getAttribute('aria-labelledby')) !== null)")  # fmt: skip
    assert page.run(f"[...{PAGE}.querySelectorAll('table')].every(each => each.caption !== null)")


def test_the_theme_changes_without_a_reload(page: Page, pictures: Path) -> None:
    colour = f"getComputedStyle({PAGE}).backgroundColor"
    page.run("document.documentElement.className = 'light'; document.documentElement.dataset.theme = 'light'")
    light = page.run(colour)
    page.run("document.documentElement.className = 'dark'; document.documentElement.dataset.theme = 'dark'")
    assert page.run(colour) != light
    page.screenshot(pictures / "page-dark.png")
    page.run("document.documentElement.className = 'light'; document.documentElement.dataset.theme = 'light'")
    assert page.run(colour) == light


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    focused = f"{PAGE}.getRootNode().activeElement?.tagName ?? ''"
    seen: list[str] = []
    for _ in range(60):
        page.press("Tab", 9)
        seen.append(page.run(focused))
        if seen[-1] == "SUMMARY":
            break
    assert {"BUTTON", "SUMMARY"} <= set(seen)
    assert page.run(f"getComputedStyle({PAGE}.getRootNode().activeElement).outlineStyle") == "solid"
    page.press("Enter", 13)
    assert page.wait_for(f"{PAGE}.querySelector('details').open")
    assert "user-1a2b3c4d" in text(page)


def test_a_phone_needs_no_sideways_scrolling(page: Page, pictures: Path) -> None:
    page.resize(380, 800)
    try:
        assert page.run(f"{PAGE}.scrollWidth <= {PAGE}.clientWidth")
        assert page.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.screenshot(pictures / "page-narrow.png")
    finally:
        page.resize(1280, 1000)


def test_names_from_outside_are_shown_as_text(page: Page) -> None:
    assert "campaign Spring <2026> (1123) for 10 leads" in text(page)
    assert page.run(f"{PAGE}.querySelectorAll('b').length") == 0


def test_the_page_says_that_a_session_has_ended(page: Page) -> None:
    page.send("Network.clearBrowserCookies")
    page.run(f"{PAGE}.querySelector('button').click()")
    assert page.wait_for(f"{PAGE}.querySelector('[role=alert]')?.innerText.includes('Log in again')")
