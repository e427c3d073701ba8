"""Chromium without a driver: one page, steered over the DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from tools.real_airflow import PATIENCE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1280,1000",
)


class Page:
    """
    An open page.

    :param connection: the connection to the page's DevTools.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result."""
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._connection.recv(timeout=60 * PATIENCE))
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said['error']}"
                return dict(said["result"])

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, script: str, within: float = 60) -> Any:
        """
        Wait until an expression is true, and return its value.

        A page has no body while it loads, and loses its context when it moves on. An expression that raises is not yet
        true.
        """
        deadline = time.monotonic() + within * PATIENCE
        while True:
            try:
                if value := self.run(script):
                    return value
                said = self.run("document.body?.innerText")
            except AssertionError as raised:
                said = raised
            if time.monotonic() > deadline:
                raise AssertionError(f"{script} did not become true; the page says: {said}")
            time.sleep(0.1)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.send("Page.navigate", url=url)

    def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def resize(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def screenshot(self, file: Path) -> None:
        """Write a picture of what is visible."""
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


def find_browser() -> str | None:
    """Return the program; None without one."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def open_page(program: str, cookies: list[dict[str, Any]]) -> Iterator[Page]:
    """
    Start the browser, yield one page, and end the browser.

    :param program: the browser.
    :param cookies: cookies in the form that ``Network.setCookie`` takes.
    """
    with tempfile.TemporaryDirectory(prefix="marketo-browser-", ignore_cleanup_errors=True) as profile:
        command = [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_address(Path(profile) / "DevToolsActivePort"), max_size=None) as connection:
                page = Page(connection)
                for cookie in cookies:
                    page.send("Network.setCookie", **cookie)
                yield page
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            process.kill()
            process.wait()


def _address(file: Path) -> str:
    """Wait until the browser listens and has its page, in any order."""
    deadline = time.monotonic() + 60 * PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError, IndexError, StopIteration):
            port = file.read_text().splitlines()[0]
            targets = requests.get(f"http://127.0.0.1:{port}/json", timeout=10).json()
            return str(next(each["webSocketDebuggerUrl"] for each in targets if each["type"] == "page"))
        time.sleep(0.1)
    raise AssertionError("the browser did not start")
