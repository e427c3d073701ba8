"""The watcher's trigger: at least once; it waits until Airflow has stored an event, if Airflow reports that."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from types import SimpleNamespace

import pytest
from airflow.sdk import BaseHook
from airflow.triggers import base

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.triggers import activity, watching
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger
from tests.sensors.conftest import marketo
from tests.support import in_virtual_time

__all__ = ["marketo"]

VARIABLE = "marketo_position_forms"


@pytest.fixture
def variables(monkeypatch):
    """Airflow's Variables, which a triggerer can read and write, and a test cannot otherwise."""
    values: dict[str, str] = {}
    monkeypatch.setattr("airflow_provider_marketo.hooks.variables.read", values.get)
    monkeypatch.setattr(
        "airflow_provider_marketo.hooks.variables.write_json",
        lambda name, value, _: values.update({name: json.dumps(value)}),
    )
    monkeypatch.setattr(activity, "STORED_WITHIN", 0.0)
    monkeypatch.setattr(watching, "DROPPED_WITHIN", 0.0)
    monkeypatch.setattr(watching, "GATHERING", 0.05)
    return values


@pytest.fixture
def without_threads(monkeypatch):
    """Run threads' work on the event loop, so that the virtual clock stands still meanwhile."""

    async def at_once(call):
        return call()

    async def settings_of(marketo_conn_id):
        return ConnectionSettings.from_connection(BaseHook.get_connection(marketo_conn_id))

    monkeypatch.setattr(watching, "run_in_thread", at_once)
    monkeypatch.setattr(watching, "settings_of", settings_of)


def trigger(**arguments) -> MarketoActivityTrigger:
    given = {"stream": "forms", "activity_types": ["Fill Out Form"], "poll_interval": 0.05} | arguments
    return MarketoActivityTrigger(**given)


async def first(events):
    async for event in events:
        return event.payload if hasattr(event, "payload") else event
    return None


def filled(sim, **facts) -> None:
    """A lead fills a form."""
    sim.instance.store.activities.add(sim.instance.now, 1005, types.FILL_OUT_FORM, **facts)


async def watched(variables) -> None:
    """Wait until the watcher watches. It does not see earlier activities."""
    while VARIABLE not in variables:
        await asyncio.sleep(0.01)


def is_in_doubt(variables) -> bool:
    """Whether a watcher that starts now passes a batch again."""
    state = json.loads(variables[VARIABLE])
    return bool(state["pending"] or state["passed"])


async def next_event(watcher, sim, variables, **fill):
    """Fill a form once the watcher watches, and return the event that follows."""
    waiting = asyncio.ensure_future(first(watcher.run()))
    await watched(variables)
    filled(sim, **fill)
    return await asyncio.wait_for(waiting, 60)


def test_a_filled_form_fires_with_its_lead_and_is_remembered_until_airflow_has_it(marketo, variables):
    sim = marketo()
    payload = asyncio.run(next_event(trigger(asset_ids=[7]), sim, variables, primary_id=7))
    assert payload["lead_ids"] == [1005]
    assert json.loads(variables[VARIABLE])["pending"] == payload


def test_a_batch_that_airflow_had_not_stored_comes_again_under_its_id(marketo, variables):
    sim = marketo()
    payload = asyncio.run(next_event(trigger(), sim, variables))
    assert asyncio.run(asyncio.wait_for(first(trigger().run()), 10)) == payload


def test_watchers_of_a_connection_share_their_polls(marketo, variables):
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
        await watched(variables)
        filled(sim)
        batch, key = await asyncio.wait_for(waiting, 60)
        await producer.advance([SimpleNamespace(broker_payload=key, outcome=SimpleNamespace(is_clean=False))])
        again, _ = await asyncio.wait_for(anext(stream), 10)
        before = json.loads(variables[VARIABLE])["pending"]
        await producer.advance([SimpleNamespace(broker_payload=key, outcome=SimpleNamespace(is_clean=True))])
        return batch, again, before, json.loads(variables[VARIABLE])["pending"]

    batch, again, before, after = asyncio.run(scenario())
    assert batch == again == before
    assert after is None


CLEAN = [SimpleNamespace(outcome=SimpleNamespace(is_clean=True))]


@pytest.mark.skipif(not hasattr(base.BaseEventTrigger, "create_shared_stream_producer"), reason="Airflow 3.3")
def test_a_batch_that_airflow_confirmed_and_dropped_comes_again_from_the_next_watcher(
    marketo, variables, without_threads
):
    """Airflow drops an event whose DAG was paused a moment before, and confirms it when it ends the watcher."""
    sim = marketo(activities=0)
    arguments = trigger(start="2026-01-01", poll_interval=20).serialize()[1]

    async def life(seconds):
        """The batches that a watcher passes in its life, each of them confirmed."""
        passed = []
        producer = MarketoActivityTrigger.create_shared_stream_producer(arguments)

        async def run():
            async for batch, _ in producer.open_stream():
                passed.append(batch["activities"])
                await producer.advance(CLEAN)

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(run(), seconds)
        return passed

    async def scenario():
        filled(sim)
        return [await life(seconds) for seconds in (10, 10, 60, 60)]

    dropped, again, lasting, last = in_virtual_time(scenario())
    assert len(dropped) == 1
    assert dropped == again == lasting
    assert last == []


def test_a_dag_that_was_unpaused_has_a_watcher_of_its_own():
    before, after = trigger(), trigger()
    before.trigger_id, after.trigger_id = 1, 39
    assert before.shared_stream_key() != after.shared_stream_key()


def test_polls_are_counted_from_the_last_one_and_five_seconds_closer_than_promised(
    marketo, variables, without_threads, monkeypatch
):
    sim = marketo(activities=0)
    monkeypatch.setattr(activity, "STORED_WITHIN", 10.0)

    async def scenario():
        events, times = trigger(poll_interval=30, start="2026-01-01").run(), []
        for _ in range(3):
            filled(sim)
            await anext(events)
            times.append(round(asyncio.get_running_loop().time()))
        return times

    first_look, *later = in_virtual_time(scenario())
    assert [each - first_look for each in later] == [25, 50]


@pytest.mark.parametrize(("promised", "between"), [(None, 60), (65, 60), (30, 25), (8, 4), (2, 1)])
def test_polls_are_closer_together_than_the_promise_by_the_time_that_airflow_needs(promised, between):
    assert watching.seconds_between_looks(promised, usual=60) == between


def test_a_watcher_that_starts_again_polls_at_once(marketo, variables, without_threads):
    sim = marketo()

    async def scenario():
        await first(trigger(poll_interval=600, start="2026-01-01").run())
        return asyncio.get_running_loop().time()

    filled(sim)
    assert in_virtual_time(scenario()) == pytest.approx(watching.GATHERING)


def test_a_place_in_the_feed_that_marketo_no_longer_accepts_is_found_again_by_its_time(marketo, variables, caplog):
    sim = marketo()

    async def scenario():
        events = trigger().run()
        waiting = asyncio.ensure_future(anext(events))
        await watched(variables)
        filled(sim)
        before = (await waiting).payload
        sim.fail("activities.get_lead_activities", "1003", times=1)
        filled(sim)
        return before, (await asyncio.wait_for(anext(events), 10)).payload

    before, after = asyncio.run(scenario())
    assert not set(before["activities"]) & set(after["activities"])
    assert "no longer accepts a paging token" in caplog.text


def test_two_watchers_of_one_stream_hand_over_the_same_batches(marketo, variables, without_threads):
    """There are two when a DAG file changes, or when a triggerer that seemed dead is alive."""
    sim = marketo(activities=0)
    batches: dict[str, set[str]] = {}

    async def watch(events):
        async for event in events:
            batches.setdefault(event.payload["batch_id"], set()).update(event.payload["activities"])

    async def scenario():
        both = [
            asyncio.ensure_future(watch(trigger(poll_interval=seconds, start="2026-01-01").run()))
            for seconds in (20, 26)
        ]
        for _ in range(12):
            await asyncio.sleep(7)
            filled(sim)
        await asyncio.sleep(60)
        for each in both:
            each.cancel()

    in_virtual_time(scenario())
    activities = [each for batch in batches.values() for each in batch]
    assert len(activities) == len(set(activities)) == 12


def test_a_stream_whose_variable_is_deleted_starts_again(marketo, variables, without_threads):
    sim = marketo(activities=0)

    async def scenario():
        events = trigger(start="2026-01-01").run()
        first_batch = (await anext(events)).payload
        del variables[VARIABLE]
        return first_batch, (await asyncio.wait_for(anext(events), 100)).payload

    filled(sim)
    before, again = in_virtual_time(scenario())
    assert before == again


def test_the_position_of_an_operators_stream_is_not_taken_for_a_watchers(marketo, variables, without_threads, caplog):
    marketo(activities=0)
    stored = {"instance": "127.0.0.1", "since": "2026-01-01T00:00:00Z", "time": "2026-01-02T00:00:00Z", "pages": {}}
    variables[VARIABLE] = json.dumps(stored)

    async def scenario():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(trigger().run()), 100)

    in_virtual_time(scenario())
    assert "Give the watcher another stream name" in caplog.text
    assert json.loads(variables[VARIABLE]) == stored


def test_a_connection_that_leads_elsewhere_is_refused_while_watching(marketo, variables, without_threads, caplog):
    sim = marketo(activities=0)

    async def scenario():
        events = trigger(start="2026-01-01").run()
        await anext(events)
        filled(marketo(activities=0))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(events), 100)

    filled(sim)
    in_virtual_time(scenario())
    assert "belongs to instance" in caplog.text


def test_an_outage_does_not_end_the_watcher(marketo, variables):
    sim = marketo()
    sim.fail("activities.get_lead_activities", "603", times=1)
    assert asyncio.run(next_event(trigger(), sim, variables))["lead_ids"] == [1005]


def test_the_trigger_serializes_its_arguments():
    path, stored = trigger(asset_ids=[9, 7], list_id=3).serialize()
    assert path == "airflow_provider_marketo.triggers.activity.MarketoActivityTrigger"
    assert MarketoActivityTrigger(**stored).serialize()[1] == stored
    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"start": "yesterday"}, "start"),
        ({"batch_size": 0}, "batch_size"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"stream": ""}, "stream"),
        ({"asset_ids": ["a form"]}, "asset_ids"),
        ({"list_id": "a list"}, "list_id"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(given, parameter):
    with pytest.raises(MarketoInvalidRequestError) as refused:
        trigger(**given)
    assert refused.value.parameter == parameter


def test_the_offset_of_a_start_counts():
    assert trigger(start="2026-01-01T02:00:00+02:00").serialize()[1]["start"] == "2026-01-01T00:00:00Z"


def test_a_watcher_follows_what_fits_into_a_call():
    with pytest.raises(MarketoInvalidRequestError, match="one to 10 activity types"):
        trigger(activity_types=[str(n) for n in range(11)])


@pytest.mark.parametrize("parameter", ["activity_types", "asset_ids"])
def test_a_watcher_of_nothing_does_not_watch_everything(parameter):
    with pytest.raises(MarketoInvalidRequestError, match=f"{parameter} is empty"):
        trigger(**{parameter: []})


@pytest.mark.parametrize("asset_ids", [None, [7]])
def test_a_watcher_is_made_again_from_what_airflow_stores(asset_ids):
    stored = trigger(asset_ids=asset_ids).serialize()[1]
    assert type(trigger())(**stored).serialize()[1] == stored


@pytest.mark.parametrize("text", ["", "nul", "null", "[]", "{}", '{"instance": 5, "pending": null, "seen": []}'])
def test_a_watcher_does_not_begin_again_over_a_damaged_position(marketo, variables, without_threads, caplog, text):
    """If the position counted as missing, it would repeat processed activities or skip unseen ones."""
    marketo(activities=0)
    variables[VARIABLE] = text

    async def scenario():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(trigger().run()), 100)

    in_virtual_time(scenario())
    assert f"Variable {VARIABLE} is damaged" in caplog.text
    assert "Restore it, or delete it" in caplog.text
    assert variables[VARIABLE] == text
