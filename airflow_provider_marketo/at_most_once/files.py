"""Files that a DAG author names, read for a multipart request."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.airflow_compat import connection_of
from airflow_provider_marketo.at_most_once.named_files import path_of
from airflow_provider_marketo.client.encoding import BODY_LIMIT
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStorageError
from airflow_provider_marketo.client.printable import printable_logger
from airflow_provider_marketo.output.folder import is_final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.operations import Operation, Parameter

log = printable_logger(__name__)

_LOCAL = ("", "file")
_LONGEST_PATH = 1_000


class NamedFiles:
    """
    Reads the files that arguments name.

    A path that is written in the DAG file may lead anywhere. A path that a template, an XCom or a mapping has made must
    lie in one of the folders that ``[marketo] upload_roots`` lists.

    :param named: the arguments that the author gave as a file, and whether a template is part of the path.
    :param mapped: whether the task is mapped, so that an XCom may have given the arguments.
    """

    def __init__(self, named: Mapping[str, bool], *, mapped: bool) -> None:
        self._fixed = set() if mapped else {name for name, is_template in named.items() if not is_template}

    def opened(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """
        Replace the files that parameters name with their content.

        :param operation: the operation that the parameters are for.
        :param parameters: the parameters. A parameter of type file may be a path, ``{"path": ...}``, an open file, or
            the content itself as bytes or text.
        :raises MarketoInvalidRequestError: a file cannot be read, is larger than Marketo accepts, or its path comes
            from a template and lies outside the folders that are allowed.
        """
        found = dict(parameters)
        for name, parameter in operation.parameters.items():
            value = found.get(name)
            if parameter.type != "file" or value is None:
                continue
            path = path_of(value)
            if path is not None:
                found[name] = self._read(operation.name, parameter, path)
            elif hasattr(value, "read"):
                found[name] = value.read()
            elif _looks_like_a_path(value):
                log.warning(
                    "%s: %s is text that looks like a path, and text is the content itself. To send a file, write "
                    '{"path": ...} in the DAG file.',
                    operation.name,
                    name,
                )
        return found

    def _read(self, operation: str, parameter: Parameter, named: Any) -> tuple[str, bytes, str]:
        most = parameter.schema.max_bytes or BODY_LIMIT
        facts: dict[str, Any] = {"parameter": parameter.name, "operation": operation}
        try:
            path = ObjectStoragePath(str(named))
            is_fixed = parameter.name in self._fixed
            is_inside = is_fixed or _is_in_roots(path)
            is_special = is_inside and not is_fixed and _is_special(path)
            is_allowed = is_inside and not is_special
            if is_allowed:
                with path.open("rb") as file:  # type: ignore[no-untyped-call]
                    is_allowed = is_fixed or _is_in_roots(_opened(path, file))
                    content = bytes(file.read(most + 1)) if is_allowed else b""
        except Exception as error:  # each kind of storage has errors of its own
            text = f"{_text_of(named)} cannot be read ({type(error).__name__}: {error})"
            if is_final(error):
                raise MarketoInvalidRequestError(text, **facts) from error
            raise MarketoStorageError(f"{parameter.name}: {text}", operation=operation) from error
        if is_special:
            raise MarketoInvalidRequestError(
                f"{_text_of(named)} is not a file",
                remedy="Name a file: Marketo takes no folder, and the task opens no pipe or device.",
                **facts,
            )
        if not is_allowed:
            raise MarketoInvalidRequestError(
                f"{_text_of(named)} comes from a template, an XCom or a mapping, and lies outside [marketo]"
                " upload_roots",
                remedy="Write the path into the DAG file, in a task that is not mapped, or add its folder to"
                " upload_roots in the configuration.",
                **facts,
            )
        if len(content) > most:
            size = max(len(content), path.stat().st_size)
            raise MarketoInvalidRequestError(f"{path} has {size} bytes, and Marketo takes at most {most}", **facts)
        media = parameter.schema.media or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return path.name, content, media


def _text_of(named: Any) -> str:
    """Return a path for an error: on one line, and shortened."""
    return repr(str(named)[:_LONGEST_PATH]).strip("'")


def _looks_like_a_path(value: Any) -> bool:
    return (
        isinstance(value, str)
        and ("://" in value or value.startswith("/"))
        and not set("<\n\r") & set(value)
        and len(value) <= _LONGEST_PATH
    )


def _upload_roots() -> list[ObjectStoragePath]:
    """Return the folders of ``[marketo] upload_roots``."""
    listed: str = conf.get("marketo", "upload_roots", fallback="")
    return [ObjectStoragePath(each.strip()) for each in listed.split(",") if each.strip()]


def _is_in_roots(path: ObjectStoragePath) -> bool:
    return any(is_inside(path, root) for root in _upload_roots())


def _is_special(path: ObjectStoragePath) -> bool:
    """Whether a path is a pipe or a device of this host; opening it may wait for ever."""
    return path.protocol in _LOCAL and Path(path.path).exists() and not Path(path.path).is_file()


def _opened(path: ObjectStoragePath, file: Any) -> ObjectStoragePath:
    """
    Return the path of an open file: a link may have changed its target between the check and the opening.

    :param path: the path that was opened. It is returned unchanged if the system does not show where the file lies.
    :param file: the open file.
    """
    known = Path("/proc/self/fd") / str(file.fileno()) if path.protocol in _LOCAL else None
    return ObjectStoragePath(os.readlink(known)) if known is not None and known.is_symlink() else path


def is_inside(path: ObjectStoragePath, root: ObjectStoragePath) -> bool:
    """
    Whether a path lies in a folder, with the same connection and after all links and dots.

    :param path: the path of a file.
    :param root: the folder.
    """
    if path.protocol in _LOCAL and root.protocol in _LOCAL:
        return Path(path.path).resolve().is_relative_to(Path(root.path).resolve())
    if (path.protocol, connection_of(path)) != (root.protocol, connection_of(root)):
        return False  # anything else about the path would need its connection
    return path.path.startswith(f"{root.path.rstrip('/')}/") and not {"", ".", ".."} & set(path.path.split("/")[1:])
