"""The rows that other runs of a stream have published in ranges that overlap the range of this run."""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_marketo.client.dates import compact
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoStoppedError
from airflow_provider_marketo.client.tabular.keys import SeenKeys
from airflow_provider_marketo.output import layout
from airflow_provider_marketo.output.folder import OutputFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.client.bulk.plan import Window

KEYS = "_marketo/keys"
"""Folder of the keys of the rows, a file for each range."""

_CLAIMS = "_marketo/claims"


class Overlap:
    """
    Keeps two runs from publishing the same row, one after the other or at the same time.

    Each run writes the keys of its rows; they count once its manifest is there. Before a run publishes, it claims its
    range. A run that then finds another run's claim, or misses its own, stops.

    :param folder: the output.
    :param table: the start of the names of manifests.
    :param window: what this run reads.
    :param recorded: ranges that the stream's position says are published, with the URLs of their outputs.
    """

    _without_keys: ClassVar[str] = "run the task once without lookback"
    """How an author continues if the keys are lost, as the end of a sentence."""

    def __init__(self, folder: OutputFolder, table: str, window: Window, recorded: Mapping[str, str]) -> None:
        self._recorded = recorded
        self._folder = folder
        self._table = table
        self._window = window
        self._claim = f"{_CLAIMS}/{window.name}"
        self._mark = uuid.uuid4().hex.encode()
        self._known: dict[str, int] = {}

    def seen(self) -> SeenKeys:
        """
        Return the keys of the rows that other runs have published. Claims that exist now were left by killed runs.

        :raises MarketoInvalidRequestError: keys of a range that is published are missing.
        """
        for name in self._near(_CLAIMS):
            self._folder.delete(f"{_CLAIMS}/{name}")
        self._known = self._published()
        keys = SeenKeys()
        for name in self._known:
            saved = self._folder.read(f"{KEYS}/{name}")
            if saved is not None:
                keys.load(io.BytesIO(saved))
        for name, url in self._recorded.items():
            if self._is_recorded_near(name) and not (url == self._folder.url and name in self._known):
                keys.load(io.BytesIO(_recorded_keys(name, url, self._without_keys)))
        return keys

    def claim(self) -> None:
        """
        Claim the range, after everything is read and before anything is published.

        :raises MarketoStoppedError: another run is about to publish, or has published since :meth:`seen`.
        """
        self._folder.write(self._claim, self._mark)
        if self._near(_CLAIMS) or self._published() != self._known:
            self._folder.delete(self._claim)
            raise self._overtaken()

    def save(self, keys: SeenKeys) -> None:
        """
        Write the keys of this run's rows; the manifest follows.

        :raises MarketoStoppedError: another run has deleted the claim, as if this run were dead.
        """
        if self._folder.read(self._claim) != self._mark:
            raise self._overtaken()
        saved = io.BytesIO()
        keys.save(saved)
        self._folder.write(f"{KEYS}/{self._window.name}", saved.getvalue())

    def release(self) -> None:
        """Delete the claim, after the manifest is written."""
        self._folder.delete(self._claim)

    def _published(self) -> dict[str, int]:
        """Return the published ranges of other runs, with a checksum of their keys."""
        return {
            name: self._folder.path(f"{KEYS}/{name}").checksum()
            for name in self._near(KEYS)
            if self._folder.read_json(layout.manifest(self._table + name))
        }

    def _near(self, place: str) -> list[str]:
        """Return the ranges of other runs that overlap this one."""
        names = self._folder.names(place)
        return [name for name in names if self._is_near(name)]

    def _is_near(self, name: str) -> bool:
        start, end = compact(self._window.start), compact(self._window.end)
        return name != self._window.name and name[:16] < end and name[17:] > start

    def _is_recorded_near(self, name: str) -> bool:
        """Return whether a range that the position records overlaps this one."""
        return self._is_near(name)

    def _overtaken(self) -> MarketoStoppedError:
        return MarketoStoppedError(
            "another run of this stream publishes at the same time",
            remedy="Run the task again, and give the DAG max_active_runs=1.",
        )


class NoOverlap(Overlap):
    """No overlap: for ranges that are read separately. A row that another range also has is written again."""

    def seen(self) -> SeenKeys:
        """Return no keys."""
        return SeenKeys()

    def claim(self) -> None:
        """Do nothing: no other run is in the way."""

    def save(self, keys: SeenKeys) -> None:
        """Do nothing: no other run wants the keys."""

    def release(self) -> None:
        """Do nothing: nothing was claimed."""


def _recorded_keys(name: str, url: str, otherwise: str) -> bytes:
    """
    Return the keys of a range that the stream's position knows.

    :raises MarketoInvalidRequestError: the keys are not where they were written.
    """
    saved = OutputFolder(url).read(f"{KEYS}/{name}")
    if saved is None:
        raise MarketoInvalidRequestError(
            f"{url}/{KEYS}/{name} is missing, so rows from {name[:16]} to {name[17:]} might be published twice",
            parameter="output_path",
            remedy="output_path must be reachable by every worker. If the folder was moved or emptied, copy its"
            f" _marketo folder back, or {otherwise}.",
        )
    return saved
