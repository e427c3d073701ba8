"""The plugin as Airflow's processes load it. ``tests/airflow/test_page.py`` tests the page on an API server."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from airflow_provider_marketo import plugin
from airflow_provider_marketo.plugin import MarketoPlugin, app
from airflow_provider_marketo.provider_info import get_provider_info

LOAD = """
import json, sys
from airflow import plugins_manager
getattr(plugins_manager, "ensure_plugins_loaded", lambda: None)()
getattr(plugins_manager, "_get_plugins", lambda: None)()
print(json.dumps(sorted(sys.modules)))
"""


LOADED_BY_AIRFLOW = {
    "plugin",
    "provider_info",
    "policy",
    "options",
    "airflow_compat",
    "client",
    "client.limits",
    "client.printable",
}
"""The plugin's file, and what Airflow loads of every provider: its description, its policy and their options."""


def test_it_is_an_entry_point_only():
    (found,) = (each for each in entry_points(group="airflow.plugins") if each.name == "marketo")
    assert found.value == "airflow_provider_marketo.plugin:MarketoPlugin"
    assert "plugins" not in get_provider_info()


def test_a_process_that_loads_all_plugins_imports_this_file_and_nothing_else_of_ours():
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, timeout=110)
    loaded = json.loads(done.stdout.splitlines()[-1])
    ours = {name for name in loaded if name.startswith("airflow_provider_marketo.")}
    assert "airflow_provider_marketo.plugin" in ours
    assert {name.removeprefix("airflow_provider_marketo.") for name in ours} <= LOADED_BY_AIRFLOW
    assert "fastapi.staticfiles" not in loaded


def test_a_page_that_fails_does_not_keep_the_api_server_from_starting(monkeypatch, caplog):
    def fails():
        raise ImportError("Airflow has moved something")

    monkeypatch.setattr(app, "make_app", fails)
    with caplog.at_level(logging.ERROR):
        assert MarketoPlugin().fastapi_apps == []
    assert "Airflow starts without the page Marketo" in caplog.text


def test_the_app_is_made_once():
    first, second = MarketoPlugin().fastapi_apps, MarketoPlugin().fastapi_apps
    assert first[0]["app"] is second[0]["app"]
    assert first[0]["url_prefix"] == "/marketo"


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("http://localhost:8080", ""),
        ("https://example.org/air", "/air"),
        ("https://example.org/a/b/", "/a/b"),
        ("", ""),
    ],
)
def test_static_files_lie_below_the_path_of_the_base_url(monkeypatch, base_url, path):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert plugin._static("marketo.js").startswith(f"{path}/marketo/static/marketo.js?v=")


def test_every_static_file_that_is_named_exists():
    folder = Path(plugin.__file__).parent / "static"
    (react_app,) = MarketoPlugin.react_apps
    for url in (react_app["bundle_url"], react_app["icon"], react_app["icon_dark_mode"]):
        assert (folder / url.partition("?")[0].rpartition("/")[2]).is_file()


def test_every_route_but_the_static_files_asks_who_the_user_is():
    from fastapi.routing import APIRoute

    routes = [route for route in app.make_app().routes if isinstance(route, APIRoute)]
    assert [route.path for route in routes] == ["/facts"]
    assert all(route.dependencies and route.methods == {"GET"} for route in routes)


def test_texts_are_never_set_as_html():
    code = (Path(plugin.__file__).parent / "static" / "marketo.js").read_text("utf-8")
    assert [name for name in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write") if name in code] == []
