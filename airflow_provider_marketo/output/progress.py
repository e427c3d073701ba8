"""The progress of a task: stored where the next try finds it, and owned by one process at a time."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from airflow_provider_marketo.airflow_compat import task_state_store
from airflow_provider_marketo.client import stored
from airflow_provider_marketo.client.errors import MarketoStoppedError
from airflow_provider_marketo.client.serializable import Serializable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_marketo.output.folder import OutputFolder
    from airflow_provider_marketo.output.foreign import HostNote


_START_OVER = (
    "It says which jobs were started and which rows were sent. Check in Marketo what an earlier try has done;"
    " to start over, delete it (in the tab Task State Store of the task's page in Airflow, or the file) and clear the"
    " task."
)

PATIENCE = 5.0
"""Seconds that a task waits for its store while it is being killed."""


@dataclass
class Progress(Serializable):
    """
    The progress of a task. The subclass decides what it remembers: plain JSON, every field with a default.

    :param fingerprint: the fingerprint of the request and the instance; another request must not continue with this.
    :param deadline: when waiting for Marketo ends, ISO 8601.
    :param owner: the process that owns the progress and may change it.
    """

    VERSION: ClassVar[int] = 1

    fingerprint: str
    deadline: str = ""
    owner: str = ""

    @property
    def binds(self) -> bool:
        """Whether the task has begun something that a try without this progress would do a second time."""
        return True


Kept = TypeVar("Kept", bound=Progress)


class ProgressStore(Protocol[Kept]):
    """Keeps progress for later tries. A failed write raises an error, so the task does not begin the next step."""

    def load(self) -> Kept | None:
        """Return the stored progress; None if nothing is stored."""
        ...

    def save(self, progress: Kept) -> None:
        """Store the progress."""
        ...

    def clear(self) -> None:
        """Delete the progress."""
        ...


class TaskStateProgress(Generic[Kept]):
    """
    Airflow 3.3's task state store.

    :param store: ``context["task_state_store"]``.
    :param key: key of the value in the store.
    :param kind: kind of progress.
    """

    def __init__(self, store: Any, key: str, kind: type[Kept]) -> None:
        self._store = store
        self._key = key
        self._kind = kind

    def load(self) -> Kept | None:
        """Return the stored progress; None if nothing is stored."""
        return _revived(self._store.get(self._key), self._kind, f"the task's state {self._key}")

    def save(self, progress: Kept) -> None:
        """Store the progress."""
        self._store.set(self._key, progress.to_dict())

    def clear(self) -> None:
        """Delete the progress."""
        self._store.delete(self._key)


class FolderProgress(Generic[Kept]):
    """
    A small object in a folder, for Airflow before 3.3.

    :param folder: a folder that every worker reaches.
    :param name: name of the object.
    :param kind: kind of progress.
    :param note: shows whether the task began on another host; None for a folder that only one try uses.
    """

    def __init__(self, folder: OutputFolder, name: str, kind: type[Kept], note: HostNote | None = None) -> None:
        self._folder = folder
        self._name = name
        self._kind = kind
        self._note = note
        self._is_noted = False

    def load(self) -> Kept | None:
        """
        Return the stored progress; None if nothing is stored.

        :raises MarketoInvalidRequestError: the task began in a folder of this name on another host.
        """
        value = self._folder.read_json(self._name, remedy=_START_OVER)
        if value is None and self._note is not None:
            self._note.refuse_another_host()
        progress = _revived(value, self._kind, str(self._folder.path(self._name)))
        self._is_noted = progress is not None and progress.binds
        return progress

    def save(self, progress: Kept) -> None:
        """Store the progress."""
        if progress.binds:
            self._keep_note(True)
        self._folder.write_json(self._name, progress.to_dict())
        if not progress.binds:
            self._keep_note(False)

    def clear(self) -> None:
        """Delete the progress."""
        self._folder.delete(self._name)
        self._keep_note(False)

    def _keep_note(self, wanted: bool) -> None:
        """Leave the note before the task begins anything, and remove it once the progress no longer binds."""
        if self._note is None or wanted == self._is_noted:
            return
        if wanted:
            self._note.leave()
        else:
            self._note.remove()
        self._is_noted = wanted


def _revived(value: Any, kind: type[Kept], place: str) -> Kept | None:
    """Return stored progress; None if nothing is stored. Damaged progress stops the task: its jobs may be running."""
    return None if value is None else stored.revive(kind, value, place=place, remedy=_START_OVER)


class ProgressKeeper(Generic[Kept]):
    """
    The progress of a task, as one process holds it.

    A task process whose supervisor has died runs on beside the task's next try. The process that claimed the progress
    last continues. The other process notices this before it starts or publishes anything more.

    :param store: where the progress is kept.
    :param progress: the present progress.
    """

    def __init__(self, store: ProgressStore[Kept], progress: Kept) -> None:
        self._store = store
        self._me = uuid.uuid4().hex
        self._stopped = False
        self.progress = progress
        progress.owner = self._me
        store.save(progress)

    @property
    def stopped(self) -> bool:
        """Whether the task was killed."""
        return self._stopped

    def check(self) -> None:
        """
        Check that this process still owns the progress.

        :raises MarketoStoppedError: the task was killed, or another try has taken over.
        """
        if self._stopped:
            raise MarketoStoppedError("the task was killed")
        stored = self._store.load()
        if stored is None or stored.owner != self._me:
            raise MarketoStoppedError("another try of this task has taken over its jobs")

    def is_certain_owner(self, patience: float = PATIENCE) -> bool:
        """
        Return whether this process still owns the progress; False if the store does not confirm it in time.

        A signal handler may call this. The interrupted code may hold a lock that the answer needs, so a thread asks.

        :param patience: seconds to wait for the answer.
        """
        answers: list[bool] = []

        def ask() -> None:
            with suppress(Exception):  # without an answer, nothing is certain
                stored = self._store.load()
                answers.append(stored is not None and stored.owner == self._me)

        asking = threading.Thread(target=ask, name="marketo-owner", daemon=True)
        asking.start()
        asking.join(patience)
        return answers == [True]

    def save(self) -> None:
        """
        Save the progress.

        :raises MarketoStoppedError: this process must not continue.
        """
        self.check()
        self._store.save(self.progress)

    def stop(self) -> None:
        """Stop: from now on, this process starts, publishes and saves nothing more."""
        self._stopped = True

    def clear(self) -> None:
        """Delete the progress, when all is done."""
        self._store.clear()


def progress_store(
    context: Mapping[str, Any],
    key: str,
    kind: type[Kept],
    folder: OutputFolder,
    name: str,
    *,
    note: HostNote | None = None,
) -> ProgressStore[Kept]:
    """
    Return the best store for the running task: Airflow's own, if this version has one.

    :param context: the running task's context.
    :param key: key of the value in Airflow's store.
    :param kind: kind of progress.
    :param folder: folder for an object that replaces Airflow's store.
    :param name: name of that object.
    :param note: shows whether the task began on another host.
    """
    store = task_state_store(context)
    if store is not None:
        return TaskStateProgress(store, key, kind)
    return FolderProgress(folder, name, kind, note)
