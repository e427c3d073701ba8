"""The page in Chromium with hostile facts: it draws only text, and an odd value breaks only its own section."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo import plugin
from tests.airflow.browser import Page, find_browser, open_page

SCRIPT = Path(plugin.__file__).parent / "static" / "marketo.js"
HOSTILE = "</script><img src=x onerror=\"document.title='run'\"><b>javascript:alert(1)</b>"
HTML = """<!doctype html><title>quiet</title><div id="app"></div><script type="module">
globalThis.React = { useRef: () => ({ current: document.getElementById("app") }), useEffect: (run) => run(),
  createElement: () => null };
const { default: Marketo } = await import("/marketo/static/marketo.js");
Marketo();
</script>"""
ROOT = "document.getElementById('app').shadowRoot"
NOW = "2026-01-15T18:00:00+00:00"


def facts() -> dict[str, Any]:
    task = {"dag_id": HOSTILE, "task_id": "../../x", "run_id": "javascript:alert(1)", "map_index": -1}
    decision = {**task, "key": HOSTILE, "what": HOSTILE, "reason": HOSTILE, "since": HOSTILE, "how_to_check": HOSTILE}
    day = {"date": HOSTILE, "total": 1, "ours_otherwise": 1, "by_dag": {"__proto__": 2}, "others": {HOSTILE: 3}}
    usage = {"measured_at": HOSTILE, "days": [day], "errors": {"constructor": 1, "__proto__": 4}}
    connection = {"conn_id": HOSTILE, "instance": HOSTILE, "usage": usage, "coordination": {"mode": "x", "reason": "y"}}
    return {
        "version": 1,
        "now": NOW,
        "needs": {
            "decisions": [{**decision, "asks": True, "settle": HOSTILE}],
            "faults": [{"found": HOSTILE, "remedy": HOSTILE}],
        },
        "waits": {
            "connections": [connection],
            "tasks": [{**task, "state": HOSTILE, "pool": HOSTILE, "since": HOSTILE, "jobs": [HOSTILE]}],
        },
        "fresh": {"streams": [], "tables": [], "assets": [{"uri": "javascript:alert(1)", "last_event": None}]},
    }


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium is installed")
    with open_page(program, []) as opened:
        yield opened


@pytest.fixture
def show(page: Page) -> Iterator[Any]:
    """Return a function that opens the page with facts, and waits until it has drawn them."""
    served: dict[str, tuple[str, bytes]] = {
        "/": ("text/html", HTML.encode()),
        "/marketo/static/marketo.js": ("text/javascript", SCRIPT.read_bytes()),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = served.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in served else 404)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    def draw(given: dict[str, Any]) -> None:
        served["/marketo/facts"] = ("application/json", json.dumps(given).encode())
        page.open(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for(f"{ROOT}.querySelectorAll('section').length === 3 || {ROOT}.querySelector('[role=alert]')")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield draw
    server.shutdown()
    server.server_close()


def test_hostile_names_are_text_and_links_stay_in_airflow(page, show):
    show(facts())
    assert page.run(f"{ROOT}.querySelectorAll('img, script, b').length") == 0
    assert page.run("document.title") == "quiet"
    assert page.run("({}).constructor === Object && Object.keys(Object.prototype).length") == 0
    assert HOSTILE in page.run(f"{ROOT}.textContent")
    links = page.run(f"[...{ROOT}.querySelectorAll('a')].map((each) => each.href)")
    origin = page.run("location.origin")
    assert links
    assert [link for link in links if not link.startswith(f"{origin}/dags/")] == []


def test_an_odd_value_in_one_section_leaves_the_others(page, show):
    given = facts()
    given["waits"]["connections"][0]["usage"]["days"] = None
    show(given)
    assert page.run(f"[...{ROOT}.querySelectorAll('section')].map((each) => each.dataset.section)") == [
        "needs", "waits", "fresh",
    ]  # fmt: skip
    assert "cannot be shown" in page.run(f"{ROOT}.querySelector('[data-section=waits]').textContent")
