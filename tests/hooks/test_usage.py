"""The running task's use of Marketo is counted over all its hooks, and the author of the DAG can limit it."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.client.errors import (
    MarketoBudgetError,
    MarketoInvalidRequestError,
    MarketoQuotaExhaustedError,
    MarketoThrottledError,
)
from airflow_provider_marketo.client.tally import Tally
from airflow_provider_marketo.hooks import usage
from airflow_provider_marketo.hooks import variables as airflow_variables
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.task import RunningTask

HOST = "https://123-abc-456.mktorest.com"
TASK = RunningTask("a_dag", "a_task", "marketo", 1)


class Metrics:
    """Collects the numbers that are sent to Airflow's metrics."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict]] = []

    def incr(self, name, tags):
        self.sent.append((name, tags))

    def timing(self, name, dt, tags):
        self.sent.append((name, tags))

    def gauge(self, name, value, tags):
        self.sent.append((name, tags | {"value": value}))


@pytest.fixture(autouse=True)
def metrics(monkeypatch) -> Metrics:
    connection = {"conn_type": "marketo", "host": "123-ABC-456", "login": "an-id", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_TEST", json.dumps(connection))
    sent = Metrics()
    monkeypatch.setattr(usage, "Stats", sent)
    return sent


@pytest.fixture
def variables(monkeypatch) -> dict:
    """Airflow's Variables."""
    held: dict[str, str] = {}
    monkeypatch.setattr(airflow_variables, "find", held.get)
    monkeypatch.setattr(airflow_variables, "try_to_write", lambda name, text, _: held.update({name: text}))
    return held


@pytest.fixture
def instance(requests_mock):
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "t", "expires_in": 3599})
    requests_mock.get(f"{HOST}/rest/v1/leads/describe.json", json={"success": True, "result": []})
    requests_mock.get(
        f"{HOST}/rest/v1/stats/usage.json",
        json={"success": True, "result": [{"date": "2026-01-15", "total": 1234, "users": [{"userId": "ada@x.org"}]}]},
    )
    for name in ("usage", "errors"):
        requests_mock.get(f"{HOST}/rest/v1/stats/{name}/last7days.json", json={"success": True, "result": []})
    return requests_mock


def test_all_hooks_of_a_task_are_counted_together_and_logged_in_one_line(run_as, instance, variables, caplog):
    caplog.set_level(logging.INFO)
    run_as(TASK)
    for _ in range(2):
        MarketoHook("marketo_test").call("leads.describe")
    usage.log_usage()
    (line,) = [record.getMessage() for record in caplog.records if "usage of this task" in record.getMessage()]
    assert line == (
        "Marketo usage of this task (connection marketo_test): 5 calls (0.0 s of waiting for a turn, 0 rejected "
        "with 606, 0 with 615), 0 rows, 0.0 MB"
    )


def test_the_counts_of_the_summary_agree_with_their_nouns():
    tally = Tally()
    tally.begin("leads.describe")
    tally.add_rows(1)
    assert tally.summary().startswith("1 call (")
    assert "), 1 row, " in tally.summary()


def test_a_task_without_calls_logs_no_usage(run_as, caplog):
    caplog.set_level(logging.INFO)
    run_as(TASK)
    MarketoHook("marketo_test").get_conn()
    usage.log_usage()
    assert "usage of this task" not in caplog.text


def test_another_task_in_the_same_process_is_counted_from_zero(run_as, instance, variables):
    run_as(TASK)
    MarketoHook("marketo_test").call("leads.describe")
    run_as(RunningTask("a_dag", "another_task", "marketo", 1))
    assert MarketoHook("marketo_test").get_conn().tally.calls == 0


def test_a_task_makes_at_most_the_max_calls_of_its_operator(run_as, instance, variables):
    run_as(RunningTask("a_dag", "a_task", "marketo", 1, max_calls=2))
    hook = MarketoHook("marketo_test")
    hook.call("leads.describe")  # and one call for the usage in the Variable
    with pytest.raises(MarketoBudgetError, match="the 2 calls that this task may make are used up") as caught:
        MarketoHook("marketo_test").call("leads.describe")
    assert caught.value.parameter == "max_calls"
    assert sum("identity" not in request.path for request in instance.request_history) == 2


def test_a_hook_may_have_its_own_max_calls(instance):
    hook = MarketoHook("marketo_test", max_calls=1)
    hook.call("leads.describe")
    with pytest.raises(MarketoBudgetError):
        hook.call("leads.describe")


def test_calls_and_rejections_become_metrics_with_connection_and_operation(metrics):
    usage.send_metrics("marketo_test", "leads.sync", 1.5, MarketoThrottledError("no", code="606"))
    tags = {"connection": "marketo_test", "operation": "leads.sync"}
    assert metrics.sent == [
        ("marketo.calls", tags),
        ("marketo.wait_seconds", tags),
        ("marketo.rejected", tags | {"code": "606"}),
    ]


def test_a_task_refreshes_the_variable_only_when_it_is_old(run_as, instance, variables, metrics):
    run_as(TASK)
    for _ in range(3):
        MarketoHook("marketo_test").call("leads.describe")
    asked = [request.path for request in instance.request_history]
    assert asked.count("/rest/v1/stats/usage.json") == 1
    held = json.loads(variables["marketo_quota_marketo_test"])
    assert (held["used"], held["calls_left"]) == (1234, 48766)
    assert "ada@x.org" not in variables["marketo_quota_marketo_test"]
    assert ("marketo.quota_left", {"connection": "marketo_test", "value": 48766}) in metrics.sent


def test_a_process_without_a_task_does_not_refresh_the_variable(run_as, instance, variables):
    run_as(None)
    MarketoHook("marketo_test").call("leads.describe")
    assert variables == {}


def test_a_variable_that_cannot_be_written_is_logged_and_not_raised(monkeypatch, run_as, instance, caplog):
    run_as(TASK)
    monkeypatch.setattr(airflow_variables, "find", lambda name: None)
    monkeypatch.setattr(airflow_compat, "set_variable", lambda *_: 1 / 0)
    MarketoHook("marketo_test").call("leads.describe")
    assert "marketo_quota_marketo_test could not be written" in caplog.text


def test_work_that_the_rest_of_the_quota_does_not_cover_is_not_begun(run_as, instance, variables):
    run_as(TASK)
    hook = MarketoHook("marketo_test")
    hook.check_budget(calls=48_000)
    with pytest.raises(MarketoQuotaExhaustedError, match="about 49000 calls are needed, and 48766"):
        hook.check_budget(calls=49_000)


def test_work_that_no_day_covers_is_refused_instead_of_waiting_forever(run_as, instance, variables):
    run_as(TASK)
    with pytest.raises(MarketoInvalidRequestError, match="extracts have 50000 calls a day") as caught:
        MarketoHook("marketo_test").check_budget(calls=50_001)
    assert caught.value.parameter == "window"


def test_work_begins_if_marketo_does_not_say_what_is_left(run_as, instance, variables, caplog):
    run_as(TASK)
    denied = {"success": False, "errors": [{"code": "603", "message": "Access denied"}]}
    instance.get(f"{HOST}/rest/v1/stats/usage.json", json=denied)
    MarketoHook("marketo_test").check_budget(calls=49_000)
    assert "Marketo did not say what is left" in caplog.text
