"""A record of an undocumented shape ends the task of any operator with a readable error."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoError
from airflow_provider_marketo.client.tabular.schema import activity_types
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from airflow_provider_marketo.sensors.activities import MarketoActivitySensor
from airflow_provider_marketo.sensors.members import MarketoListMembershipSensor
from tests.client.hostile import answering, reply
from tests.support import StateStore, task_context

ODD: list[list[Any]] = [
    [{}],
    [{"id": None}],
    [{"id": {"a": 1}, "name": "n"}],
    [{"id": "x", "name": 5, "status": 7}],
    [{"id": 1, "name": "n", "fields": 5, "attributes": 5, "rest": 5}],
    [{"id": 1, "name": "n", "fields": [5], "attributes": [5], "rest": {"name": 5}, "dedupeFields": 5, "idField": []}],
]
TASKS: dict[type, dict[str, Any]] = {
    MarketoGetLeadsOperator: {"lookup_field": "email", "lookup_values": ["ada@example.com"]},
    MarketoActivitySensor: {"activity_types": "Click Email"},
    MarketoListMembershipSensor: {"list_id": 7, "lead_ids": [1001], "poke_interval": 0.01, "timeout": 0.01},
    MarketoSyncLeadsOperator: {"records": [{"email": "ada@example.com"}], "rejects_path": "<folder>"},
    MarketoBulkExtractOperator: {
        "object_type": "leads",
        "start": "2026-01-01",
        "end": "2026-01-02",
        "output_path": "<folder>",
    },
}


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_no_odd_record_is_an_untyped_error(task, odd, monkeypatch, tmp_path):
    context = task_context(StateStore())
    context["ti"].get_first_reschedule_date = lambda _: None
    given = {name: str(tmp_path) if value == "<folder>" else value for name, value in TASKS[task].items()}
    with answering(reply({"success": True, "result": odd})) as server:
        connection = {"conn_type": "marketo", "host": server.url, "login": "an-id", "password": "a-secret"}
        monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
        # Any other error fails the test. A record that has what this task needs does not fail it.
        with suppress(MarketoError, AirflowException):
            task(task_id="a_task", **given).execute(context)


def test_the_error_names_the_operation_and_what_is_missing():
    with pytest.raises(MarketoDataError, match=r"activities\.get_types: a record .* has no 'name'") as failed:
        activity_types([{"id": 1, "description": "ada@example.com"}])
    assert "ada@example.com" not in str(failed.value)


def test_an_instance_without_activity_types_is_an_error():
    with pytest.raises(MarketoDataError, match=r"activities\.get_types: Marketo lists no activity types"):
        activity_types([])
