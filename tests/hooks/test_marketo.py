"""The hook, and what test_connection reports."""

from __future__ import annotations

import json
import re

import pytest
import requests
from urllib3.exceptions import NewConnectionError

from airflow_provider_marketo.hooks.marketo import MarketoHook

HOST = "https://123-abc-456.mktorest.com"
ANYTHING = re.compile(f"{HOST}/rest/.*")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """Skip the pauses before a failed connection is tried again; no test here is about them."""
    monkeypatch.setattr("airflow_provider_marketo.client.clock.time.sleep", lambda seconds: None)


@pytest.fixture
def hook(monkeypatch) -> MarketoHook:
    connection = {"conn_type": "marketo", "host": "123-ABC-456", "login": "an-id", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_TEST", json.dumps(connection))
    return MarketoHook("marketo_test")


@pytest.fixture
def marketo(requests_mock):
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "t", "expires_in": 3599})
    requests_mock.get(ANYTHING, json={"success": True, "result": []})
    return requests_mock


def denied(*_):
    return {"success": False, "requestId": "a#1", "errors": [{"code": "603", "message": "Access denied"}]}


def test_a_working_connection_names_the_instance(hook, marketo):
    assert hook.test_connection() == (True, "Connected to 123-ABC-456.")


def test_an_unreachable_host_is_not_reported_as_wrong_credentials(hook, requests_mock):
    unreachable = requests.exceptions.ConnectionError(NewConnectionError(None, "no route"))
    requests_mock.post(f"{HOST}/identity/oauth/token", exc=unreachable)
    worked, message = hook.test_connection()
    assert not worked
    assert message.startswith("Cannot reach 123-ABC-456")


def test_wrong_credentials_are_reported_and_not_shown(hook, requests_mock):
    requests_mock.post(f"{HOST}/identity/oauth/token", status_code=401)
    worked, message = hook.test_connection()
    assert not worked
    assert "client id" in message
    assert "a-secret" not in message


def test_an_api_user_without_any_permission_is_a_failure(hook, marketo):
    marketo.get(ANYTHING, json=denied)
    marketo.get(f"{HOST}/rest/v1/stats/usage.json", json={"success": True, "result": []})
    worked, message = hook.test_connection()
    assert not worked
    assert "Read-Only Lead" in message


def test_a_single_missing_permission_is_named_and_the_rest_works(hook, marketo):
    marketo.get(f"{HOST}/rest/v1/activities/types.json", json=denied)
    worked, message = hook.test_connection()
    assert worked
    assert message == "Connected to 123-ABC-456, but the API user's role lacks: Read-Only Activity."


def test_a_host_without_https_is_refused_with_the_reason(monkeypatch, hook):
    monkeypatch.setenv(
        "AIRFLOW_CONN_MARKETO_TEST",
        json.dumps({"conn_type": "marketo", "host": "http://example.com", "login": "a", "password": "b"}),
    )
    worked, message = hook.test_connection()
    assert not worked
    assert "https" in message


def test_two_connections_to_one_instance_share_a_governor(hook, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_MARKETO_OTHER",
        json.dumps({"conn_type": "marketo", "host": f"{HOST}/rest", "login": "b", "password": "c"}),
    )
    other = MarketoHook("marketo_other")
    assert hook.client.governor is other.client.governor


def test_the_client_is_made_once(hook):
    assert hook.client is hook.get_conn() is hook.client


def test_call_and_paginate_return_the_records(hook, marketo):
    marketo.get(f"{HOST}/rest/v1/lists.json", json={"success": True, "result": [{"id": 1}]})
    assert hook.call("static_list_membership.get_lists").records == [{"id": 1}]
    assert list(hook.paginate("static_list_membership.get_lists")) == [{"id": 1}]
