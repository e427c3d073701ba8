"""If an experimental part cannot be imported, all others still work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXPERIMENTAL = (
    "cli.doctor",
    "cli.plan",
    "cli.status",
    "cli.verify",
    "cli.warehouse",
    "client.journal",
    "diagnosis",
    "hooks.adobe_events",
    "hooks.token_file",
    "listings",
    "operators.activities",
    "operators.listings",
    "plugin",
    "status",
    "streams.journal",
    "streams.journal_keys",
    "streams.journal_task",
    "task_groups",
    "transfers.marketo_to_sql",
    "triggers.journal_watch",
    "warehouse",
)
"""Modules and folders of the package that have not been in a release."""

WITHOUT_THEM = """
import importlib, pkgutil, sys
import airflow_provider_marketo as package

NEEDS_MORE = ("__main__", "pytest_plugin", "lineage.openlineage")  # arguments, pytest, another provider
broken = tuple(f"{package.__name__}.{name}" for name in sys.argv[1:])

def is_broken(name):
    return name.startswith(tuple(f"{each}." for each in broken)) or name in broken

class Broken:
    def find_spec(self, name, path=None, target=None):
        if is_broken(name):
            raise SyntaxError(f"{name} is broken")

sys.meta_path.insert(0, Broken())
count = 0
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda name: None):
    if not is_broken(module.name) and not module.name.endswith(NEEDS_MORE):
        importlib.import_module(module.name)
        count += 1
print(count)
"""


@pytest.mark.slow("another process imports Airflow and the whole package")
def test_the_rest_can_be_imported_without_the_experimental_parts():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THEM, *EXPERIMENTAL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 100  # some lines of Airflow log to the output


def test_the_list_names_parts_that_exist():
    package = ROOT / "airflow_provider_marketo"
    paths = [package / name.replace(".", "/") for name in EXPERIMENTAL]
    assert [path for path in paths if not path.is_dir() and not path.with_suffix(".py").exists()] == []
