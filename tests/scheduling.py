"""
How parallel workers share the tests.

xdist's own scheduler assigns each test without a group by itself. Whenever a test ends, it looks at all tests that the
worker has ever had. With ten thousand tests that takes twelve seconds of the CPU.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

AT_ONCE = 10
"""The most tests of a file that a worker gets at once. They share the fixtures that their file makes once."""


class FileByFile(LoadGroupScheduling):  # type: ignore[misc]
    """Hands out a group, or a few tests of a file, and forgets what is done."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # long_tests_first has ordered them
        self._scopes: dict[str, str] = {}
        self._tests_of: Counter[str] = Counter()

    def _split_scope(self, nodeid: str) -> str:
        if nodeid not in self._scopes:
            scope = super()._split_scope(nodeid)
            if scope == nodeid:
                file = nodeid.partition("::")[0]
                scope = f"{file} {self._tests_of[file] // AT_ONCE}"
                self._tests_of[file] += 1
            self._scopes[nodeid] = scope
        return self._scopes[nodeid]

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


def long_tests_first(items: list[pytest.Item]) -> None:
    """Let groups begin first, the largest before others, then slow tests: no worker waits for them at the end."""
    groups = {item: _group_of(item) for item in items}
    sizes = Counter(groups.values())

    def rank(item: pytest.Item) -> tuple[int, int]:
        if group := groups[item]:
            return 0, -sizes[group]
        return (1 if item.get_closest_marker("slow") else 2), 0

    items.sort(key=rank)


def _group_of(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return str(marker.args[0] if marker.args else marker.kwargs["name"]) if marker else ""
