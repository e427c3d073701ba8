"""The commands of developers."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

import dev

TESTS = Path(__file__).parent


def test_the_parts_of_the_tests_are_folders_that_exist():
    assert {name for name in chain(*dev.PARTS.values()) if not (TESTS / name).is_dir()} == set()


def test_each_test_is_in_one_part():
    parts = [path for part in ("line", *dev.PARTS) for path in dev._tests_of(part)]
    assert len(parts) == len(set(parts))
    assert {TESTS / path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")} == set(parts)


@pytest.mark.parametrize(("uv_exit", "installers"), [(None, ["pip"]), (0, ["uv"]), (2, ["uv", "pip"])])
def test_uv_installs_if_it_can_and_pip_otherwise(uv_exit, installers, tmp_path, monkeypatch, capsys):
    """Uv does not read pip's configuration, so it may not know the registry that pip knows."""
    installed = tmp_path / "installed"
    programs, environment = tmp_path / "programs", dev.Environment(tmp_path / "venv")
    _program(environment.python, f"echo pip >> {installed}")
    if uv_exit is not None:
        _program(programs / "uv", f'[ "$1" = --version ] || {{ echo uv >> {installed}; exit {uv_exit}; }}')
    monkeypatch.setenv("PATH", str(programs))
    environment.install("installing a package", "a-package")
    assert installed.read_text().split() == installers
    assert ("uv could not do it" in capsys.readouterr().out) == (installers == ["uv", "pip"])


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
