"""Files that a DAG author names, read for a multipart request."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.client.encoding import BODY_LIMIT
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.operations import Operation, Parameter


def opened(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Replace the files that parameters name by their content.

    :param operation: the operation that the parameters are for.
    :param parameters: the parameters. One of type file may be a path, a URL, bytes, or the text itself.
    :raises MarketoInvalidRequestError: a file cannot be read, or is larger than Marketo accepts.
    """
    found = dict(parameters)
    for name, parameter in operation.parameters.items():
        value = found.get(name)
        path = _path(value) if parameter.type == "file" else None
        if path is not None:
            found[name] = _read(operation.name, parameter, path)
    return found


def _path(value: Any) -> ObjectStoragePath | None:
    """Return the path that a value names. Text with a bracket or a line break is the content itself, such as HTML."""
    if isinstance(value, str) and ("://" in value or value.startswith("/")) and not set("<\n\r") & set(value):
        return ObjectStoragePath(value)
    return value if isinstance(value, ObjectStoragePath) else None


def _read(operation: str, parameter: Parameter, path: ObjectStoragePath) -> tuple[str, bytes, str]:
    most = parameter.schema.max_bytes or BODY_LIMIT
    try:
        size = path.stat().st_size
        if size > most:
            raise MarketoInvalidRequestError(
                f"{path} has {size} bytes, and Marketo takes {most}", parameter=parameter.name, operation=operation
            )
        content = bytes(path.read_bytes())
    except (OSError, ValueError, ImportError) as error:
        raise MarketoInvalidRequestError(
            f"{path} cannot be read ({type(error).__name__}: {error})", parameter=parameter.name, operation=operation
        ) from error
    media = parameter.schema.media or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return path.name, content, media
