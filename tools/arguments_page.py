"""
The page that lists every public class with its arguments: ``python -m tools.arguments_page`` writes docs/arguments.md.

A test compares the page with the signatures.
"""

from __future__ import annotations

import importlib
import inspect
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from airflow.sdk import BaseOperator

import airflow_provider_marketo
from airflow_provider_marketo import choices

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "arguments.md"

_FOLDERS = ("operators", "sensors", "transfers")
_OTHERS = ("task_groups.warehouse", "hooks.adobe_events", "hooks.marketo", "triggers.activity")
_HEAD = """\
# Arguments

Every public class with its arguments. `python -m tools.arguments_page` makes this page from the signatures.
The docstrings say what an argument means. Operators and sensors also take the arguments of Airflow's
`BaseOperator` and `BaseSensorOperator`. An argument with a mark in the column *template* may hold a Jinja template.

## Lists

An argument for several values takes a list, a tuple, a set or another task's result. It also takes the text that a
template makes of any of them, in Python or JSON. Other text is one value: it is never split at commas.

* `None`, an empty text and the text `None` mean *not given*: the default applies, or without a default the task fails.
* An empty list names nothing, and never means everything. A task with an empty list of what it works on (leads of a
  campaign or a list, values to look up or to erase, files, columns to leave out or to hash) does nothing, and succeeds.
* Where a list narrows what is read, waited for or sent (`fields`, `activity_types`, `object_types`, lists in `filters`,
  `lead_ids` and `asset_ids` of streams, sensors and triggers, `once_by`), an empty one is refused: without the argument
  the task would take everything. Skip the task upstream, for example with `@task.short_circuit`, when there is
  nothing to name.
"""


def public_classes() -> list[type]:
    """Return the operators, sensors, transfers, the hook and the trigger that DAG authors name, by module."""
    found = []
    for name in _modules():
        module = importlib.import_module(f"{airflow_provider_marketo.__name__}.{name}")
        own = [
            value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__
        ]
        found += [each for each in own if each.__name__.startswith(("Marketo", "SqlToMarketo", "AdobeEvents"))]
    return found


def public_operators() -> list[Any]:
    """Return the operators and sensors among them, without their bases."""
    found = [kind for kind in public_classes() if issubclass(kind, BaseOperator)]
    return [kind for kind in found if not kind.__module__.endswith("base")]


def arguments(kind: type) -> dict[str, inspect.Parameter]:
    """Return the arguments that the signature of a class names."""
    parameters = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
    return {
        each.name: each
        for each in parameters
        if each.name != "self" and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
    }


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_HEAD, *(line for kind in public_classes() for line in _section(kind))])


def _modules() -> Iterator[str]:
    package = Path(airflow_provider_marketo.__file__).parent
    for folder in _FOLDERS:
        for file in sorted((package / folder).rglob("*.py")):
            if file.name != "__init__.py":
                yield ".".join(file.relative_to(package).with_suffix("").parts)
    yield from _OTHERS


def _section(kind: type) -> Iterator[str]:
    rendered = getattr(kind, "template_fields", ())
    yield f"## {kind.__name__}"
    yield ""
    yield f"`{kind.__module__}`: {(inspect.getdoc(kind) or '').splitlines()[0]}"
    yield ""
    yield "| argument | type | default | template |"
    yield "|---|---|---|---|"
    for each in arguments(kind).values():
        yield f"| `{each.name}` | {_type(each)} | {_default(each)} | {'x' if each.name in rendered else ''} |"
    yield ""


def _type(parameter: inspect.Parameter) -> str:
    """Return the type as it is written, with the words of a closed set instead of its name."""
    return re.sub(r"\w+", _words, str(parameter.annotation)).replace("|", "\\|")


def _words(name: re.Match[str]) -> str:
    kind = getattr(choices, name.group(), None)
    return ", ".join(f"`{word!r}`" for word in get_args(kind)) if get_origin(kind) is Literal else name.group()


def _default(parameter: inspect.Parameter) -> str:
    value: Any = parameter.default
    if value is inspect.Parameter.empty:
        return "required"
    if parameter.name == "deferrable":
        return "`[operators] default_deferrable`"
    return f"`{value!s}`" if isinstance(value, timedelta) else f"`{value!r}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
