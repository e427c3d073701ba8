"""
Check the site: every link leads somewhere and, if Chromium is installed, no page has an error in its console.

``python -m tools.documentation.check build/docs`` ends with 1 and names what is wrong.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SECONDS_PER_PAGE = 60


class Page(HTMLParser):
    """
    The links and anchors of a page.

    :param file: the page.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag links to, and its id."""
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            if value and name in ("id", "name"):
                self.anchors.add(value)


def broken_links(site: Path) -> Iterator[str]:
    """
    Yield each link inside the site that leads nowhere.

    :param site: the folder with the pages.
    """
    pages = {file: Page(file) for file in sorted(site.rglob("*.html"))}
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.file.parent / unquote(parts.path)).resolve() if parts.path else page.file
            target = target / "index.html" if target.is_dir() else target
            known = pages[target].anchors if target in pages else None
            if not target.exists() or (parts.fragment and known is not None and unquote(parts.fragment) not in known):
                yield f"{page.file.relative_to(site)}: {link} leads nowhere"


def console_errors(site: Path, browser: str) -> Iterator[str]:
    """
    Open each page and yield the errors of its console.

    :param site: the folder with the pages.
    :param browser: the program, Chromium or one of its kind.
    """
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    for file in sorted(site.rglob("*.html")):
        with tempfile.TemporaryDirectory(prefix="marketo-site-") as profile:
            command = [browser, *options, f"--user-data-dir={profile}", "--enable-logging=stderr", "--dump-dom"]
            done = subprocess.run(
                [*command, file.as_uri()], capture_output=True, text=True, timeout=SECONDS_PER_PAGE, check=False
            )
        name = file.relative_to(site)
        if "<article" not in done.stdout:
            yield f"{name}: the browser shows no text"
        for line in done.stderr.splitlines():
            if "CONSOLE" in line and ("Uncaught" in line or "Failed" in line or "error" in line.lower()):
                yield f"{name}: {line.partition('] ')[2] or line}"


def main(site: Path) -> int:
    """
    Check the site and print what is wrong.

    :param site: the folder with the pages.
    :return: the exit code.
    """
    wrong = list(broken_links(site.resolve()))
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("Chromium is not installed, so no page was opened in a browser.")
    else:
        wrong += console_errors(site.resolve(), browser)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
