"""The sensor that waits for the day's quotas, in its three modes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks import variables as airflow_variables
from airflow_provider_marketo.sensors.quota import MarketoQuotaSensor
from airflow_provider_marketo.triggers import quota as trigger_module
from airflow_provider_marketo.triggers.quota import MarketoQuotaTrigger, quota_from_event
from tests.simulated import marketo
from tests.support import run_task, task_context

__all__ = ["marketo"]


@pytest.fixture(autouse=True)
def variables(monkeypatch) -> dict:
    held: dict[str, str] = {}
    monkeypatch.setattr(airflow_variables, "find", held.get)
    monkeypatch.setattr(airflow_variables, "try_to_write", lambda name, text, _: held.update({name: text}))
    return held


def sensor(**arguments) -> MarketoQuotaSensor:
    return MarketoQuotaSensor(task_id="quota", **{"poke_interval": 0.01, "timeout": 5} | arguments)


def trigger(instance=None, **arguments) -> MarketoQuotaTrigger:
    deadline = (datetime.now(timezone.utc) + timedelta(seconds=5)).isoformat()
    given = {"marketo_conn_id": "marketo_default", "min_calls": 0, "min_export_mb": 0.0, "deadline": deadline}
    return MarketoQuotaTrigger(**given | arguments)


def fire(one: MarketoQuotaTrigger) -> dict:
    async def first():
        async for event in one.run():
            return event.payload
        return None

    return asyncio.run(first())


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_quota_that_is_enough_ends_the_wait_at_once(marketo, deferrable):
    marketo(time_scale=1)
    found = run_task(sensor(min_calls=1_000, min_export_mb="100", deferrable=deferrable), task_context())
    assert found["calls_left"] == 49_996  # four calls to find out
    assert found["export_mb_left"] == 500


def test_pokes_read_the_variable_and_ask_marketo_once(marketo):
    instance = marketo({"daily_quota": 1_000, "reserve": 500}, time_scale=1)
    waiting = sensor(min_calls=600, timeout=0.2)
    with pytest.raises(AirflowSensorTimeout):
        waiting.execute(task_context())
    assert instance.report().calls["usage.get_daily_usage"] == 1


def test_a_deferred_sensor_sleeps_until_the_reset(marketo, variables, monkeypatch):
    instance = marketo({"daily_quota": 1_000}, time_scale=1)
    instance.spend(calls=900)
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        variables.clear()
        instance.instance.meter.calls.clear()  # a new day

    monkeypatch.setattr(trigger_module.asyncio, "sleep", sleep)
    found = run_task(sensor(min_calls=500, deferrable=True, timeout=2 * 86_400), task_context())
    assert found["calls_left"] == 999
    (seconds,) = slept
    assert 300 <= seconds <= 25 * 3600 + 300


def test_a_deferred_sensor_fails_at_its_deadline(marketo):
    instance = marketo({"daily_quota": 1_000}, time_scale=1)
    instance.spend(calls=900)
    with pytest.raises(AirflowSensorTimeout, match="marketo_default"):
        run_task(sensor(min_calls=500, deferrable=True, timeout=0.3), task_context())


def test_the_trigger_carries_ids_and_numbers_only(marketo):
    instance = marketo({"daily_quota": 1_000}, time_scale=1)
    instance.spend(calls=900)
    with pytest.raises(TaskDeferred) as deferred:
        sensor(min_calls=500, deferrable=True).execute(task_context())
    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_provider_marketo.triggers.quota.MarketoQuotaTrigger"
    assert set(arguments) == {"marketo_conn_id", "min_calls", "min_export_mb", "deadline"}


def test_the_trigger_waits_out_a_spent_quota(marketo):
    instance = marketo(daily_quota=100, time_scale=1)
    instance.spend(calls=100)
    assert fire(trigger(min_calls=1, deadline=(datetime.now(timezone.utc) + timedelta(seconds=1)).isoformat())) == {
        "status": "timed out"
    }


def test_a_permanent_error_ends_the_wait_and_the_task(marketo):
    marketo(time_scale=1).fail("usage.get_daily_usage", "603", times=9)
    event = fire(trigger(min_calls=1))
    assert (event["status"], event["code"]) == ("error", "603")
    with pytest.raises(AirflowFailException, match="Marketo code 603"):
        sensor(min_calls=1).execute_complete(task_context(), event)


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("arguments", "weather"),
    [({"min_calls": "{{ 0 }}"}, {}), ({"min_calls": 1}, {"code": "603", "times": 9})],
    ids=["refused", "denied"],
)
def test_soft_fail_holds_for_every_error(marketo, deferrable, arguments, weather):
    instance = marketo(time_scale=1)
    if weather:
        instance.fail("usage.get_daily_usage", **weather)
    with pytest.raises(AirflowSkipException):
        run_task(sensor(soft_fail=True, deferrable=deferrable, **arguments), task_context())


def test_a_poll_that_fails_is_repeated(marketo):
    instance = marketo(time_scale=1)
    instance.fail("usage.get_daily_usage", "611", times=3)
    waiting = sensor(min_calls=1, timeout=30)
    assert not waiting.poke(task_context())
    assert waiting.poke(task_context())


def test_an_event_that_is_not_ours_is_an_error():
    with pytest.raises(Exception, match="of an unknown kind"):
        quota_from_event({"status": "well"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Give min_calls, min_export_mb or both"),
        ({"min_calls": 0}, "min_calls=0 is not a whole number of 1 or more"),
        ({"min_export_mb": "a lot"}, "min_export_mb='a lot' is not a number"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        sensor(**arguments)


def test_a_template_that_renders_to_a_wrong_value_is_refused_before_a_call():
    waiting = sensor(min_calls="{{ var.value.wanted }}")
    waiting.min_calls = "a lot"
    with pytest.raises(AirflowFailException, match="min_calls='a lot' is not a whole number"):
        waiting.execute(task_context())
