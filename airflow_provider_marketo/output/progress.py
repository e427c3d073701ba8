"""What a task must not forget when it dies, kept where its next try finds it and held by one process at a time."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_marketo.airflow_compat import task_state_store
from airflow_provider_marketo.client.errors import MarketoStoppedError
from airflow_provider_marketo.output.folder import OutputFolder


@dataclass
class Progress:
    """
    How far a task has come. What it has to remember is up to the subclass: plain JSON, every field with a default.

    :param fingerprint: of what is wanted and the instance; another request must not go on with this.
    :param deadline: ISO 8601; when waiting for Marketo ends.
    :param owner: the process that goes on with it.
    """

    fingerprint: str
    deadline: str = ""
    owner: str = ""


Kept = TypeVar("Kept", bound=Progress)


def _restored(kind: type[Kept], facts: Mapping[str, Any]) -> Kept:
    """What another version of this provider may have stored, as far as this one understands it."""
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in facts.items() if name in known})


class ProgressStore(Protocol[Kept]):
    """Where progress outlives a try. A write that fails raises, and what it was for is not started."""

    def load(self) -> Kept | None: ...

    def save(self, progress: Kept) -> None: ...

    def clear(self) -> None: ...


class TaskStateProgress(Generic[Kept]):
    """
    Airflow 3.3's task state store.

    :param store: ``context["task_state_store"]``.
    :param key: of the value in it.
    :param kind: of progress.
    """

    def __init__(self, store: Any, key: str, kind: type[Kept]) -> None:
        self._store = store
        self._key = key
        self._kind = kind

    def load(self) -> Kept | None:
        value = self._store.get(self._key)
        return _restored(self._kind, value) if value else None

    def save(self, progress: Kept) -> None:
        self._store.set(self._key, asdict(progress))

    def clear(self) -> None:
        self._store.delete(self._key)


class FolderProgress(Generic[Kept]):
    """
    A small object in a folder, for Airflow before 3.3.

    :param folder: a folder that every worker reaches.
    :param name: of the object.
    :param kind: of progress.
    """

    def __init__(self, folder: OutputFolder, name: str, kind: type[Kept]) -> None:
        self._folder = folder
        self._name = name
        self._kind = kind

    def load(self) -> Kept | None:
        value = self._folder.read_json(self._name)
        return _restored(self._kind, value) if value else None

    def save(self, progress: Kept) -> None:
        self._folder.write_json(self._name, asdict(progress))

    def clear(self) -> None:
        self._folder.delete(self._name)


class ProgressKeeper(Generic[Kept]):
    """
    The progress in the hands of one process.

    A task process whose supervisor has died lives on beside the task's next try. Whoever claimed the progress last goes
    on; the other finds out before it starts or publishes anything more.

    :param store: where the progress is kept.
    :param progress: as it stands.
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
        :raises MarketoStoppedError: this process must not go on.
        """
        if self._stopped:
            raise MarketoStoppedError("the task was killed")
        stored = self._store.load()
        if stored is None or stored.owner != self._me:
            raise MarketoStoppedError("another try of this task has taken over its jobs")

    def save(self) -> None:
        """
        Write the progress down.

        :raises MarketoStoppedError: this process must not go on.
        """
        self.check()
        self._store.save(self.progress)

    def stop(self) -> None:
        """From now on nothing is started, published or written down any more."""
        self._stopped = True

    def clear(self) -> None:
        """All is done: nothing has to be remembered."""
        self._store.clear()


def progress_store(
    context: Mapping[str, Any], key: str, kind: type[Kept], folder: OutputFolder, name: str
) -> ProgressStore[Kept]:
    """
    The best store there is for the running task: Airflow's own where it has one.

    :param context: Airflow's, of the running task.
    :param key: of the value in Airflow's store.
    :param kind: of progress.
    :param folder: where an object takes the place of Airflow's store.
    :param name: of that object.
    """
    store = task_state_store(context)
    if store is not None:
        return TaskStateProgress(store, key, kind)
    return FolderProgress(folder, name, kind)
