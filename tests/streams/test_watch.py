"""
A watcher that crashes at any moment misses nothing, and repeats a batch only under the same batch id.

The same is true of one that Airflow ends after it has confirmed an event and dropped it.
"""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.conditions.activities import ActivityCondition, ActivityWatcher
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.streams.follow import OVERLAP
from airflow_provider_marketo.streams.watch import Handover, WatchState

NOW = datetime(2026, 1, 10, 12, tzinfo=timezone.utc)


class CrashError(Exception):
    """The triggerer is gone."""


class World:
    """Marketo, a Variable, Airflow's database, and a watcher that may die between any two steps."""

    def __init__(self, sim, seed: int, batch_size: int) -> None:
        self.sim = sim
        self.chance = random.Random(seed)
        self.batch_size = batch_size
        self.variable = json.dumps(WatchState("i", iso(NOW), iso(NOW)).to_dict())
        self.stored: list[dict] = []
        self.filled: set[str] = set()

    def fills(self) -> None:
        """Some forms are filled; Marketo shows each within a few minutes."""
        for _ in range(self.chance.randrange(6)):
            at = self.sim.instance.now - self.chance.randrange(240)
            activity = self.sim.instance.store.activities.add(max(at, int(NOW.timestamp())), 1001, types.FILL_OUT_FORM)
            self.filled.add(str(activity.number))

    def may_crash(self) -> None:
        if self.chance.random() < 0.15:
            raise CrashError

    def watch(self, looks: int) -> None:
        """A triggerer's life."""
        state = WatchState.from_dict(json.loads(self.variable))
        handover = Handover(state, self.batch_size, OVERLAP)
        handover.repeat()
        ends_after, confirmed = None, 0
        read_from = datetime.fromisoformat(state.time.replace("Z", "+00:00")) - OVERLAP
        question = ActivityCondition(("2",), state.since, read_from=iso(max(read_from, NOW)))
        watcher = ActivityWatcher(MarketoClient(self.sim.url, self.sim.client_id, self.sim.client_secret))
        for look in range(looks):
            while (batch := handover.next_batch()) is not None:
                self.write(state)
                self.may_crash()
                if ends_after is None and self.chance.random() < 0.1:
                    ends_after = look + 1  # the DAG is paused: Airflow drops its events, and ends the watcher soon
                if ends_after is None:
                    self.stored.append(json.loads(json.dumps(batch)))
                self.may_crash()
                handover.confirm()
                self.may_crash()
                self.write(state)
                confirmed = look
            if look == ends_after:
                raise CrashError
            if look >= confirmed + 2:
                handover.forget()
                self.write(state)
            self.sim.clock.advance(60)
            self.fills()
            found = watcher.ask([question])[question]
            self.may_crash()
            handover.take(found["until"], found["activities"])

    def write(self, state: WatchState) -> None:
        self.may_crash()
        self.variable = json.dumps(state.to_dict())


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_missed_and_nothing_processed_twice(seed, batch_size):
    with Simulator(Settings(leads=10, activities=0, limits=False), clock=ManualClock(NOW)) as sim:
        world = World(sim, seed, batch_size)
        for _ in range(25):
            try:
                world.watch(looks=8)
            except CrashError:
                sim.clock.advance(world.chance.randrange(1, 4_000))
        world.chance = random.Random()
        world.chance.random = lambda: 1.0  # no more crashes
        world.chance.randrange = lambda *_: 0
        world.watch(looks=4)

    by_id: dict[str, dict] = {}
    for batch in world.stored:
        assert by_id.setdefault(batch["batch_id"], batch) == batch
    handed = [activity for batch in by_id.values() for activity in batch["activities"]]
    assert sorted(handed) == sorted(world.filled)


def test_a_batch_has_ids_and_nothing_else():
    state = WatchState("i", iso(NOW), iso(NOW))
    handover = Handover(state, 10, OVERLAP)
    handover.take(iso(NOW + timedelta(minutes=1)), [{"id": "a", "lead_id": 7, "date": iso(NOW), "email": "x@y"}])
    batch = handover.next_batch()
    assert set(batch) == {"batch_id", "activities", "lead_ids"}
    assert (batch["activities"], batch["lead_ids"]) == (["a"], [7])
    assert "x@y" not in json.dumps(state.to_dict())
