"""Waiting for jobs without a worker: what the trigger stores, what its event says, and what it cancels."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.execution_time.xcom import XCom

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.jobs import CANCELLED, COMPLETED, PROCESSING, ExportJob
from airflow_provider_marketo.triggers.bulk_job import MarketoBulkJobTrigger
from airflow_provider_marketo.triggers.waits import found_from

EXPORT = "/bulk/v1/leads/export"
_PORTS = itertools.count(20_001)


def success(*result: dict) -> dict:
    return {"json": {"success": True, "requestId": "a#2", "result": list(result)}}


class Marketo:
    """An instance of its own for each test: quotas that are spent stay so for the process."""

    def __init__(self, requests_mock) -> None:
        self.host = f"http://127.0.0.1:{next(_PORTS)}"
        self.mock = requests_mock
        self.post("/identity/oauth/token", json={"access_token": "a-token", "expires_in": 3599})
        for each in ("job-1", "job-2"):
            self.post(f"{EXPORT}/{each}/cancel.json", **success({"exportId": each, "status": "Cancelled"}))

    def get(self, path: str, **answer) -> None:
        self.mock.get(self.host + path, **answer)

    def post(self, path: str, **answer) -> None:
        self.mock.post(self.host + path, **answer)

    @property
    def cancelled(self) -> list[str]:
        return [request.path.split("/")[-2] for request in self.mock.request_history if "/cancel" in request.path]


@pytest.fixture(autouse=True)
def marketo(requests_mock, monkeypatch):
    instance = Marketo(requests_mock)
    connection = {"conn_type": "marketo", "host": instance.host, "login": "an-id", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
    return instance


def trigger(*, minutes: float = 5, export_ids=("job-1", "job-2"), until: str | None = None) -> MarketoBulkJobTrigger:
    return MarketoBulkJobTrigger(
        marketo_conn_id="marketo_default",
        object_type="leads",
        export_ids=list(export_ids),
        deadline=(datetime.now(timezone.utc) + timedelta(minutes=minutes)).isoformat(),
        poll_interval=0.01,
        until=until,
    )


def event_of(waiting: MarketoBulkJobTrigger) -> dict:
    async def run():
        return [event.payload async for event in waiting.run()]

    (event,) = asyncio.run(run())
    return json.loads(json.dumps(event))


def jobs_from_event(event: dict) -> dict[str, ExportJob]:
    """Return the jobs that the task reads from the event."""
    return {job["export_id"]: ExportJob(**job) for job in found_from(event)["jobs"]}


def test_what_airflow_stores_in_clear_text_are_ids_and_times():
    path, arguments = trigger().serialize()
    assert path == "airflow_provider_marketo.triggers.bulk_job.MarketoBulkJobTrigger"
    assert set(arguments) == {
        "marketo_conn_id", "object_type", "custom_object", "export_ids", "deadline", "poll_interval",
        "until",
    }  # fmt: skip
    assert json.loads(json.dumps(arguments)) == arguments


def test_the_event_has_the_states_of_the_jobs(marketo):
    records = ({"exportId": "job-1", "status": "Completed", "numberOfRecords": 7}, {"exportId": "job-3"})
    marketo.get(f"{EXPORT}.json", **success(*records))
    marketo.get(f"{EXPORT}/job-2/status.json", **success({"exportId": "job-2", "status": "Processing"}))
    jobs = jobs_from_event(event_of(trigger()))
    assert {each: job.status for each, job in jobs.items()} == {"job-1": COMPLETED, "job-2": PROCESSING}
    assert jobs["job-1"].records == 7


def test_a_job_that_marketo_has_forgotten_counts_as_cancelled(marketo):
    marketo.get(f"{EXPORT}.json", **success())
    unknown = {"success": False, "requestId": "a#1", "errors": [{"code": "1003", "message": "not found"}]}
    marketo.get(f"{EXPORT}/job-1/status.json", json=unknown)
    assert jobs_from_event(event_of(trigger(export_ids=["job-1"])))["job-1"].status == CANCELLED


def test_an_error_is_the_same_error_in_the_worker(marketo):
    refused = {"success": False, "requestId": "a#1", "errors": [{"code": "607", "message": "Daily quota reached"}]}
    marketo.get(f"{EXPORT}.json", json=refused)
    with pytest.raises(errors.MarketoQuotaExhaustedError, match=r"Marketo code 607, request id a#1") as caught:
        jobs_from_event(event_of(trigger()))
    assert caught.value.until > datetime.now(timezone.utc)


def test_an_unexpected_exception_reaches_the_task_which_cleans_up(marketo, monkeypatch):
    async def away(_):
        raise OSError("the API server is away")

    monkeypatch.setattr("airflow_provider_marketo.triggers.bulk_job.settings_of", away)
    with pytest.raises(errors.MarketoError, match="OSError: the API server is away"):
        jobs_from_event(event_of(trigger()))


def test_the_error_about_wrong_credentials_hides_the_secret(marketo):
    marketo.post("/identity/oauth/token", status_code=401)
    event = event_of(trigger())
    assert "a-secret" not in json.dumps(event)
    with pytest.raises(errors.MarketoAuthError):
        jobs_from_event(event)


def test_the_deadline_ends_the_wait(marketo):
    marketo.get(f"{EXPORT}.json", **success({"exportId": "job-1", "status": "Queued"}))
    with pytest.raises(errors.MarketoDeadlineError, match="did not finish within timeout"):
        jobs_from_event(event_of(trigger(minutes=0, export_ids=["job-1"])))


def test_a_trigger_that_only_lets_time_pass_calls_nothing(marketo):
    until = (datetime.now(timezone.utc) + timedelta(seconds=0.05)).isoformat()
    assert event_of(trigger(until=until)) == {"status": "passed"}
    assert datetime.now(timezone.utc).isoformat() >= until
    assert marketo.mock.request_history == []


@pytest.mark.parametrize("event", [{}, {"status": "something else"}, "well"])
def test_an_event_that_is_not_ours_is_not_taken_for_success(event):
    with pytest.raises(errors.MarketoError, match="of an unknown kind"):
        jobs_from_event(event)


@pytest.fixture
def kill(monkeypatch):
    """Kill a deferred task that is now in a state and names jobs in its XCom."""

    def run(state: str | None, waits_for: list[str] | None = None) -> None:
        killed = trigger()
        killed.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)  # type: ignore[assignment]
        states = {"r": {"t": state}}
        monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: states))
        monkeypatch.setattr(XCom, "get_one", classmethod(lambda *_, **__: waits_for))
        asyncio.run(killed.on_kill())

    return run


@pytest.mark.parametrize("state", ["failed", "success", "running", "queued", None])
def test_the_jobs_of_a_task_that_no_longer_waits_are_cancelled(marketo, kill, state):
    kill(state)
    assert marketo.cancelled == ["job-1", "job-2"]


def test_a_trigger_that_moves_to_another_triggerer_cancels_nothing(marketo, kill):
    kill("deferred", waits_for=["job-1", "job-2"])
    assert marketo.cancelled == []


def test_a_triggerer_that_hears_late_of_the_move_cancels_nothing_of_a_task_that_has_gone_on(marketo, kill):
    kill("running", waits_for=["job-1", "job-2"])
    assert marketo.cancelled == []


def test_jobs_that_the_next_try_has_taken_over_are_left_alone(marketo, kill):
    kill("deferred", waits_for=["job-2", "job-3"])
    assert marketo.cancelled == ["job-1"]


def test_a_next_try_with_jobs_of_its_own_leaves_no_orphan(marketo, kill):
    kill("deferred", waits_for=["job-3"])
    assert marketo.cancelled == ["job-1", "job-2"]


def test_jobs_whose_fate_is_unclear_are_left_alone(marketo, kill):
    kill("deferred", waits_for=None)
    assert marketo.cancelled == []


def test_the_jobs_are_cancelled_however_often_airflow_cancels_the_trigger_meanwhile(marketo, monkeypatch):
    async def cancelled_again_and_again():
        killing = asyncio.create_task(trigger().on_kill())
        while not killing.done():
            await asyncio.sleep(0.01)
            killing.cancel()
        await killing

    def slowly(_):
        time.sleep(0.05)
        return ()

    monkeypatch.setattr(MarketoBulkJobTrigger, "_wanted", slowly)
    asyncio.run(cancelled_again_and_again())
    assert marketo.cancelled == ["job-1", "job-2"]
