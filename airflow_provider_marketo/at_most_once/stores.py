"""The ledger's stores: Airflow's Variables, read and written as a task does, or a folder."""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING, Any

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.at_most_once.entries import PREFIX
from airflow_provider_marketo.at_most_once.ledger import MarketoLedgerError
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from airflow_provider_marketo.at_most_once.ledger import LedgerStore

_MARK = "_marketo/ledger.json"
_VARIABLE = "marketo_ledger_folder_"


class VariableStore:
    """One Airflow Variable per entry. A task whose supervisor is dead cannot write, and so cannot send."""

    option = ""

    def read(self, key: str) -> str | None:
        """Return the text of a key; None if nothing is stored."""
        return variables.read(key)

    def write(self, key: str, text: str) -> None:
        """Store a text under a key; it replaces an earlier one."""
        variables.write(key, text, "Marketo: keeps a request from being sent twice (airflow marketo ledger)")

    def delete(self, key: str) -> None:
        """Delete the text of a key; it may be missing."""
        variables.delete(key)


class FolderStore:
    """
    One small file per entry.

    The first task that writes leaves a mark in the folder and a Variable in Airflow. If the Variable is there and the
    mark is not, this is not the folder that earlier tasks used: it is on another host, is not mounted, or was
    emptied. Entries are then missing although requests were sent, so nothing is read from it.

    :param url: URL of a folder that every worker reaches, such as ``s3://connection@bucket/ledger``.
    :param task: the running task instance, ``context["ti"]``, whose unfinished files of killed tries are removed;
        None for a command.
    """

    def __init__(self, url: str, task: Any = None) -> None:
        self._folder = (
            OutputFolder(url, parameter="ledger")
            if task is None
            else OutputFolder.for_task(url, task, parameter="ledger")
        )
        self.option = f" --ledger {url}"
        self._variable = _VARIABLE + hashlib.sha256(self._folder.url.encode()).hexdigest()[:24]
        self._is_marked = False

    def read(self, key: str) -> str | None:
        """Return the text of a key; None if nothing is stored."""
        self._check()
        data = self._folder.read(_file(key))
        # Bytes that are not UTF-8 become an escape that JSON lacks, so that the entry counts as damaged.
        return None if data is None else data.decode("utf-8", "backslashreplace")

    def write(self, key: str, text: str) -> None:
        """Store a text under a key; it replaces an earlier one."""
        self._check(leave_mark=True)
        self._folder.write(_file(key), text.encode())

    def delete(self, key: str) -> None:
        """Delete the text of a key; it may be missing."""
        self._folder.delete(_file(key))

    def all_keys(self) -> list[str]:
        """Return the keys of all entries and claims."""
        names = self._folder.names("")
        return sorted(name.removesuffix(".json") for name in names if name.startswith(PREFIX))

    def _check(self, *, leave_mark: bool = False) -> None:
        """
        Check that earlier tasks used this folder. A command does not: it has no supervisor to ask for the Variable.

        :param leave_mark: whether to leave the mark and the Variable if no task has used the folder.
        :raises MarketoLedgerError: this is another folder of the same name.
        """
        if self._is_marked or not airflow_compat.is_supervised():
            return
        marked, known = self._folder.read(_MARK) is not None, variables.read(self._variable) is not None
        if known and not marked:
            raise MarketoLedgerError(
                f"the ledger's folder {self._folder.url} is not the one that earlier tasks used",
                remedy="This try sent nothing. Every worker must reach the same folder: it cannot be on one host's"
                " disk, and it must be mounted."
                f" If you emptied it on purpose, delete the Variable {self._variable}.",
            )
        if leave_mark and not marked:
            self._folder.write_json(_MARK, {"host": socket.gethostname()})
        if leave_mark and not known:
            variables.write(self._variable, self._folder.url, "Marketo: a ledger folder that tasks use")
        self._is_marked = known or leave_mark


def _file(key: str) -> str:
    return f"{key}.json"


def store_of(ledger: str | None, task: Any) -> LedgerStore:
    """
    Return the store that an operator names.

    :param ledger: URL of a folder, or None for Airflow's Variables.
    :param task: the running task instance, ``context["ti"]``.
    :raises MarketoInvalidRequestError: no file system is registered for the URL.
    """
    return FolderStore(ledger, task) if ledger else VariableStore()
