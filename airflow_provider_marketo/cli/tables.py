"""Tables that commands print. Texts of Marketo and of Variables are shown, and the terminal does not act upon them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_marketo.airflow_compat import AirflowConsole
from airflow_provider_marketo.client.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FOR_PROGRAMS = ("json", "yaml")


def print_rows(rows: Iterable[Mapping[str, Any]], output: str = "table") -> None:
    """
    Print rows as Airflow's own commands do.

    :param rows: each with the same names.
    :param output: ``table``, ``json``, ``yaml`` or ``plain``. The formats for programs escape control characters.
    """
    if output not in _FOR_PROGRAMS:
        rows = [{name: _shown(value) for name, value in row.items()} for row in rows]
    # Rich takes [red] and :smile: for instructions, and an unbalanced [/red] for an error.
    AirflowConsole(markup=False, emoji=False).print_as(data=list(rows), output=output)


def _shown(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_shown(each) for each in value]
    return printable(value) if isinstance(value, str) else value
