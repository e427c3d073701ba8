"""Waiting for imports without a worker: what the trigger stores, and when it fires."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_provider_marketo.client.errors import MarketoPermissionError, MarketoTransientError
from airflow_provider_marketo.client.governor import IMPORT_QUEUE
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.triggers import poller
from airflow_provider_marketo.triggers.bulk_import import MarketoBulkImportTrigger
from airflow_provider_marketo.triggers.waits import found_from
from tests.simulated import marketo

__all__ = ["marketo"]


def trigger(*, seconds: float = 30, batch_ids=(3404,)) -> MarketoBulkImportTrigger:
    return MarketoBulkImportTrigger(
        marketo_conn_id="marketo_default",
        object_type="leads",
        batch_ids=list(batch_ids),
        deadline=(datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat(),
        poll_interval=0.02,
    )


def event_of(waiting: MarketoBulkImportTrigger) -> dict:
    async def run():
        return [event.payload async for event in waiting.run()]

    (event,) = asyncio.run(run())
    return json.loads(json.dumps(event))


def upload(instance, count: int = 1) -> None:
    from airflow_provider_marketo.simulator.import_jobs import Job

    with instance.instance.lock:
        for _ in range(count):
            instance.instance.imports.submit(Job("leads", b"email\n", ",", {}, instance.clock.now(), header=["email"]))


def test_what_airflow_stores_in_clear_text_are_ids_and_times():
    path, arguments = trigger().serialize()
    assert path == "airflow_provider_marketo.triggers.bulk_import.MarketoBulkImportTrigger"
    assert json.loads(json.dumps(arguments)) == arguments
    assert set(arguments) == {
        "marketo_conn_id", "object_type", "custom_object", "batch_ids", "deadline", "poll_interval",
    }  # fmt: skip


def test_it_fires_when_one_of_the_imports_has_ended(marketo):
    instance = marketo()
    upload(instance, 3)
    assert event_of(trigger(batch_ids=[3404, 3405, 3406])) == {"status": "ended"}


def test_it_fires_for_an_import_that_marketo_has_forgotten(marketo):
    marketo()
    assert event_of(trigger(batch_ids=[99])) == {"status": "ended"}


def test_it_fires_at_the_deadline(marketo):
    instance = marketo(time_scale=1)
    upload(instance)
    assert event_of(trigger(seconds=0.1)) == {"status": "timed out"}


def test_the_wait_continues_after_a_temporary_failure(marketo, monkeypatch):
    instance = marketo()
    upload(instance)
    calls = iter([MarketoTransientError("a blip"), MarketoTransientError("another"), True])

    def looks(self, batch_ids):
        answer = next(calls)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("airflow_provider_marketo.client.bulk.imports.ImportJobs.any_ended", looks)
    assert event_of(trigger()) == {"status": "ended"}


@pytest.mark.parametrize("error", [MarketoPermissionError("no", code="603"), MarketoTransientError("down", code="502")])
def test_an_error_that_stays_reaches_the_task_as_it_was(marketo, monkeypatch, error):
    marketo()
    monkeypatch.setattr(poller, "FAILURES_IN_A_ROW", 3)

    def fails(self, batch_ids):
        raise error

    monkeypatch.setattr("airflow_provider_marketo.client.bulk.imports.ImportJobs.any_ended", fails)
    with pytest.raises(type(error)) as caught:
        found_from(event_of(trigger()))
    assert caught.value.code == error.code


def test_the_end_of_an_import_is_found():
    assert found_from({"status": "ended"}) == {"status": "ended"}


@pytest.mark.parametrize(
    "event", [None, {"status": "timed out"}, datetime.now(timezone.utc)], ids=["none", "deadline", "time passed"]
)
def test_after_an_event_without_an_end_the_task_polls_for_itself(event):
    assert found_from(event) is None


@pytest.mark.parametrize(
    ("state", "held"),
    [("failed", []), ("queued", []), (None, []), ("deferred", ["leads:3404"]), ("running", ["leads:3404"])],
)
def test_a_deferred_import_that_a_person_ended_holds_no_place_in_the_queue(marketo, monkeypatch, state, held):
    """Otherwise every other import would wait for it, until one of them asks Marketo."""
    instance = marketo()
    governor = MarketoHook().get_conn().governor
    governor.enter_queue(IMPORT_QUEUE, "leads:3404", 7200)
    killed = trigger()
    killed.task_instance = SimpleNamespace(dag_id="a_dag", task_id="a_task", run_id="a run", map_index=-1)  # type: ignore[assignment]
    states = {"a run": {"a_task": state}}
    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(lambda **_: states))
    asyncio.run(killed.on_kill())
    assert list(governor.queued(IMPORT_QUEUE)) == held
    assert instance.report().total_calls == 0
