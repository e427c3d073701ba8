"""The watcher's trigger: at least once, with Airflow's word that an event is stored where it gives it."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from airflow.triggers import base

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.triggers import activity, watching
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger
from tests.sensors.conftest import marketo

__all__ = ["marketo"]

VARIABLE = "marketo_position_forms"


@pytest.fixture
def variables(monkeypatch):
    """Airflow's Variables, which a triggerer can read and write, and a test cannot otherwise."""
    values: dict[str, str] = {}
    monkeypatch.setattr(watching, "_read", lambda name: json.loads(values[name]) if name in values else None)
    monkeypatch.setattr(watching, "_set", lambda name, value: values.update({name: json.dumps(value)}))
    monkeypatch.setattr(activity, "STORED_WITHIN", 0.0)
    return values


def trigger(**arguments) -> MarketoActivityTrigger:
    given = {"stream": "forms", "activity_types": ["Fill Out Form"], "poll_interval": 0.05} | arguments
    return MarketoActivityTrigger(**given)


async def first(events):
    async for event in events:
        return event.payload if hasattr(event, "payload") else event
    return None


async def next_event(watcher, sim, **fill):
    """Something happens once the watcher watches; the event that follows."""
    events = watcher.run()
    waiting = asyncio.ensure_future(first(events))
    await asyncio.sleep(0.2)
    sim.instance.store.activities.add(sim.instance.now, 1005, types.FILL_OUT_FORM, **fill)
    return await asyncio.wait_for(waiting, 10)


def test_a_form_is_filled(marketo, variables):
    sim = marketo()
    payload = asyncio.run(next_event(trigger(asset_ids=[7]), sim, primary_id=7))
    assert payload["lead_ids"] == [1005]
    assert json.loads(variables[VARIABLE])["pending"] == payload


def test_a_batch_that_airflow_had_not_stored_comes_again_under_its_id(marketo, variables):
    sim = marketo()
    payload = asyncio.run(next_event(trigger(), sim))
    assert asyncio.run(asyncio.wait_for(first(trigger().run()), 10)) == payload


def test_watchers_of_a_connection_share_their_looks(marketo, variables):
    sim = marketo()
    interval = 0.2

    async def scenario():
        names = ("Fill Out Form", "Send Email", "Open Email")
        watchers = [trigger(stream=name, activity_types=[name], poll_interval=interval) for name in names]
        started = time.monotonic()
        waiting = [asyncio.ensure_future(first(each.run())) for each in watchers]
        while sim.calls("activities.get_lead_activities") < 3 and time.monotonic() < started + 20:
            await asyncio.sleep(interval)
        for each in waiting:
            each.cancel()
        return time.monotonic() - started

    took = asyncio.run(scenario())
    assert 3 <= sim.calls("activities.get_lead_activities") <= took / interval + 2
    assert sim.calls("activities.get_types") <= 4


@pytest.mark.skipif(not hasattr(base.BaseEventTrigger, "create_shared_stream_producer"), reason="Airflow 3.3")
def test_with_airflows_word_the_position_moves_only_when_the_event_is_stored(marketo, variables):
    sim = marketo()
    arguments = trigger().serialize()[1]

    async def scenario():
        producer = MarketoActivityTrigger.create_shared_stream_producer(arguments)
        stream = producer.open_stream()
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.2)
        sim.instance.store.activities.add(sim.instance.now, 1005, types.FILL_OUT_FORM)
        batch, key = await asyncio.wait_for(waiting, 10)
        await producer.advance([SimpleNamespace(broker_payload=key, outcome=SimpleNamespace(is_clean=False))])
        again, _ = await asyncio.wait_for(anext(stream), 10)
        before = json.loads(variables[VARIABLE])["pending"]
        await producer.advance([SimpleNamespace(broker_payload=key, outcome=SimpleNamespace(is_clean=True))])
        return batch, again, before, json.loads(variables[VARIABLE])["pending"]

    batch, again, before, after = asyncio.run(scenario())
    assert batch == again == before
    assert after is None


def test_an_outage_does_not_end_the_watcher(marketo, variables):
    sim = marketo()
    sim.fail("activities.get_lead_activities", "603", times=1)
    assert asyncio.run(next_event(trigger(), sim))["lead_ids"] == [1005]


def test_the_trigger_is_made_of_what_it_was_made_of():
    path, stored = trigger(asset_ids=[9, 7], list_id=3).serialize()
    assert path == "airflow_provider_marketo.triggers.activity.MarketoActivityTrigger"
    assert MarketoActivityTrigger(**stored).serialize()[1] == stored
    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize("count", [0, 11])
def test_a_watcher_follows_what_fits_into_a_call(count):
    with pytest.raises(MarketoInvalidRequestError, match="one to 10 activity types"):
        trigger(activity_types=[str(n) for n in range(count)])
