"""The files that a DAG author names in arguments, noted before templates are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_marketo.arguments import is_filled_in_later, mapping

_as_mapping = mapping()


def path_of(value: Any) -> Any:
    """
    Return the path that a value names: a path object, or the text in ``{"path": ...}``; None for anything else.

    Plain text names no file but is the content itself, so that a rendered template cannot pick a file of the worker.

    :param value: an argument of an operation.
    """
    if isinstance(value, Mapping) and set(value) == {"path"}:
        return value["path"]
    return value if hasattr(value, "read_bytes") else None


def named_files(arguments: Any) -> dict[str, bool]:
    """
    Return the arguments that the author gave as a file, and for each whether a template is part of its path.

    :param arguments: arguments of an operation, as written in the DAG file and not yet rendered.
    """
    if isinstance(arguments, Mapping):
        given: Mapping[str, Any] = arguments
    elif is_filled_in_later(arguments):
        return {}
    else:
        given = _as_mapping("arguments", arguments) or {}
    paths = {name: path_of(value) for name, value in given.items()}
    return {
        name: is_filled_in_later(str(path) if hasattr(path, "read_bytes") else path)
        for name, path in paths.items()
        if path is not None
    }
