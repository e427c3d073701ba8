"""State as plain JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.at_most_once.entries import Entry
from airflow_provider_marketo.client.serializable import LaterFormatError, Serializable
from airflow_provider_marketo.client.stored_errors import StoredError
from airflow_provider_marketo.client.tally import Counts
from airflow_provider_marketo.conditions.jobs import JobCondition
from airflow_provider_marketo.conditions.leads import LeadCondition
from airflow_provider_marketo.hooks.quota import Quota
from airflow_provider_marketo.imports.state import Account, ChunkState, ImportProgress


@dataclass(frozen=True)
class Part:
    name: str
    size: int = 0


@dataclass(frozen=True)
class State(Serializable):
    VERSION: ClassVar[int] = 2
    when: datetime
    length: timedelta = timedelta(0)
    until: datetime | None = None
    parts: tuple[Part, ...] = ()
    by_id: Mapping[int, Part] = field(default_factory=dict)
    fields: str | Sequence[str] | None = None
    words: frozenset[str] = frozenset()
    more: Mapping[str, Any] = field(default_factory=dict)


NOON = datetime(2026, 1, 15, 12, 0, 0, 250_000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "state",
    [
        State(NOON),
        State(
            NOON,
            timedelta(hours=1.5),
            NOON,
            (Part("a"), Part("b", 2)),
            {7: Part("c")},
            ("email", "id"),
            frozenset("xy"),
            {"deep": [{"n": 1}]},
        ),
        State(NOON, fields="all"),
    ],
)
def test_state_comes_back_from_json_as_it_was(state):
    assert State.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_the_version_of_the_format_is_stored_first():
    assert list(State(NOON).to_dict().items())[:2] == [("version", 2), ("when", "2026-01-15T12:00:00.250000Z")]


def test_a_later_release_may_add_fields_and_an_earlier_one_may_lack_them():
    assert State.from_dict({"version": 1, "when": "2026-01-15T12:00:00.25Z", "unknown": 1}) == State(NOON)


def test_another_format_of_a_later_release_is_refused():
    with pytest.raises(
        ValueError, match=r"this State has format 3, .*formats up to 2\. Update airflow-provider-marketo"
    ):
        State.from_dict({"version": 3, "when": "2026-01-15T12:00:00Z"})


MANY = State(NOON, timedelta(1), NOON, (Part("a", 1),), {7: Part("c")}, "all", frozenset("xy"), {"deep": 1})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(MANY.to_dict())), JSON)
def test_a_member_of_another_kind_is_an_error_or_the_same_kind(member, value):
    """Never another exception, and never an object that breaks its users."""
    try:
        found = State.from_dict({**MANY.to_dict(), member: value})
    except ValueError:
        return
    again = State.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found or member == "more"  # NaN is not equal to itself


@given(st.sets(st.sampled_from(["when", "version"]), min_size=1))
def test_a_missing_member_is_an_error_unless_it_has_a_default(missing):
    facts = {name: value for name, value in MANY.to_dict().items() if name not in missing}
    if "when" in missing:
        with pytest.raises(ValueError, match="this is not a State"):
            State.from_dict(facts)
    else:
        assert State.from_dict(facts) == MANY


@pytest.mark.parametrize("facts", [None, [], "text", 5, {}, {"version": "2", "when": "2026-01-15"}])
def test_a_record_that_is_not_an_object_is_an_error(facts):
    with pytest.raises(ValueError, match="this is not a State"):
        State.from_dict(facts)


@pytest.mark.parametrize(
    "state",
    [
        Quota("i", "2026-01-15", 50_000, 7, 0, 500, "2026-01-15T12:00:00Z", "2026-01-16T06:00:00Z"),
        Entry("sending", "me", "i", "campaigns.trigger", "campaign 7", "dag", "task", "run", -1, 2, "an unknown time"),
        ImportProgress("a request", chunks={"1": ChunkState("done", 7, Account(accepted=3))}),
        LeadCondition("email", ("a@x.y",)),
        JobCondition("leads", export_id="a"),
        StoredError("MarketoNotFoundError", "gone", parameter="list_id"),
        Counts(calls=2, waited=0.5, rejected={"606": 1}),
    ],
    ids=lambda state: type(state).__name__,
)
def test_each_stored_format_has_a_version_and_refuses_a_later_one_by_name(state):
    facts = json.loads(json.dumps(state.to_dict()))
    later = type(state).VERSION + 1
    assert facts["version"] == type(state).VERSION
    assert type(state).from_dict(facts) == state
    with pytest.raises(LaterFormatError, match=f"this {type(state).__name__} has format {later}, and this release"):
        type(state).from_dict({**facts, "version": later})


def test_states_without_a_version_are_read_as_the_first_format():
    before = {"fingerprint": "a request", "chunks": {"1": {"state": "done", "batch_id": 7, "account": {"accepted": 3}}}}
    assert ImportProgress.from_dict(before).chunk("1") == ChunkState("done", 7, Account(accepted=3))
    assert LeadCondition.from_dict({"lookup_field": "id", "lookup_values": ["7"]}) == LeadCondition("id", ("7",))
