"""The outcome of each record: it claims no more than Marketo's reply."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.imports.outcomes import DONE, Outcome, judge, outcomes_of
from airflow_provider_marketo.imports.targets import MEMBER_TARGETS, SYNC_TARGETS

(LEADS,) = SYNC_TARGETS["leads"].stages
(REMOVAL,) = MEMBER_TARGETS["list_remove"].stages
BATCH = (10, 11, 12)
SENT = datetime(2026, 3, 1, 12, 0, 0, 400_000, tzinfo=timezone.utc)
EXISTS = Outcome("rejected", "skipped", "1005", "Lead already exists")


def kinds(entries: list[Any], stage: Any = LEADS) -> list[str]:
    found = outcomes_of(stage, BATCH, entries)
    assert list(found) == list(BATCH)
    return [found[at].kind for at in BATCH]


def test_entries_are_in_the_order_of_the_records_or_name_them():
    skipped = {"status": "skipped", "reasons": [{"code": "1003", "message": "wrong"}]}
    assert kinds([{"status": "created"}, skipped, {"status": "Updated"}]) == ["accepted", "rejected", "accepted"]
    assert kinds([{"seq": 2, "status": "created"}, {"seq": 0, **skipped}]) == ["rejected", "unknown", "accepted"]


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"id": 7},
        {"status": None},
        {"status": ""},
        {"status": "failed"},
        {"status": ["created"]},
        None,
        "created",
        7,
    ],
)
def test_an_entry_without_a_documented_status_leaves_its_record_unknown(entry):
    assert kinds([{"status": "created"}, entry, {"status": "created"}]) == ["accepted", "unknown", "accepted"]


@pytest.mark.parametrize(("codes", "kind"), [(["1037"], "accepted"), (["1037", "1004"], "rejected"), ([], "rejected")])
def test_a_skipped_record_is_where_it_should_be_only_if_every_reason_says_so(codes, kind):
    (status, _) = MEMBER_TARGETS["program_members"].stages
    skipped = {"status": "skipped", "reasons": [{"code": code, "message": "some text"} for code in codes]}
    assert kinds([skipped, {"status": "updated"}, {"status": "updated"}], status) == [kind, "accepted", "accepted"]


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
def test_more_or_fewer_entries_without_numbers_say_nothing(count):
    assert kinds([{"status": "created"}] * count) == ["unknown"] * 3


@pytest.mark.parametrize("number", [-1, 3, "x", True, 1.5])
def test_a_number_of_no_record_says_nothing(number):
    assert kinds([{"status": "created", "seq": number}] * 3) == ["unknown"] * 3


def test_two_entries_that_disagree_say_nothing():
    entries = [{"seq": 0, "status": "created"}, {"seq": 0, "status": "skipped"}, {"seq": 1, "status": "created"}]
    assert kinds(entries) == ["unknown", "accepted", "unknown"]


@pytest.mark.parametrize("name", ["reasons", "reason", "errors"])
def test_a_reason_is_understood_under_each_of_its_three_names(name):
    reason = {"code": 1015, "message": "Lead not in list"}
    entry = {"status": "skipped", name: reason if name == "reason" else [reason]}
    assert kinds([entry] * 3, REMOVAL) == ["accepted"] * 3


ENTRIES = st.lists(
    st.none()
    | st.integers()
    | st.dictionaries(
        st.sampled_from(["seq", "status", "reasons", "id"]),
        st.none()
        | st.booleans()
        | st.integers(-2, 5)
        | st.sampled_from([*DONE, "skipped", "odd"])
        | st.lists(st.none()),
    ),
    max_size=6,
)


@given(ENTRIES)
def test_whatever_marketo_answers_only_a_documented_word_for_the_record_counts_as_accepted(entries):
    found = outcomes_of(LEADS, BATCH, entries)
    assert set(found) == set(BATCH)
    said = sum(isinstance(entry, dict) and str(entry.get("status")) in DONE for entry in entries)
    assert sum(outcome.kind == "accepted" for outcome in found.values()) <= said


@pytest.mark.parametrize(
    ("created", "kind"),
    [
        ([timedelta(seconds=1)], "accepted"),
        ([timedelta(0)], "accepted"),  # Marketo leaves fractions of a second out
        ([timedelta(seconds=-1)], "rejected"),
        ([timedelta(seconds=5), timedelta(days=-5)], "rejected"),
        ([], "unknown"),
        (None, "unknown"),
    ],
)
def test_a_record_is_ours_if_it_was_created_after_the_first_sending(created, kind):
    dates = created and [(SENT + after).replace(microsecond=0) for after in created]
    assert judge(EXISTS, dates, SENT).kind == kind
