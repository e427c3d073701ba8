"""What a task must not forget when it dies: which jobs it created, and what it has published."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from airflow_provider_marketo.client.errors import MarketoStoppedError
from airflow_provider_marketo.extract import layout
from airflow_provider_marketo.storage import OutputFolder

_KEY = "marketo_bulk_extract"


@dataclass
class Progress:
    """
    How far an extract has come.

    :param fingerprint: of the request and the instance; another request must not go on with these jobs.
    :param deadline: ISO 8601; when waiting for Marketo ends.
    :param owner: the process that goes on with it.
    :param jobs: slice name to export id, for jobs that Marketo holds for us.
    :param published: names of slices whose files are in place.
    :param remade: slice name to how often its job had to be made anew in this try.
    """

    fingerprint: str
    deadline: str = ""
    owner: str = ""
    jobs: dict[str, str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    remade: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Progress:
        """What another version of this provider may have stored, as far as this one understands it."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in facts.items() if name in known})


class ProgressStore(Protocol):
    """Where progress outlives a try. A write that fails raises, and the job it was for is not started."""

    def load(self) -> Progress | None: ...

    def save(self, progress: Progress) -> None: ...

    def clear(self) -> None: ...


class TaskStateProgress:
    """
    Airflow 3.3's task state store.

    :param store: ``context["task_state_store"]``.
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def load(self) -> Progress | None:
        value = self._store.get(_KEY)
        return Progress.from_dict(value) if value else None

    def save(self, progress: Progress) -> None:
        self._store.set(_KEY, asdict(progress))

    def clear(self) -> None:
        self._store.delete(_KEY)


class FolderProgress:
    """
    A small object beside the output, for Airflow before 3.3.

    :param folder: the output.
    :param run: the task instance's place in it.
    """

    def __init__(self, folder: OutputFolder, run: str) -> None:
        self._folder = folder
        self._name = layout.progress(run)

    def load(self) -> Progress | None:
        value = self._folder.read_json(self._name)
        return Progress.from_dict(value) if value else None

    def save(self, progress: Progress) -> None:
        self._folder.write_json(self._name, asdict(progress))

    def clear(self) -> None:
        self._folder.delete(self._name)


class Ledger:
    """
    The progress in the hands of one process.

    A task process whose supervisor has died lives on beside the task's next try. Whoever claimed the progress last goes
    on; the other finds out before it starts or publishes anything more.

    :param store: where the progress is kept.
    :param progress: as it stands.
    """

    def __init__(self, store: ProgressStore, progress: Progress) -> None:
        self._store = store
        self._me = uuid.uuid4().hex
        self._stopped = False
        self.progress = progress
        progress.owner = self._me
        store.save(progress)

    def check(self) -> None:
        """
        :raises MarketoStoppedError: this process must not go on.
        """
        if self._stopped:
            raise MarketoStoppedError("the task was killed")
        stored = self._store.load()
        if stored is None or stored.owner != self._me:
            raise MarketoStoppedError("another try of this task has taken over its export jobs")

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


def progress_store(context: Mapping[str, Any], folder: OutputFolder, run: str) -> ProgressStore:
    """The best store there is for the running task: Airflow's own where it has one."""
    store = context.get("task_state_store")
    return TaskStateProgress(store) if store is not None else FolderProgress(folder, run)
