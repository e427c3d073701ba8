"""What a task must not forget when it dies: which jobs it created, and what it has published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from airflow_provider_marketo.extract import layout
from airflow_provider_marketo.storage import OutputFolder

_KEY = "marketo_bulk_extract"


@dataclass
class Progress:
    """
    How far an extract has come.

    :param fingerprint: of the request; another request must not go on with these jobs.
    :param deadline: ISO 8601; when waiting for Marketo ends.
    :param jobs: slice name to export id, for jobs that Marketo holds for us.
    :param published: names of slices whose files are in place.
    """

    fingerprint: str
    deadline: str
    jobs: dict[str, str] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)


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
        return Progress(**value) if value else None

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
        return Progress(**value) if value else None

    def save(self, progress: Progress) -> None:
        self._folder.write_json(self._name, asdict(progress))

    def clear(self) -> None:
        self._folder.delete(self._name)


def progress_store(context: Mapping[str, Any], folder: OutputFolder, run: str) -> ProgressStore:
    """The best store there is for the running task: Airflow's own where it has one."""
    store = context.get("task_state_store")
    return TaskStateProgress(store) if store is not None else FolderProgress(folder, run)
