"""
Failures around a task: its disk, its object store, Airflow's API and its databases fail.

Each place counts its operations, and :class:`Trouble` decides which of them fail, or are the last of the process.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import duckdb
import fsspec
import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import comms, task_runner
from airflow.sdk.io import attach
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem
from s3fs.errors import translate_boto_error  # type: ignore[import-untyped]

from airflow_provider_marketo.output import folder as output_folder
from airflow_provider_marketo.warehouse.engine import ConnectionEngine
from tests.survive.clocks import WorkerClock
from tests.variables import Airflow

NOWHERE, DISK, BUCKET, AIRFLOW, DATABASE = "nowhere", "disk", "bucket", "airflow", "database"
FIRST: Mapping[str, int] = {DISK: 60, BUCKET: 25, AIRFLOW: 25, DATABASE: 60}
"""The first operation that fails at a place is among this many."""

IN_A_ROW = (1, 1, 1, 2, 5, 10_000)
DEADLY = 0.4
"""Share of the troubles that end the process."""

SCHEME = "bucket"
TASK_INSTANCE, EARLIER_INSTANCE = UUID(int=19), UUID(int=18)
_DISK_ERRORS = (errno.ENOSPC, errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT)
_S3_ERRORS = (("InternalError", 500), ("SlowDown", 503), ("ServiceUnavailable", 503), ("AccessDenied", 403))
_AIRFLOW_ERRORS = (500, 502, 503, None)
"""Statuses of the API server; None if it does not answer."""

_CHANGES = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class DeadError(BaseException):
    """The process died. This is not an Exception, so that no code handles it."""


class Trouble:
    """
    The operations that fail, and when they fail.

    :param place: the place whose operations fail.
    :param error: returns the error that a failing operation raises.
    :param first: number of the first one that fails, from 1.
    :param in_a_row: how many fail.
    :param done: whether they are executed although they fail, as if only the reply was lost.
    """

    def __init__(
        self, place: str, error: Callable[[], BaseException], *, first: int, in_a_row: int, done: bool
    ) -> None:
        self.place = place
        self._error = error
        self._planned = range(first, first + in_a_row)
        self._due = range(0)
        self._done = done
        self._number = itertools.count(1)
        self._is_dead = False
        self.clock: WorkerClock | None = None

    def __str__(self) -> str:
        how = "done" if self._done else "not done"
        if self.place == NOWHERE:
            return NOWHERE
        when = f"from operation {self._planned.start} on, {len(self._planned)} times"
        return f"{self.place}: {self._error()!r} {when}, {how}"

    @contextmanager
    def around(self, place: str) -> Iterator[None]:
        """
        Wrap an operation.

        :param place: where it takes place. A dead process does nothing anywhere.
        """
        if _is_elsewhere():
            yield
            return
        if self._is_dead:
            raise DeadError
        if self.clock is not None:
            self.clock.operation()
        is_due = place == self.place and next(self._number) in self._due
        if not is_due:
            yield
            return
        if self._done:
            yield
        error = self._error()
        self._is_dead = isinstance(error, DeadError)
        raise error

    def begin(self) -> None:
        """Count and fail from now on."""
        self._number = itertools.count(1)
        self._due = self._planned

    def restart(self) -> None:
        """Go on as another process."""
        self._is_dead = False

    def end(self) -> None:
        """Let nothing fail any more."""
        self._due = range(0)


ANOTHER = "another task"
"""Name of a thread in which another task runs."""


def _is_elsewhere() -> bool:
    """Return whether a trigger or another task works in this thread: a process of its own, without these troubles."""
    return threading.current_thread().name.startswith(("asyncio_", ANOTHER))


def trouble_of(chance: Any, places: Sequence[str]) -> Trouble:
    """
    Choose what fails besides Marketo.

    :param chance: the run's random numbers.
    :param places: places in which the job does something.
    """
    place = chance.choice((NOWHERE, *places))
    how = {"first": chance.randrange(FIRST.get(place, 1)) + 1, "done": place != DISK and chance.random() < 0.5}
    if chance.random() < DEADLY:
        return Trouble(place, DeadError, in_a_row=1, **how)
    choices: Mapping[str, Sequence[Any]] = {DISK: _DISK_ERRORS, BUCKET: _S3_ERRORS, AIRFLOW: _AIRFLOW_ERRORS}
    given = chance.choice(choices.get(place, (None,)))
    return Trouble(place, lambda: _ERRORS[place](given), in_a_row=chance.choice(IN_A_ROW), **how)


def _disk_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _s3_error(given: tuple[str, int]) -> BaseException:
    """Return what s3fs makes of an answer of S3."""
    code, status = given
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: BaseException = translate_boto_error(ClientError(answer, "PutObject"))
    return error


def airflow_error(status: int | None) -> AirflowRuntimeError:
    """Return the error that a task gets if its supervisor got this answer from the API server."""
    detail = {"status_code": status, "message": "Server returned error"}
    return AirflowRuntimeError(comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))


_ERRORS: Mapping[str, Callable[[Any], BaseException]] = {
    NOWHERE: lambda given: AssertionError("nothing happens nowhere"),
    DISK: _disk_error,
    BUCKET: _s3_error,
    AIRFLOW: airflow_error,
    DATABASE: lambda given: _BrokenError("disk I/O error"),
}


class _BrokenError(Exception):
    """A database failed. Each driver has an error class of its own for it."""


_DRIVER_ERRORS: Mapping[str, type[Exception]] = {"duckdb": duckdb.IOException, "sqlite": sqlite3.OperationalError}


class AirflowApi(Airflow):
    """
    Airflow as a task sees it: Variables and state stores, which outlive the task's processes.

    :param trouble: what fails.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__()
        self._trouble = trouble
        self._states: dict[tuple[str, str], Any] = {}

    def send(self, message: Any) -> Any:
        with self._trouble.around(AIRFLOW):
            return self._answer(message)

    def _answer(self, message: Any) -> Any:
        kind = type(message).__name__
        if "StateStore" not in kind:
            return super().send(message)
        key = (str(getattr(message, "ti_id", "")) or message.name, message.key)
        if kind.startswith("Set"):
            self._states[key] = message.model_dump(mode="json")["value"]
        elif kind.startswith("Delete"):
            self._states.pop(key, None)
        elif key in self._states:
            result = comms.TaskStateStoreResult if "Task" in kind else comms.AssetStateStoreResult
            return result(value=self._states[key])
        elif "Task" in kind:
            return comms.ErrorResponse(error=ErrorType.TASK_STORE_NOT_FOUND)
        else:
            return comms.ErrorResponse(error=ErrorType.ASSET_STORE_NOT_FOUND)
        return None


class _Watched:
    """The run whose folder this process watches: hooks of interpreter and libraries belong to the whole process."""

    root = ""
    trouble: Trouble
    has_hooks = False


class _Bucket(LocalFileSystem):  # type: ignore[misc]
    """An object store whose objects are files below the run's folder."""

    protocol = SCHEME


def _in_bucket(name: str) -> Callable[..., Any]:
    operation = getattr(LocalFileSystem, name)

    def one(*args: Any, **kwargs: Any) -> Any:
        with _Watched.trouble.around(BUCKET):
            return operation(*args, **kwargs)

    return one


for _name in ("put_file", "cat_file", "ls", "rm_file", "modified", "_open"):
    setattr(_Bucket, _name, _in_bucket(_name))


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Fail where a file below the run's folder is about to change."""
    if not _Watched.root or not (event == "open" or event in _CHANGES):
        return
    if event == "open":
        _, mode, flags = arguments
        if not (set(mode) & set("wxa+") if isinstance(mode, str) else flags & _WRITING):
            return
    if str(arguments[0]).startswith(_Watched.root):
        try:
            with _Watched.trouble.around(DISK):
                pass
        except OSError as error:
            error.filename = str(arguments[0])  # as the real one has
            raise


def _add_hooks() -> None:
    if not _Watched.has_hooks:
        fsspec.register_implementation(SCHEME, _Bucket)
        attach(protocol=SCHEME, fs=_Bucket(auto_mkdir=True))
        sys.addaudithook(_watch)
        _Watched.has_hooks = True


class _FileOnDisk(io.FileIO):
    def write(self, data: Any) -> int:
        with _Watched.trouble.around(DISK):
            return super().write(data) or 0


def _open_on_disk(path: Path, mode: str, *, opener: Any) -> Any:
    raw = _FileOnDisk(path, mode, opener=opener)
    return io.BufferedReader(raw) if mode == "rb" else io.BufferedWriter(raw)


@contextmanager
def in_trouble(trouble: Trouble, folder: Path) -> Iterator[AirflowApi]:
    """
    Let a task's surroundings fail.

    :param trouble: what fails.
    :param folder: the run's folder. Everything that the task writes is below it, including temporary files.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    api = AirflowApi(trouble)
    _add_hooks()
    execute = ConnectionEngine._execute

    def executed(engine: ConnectionEngine, sql: str) -> None:
        try:
            with trouble.around(DATABASE):
                execute(engine, sql)
        except _BrokenError as error:
            raise _DRIVER_ERRORS[engine.name](str(error)) from None

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(task_runner, "SUPERVISOR_COMMS", api, raising=False)
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setattr(output_folder, "open", _open_on_disk, raising=False)
        patch.setattr(ConnectionEngine, "_execute", executed)
        patch.setattr(_Watched, "trouble", trouble, raising=False)
        patch.setattr(_Watched, "root", f"{folder}{os.sep}")
        yield api


def stores_of(outlets: Sequence[Any], task_instance: UUID = TASK_INSTANCE) -> dict[str, Any]:
    """Return Airflow 3.3's state stores, as the context of a task has them."""
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors, TaskStateStoreAccessor

    scope: Any = SimpleNamespace()
    return {
        "task_state_store": TaskStateStoreAccessor(task_instance, scope),
        "asset_state_store": AssetStateStoreAccessors([], list(outlets)),
    }
