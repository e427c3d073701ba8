"""Progress of long commands, for a person who waits."""

from __future__ import annotations

import time


class stage:
    """One line: what is being done, then how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._since = time.monotonic()
        print(f"-- {self._what} ...", end="", flush=True)

    def __exit__(self, *error: object) -> None:
        print(f" {time.monotonic() - self._since:.0f} s", flush=True)
