"""Airflow's Variables as a task reaches them: a failure is never taken for an answer."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.airflow_compat import AirflowRuntimeError, ErrorResponse, ErrorType
from airflow_provider_marketo.hooks import variables
from tests.variables import Airflow, airflow_variables

__all__ = ["airflow_variables"]


@pytest.fixture
def api_server_is_down(airflow_variables, monkeypatch):
    """Let the supervisor answer as it does if the API server has failed."""

    def fail(*_):
        raise AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status_code": 503}))

    monkeypatch.setattr(Airflow, "send", fail)


@pytest.mark.parametrize(
    "call",
    [
        lambda: variables.read("a_key"),
        lambda: variables.write("a_key", "a text", "a description"),
        lambda: variables.write_json("a_key", {}, "a description"),
        lambda: variables.delete("a_key"),
    ],
    ids=["read", "write", "write_json", "delete"],
)
def test_no_answer_is_an_error_on_every_line_of_airflow(api_server_is_down, call):
    """``Variable.set`` and ``Variable.delete`` of Airflow 3.1 and 3.2 log a failure and continue."""
    with pytest.raises(OSError, match=r"Airflow did not answer the task \(API_SERVER_ERROR: .*503"):
        call()


def test_what_is_written_is_read_until_it_is_deleted(airflow_variables):
    variables.write_json("a_key", {"a": 1}, "a description")
    assert variables.read_json("a_key", remedy="") == {"a": 1}
    variables.delete("a_key")
    assert variables.read("a_key") is None
