"""The watcher's trigger on the journal of Adobe I/O Events: no API call, nothing missed, nothing twice."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger
from tests.sensors.conftest import marketo
from tests.triggers.test_activity import VARIABLE, first, is_in_doubt, variables, watched

__all__ = ["marketo", "variables"]


@pytest.fixture
def journal(marketo, variables, monkeypatch, tmp_path):
    """Return a function that starts an instance with a journal, and a connection to the journal."""
    monkeypatch.setattr("airflow_provider_marketo.hooks.adobe_events.governor_folder", lambda: tmp_path)

    def start(**manner):
        sim = marketo(activities=0)
        sim.journal.behave(**manner)
        monkeypatch.setenv("AIRFLOW_CONN_ADOBE", sim.adobe_connection())
        return sim

    return start


def trigger(**arguments):
    given = {
        "stream": "forms",
        "activity_types": [types.FILL_OUT_FORM],
        "poll_interval": 0.05,
        "adobe_conn_id": "adobe",
    }
    return MarketoActivityTrigger(**given | arguments)


def fill(sim, **facts):
    return str(sim.instance.store.activities.add(sim.instance.now, 1005, types.FILL_OUT_FORM, **facts).number)


def reads(sim):
    return sim.report().calls.get("journal.read", 0)


async def next_batch(sim, variables, *fills, **arguments):
    waiting = asyncio.ensure_future(first(trigger(**arguments).run()))
    await watched(variables)
    filled = [fill(sim, **facts) for facts in fills]
    return filled, await asyncio.wait_for(waiting, 60)


def test_a_form_is_filled_and_a_dag_may_start_without_an_api_call(journal, variables):
    sim = journal(duplicates=1.0, others=1.0)
    filled, payload = asyncio.run(next_batch(sim, variables, {"primary_id": 7}, {"primary_id": 8}, asset_ids=[7]))
    assert payload["activities"] == filled[:1]
    assert payload["lead_ids"] == [1005]
    assert sim.report().total_calls == 0


def test_names_of_activity_types_are_checked_once(journal, variables, caplog):
    sim = journal()
    filled, payload = asyncio.run(next_batch(sim, variables, {}, activity_types=["fill out form"]))
    assert payload["activities"] == filled
    assert sim.report().total_calls == 1

    async def misspelt():
        await asyncio.wait_for(first(trigger(stream="other", activity_types=["Fill Out a Form"]).run()), 1)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(misspelt())
    assert "no activity type 'Fill Out a Form'" in caplog.text


def test_watchers_go_by_the_event_where_marketo_cannot_be_asked(journal, variables):
    sim = journal()
    sim.fail("activities.get_types", "607", times=None)
    filled, payload = asyncio.run(next_batch(sim, variables, {}, activity_types=["Fill Out Form"]))
    assert payload["activities"] == filled


def test_ten_triggerers_die_and_nothing_is_missed_or_comes_twice(journal, variables):
    """Each dies at any moment: while it looks, while it sends a batch, or before Airflow has stored the batch."""
    sim = journal(duplicates=0.3, wrapping="mixed", page=3)
    chance = random.Random(4)

    async def life(stored):
        async for event in trigger(batch_size=2).run():
            stored[event.payload["batch_id"]] = event.payload["activities"]

    async def scenario():
        filled, stored = [], {}
        watcher = asyncio.ensure_future(life(stored))
        await watched(variables)
        for _ in range(10):
            filled += [fill(sim) for _ in range(3)]
            await asyncio.sleep(chance.random() / 4)
            watcher.cancel()
            filled += [fill(sim)]
            watcher = asyncio.ensure_future(life(stored))
        for _ in range(100):
            if sum(map(len, stored.values())) >= len(filled):
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.3)
        watcher.cancel()
        return filled, stored

    filled, stored = asyncio.run(scenario())
    assert sorted(each for batch in stored.values() for each in batch) == sorted(filled)
    assert sim.report().total_calls == 0


def test_watchers_of_a_journal_share_their_polls(journal, variables):
    sim = journal()

    async def scenario():
        waiting = [
            asyncio.ensure_future(first(trigger(stream=name, poll_interval=0.2).run())) for name in ("a", "b", "c")
        ]
        while len(variables) < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        before = reads(sim)
        await asyncio.sleep(1)
        looks = reads(sim) - before
        filled = fill(sim)
        return looks, filled, await asyncio.wait_for(asyncio.gather(*waiting), 10)

    looks, filled, payloads = asyncio.run(scenario())
    assert looks <= 13  # a poll each tenth of a second would be three times as many without sharing
    assert [each["activities"] for each in payloads] == [[filled]] * 3


def after_a_gap(sim, variables, monkeypatch, days=8, ago=3600, remembered=(), **arguments):
    """Return a fill that only the feed has, one that the journal also has, and the batch of the next watcher."""
    asyncio.run(next_batch(sim, variables, {}))
    state = json.loads(variables[VARIABLE])
    now = datetime.now(timezone.utc)
    sim.journal.register_again()
    monkeypatch.setenv("AIRFLOW_CONN_ADOBE", sim.adobe_connection())
    missing = sim.instance.store.activities.add(sim.instance.now - ago, 1005, types.FILL_OUT_FORM)
    sim.journal.settle()
    sim.journal._arrived[0] -= 8 * 86_400  # it arrived long ago, so the place after it is forgotten
    place, link = sim.journal_url.removeprefix(sim.url), f"?since={sim.journal.position(1)}"
    seen = [*state["pending"]["activities"], *remembered]
    state |= {"seen": seen, "pending": None, "journal": place, "link": place + link}
    state |= {"since": iso(now - timedelta(days=30)), "time": iso(now - timedelta(days=days))}
    variables[VARIABLE] = json.dumps(state)
    kept = fill(sim)
    return str(missing.number), kept, asyncio.run(asyncio.wait_for(first(trigger(**arguments).run()), 3))


SILENT = pytest.mark.parametrize("silently", [False, True])
"""Whether Adobe answers a forgotten position with 410, or silently with 204, as it once did."""


@SILENT
def test_a_forgotten_position_stops_the_watcher_which_names_the_way_out(
    journal, variables, monkeypatch, caplog, silently
):
    sim = journal(forgets_silently=silently)
    with pytest.raises(asyncio.TimeoutError):
        after_a_gap(sim, variables, monkeypatch)
    assert "the watcher cannot continue" in caplog.text
    assert "on_gap='fill'" in caplog.text
    assert "or 'skip'" in caplog.text


def test_skip_continues_with_the_oldest_event(journal, variables, monkeypatch, caplog):
    sim = journal()
    _, kept, payload = after_a_gap(sim, variables, monkeypatch, on_gap="skip")
    assert payload["activities"] == [kept]
    assert "as on_gap='skip' says" in caplog.text
    assert sim.report().total_calls == 0


@SILENT
def test_fill_reads_the_gap_from_the_feed_and_says_what_it_cost(journal, variables, monkeypatch, caplog, silently):
    """The activity is eight days and 23 hours old: the journal may have been about to get it."""
    sim = journal(forgets_silently=silently)
    ago = 8 * 86_400 + 23 * 3600
    missing, kept, payload = after_a_gap(sim, variables, monkeypatch, on_gap="fill", ago=ago)
    assert sorted(payload["activities"]) == sorted([missing, kept])
    assert f"says: {sim.report().total_calls} calls" in caplog.text


def test_fill_repeats_nothing_that_the_watcher_no_longer_remembers(journal, variables, monkeypatch, caplog):
    monkeypatch.setattr("airflow_provider_marketo.streams.watch.REMEMBERED", 2)
    sim = journal()
    remembered = sim.instance.store.activities.add(sim.instance.now - 8 * 86_400, 1005, types.FILL_OUT_FORM)
    known = {"on_gap": "fill", "remembered": [str(remembered.number)]}
    _, kept, payload = after_a_gap(sim, variables, monkeypatch, ago=8 * 86_400 + 3600, **known)
    assert payload["activities"] == [kept]
    assert "Left out 1 activity from before" in caplog.text


@SILENT
def test_a_position_that_is_old_because_nothing_happened_is_not_a_gap(
    journal, variables, monkeypatch, caplog, silently
):
    sim = journal(forgets_silently=silently)
    _, kept, payload = after_a_gap(sim, variables, monkeypatch, days=1)
    assert payload["activities"] == [kept]
    assert "on_gap" not in caplog.text


def test_a_watcher_may_move_from_the_feed_to_the_journal(journal, variables):
    sim = journal()

    async def scenario():
        stored = []

        async def life(**arguments):
            async for event in trigger(**arguments).run():
                stored.append(event.payload["activities"])

        async def until(count):
            while len(stored) < count or is_in_doubt(variables):
                await asyncio.sleep(0.02)

        filled = []
        for number, adobe_conn_id in enumerate((None, "adobe", None), 1):
            watcher = asyncio.ensure_future(life(adobe_conn_id=adobe_conn_id))
            await watched(variables)
            filled.append([fill(sim)])
            await asyncio.wait_for(until(number), 10)
            watcher.cancel()
        return filled, stored

    filled, stored = asyncio.run(scenario())
    assert stored == filled


def test_what_the_feed_has_shown_is_left_out_when_the_journal_gets_it_late(journal, variables):
    """The feed has already shown the activity of an hour ago."""
    sim = journal()
    hour_ago = iso(datetime.now(timezone.utc) - timedelta(hours=2))

    async def scenario():
        early = str(sim.instance.store.activities.add(sim.instance.now - 3600, 1005, types.FILL_OUT_FORM).number)
        watcher = trigger(adobe_conn_id=None, start=hour_ago).run()
        payload = (await asyncio.wait_for(anext(watcher), 10)).payload
        following = asyncio.ensure_future(anext(watcher))
        while is_in_doubt(variables):
            await asyncio.sleep(0.02)
        following.cancel()
        filled, batch = await next_batch(sim, variables, {})
        return early, payload, filled, batch

    early, payload, filled, batch = asyncio.run(scenario())
    assert payload["activities"] == [early]
    assert batch["activities"] == filled


def test_what_the_journal_cannot_do_is_refused_when_the_dag_is_parsed():
    with pytest.raises(MarketoInvalidRequestError, match="does not know members of lists"):
        trigger(list_id=1001)
    path, arguments = trigger().serialize()
    assert arguments["adobe_conn_id"] == "adobe"
    assert path.endswith("MarketoActivityTrigger")
