"""
What commands print: tables for people, facts for programs.

Texts of Marketo and of Variables are made printable in tables, so that a terminal executes none of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from airflow_provider_marketo.airflow_compat import AirflowConsole
from airflow_provider_marketo.client.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FOR_PROGRAMS = ("json", "yaml")


def print_rows(rows: Iterable[Mapping[str, Any]], output: str = "table") -> None:
    """
    Print rows as Airflow's own commands do.

    :param rows: rows that all have the same names.
    :param output: ``table``, ``json``, ``yaml`` or ``plain``. The formats for programs escape control characters.
    """
    if output not in _FOR_PROGRAMS:
        rows = [{name: _shown(value) for name, value in row.items()} for row in rows]
    # Rich takes [red] and :smile: for instructions, and an unbalanced [/red] for an error.
    AirflowConsole(markup=False, emoji=False).print_as(data=list(rows), output=output)


def print_facts(facts: Mapping[str, Any], output: str) -> None:
    """
    Print facts that are not rows.

    :param facts: what a command has found.
    :param output: ``json`` or ``yaml``.
    """
    if output == "json":
        print(json.dumps(facts, indent=2))
    else:
        print(yaml.safe_dump(facts, sort_keys=False), end="")


def _shown(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    return printable(value) if isinstance(value, str) else value
