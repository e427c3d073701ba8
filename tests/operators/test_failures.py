"""A failed task shows one sentence, without the frames of the client."""

from __future__ import annotations

import errno
import json
import logging
import re
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk.execution_time import comms

from airflow_provider_marketo.airflow_compat import get_listener_manager
from airflow_provider_marketo.client import stored_errors
from airflow_provider_marketo.client.errors import (
    MarketoAuthError,
    MarketoConnectionError,
    MarketoError,
    MarketoStorageError,
)
from airflow_provider_marketo.hooks.failure import MarketoTaskError
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.transfers.sql_to_marketo import SqlToMarketoOperator
from tests.simulated import extract, marketo
from tests.support import run_task, task_context
from tests.survive.trouble import AIRFLOW, DISK, Trouble, airflow_error, in_trouble, stores_of

__all__ = ["marketo"]

REFUSED = "identity service refuses this client id and secret"


@pytest.fixture
def wrong_secret(marketo, monkeypatch) -> None:
    instance = marketo()
    connection = {"conn_type": "marketo", "host": instance.url, "login": instance.client_id, "password": "wrong"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))


@pytest.fixture
def no_server(marketo, monkeypatch) -> None:
    marketo()
    connection = {"conn_type": "marketo", "host": "http://127.0.0.1:9", "login": "an id", "password": "a secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
    monkeypatch.setattr("airflow_provider_marketo.client.retry._resends", lambda error: 0)


def failure_of(call: Callable[[], Any]) -> BaseException:
    with pytest.raises((MarketoError, AirflowFailException)) as failed:
        call()
    return failed.value


def an_operator() -> Any:
    return MarketoApiOperator(task_id="a_task", operation="leads.describe").execute(task_context())


def a_sensor() -> Any:
    return MarketoLeadSensor(task_id="a_task", lookup_values="a@example.org", mode="poke").execute(_sensor_context())


def a_deferrable_sensor() -> Any:
    sensor = MarketoLeadSensor(task_id="a_task", lookup_values="a@example.org", deferrable=True)
    return sensor.execute(_sensor_context())


def a_call_of_the_hook() -> Any:
    return MarketoHook().call("leads.describe")


def a_query_of_the_hook() -> Any:
    return list(MarketoHook().paginate("leads.get_by_filter_type", filterType="id", filterValues=[1001]))


def _sensor_context() -> Any:
    context = task_context()
    context["ti"].get_first_reschedule_date = lambda _: None
    return context


def a_resumed_sensor() -> Any:
    sensor = MarketoLeadSensor(task_id="a_task", lookup_values="a@example.org", deferrable=True)
    event = {"status": "error", **stored_errors.to_dict(failure_of(a_call_of_the_hook))}
    return sensor.resume_execution("execute_complete", {"event": event}, _sensor_context())


def a_resumed_operator() -> Any:
    context = task_context()
    context["ti"].xcom_pull = lambda **_: None
    operator = MarketoApiOperator(task_id="a_task", operation="leads.describe")
    return operator.resume_execution("execute", {}, context)


everywhere = pytest.mark.parametrize(
    "call",
    [
        an_operator,
        a_resumed_operator,
        a_sensor,
        a_deferrable_sensor,
        a_resumed_sensor,
        a_call_of_the_hook,
        a_query_of_the_hook,
    ],
)


def our_frames(failure: BaseException) -> list[str]:
    """The functions of the package that Airflow's log names."""
    frames = traceback.extract_tb(failure.__traceback__)
    return [frame.name for frame in frames if "/airflow_provider_marketo/" in frame.filename]


def shown(failure: BaseException) -> str:
    """What Airflow's log shows of a failure."""
    return "".join(traceback.format_exception(failure))


@everywhere
@pytest.mark.usefixtures("wrong_secret")
def test_an_error_shows_no_cause_and_one_frame_of_the_package(call):
    failure = failure_of(call)
    assert len(our_frames(failure)) == 1
    text = shown(failure)
    assert text.count("Traceback") == 1
    assert REFUSED in text.splitlines()[-1]
    assert "tenacity" not in text
    assert "/client/" not in text


@everywhere
@pytest.mark.usefixtures("no_server")
def test_an_error_that_a_retry_may_mend_also_shows_one_frame(call):
    failure = failure_of(call)
    assert isinstance(failure, MarketoConnectionError)
    assert len(our_frames(failure)) == 1
    text = shown(failure)
    assert text.count("Traceback") == 1
    assert "/client/client.py" not in text


def test_an_error_of_a_database_shows_no_cause(marketo, tmp_path, monkeypatch):
    marketo(leads=0)
    database = {"conn_type": "sqlite", "host": str(tmp_path / "a.db")}
    monkeypatch.setenv("AIRFLOW_CONN_A_DATABASE", json.dumps(database))
    task = SqlToMarketoOperator(
        task_id="a_task",
        sql="SELECT email FROM people",
        sql_conn_id="a_database",
        object_type="leads",
        rejects_path=str(tmp_path),
        staging=str(tmp_path),
    )
    text = shown(failure_of(lambda: task.execute(task_context())))
    assert text.count("Traceback") == 1
    assert "no such table" in text.splitlines()[-1]


@pytest.mark.usefixtures("wrong_secret")
def test_the_frames_are_in_the_log_at_debug(caplog):
    with caplog.at_level(logging.DEBUG, logger="airflow_provider_marketo"):
        failure_of(an_operator)
    assert "/client/client.py" in caplog.text
    assert {record.levelno for record in caplog.records if record.exc_info} == {logging.DEBUG}


@pytest.mark.usefixtures("wrong_secret")
def test_a_callback_finds_marketos_error_in_the_failure():
    failure = failure_of(an_operator)
    assert isinstance(failure, MarketoTaskError)
    assert isinstance(failure.error, MarketoAuthError)
    assert failure.error.operation == "identity.post_token"


@pytest.mark.usefixtures("wrong_secret")
@pytest.mark.parametrize("call", [an_operator, a_sensor])
def test_the_last_line_of_the_log_is_the_sentence(call, caplog):
    failure = failure_of(call)
    get_listener_manager().hook.on_task_instance_failed(
        previous_state=None, task_instance=SimpleNamespace(), error=failure
    )
    (line,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert line is caplog.records[-1]
    assert line.getMessage() == str(failure)


def test_an_output_that_the_worker_cannot_use_fails_with_one_sentence(marketo, tmp_path):
    marketo()
    (tmp_path / "a file").write_text("")
    text = shown(failure_of(lambda: extract(tmp_path / "a file" / "leads").execute(task_context())))
    assert text.count("Traceback") == 1
    assert "cannot use output_path=" in text.splitlines()[-1]


FULL = Trouble(DISK, lambda: OSError(errno.ENOSPC, "No space left on device"), first=40, in_a_row=999, done=False)
DOWN = Trouble(AIRFLOW, lambda: airflow_error(503), first=1, in_a_row=999, done=False)


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (
            FULL,
            r"(a file cannot be read or written|cannot write to output_path=.*)"
            r" \(OSError: .*No space left on device: '.*/out.*'\)\. (It may|Make room)",
        ),
        pytest.param(
            DOWN,
            r"Airflow did not answer the task \(API_SERVER_ERROR: .*503.*\)\. It may be a passing failure",
            marks=pytest.mark.skipif(not hasattr(comms, "GetTaskStateStore"), reason="Airflow 3.3 has this store"),
        ),
    ],
    ids=["a full disk", "no API server"],
)
def test_a_failed_disk_or_api_server_raises_one_sentence_and_allows_a_retry(marketo, tmp_path, trouble, text):
    marketo()
    stores = stores_of([]) if trouble is DOWN else {}
    with in_trouble(trouble, tmp_path):
        trouble.begin()
        failure = failure_of(lambda: run_task(extract(tmp_path / "out"), task_context() | stores))
    assert isinstance(failure, MarketoStorageError)
    assert re.match(text, str(failure))
    assert our_frames(failure) == ["plain"]
