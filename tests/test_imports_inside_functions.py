"""
Imports stand at the top of a module, so that a reader sees what it needs.

An import may stand inside a function in two cases. It stands in a seam of an operator, sensor or transfer: this keeps
the module cheap for Airflow's DAG parser. Or EXCEPTIONS gives the reason.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import airflow_provider_marketo

PACKAGE = Path(airflow_provider_marketo.__file__).parent

# DAG authors import the modules of these folders. These methods may import the one module that does the work.
SEAM_FOLDERS = {"operators", "sensors", "task_groups", "transfers"}
SEAMS = {"_task", "execute", "_execute", "_begin", "hook", "condition", "_wait"}

# File, what it imports, and why it does so inside a function.
EXCEPTIONS = {
    ("client/governor/redis.py", "redis"): "needs an extra, which few connections use",
    ("diagnosis/worker_checks.py", "airflow"): "only deployments on Celery have its provider",
    ("hooks/coordination.py", "airflow_provider_marketo"): "hooks.redis needs an extra, which few connections use",
    ("hooks/form.py", "wtforms"): "Airflow 3.1 only: later lines draw the form from the provider's metadata",
    ("lineage/outlets.py", "airflow_provider_marketo"): "a mixin of operators: two more seams, publish and openlineage",
    ("lineage/tables.py", "airflow_provider_marketo"): "a mixin of operators: two more seams, publish and openlineage",
    ("lineage/uris.py", "airflow"): "OpenLineage's classes take 150 ms, and Airflow imports this file for any asset",
    ("operators/base.py", "airflow_provider_marketo"): "the seams of all operators: modules for a deferral and its end",
    ("operators/erase.py", "airflow_provider_marketo"): "two seams: the erasure, and a warehouse that few authors have",
    ("operators/failures.py", "airflow_provider_marketo"): "needed only by a task that has failed",
    ("operators/asking.py", "airflow_provider_marketo"): "a mixin of operators: two seams, question and answer",
    ("operators/once_base.py", "airflow_provider_marketo"): "one more seam: the answer goes to the ledger",
    (
        "plugin/__init__.py",
        "airflow_provider_marketo",
    ): "only the API server needs the app; all processes import this file",
    (
        "task_groups/tasks.py",
        "airflow_provider_marketo",
    ): "a seam of two modules: the listing, and keys from a warehouse",
    (
        "triggers/connection.py",
        "airflow_provider_marketo",
    ): "this import would block a triggerer's event loop for too long",
}


class Inside(NamedTuple):
    """An import inside a function; the function is named with the classes and functions around it."""

    file: str
    function: str
    module: str
    line: int

    @property
    def folder(self) -> str:
        """The folder inside the package, or the file itself if it is in no folder."""
        return self.file.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}() imports {self.module}"


def imports_inside_functions(file: str, source: str) -> list[Inside]:
    """Return every import that runs when a function is called, not when the module is imported."""

    def walk(node: ast.AST, name: str, inside: bool) -> Iterator[Inside]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from walk(
                    child, f"{name}.{child.name}".lstrip("."), inside or not isinstance(child, ast.ClassDef)
                )
            elif inside and isinstance(child, ast.Import):
                yield from (Inside(file, name, alias.name, child.lineno) for alias in child.names)
            elif inside and isinstance(child, ast.ImportFrom):
                yield Inside(file, name, child.module or ".", child.lineno)
            else:
                yield from walk(child, name, inside)

    return list(walk(ast.parse(source), "", False))


def outside_of_seams(found: Sequence[Inside]) -> list[Inside]:
    """Return the imports that are in no seam. A seam imports one module; if it imports two, both are returned."""
    imported = Counter((one.file, one.function) for one in found)

    def in_a_seam(one: Inside) -> bool:
        named = one.folder in SEAM_FOLDERS and one.function.rpartition(".")[2] in SEAMS
        return named and imported[one.file, one.function] == 1

    return [one for one in found if not in_a_seam(one)]


def excepted(one: Inside) -> bool:
    return (one.file, one.module.partition(".")[0]) in EXCEPTIONS


@pytest.fixture(scope="module")
def found() -> list[Inside]:
    files = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
    return [one for file, path in files.items() for one in imports_inside_functions(file, path.read_text("utf-8"))]


def test_an_import_inside_a_function_stands_in_a_seam_or_has_a_reason(found):
    others = [str(one) for one in outside_of_seams(found) if not excepted(one)]
    assert others == []


def test_every_exception_is_still_needed(found):
    assert {(one.file, one.module.partition(".")[0]) for one in found} >= set(EXCEPTIONS)


def test_imports_inside_functions_are_found_wherever_they_stand():
    source = """
import json
if TYPE_CHECKING:
    import os
class Operator:
    from typing import Any
    def execute(self):
        if self.fast:
            from package.module import run, stop
        def inner():
            import re, sys
async def run(self):
    from . import sibling
"""
    assert [(one.function, one.module) for one in imports_inside_functions("file.py", source)] == [
        ("Operator.execute", "package.module"),
        ("Operator.execute.inner", "re"),
        ("Operator.execute.inner", "sys"),
        ("run", "."),
    ]


@pytest.mark.parametrize(
    ("file", "function", "modules", "outside"),
    [
        ("operators/leads.py", "Operator.execute", ["extract.task"], []),
        ("sensors/base.py", "Sensor._task", ["conditions"], []),
        ("operators/leads.py", "Operator.execute", ["extract.task", "arguments"], ["extract.task", "arguments"]),
        ("operators/leads.py", "Operator.report", ["extract.task"], ["extract.task"]),
        ("triggers/leads.py", "Trigger.execute", ["extract.task"], ["extract.task"]),
    ],
)
def test_a_seam_is_a_named_method_that_imports_one_module(file, function, modules, outside):
    found = [Inside(file, function, module, 1) for module in modules]
    assert [one.module for one in outside_of_seams(found)] == outside
