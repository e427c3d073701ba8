"""A folder on a disk that is not shared: the path is right, but files that another host wrote are missing."""

from __future__ import annotations

import json
import socket
import uuid
from typing import TYPE_CHECKING, Protocol

from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_marketo.output.folder import OutputFolder

_MARK = "_marketo/mark.json"
_AGAIN = "If it began on another host, it then exports or sends everything again."


def host() -> str:
    """Return the name of this host."""
    return socket.gethostname()


def mark_of(folder: OutputFolder) -> str:
    """Return a folder's mark, made if it is missing. A folder of the same name on another host has another mark."""
    found: str | None = folder.read_json(_MARK, str)
    if found is None:
        found = uuid.uuid4().hex
        folder.write_json(_MARK, found)
    return found


def refuse_foreign(folder: OutputFolder, began: str, mark: str, parameter: str = "output_path") -> None:
    """
    Check that a folder is the one with a mark. An object store is the same for all hosts.

    :param folder: the folder, as this host sees it.
    :param began: the host that saw the mark; empty if the host is unknown.
    :param mark: what :func:`mark_of` returned there.
    :param parameter: the operator's name for the folder, for the error.
    :raises MarketoInvalidRequestError: another host's folder has the mark, and this folder lacks it.
    """
    if folder.is_local and began not in ("", host()) and folder.read_json(_MARK, str) != mark:
        raise unreachable(folder.url, f"host {began}", parameter)


class Note(Protocol):
    """A text that every host reads, such as a Variable."""

    @property
    def name(self) -> str:
        """The name by which a person finds the text."""
        ...

    def read(self) -> str | None:
        """Return the text; None without one."""
        ...

    def write(self, text: str) -> None:
        """Store a text."""
        ...

    def delete(self) -> None:
        """Delete the text; it may be missing."""
        ...


class HostNote:
    """
    A note of the host on which a task instance began, kept outside the folder with the task instance's files.

    On a disk that is not shared, another host finds an empty folder. Without the note the task would begin again there,
    and send or export everything a second time.

    :param note: the stored text.
    :param folder: the author's folder. An object store is the same for all hosts and needs no note.
    :param parameter: the operator's name for the folder.
    """

    def __init__(self, note: Note, folder: OutputFolder, parameter: str) -> None:
        self._note = note
        self._folder = folder
        self._parameter = parameter

    def leave(self) -> None:
        """Note this host."""
        if self._folder.is_local:
            self._note.write(json.dumps({"host": host(), "output": self._folder.url}))

    def remove(self) -> None:
        """Remove the note: the task instance has ended."""
        if self._folder.is_local:
            self._note.delete()

    def refuse_another_host(self) -> None:
        """
        Check that the task instance did not begin on another host.

        :raises MarketoInvalidRequestError: it began on another host, in a folder of this name.
        """
        text = self._note.read() if self._folder.is_local else None
        if text is None:
            return
        kept = stored.parse(text, dict, place=self._note.name, remedy=f"Delete it and clear the task. {_AGAIN}")
        began, url = str(kept.get("host", "")), kept.get("output")
        if url == self._folder.url and began != host():
            raise unreachable(
                url,
                f"host {began}",
                self._parameter,
                f" To begin again in the folder of this host, delete {self._note.name} and clear the task. {_AGAIN}",
            )


def unreachable(
    url: str, began: str, parameter: str = "output_path", otherwise: str = ""
) -> MarketoInvalidRequestError:
    """
    Return the error for a folder that this worker does not share with the worker on which the task began.

    :param url: URL of the folder.
    :param began: where the task began.
    :param parameter: the operator's name for the folder.
    :param otherwise: another remedy: a sentence that begins with a space.
    """
    return MarketoInvalidRequestError(
        f"host {host()} does not see what was written to {parameter}={url} on {began}",
        parameter=parameter,
        remedy=f"{parameter} must be reachable by every worker: use an object store or a shared disk.{otherwise}",
    )
