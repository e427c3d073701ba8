"""Directives of autodoc for the public classes, in the order of their modules."""

from __future__ import annotations

from airflow_provider_marketo import simulator as simulator_package
from airflow_provider_marketo.imports import result as import_result
from airflow_provider_marketo.output import manifest
from tools.arguments_page import public_classes


def operators() -> str:
    """Return the operators."""
    return _of_folder("operators")


def sensors() -> str:
    """Return the sensors."""
    return _of_folder("sensors")


def transfers() -> str:
    """Return the transfers, and the task group that is made of them."""
    return _of_folder("transfers") + _of_folder("task_groups")


def hook_and_triggers() -> str:
    """Return the hook with its methods, and the trigger that DAG files name."""
    return _of_folder("hooks", members=True) + _of_folder("triggers")


def results() -> str:
    """Return the result of tasks, and its reader."""
    names = [
        f"{manifest.__name__}.{name}" for name in manifest.__all__ if name[0].isupper() and name != "SCHEMA_VERSION"
    ]
    names.append(f"{import_result.__name__}.ImportResult")
    reader = f"```{{eval-rst}}\n.. autofunction:: {manifest.__name__}.read_manifest\n```\n"
    return reader + "\n".join(_autoclass(name, members=True) for name in names)


def simulator() -> str:
    """Return the simulator, for the tests of a DAG repository."""
    name = simulator_package.__name__
    return "\n".join(_autoclass(f"{name}.{each}", members=True) for each in simulator_package.__all__)


def _of_folder(folder: str, members: bool = False) -> str:
    found = [kind for kind in public_classes() if kind.__module__.split(".")[1] == folder]
    return "\n".join(_autoclass(f"{kind.__module__}.{kind.__name__}", members) for kind in found)


def _autoclass(path: str, members: bool = False) -> str:
    """Return a section with a class, whose constructor's parameters stand in its docstring."""
    name = path.rpartition(".")[2]
    options = "   :members:\n   :member-order: bysource\n" if members else ""
    return f"## {name}\n\n```{{eval-rst}}\n.. autoclass:: {path}\n{options}```\n"
