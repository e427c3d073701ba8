"""Fixtures of the tests of the hooks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_marketo.hooks.runtime import runtime
from airflow_provider_marketo.hooks.task import RunningTask


@pytest.fixture
def run_as() -> Callable[[RunningTask | None], None]:
    """Return a function that sets the task that this process runs; before the first call it runs no task."""

    def run(task: RunningTask | None) -> None:
        runtime().find_task = lambda: task

    return run
