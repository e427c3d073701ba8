"""SIGKILL of a task at any moment: a step in its folders, or a call to Marketo."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support import StateStore

STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"})
NEVER = 1 << 30


class DiskStore(StateStore):
    """
    Airflow's state store of a task or of assets, as several processes see it.

    :param path: the path of the file that holds the values.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def __getitem__(self, asset: Any) -> DiskStore:
        return self

    def get(self, key: str, default: Any = None) -> Any:
        return self._read().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._write({**self._read(), key: value})

    def delete(self, key: str) -> None:
        self._write({name: value for name, value in self._read().items() if name != key})

    def _read(self) -> dict[str, Any]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _write(self, values: dict[str, Any]) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(values))
        temporary.replace(self._path)


def use_variables(monkeypatch: pytest.MonkeyPatch, store: DiskStore) -> None:
    """Let Airflow's Variables be kept in a store, so that they survive a killed process."""
    monkeypatch.setattr("airflow_provider_marketo.hooks.variables.read", store.get)
    monkeypatch.setattr("airflow_provider_marketo.hooks.variables.find", store.get)
    monkeypatch.setattr(
        "airflow_provider_marketo.airflow_compat.set_variable", lambda key, text, _: store.set(key, text)
    )
    monkeypatch.setattr("airflow_provider_marketo.airflow_compat.delete_variable", store.delete)


def killed_at(moment: int, folder: Path, work: Callable[[], Any]) -> bool:
    """
    Run some work in a separate process, which SIGKILL ends at a moment.

    :param moment: number of the moment, from 1. A step in the folder is one moment; a call to Marketo is two, before it
        and after it.
    :param folder: the folder with everything that the work writes to.
    :return: whether it was killed; otherwise the work has fewer moments and ended by itself.
    """
    return _run(moment, folder, work)[0]


def moments_of(folder: Path, work: Callable[[], Any]) -> int:
    """Return how many moments the work has. The work runs in a process of its own."""
    return _run(NEVER, folder, work)[1]


def _run(moment: int, folder: Path, work: Callable[[], Any]) -> tuple[bool, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        passed = 0
        try:
            with _counted(moment, folder) as count:
                work()
                passed = count()
        except BaseException as error:  # noqa: BLE001 - the parent tells it
            print(f"the work failed: {error!r}", file=sys.stderr)
        finally:
            os.write(writing, str(passed).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        passed = int(answer.read() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, passed


@contextmanager
def _counted(moment: int, folder: Path) -> Iterator[Callable[[], int]]:
    passed = 0

    def step() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and str(folder) in str(arguments[0]):
            step()

    send = requests.Session.send

    def counted_send(*given: Any, **more: Any) -> Any:
        step()
        reply = send(*given, **more)
        step()
        return reply

    requests.Session.send = counted_send
    sys.addaudithook(audit)
    yield lambda: passed
