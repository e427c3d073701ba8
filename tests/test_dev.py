"""The commands of developers."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import dev

TESTS = Path(__file__).parent


def test_the_parts_of_the_tests_are_folders_that_exist():
    assert {name for name in chain(*dev.PARTS.values()) if not (TESTS / name).is_dir()} == set()


def test_each_test_is_in_one_part():
    parts = [path for part in ("line", *dev.PARTS) for path in dev._tests_of(part)]
    assert len(parts) == len(set(parts))
    assert {TESTS / path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")} == set(parts)
