"""Imports between the simulator's modules form no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from airflow_provider_marketo import simulator

PACKAGE = simulator.__name__
ROOT = Path(simulator.__file__).parent
MODULES = {
    ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def imports(path: Path) -> Iterator[str]:
    """Yield every name that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph() -> Mapping[str, set[str]]:
    """Return, for every module of the simulator, the modules of the simulator that it imports."""
    return {name: {known for known in map(_module, imports(path)) if known} for name, path in MODULES.items()}


def _module(name: str) -> str | None:
    """Return the module that holds a name; None for names from outside and for the simulator itself."""
    found = name if name in MODULES else name.rpartition(".")[0]
    return found if found in MODULES and found != PACKAGE else None


def test_no_module_imports_itself_through_others():
    TopologicalSorter(graph()).prepare()  # raises CycleError, which names the circle


def test_the_parts_of_an_instance_do_not_import_the_code_that_answers_calls():
    above = {"handlers", "routes", "gateway", "services", "server", "control", "simulator"}
    arrows = graph()
    reached = {f"{PACKAGE}.instance"}
    while new := {target for name in reached for target in arrows[name]} - reached:
        reached |= new
    assert f"{PACKAGE}.store.leads" in reached
    assert not {name.removeprefix(f"{PACKAGE}.").partition(".")[0] for name in reached} & above
