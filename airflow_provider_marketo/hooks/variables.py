"""Airflow's Variables, where it matters whether one is there."""

from __future__ import annotations

import json
from typing import Any

from airflow.sdk import Variable

from airflow_provider_marketo import airflow_compat


def read(name: str) -> str | None:
    """
    A Variable's text; None only if there certainly is none. ``Variable.get`` says "not found" of whatever fails, so the
    API server is asked without it and its two answers are told apart. For tasks and triggers.

    :param name: of the Variable.
    :raises OSError: Airflow does not say.
    """
    answer = airflow_compat.supervisor().send(airflow_compat.GetVariable(key=name))
    if isinstance(answer, airflow_compat.VariableResult):
        return answer.value
    if isinstance(answer, airflow_compat.ErrorResponse) and answer.error == airflow_compat.ErrorType.VARIABLE_NOT_FOUND:
        return None
    raise OSError(f"Airflow does not say whether there is a Variable {name}")


def read_json(name: str) -> Any:
    """As :func:`read`, of a Variable that holds JSON."""
    text = read(name)
    return None if text is None else json.loads(text)


def write_json(name: str, value: Any, description: str) -> None:
    """
    Set a Variable to JSON.

    :param description: for people who read the list of Variables.
    """
    Variable.set(name, value, description=description, serialize_json=True)
