"""Connections that Airflow does not find or cannot read: the error has a remedy, and no part of the secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.known_connections import known_ids, read_settings
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.imports.inputs import open_rows
from airflow_provider_marketo.warehouse.engines import connect

MALFORMED = [
    "marketo://an-id:hid#den@123-ABC-456",
    "marketo://an-id:hid/den@123-ABC-456",
    "marketo://an-id:hidden@host:den:1",
    "{hidden",
    '{"conn_type": "marketo", "port": "x", "password": "hidden"}',
    '{"conn_type": "marketo", "password": "hidden", "unknown": 1}',
]
LOOK_UPS: list[Callable[[], Any]] = [
    lambda: MarketoHook("odd").settings,
    lambda: connect("odd", None),
    lambda: open_rows({"sql": "SELECT 1", "sql_conn_id": "odd"}),
]


@pytest.mark.parametrize("look_up", LOOK_UPS, ids=["Marketo", "warehouse", "query"])
@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_variable_is_not_taken_for_a_missing_connection(malformed, look_up, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ODD", malformed)
    with pytest.raises(
        (AirflowNotFoundException, MarketoInvalidRequestError), match="AIRFLOW_CONN_ODD is set"
    ) as failed:
        look_up()
    assert "hid" not in str(failed.value)
    assert "percent-encode" in str(failed.value)
    assert failed.value.__suppress_context__


@pytest.mark.parametrize(
    ("look_up", "said"),
    [
        (LOOK_UPS[0], "^The conn_id `odd` isn't defined. Create it in .*--conn-type marketo"),
        (LOOK_UPS[1], "^sql_conn_id: The conn_id `odd` isn't defined. Create it in"),
        (LOOK_UPS[2], "^sql_conn_id: The conn_id `odd` isn't defined. Create it in"),
    ],
)
def test_a_missing_connection_is_refused_with_the_argument_and_the_way_out(look_up, said):
    with pytest.raises(AirflowNotFoundException, match=said):
        look_up()


def test_a_script_is_told_that_it_does_not_see_the_connections_of_the_database(monkeypatch):
    monkeypatch.setattr(airflow_compat, "is_supervised", lambda: False)
    monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT", raising=False)  # other tests are commands
    with pytest.raises(AirflowNotFoundException, match=r"is a script, .*variable AIRFLOW_CONN_ODD to"):
        MarketoHook("odd").settings  # noqa: B018


def test_a_task_is_not_told_about_scripts(monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.hooks.finding.is_script", lambda: False)
    with pytest.raises(AirflowNotFoundException, match=r"--conn-type marketo \.\.\.$"):
        MarketoHook("odd").settings  # noqa: B018


@pytest.mark.parametrize("malformed", MALFORMED)
def test_commands_pass_over_malformed_connections_that_they_were_not_asked_about(malformed, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ODD", malformed)
    monkeypatch.setenv("AIRFLOW_CONN_GOOD", "marketo://an-id:a-secret@123-ABC-456")
    assert "good" in known_ids()
    with pytest.raises(MarketoInvalidRequestError, match="AIRFLOW_CONN_ODD is set") as failed:
        read_settings(["odd"])
    assert "hid" not in str(failed.value)
