"""Imports between the simulator's modules form no circle, and none leads to the client except to its catalogue."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from airflow_provider_marketo import simulator

PACKAGE = simulator.__name__
ROOT = Path(simulator.__file__).parent
CATALOGUE = {"airflow_provider_marketo.client.operations", "airflow_provider_marketo.client.operation"}


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


def test_imports_form_no_circle():
    TopologicalSorter(graph()).prepare()  # raises CycleError, which names the circle


def test_what_an_instance_is_built_from_does_not_import_what_answers_calls():
    above = {"handlers", "routes", "gateway", "services", "server", "control", "simulator"}
    arrows = graph()
    reached = {f"{PACKAGE}.instance"}
    while new := {target for name in reached for target in arrows[name]} - reached:
        reached |= new
    assert f"{PACKAGE}.store.leads" in reached
    assert not {name.removeprefix(f"{PACKAGE}.").partition(".")[0] for name in reached} & above


def test_the_simulator_imports_only_the_catalogue_from_the_rest_of_the_provider():
    for path in MODULES.values():
        for name in imports(path):
            if name.startswith("airflow_provider_marketo.") and not name.startswith(PACKAGE):
                assert name in CATALOGUE or name.rpartition(".")[0] in CATALOGUE, f"{path.name} imports {name}"
