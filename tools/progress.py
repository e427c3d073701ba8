"""Progress of long commands, for a person who waits."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stage(what: str) -> Iterator[None]:
    """
    Print one line: what happens, then how many seconds it took.

    :param what: the work, such as "installing the provider".
    """
    since = time.monotonic()
    print(f"-- {what} ...", end="", flush=True)
    try:
        yield
    finally:
        print(f" {time.monotonic() - since:.0f} s", flush=True)
