"""What other runs of a stream have published where their ranges overlap that of this one."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.dates import compact
from airflow_provider_marketo.client.errors import MarketoStoppedError
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.output import layout

if TYPE_CHECKING:
    from airflow_provider_marketo.client.bulk.plan import Window
    from airflow_provider_marketo.output.folder import OutputFolder

_KEYS = "_marketo/keys"
_CLAIMS = "_marketo/claims"


class Overlap:
    """
    Keeps two runs from publishing the same row, one after the other or at the same time.

    Each run leaves the keys of its rows, which count from its manifest on. And each lays claim to its range before it
    publishes: whoever finds another's claim then, or its own gone, gives way.

    :param folder: the output.
    :param table: what names of manifests start with.
    :param window: what this run reads.
    """

    def __init__(self, folder: OutputFolder, table: str, window: Window) -> None:
        self._folder = folder
        self._table = table
        self._window = window
        self._claim = f"{_CLAIMS}/{window.name}"
        self._mark = uuid.uuid4().hex.encode()
        self._known: dict[str, int] = {}

    def seen(self) -> SeenKeys:
        """Keys of the rows that others have published. Claims that stand now are of runs that were killed."""
        for name in self._near(_CLAIMS):
            self._folder.delete(f"{_CLAIMS}/{name}")
        self._known = self._published()
        keys = SeenKeys()
        for name in self._known:
            saved = self._folder.read(f"{_KEYS}/{name}")
            if saved is not None:
                keys.load(io.BytesIO(saved))
        return keys

    def claim(self) -> None:
        """
        Everything is read, and nothing of it published.

        :raises MarketoStoppedError: another run is about to publish, or has since :meth:`seen`.
        """
        self._folder.write(self._claim, self._mark)
        if self._near(_CLAIMS) or self._published() != self._known:
            self._folder.delete(self._claim)
            raise self._overtaken()

    def save(self, keys: SeenKeys) -> None:
        """
        Leave the keys of this run's rows; the manifest follows.

        :raises MarketoStoppedError: another run has taken the claim for that of a run that was killed.
        """
        if self._folder.read(self._claim) != self._mark:
            raise self._overtaken()
        saved = io.BytesIO()
        keys.save(saved)
        self._folder.write(f"{_KEYS}/{self._window.name}", saved.getvalue())

    def release(self) -> None:
        """The manifest is there."""
        self._folder.delete(self._claim)

    def _published(self) -> dict[str, int]:
        """Ranges of others that are published, and which version of their keys there is."""
        return {
            name: self._folder.path(f"{_KEYS}/{name}").checksum()
            for name in self._near(_KEYS)
            if self._folder.read_json(layout.manifest(self._table + name))
        }

    def _near(self, place: str) -> list[str]:
        """Ranges of others that have rows in this one."""
        names = self._folder.names(place)
        start, end = compact(self._window.start), compact(self._window.end)
        return [name for name in names if name != self._window.name and name[:16] < end and name[17:] > start]

    def _overtaken(self) -> MarketoStoppedError:
        return MarketoStoppedError(
            "another run of this stream publishes at the same time",
            remedy="Run the task again, and give the DAG max_active_runs=1.",
        )
