"""
The parts of the documentation that are made from the code, as an extension of Sphinx.

A line ``<!-- generated: operations -->`` in a page of ``docs`` becomes what :data:`PARTS` has under this name. A line
``<!-- file: README.md -->`` becomes the text of this file.
"""

from __future__ import annotations

import inspect
import os
import re
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools import arguments_page
from tools.documentation import classes, costs, picture, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sphinx.application import Sphinx

PARTS: Mapping[str, Callable[[], str]] = {
    "architecture": picture.architecture,
    "commands": tables.commands,
    "configuration": tables.configuration,
    "connection": tables.connection,
    "errors": tables.errors,
    "exceptions": tables.exceptions,
    "hook and triggers": classes.hook_and_triggers,
    "journal connection": tables.journal_connection,
    "listings": tables.listings,
    "operations": tables.operations,
    "operators": classes.operators,
    "recipes": tables.recipes,
    "results": classes.results,
    "sensors": classes.sensors,
    "simulator": classes.simulator,
    "transfers": classes.transfers,
}
_GENERATED = re.compile(r"^<!-- generated: ([\w ]+) -->$", re.MULTILINE)
_FILE = re.compile(r"^<!-- file: (\w+\.md) -->$", re.MULTILINE)
_TEST = re.compile(r"^<!-- (?:given|then)\n.*?-->\n", re.MULTILINE | re.DOTALL)
"""Comments with code that tests run before and after a snippet."""

_FIELD = re.compile(r"^:(?:param )?(\w+):.*(?:\n[ \t]+.*)*", re.MULTILINE)
"""A field of a docstring, such as one that describes a parameter, with its indented lines."""

_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
_ROOT = Path(__file__).parents[2]
_REPOSITORY = "https://github.com/airflow-provider-marketo/airflow-provider-marketo/blob/main"
_PAGES = {
    "README.md": "first_steps.md",
    "example_dags": "recipes.md",
    "CHANGELOG.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "RELEASING.md": "project/releasing.md",
}
"""Files of the project that a page of the site shows, most of them with ``<!-- file: README.md -->``."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", add_facts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Insert the generated parts and the shown files, and let each link lead to a page or to the repository."""
    folder = (Path("docs") / page).parent
    text = _TEST.sub("", source[0])
    text = _GENERATED.sub(lambda found: PARTS[found[1]](), _with_links(text, folder, folder))
    source[0] = _FILE.sub(lambda found: _with_links((_ROOT / found[1]).read_text("utf-8"), Path(), folder), text)


def _with_links(text: str, written_in: Path, shown_in: Path) -> str:
    """Return the text with its relative links changed for another folder of the project."""
    return _LINK.sub(lambda link: f"]({_target(os.path.normpath(written_in / link[1]), shown_in)}", text)


def _target(file: str, shown_in: Path) -> str:
    """Return the address of a file of the project, as it is written in a page of a folder."""
    page = Path("docs") / _PAGES[file] if file in _PAGES else Path(file)
    if page.parts[0] != "docs":
        return f"{_REPOSITORY}/{page}"
    return os.path.relpath(page, shown_in)


def signature(*event: Any) -> tuple[str, str] | None:
    """
    Return for autodoc the arguments of a class with their types and defaults.

    Airflow's metaclass of operators hides them: autodoc would show ``(*_: Any, **given: Any)``.
    """
    _, what, _, kind, *_ = event
    if what != "class" or kind not in arguments_page.public_classes():
        return None
    given = arguments_page.arguments(kind).values()
    by_position = [_argument(each) for each in given if each.kind is not Parameter.KEYWORD_ONLY]
    by_keyword = [_argument(each) for each in given if each.kind is Parameter.KEYWORD_ONLY]
    return f"({', '.join([*by_position, *(['*'] if by_keyword else []), *by_keyword])})", ""


def _argument(parameter: Parameter) -> str:
    """Return an argument as it is written in a signature."""
    written = f"{parameter.name}: {parameter.annotation}"
    if parameter.name == "deferrable":
        return f"{written} = default_deferrable"  # Airflow's option: the value of this machine says nothing
    return written if parameter.default is Parameter.empty else f"{written} = {parameter.default!r}"


def add_facts(*event: Any) -> None:
    """Put below a docstring what bases say of the class, its template fields, costs and permissions."""
    _, what, _, kind, _, lines = event
    if what != "class":
        return
    if kind in arguments_page.public_classes():
        lines += _fields_of_bases(kind, described=_fields("\n".join(lines)))
    fields = getattr(kind, "template_fields", ())
    if fields:
        lines += ["", f"Template fields: {', '.join(f'``{field}``' for field in fields)}."]
    lines += costs.of_class(kind.__name__)


def _fields_of_bases(kind: type, described: Collection[str]) -> list[str]:
    """Return what only the bases of a class say about its arguments and its result."""
    said: dict[str, str] = {}
    for base in reversed(kind.__mro__[1:]):
        said |= _fields(inspect.cleandoc(base.__doc__ or ""))
    names = (*arguments_page.arguments(kind), "return")
    return [line for name in names if name in said and name not in described for line in said[name].splitlines()]


def _fields(docstring: str) -> dict[str, str]:
    """Return the fields of a docstring by the names of their parameters; the field of the result is ``return``."""
    return {field[1]: field[0] for field in _FIELD.finditer(docstring)}
