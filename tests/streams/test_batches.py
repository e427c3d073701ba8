"""The first task of a DAG that a watcher starts."""

from __future__ import annotations

from types import SimpleNamespace

from airflow_provider_marketo.streams import batches
from airflow_provider_marketo.streams.batches import new_batches


def event(batch_id: str, lead_id: int = 7):
    payload = {"batch_id": batch_id, "activities": [f"{batch_id}-1"], "lead_ids": [lead_id]}
    return SimpleNamespace(extra={"from_trigger": True, "payload": payload})


def taken(*events, run="first"):
    return new_batches(events, run, stream="forms")["batch_ids"]


def test_a_batch_is_taken_once(variables):
    assert taken(event("a"), event("b"), event("a")) == ["a", "b"]
    assert taken(event("b"), event("c"), run="second") == ["c"]
    assert taken(event("a"), run="third") == []


def test_a_run_that_is_cleared_gets_its_own_again(variables):
    assert taken(event("a")) == taken(event("a")) == ["a"]


def test_what_no_watcher_sent_is_none_of_it(variables):
    by_hand = SimpleNamespace(extra={})
    found = new_batches([by_hand, event("a", 9), event("b", 7)], "first", stream="forms")
    assert found == {"batch_ids": ["a", "b"], "activities": ["a-1", "b-1"], "lead_ids": [7, 9]}


def test_the_memory_has_an_end(variables, monkeypatch):
    monkeypatch.setattr(batches, "REMEMBERED", 2)
    taken(event("a"), event("b"), event("c"))
    assert taken(event("a"), event("c"), run="second") == ["a"]
