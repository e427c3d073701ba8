"""A folder on a disk that is not shared: it has the right path, and lacks what another host wrote to it."""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_marketo.output.folder import OutputFolder

_MARK = "_marketo/mark.json"


def host() -> str:
    """Return the name of this host."""
    return socket.gethostname()


def mark_of(folder: OutputFolder) -> str:
    """Return the mark that tells a folder from those of the same name on other hosts; one that has none gets one."""
    found: str | None = folder.read_json(_MARK, str)
    if found is None:
        found = uuid.uuid4().hex
        folder.write_json(_MARK, found)
    return found


def refuse_foreign(folder: OutputFolder, began: str, mark: str, parameter: str = "output_path") -> None:
    """
    Tell a folder of this host from the folder with a mark. An object store has no hosts.

    :param folder: as this host sees it.
    :param began: the host that saw the mark; empty if that is not known.
    :param mark: what :func:`mark_of` returned there.
    :param parameter: the operator's name for the folder, for the error.
    :raises MarketoInvalidRequestError: another host's folder has the mark, and this one does not.
    """
    if folder.is_local and began not in ("", host()) and folder.read_json(_MARK, str) != mark:
        raise unreachable(folder.url, f"host {began}", parameter)


def unreachable(url: str, began: str, parameter: str = "output_path") -> MarketoInvalidRequestError:
    """
    Return the error for a folder that this worker does not share with the one on which the task began.

    :param url: of the folder.
    :param began: where the task began.
    :param parameter: the operator's name for the folder.
    """
    return MarketoInvalidRequestError(
        f"{parameter}={url}, as host {host()} sees it, lacks what was written to it on {began}",
        parameter=parameter,
        remedy=f"{parameter} must be reachable by every worker: use an object store or a shared disk.",
    )
