"""The first task of a DAG that a watcher starts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_marketo.client.errors import MarketoStateError
from airflow_provider_marketo.streams import batches
from airflow_provider_marketo.streams.batches import new_batches


def event(batch_id: str, lead_id: int = 7):
    """Events come in the order of their letters."""
    payload = {"batch_id": batch_id, "activities": [f"{batch_id}-1"], "lead_ids": [lead_id]}
    time = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=ord(batch_id))
    return SimpleNamespace(extra={"from_trigger": True, "payload": payload}, timestamp=time)


def taken(*events, run="first", later=()):
    return new_batches(events, run, stream="forms", later=later)["batch_ids"]


def test_a_batch_is_taken_once(variables):
    assert taken(event("a"), event("b"), event("a")) == ["a", "b"]
    assert taken(event("b"), event("c"), run="second") == ["c"]
    assert taken(event("a"), run="third") == []


def test_a_run_that_is_cleared_gets_its_own_again(variables):
    assert taken(event("a")) == taken(event("a")) == ["a"]


class Inlets(list):
    """An asset's events from Airflow 3.2 on."""

    def after(self, time):
        return Inlets(each for each in self if each.timestamp >= datetime.fromisoformat(time))


@pytest.mark.parametrize("events", [list, Inlets])
def test_what_came_while_the_run_before_was_busy_is_taken_too(variables, events):
    """Airflow gives a run only the first of several events, and starts no run for the others."""
    everything = events(map(event, "abcd"))
    assert taken(event("a"), later=everything[:1]) == ["a"]
    assert taken(event("b"), run="second", later=everything) == ["b", "c", "d"]
    assert taken(event("d"), run="third", later=everything) == []
    assert taken(event("b"), run="second", later=everything) == ["b", "c", "d"]


def test_what_lies_before_the_run_is_not_taken_again_when_its_memory_is_gone(variables):
    assert taken(event("c"), later=[event("a"), event("c"), event("d")]) == ["c", "d"]


def test_events_that_no_watcher_sent_are_ignored(variables):
    by_hand = SimpleNamespace(extra={}, timestamp=event("a").timestamp)
    found = new_batches([by_hand, event("a", 9), event("b", 7)], "first", stream="forms")
    assert found == {"batch_ids": ["a", "b"], "activities": ["a-1", "b-1"], "lead_ids": [7, 9]}


def test_a_variable_of_a_later_release_is_not_taken_for_none(variables):
    variables["marketo_batches_forms"] = '{"version": 2, "batches": []}'
    with pytest.raises(
        MarketoStateError, match=r"marketo_batches_forms cannot be read: this TakenBatches has format 2"
    ):
        taken(event("a"))


def test_the_memory_has_an_end(variables, monkeypatch):
    monkeypatch.setattr(batches, "REMEMBERED", 2)
    taken(event("a"), event("b"), event("c"))
    assert taken(event("a"), event("c"), run="second") == ["a"]


@pytest.mark.parametrize("text", ["", "nul", "null", "[]", '"a"', '{"a": "first"}', '{"runs": {"a": 5}}'])
def test_a_damaged_variable_is_not_taken_for_none(variables, text):
    """If it counted as missing, batches that earlier runs have processed would be processed again."""
    variables["marketo_batches_forms"] = text
    with pytest.raises(MarketoStateError, match=r"Variable marketo_batches_forms is damaged.*Restore it, or delete it"):
        taken(event("a"))
    assert variables["marketo_batches_forms"] == text
