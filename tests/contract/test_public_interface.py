"""Every operation, called by name as in a DAG; what goes over the wire is compared with Adobe's files."""

from __future__ import annotations

import json
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import requests_mock

from airflow_provider_marketo.client.operations import Operation, all_operations
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.operators.api import MarketoApiOperator
from tests.contract.deviations import DEVIATIONS
from tests.contract.samples import samples
from tests.contract.test_contract import adobe, covers
from tests.contract.wire import read
from tests.support import task_context

HOST = "https://123-abc-456.mktorest.com"


class FreeGovernor:
    def acquire(self, operation: str, *, hold: float = 0) -> Any:
        return SimpleNamespace(operation=operation, waited=0, id="", hold=hold)

    def renew(self, lease: Any) -> None: ...

    def release(self, lease: Any, error: Any) -> None: ...


@pytest.fixture
def marketo(monkeypatch):
    """An instance that answers everything with success, and remembers what it was sent."""
    monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: FreeGovernor())
    connection = {"conn_type": "marketo", "host": HOST, "login": "an-id", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
    with requests_mock.Mocker() as mocker:
        mocker.register_uri(requests_mock.ANY, re.compile(".*"), json={"success": True, "result": []})
        mocker.get(re.compile(r"/bulk/.*/(file|failures|warnings)\.json"), text="id\n1\n")
        mocker.post(f"{HOST}/identity/oauth/token", json={"access_token": "a-token", "expires_in": 3599})
        yield mocker


def differences(operation: Operation, request: Any) -> list[tuple[str, str, str]]:
    if not operation.operation_id:
        return []
    found = [(operation.name, *each) for each in adobe()[operation.operation_id].differences(read(request._request))]
    return [each for each in found if not any(covers(row, each) for row in DEVIATIONS)]


def calls(mocker: Any) -> list[Any]:
    return [request for request in mocker.request_history if not request.path.endswith("/oauth/token")]


def test_each_operation_can_be_called_by_name_with_the_hook(marketo, capsys):
    hook = MarketoHook()
    counted: Counter[str] = Counter()
    for operation in all_operations():
        for parameters in samples(operation):
            marketo.reset_mock()
            if operation.reply == "file":
                with hook.get_conn().download(operation.name, **parameters) as download:
                    list(download.blocks)
            else:
                hook.call(operation.name, **parameters)
            sent = marketo.request_history[-1]
            assert differences(operation, sent) == []
            if operation.family != "identity":
                header = "X-Mkto-User-Token" if operation.area == "ingestion" else "Authorization"
                assert "a-token" in sent.headers[header]
                assert "a-token" not in sent.url
        counted[operation.family] += 1

    with capsys.disabled():
        print(f"\n{sum(counted.values())} operations of {len(counted)} families called with MarketoHook.call")
    assert sum(counted.values()) == len(all_operations()) > 300


def test_each_operation_but_those_of_identity_can_be_called_by_name_from_a_dag(marketo, tmp_path, capsys):
    called = 0
    for operation in all_operations():
        if operation.family == "identity":
            continue
        marketo.reset_mock()
        parameters = next(samples(operation))
        output_path = str(tmp_path / operation.name) if operation.reply == "file" else None
        task = MarketoApiOperator(
            task_id="a_task",
            operation=operation.name,
            arguments=parameters,
            output_path=output_path,
            ledger=str(tmp_path / "ledger"),
        )
        task.execute(task_context())
        assert differences(operation, calls(marketo)[-1]) == []
        called += 1

    with capsys.disabled():
        print(f"\n{called} operations called with MarketoApiOperator")
    assert called == sum(operation.family != "identity" for operation in all_operations()) > 300
