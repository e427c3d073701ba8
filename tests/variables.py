"""Airflow's Variables for tests: tasks of several hosts share them. A conftest or a test imports the fixture."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms, task_runner


class Airflow:
    """The other end of the connection over which a task asks Airflow."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def send(self, message):
        kind = type(message).__name__
        if kind == "GetVariableKeys":
            return SimpleNamespace(keys=[key for key in self.values if key.startswith(message.prefix)])
        if kind == "PutVariable":
            self.values[message.key] = message.value
        if kind == "DeleteVariable":
            del self.values[message.key]
            return None
        if kind == "GetVariable" and message.key not in self.values:
            return comms.ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)
        return comms.VariableResult(key=message.key, value=self.values.get(message.key))


@pytest.fixture
def airflow_variables(monkeypatch):
    """Make this process look like a task to the provider; return the Variables that it reads and writes."""
    variables = Airflow()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", variables, raising=False)
    return variables.values
