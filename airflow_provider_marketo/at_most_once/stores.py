"""The ledger's stores: Airflow's Variables as a task reaches them, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Variable

from airflow_provider_marketo.at_most_once.entries import PREFIX
from airflow_provider_marketo.hooks import variables
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from airflow_provider_marketo.at_most_once.ledger import LedgerStore


class VariableStore:
    """One Airflow Variable per entry. A task whose supervisor is dead cannot write, and so cannot send."""

    option = ""

    def read(self, key: str) -> str | None:
        return variables.read(key)

    def write(self, key: str, text: str) -> None:
        Variable.set(key, text, description="Marketo: keeps a request from being sent twice (airflow marketo ledger)")

    def delete(self, key: str) -> None:
        Variable.delete(key)


class FolderStore:
    """
    One small file per entry.

    :param url: URL of a folder that every worker reaches, such as ``s3://connection@bucket/ledger``.
    """

    def __init__(self, url: str) -> None:
        self._folder = OutputFolder(url, parameter="ledger")
        self.option = f" --ledger {url}"

    def read(self, key: str) -> str | None:
        data = self._folder.read(_file(key))
        return None if data is None else data.decode()

    def write(self, key: str, text: str) -> None:
        self._folder.write(_file(key), text.encode())

    def delete(self, key: str) -> None:
        self._folder.delete(_file(key))

    def all_keys(self) -> list[str]:
        """Return the keys of all entries and claims."""
        names = self._folder.names("")
        return sorted(name.removesuffix(".json") for name in names if name.startswith(PREFIX))


def _file(key: str) -> str:
    return f"{key}.json"


def store_of(ledger: str | None) -> LedgerStore:
    """
    Return the store that an operator names.

    :param ledger: URL of a folder, or None for Airflow's Variables.
    :raises MarketoInvalidRequestError: no file system is registered for the URL.
    """
    return FolderStore(ledger) if ledger else VariableStore()
