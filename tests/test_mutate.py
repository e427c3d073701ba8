"""``dev.py mutate``: which changes it makes, and which of them a test notices."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import mutate

SOURCE = b'''"""Counts; a docstring is no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def most(values: Sequence[int], *, floor: int = 0) -> int:
    """Return 1 more than the largest."""
    log.info("counting %d", len(values))
    if not values or min(values) < floor:
        return floor
    return max(values) + 1


@dataclass(frozen=True)
class Few:
    most: int = 3
'''


def test_what_a_test_could_notice_is_changed_and_nothing_else():
    found = {mutant.describe(SOURCE) for mutant in mutate.mutants(SOURCE)}
    assert found == {
        "line 11: 0  ->  (1)",
        'line 13: log.info("counting %d", len(values))  ->  return None',
        "line 14: not values or min(values) < floor  ->  (not values and min(values) < floor)",
        "line 14: not values  ->  (bool(values))",
        "line 14: min(values) < floor  ->  (min(values) <= floor)",
        "line 14: min(values)  ->  max(values)",
        "line 16: max(values) + 1  ->  (max(values) - 1)",
        "line 16: max(values)  ->  min(values)",
        "line 16: 1  ->  (2)",
        "line 21: 3  ->  (4)",
    }


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("if found.is_known:\n    use(found)", {"found.is_known  ->  (not found.is_known)", "use(found)  ->  pass"}),
        ("while is_open():\n    pass", {"is_open()  ->  (not is_open())"}),
        ("a = b if c else d", {"b if c else d  ->  (d if c else b)", "c  ->  (not c)"}),
        ("a = [b for b in c if b.ok]", {"b.ok  ->  (not b.ok)"}),
        ("if left > 0:\n    log.info('Waiting %d seconds', left)", set()),
        ("if so:\n    log.info('Waiting')\nelse:\n    go()", {"so  ->  (not so)", "go()  ->  pass"}),
        ("raise Odd(f'{days + 1} days', executed=True)", {"True  ->  False"}),
        ("part = lru_cache(1 << 12)(rules.part)", set()),
        ("Item = TypeVar('Item', covariant=True)", set()),
        ("for a, b in zip(c, d, strict=True):\n    pass", set()),
        ("a = 'x' + b + c", set()),
        ("a = [b, *c] + d", set()),
        ("a = len(b) + c", {"len(b) + c  ->  (len(b) - c)"}),
        ("def quiet():\n    log.info('Nothing to do')", set()),
        ("def nothing():\n    return None", set()),
        ("def one():\n    go()", {"go()  ->  pass"}),
    ],
)  # fmt: skip
def test_conditions_are_negated_and_what_no_test_should_notice_stays(code, changes):
    found = {mutant.describe(code.encode()).partition(": ")[2] for mutant in mutate.mutants(code.encode())}
    assert found == changes


def test_every_mutant_is_python_and_differs():
    for mutant in mutate.mutants(SOURCE):
        changed = mutant.apply(SOURCE)
        assert changed != SOURCE
        compile(changed, "a module", "exec")


def test_a_change_behind_letters_of_several_bytes_is_in_its_place():
    source = 'def one():\n    return "ä", 1\n'.encode()
    (body, number) = sorted(mutate.mutants(source), key=lambda each: each.end - each.start, reverse=True)
    assert body.apply(source).decode() == "def one():\n    return None\n"
    assert number.apply(source).decode() == 'def one():\n    return "ä", (2)\n'


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with one module, whose test does not check the boundary."""
    (tmp_path / mutate.PACKAGE).mkdir()
    (tmp_path / mutate.PACKAGE / "__init__.py").touch()
    (tmp_path / mutate.PACKAGE / "few.py").write_text("def is_few(number):\n    return number <= 3\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_few.py").write_text(
        f"from {mutate.PACKAGE}.few import is_few\n\n\ndef test_few():\n    assert is_few(1) and not is_few(9)\n"
    )
    monkeypatch.setattr(mutate, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["mutate", "--module", "few", "--tests", "test_few.py", "--seed", "7"])
    return tmp_path


@pytest.mark.slow
def test_changes_that_no_test_notices_are_printed_and_fail_the_command(project, capsys):
    assert mutate.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "few: 3 of 3 mutants, seed 7",
        "survived, line 2: number <= 3  ->  (number < 3)",
        "survived, line 2: 3  ->  (4)",
        "few: 3 mutants, 1 killed, 2 survived",
    ]
    assert (project / mutate.PACKAGE / "few.py").read_text().endswith("number <= 3\n")


@pytest.mark.slow
def test_tests_that_fail_anyway_say_nothing_about_mutants(project, capsys):
    (project / "tests" / "test_few.py").write_text("def test_it():\n    assert False\n")
    assert mutate.main() == 2
    assert capsys.readouterr().out.splitlines()[-1] == "the tests fail without a mutant"


@pytest.mark.parametrize("module", mutate.TESTS)
def test_the_table_names_modules_and_tests_that_exist(module):
    assert (mutate.HERE / mutate.PACKAGE / f"{module}.py").is_file()
    for name in mutate.TESTS[module]:
        assert (mutate.HERE / "tests" / name).exists()
