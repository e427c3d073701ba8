"""Calls of a sync import that Marketo refuses, wholly or in parts: the next try sends no record twice."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoThrottledError
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator, MarketoSyncOperator
from tests.operators.importing import DeadError, DyingStore, counts, fails, governed, run_import, table
from tests.operators.test_sync import companies, existing, people
from tests.support import StateStore, task_context

__all__ = ["governed"]

pytestmark = pytest.mark.usefixtures("governed")

DUPLICATES = {"action": "createDuplicate"}


def created(instance: Any) -> int:
    """Return how many leads tasks have created."""
    leads = instance.instance.store.leads
    return len(list(leads.keys())) - leads.count


def test_a_refused_call_leaves_nothing_in_doubt(marketo, tmp_path):
    """The next try sends at once, and asks for no dates of creation."""
    instance, store = marketo(), StateStore()
    records = [{"email": instance.instance.store.leads.get(1001)["email"]}, *people(1)]
    task = {"records": records, "action": "createOnly", "max_reject_ratio": 1}
    instance.fail("leads.sync", "603")
    assert "603" in fails(MarketoSyncLeadsOperator, tmp_path, store, **task)[0]
    result = run_import(MarketoSyncLeadsOperator, tmp_path, store, **task)
    assert counts(result) == {"accepted": 1, "rejected": 1}
    assert result["calls"] == 2, "the refused call counts, too"
    assert "leads.get_by_filter_type" not in instance.report().calls


def test_records_that_must_not_be_sent_twice_are_sent_after_a_refusal(marketo, tmp_path):
    instance, store = marketo(), StateStore()
    instance.fail("leads.sync", "603")
    fails(MarketoSyncLeadsOperator, tmp_path, store, records=people(2), **DUPLICATES)
    assert counts(run_import(MarketoSyncLeadsOperator, tmp_path, store, records=people(2), **DUPLICATES)) == {
        "accepted": 2
    }
    assert created(instance) == 2


def test_records_that_a_dead_process_was_duplicating_are_unknown(marketo, tmp_path):
    instance, store = marketo(), DyingStore(3, written=False)  # Marketo has done the call, and no state says so
    with pytest.raises(DeadError):
        run_import(MarketoSyncLeadsOperator, tmp_path, store, records=people(2), **DUPLICATES)
    text, account = fails(MarketoSyncLeadsOperator, tmp_path, store.survivor(), records=people(2), **DUPLICATES)
    assert "2 of 2 rows may or may not be in Marketo" in text
    assert counts(account) == {"unknown": 2}
    assert created(instance) == 2


def test_of_a_divided_call_the_author_may_not_have_the_accepted_part_sent_again(marketo, tmp_path):
    instance, store = marketo(), StateStore()
    instance.fail("leads.sync", status=413)
    instance.fail("leads.sync", drop=True, executed=True)
    _, account = fails(MarketoSyncLeadsOperator, tmp_path, store, records=people(10), **DUPLICATES)
    assert counts(account) == {"accepted": 5, "unknown": 5}
    text, account = fails(
        MarketoSyncLeadsOperator, tmp_path, store, records=people(10), on_lost_upload="resend", **DUPLICATES
    )
    assert counts(account) == {"accepted": 5, "unknown": 5}
    assert "send those that are missing as a new input: a cleared task does not send all of them again" in text
    assert "on_lost_upload" not in text
    assert created(instance) == 10


@pytest.mark.parametrize("first_half", ["accepted", "lost"])
def test_of_a_divided_call_whose_second_half_is_refused_the_first_is_not_sent_again(marketo, tmp_path, first_half):
    instance, store = marketo(), StateStore()
    instance.fail("leads.sync", status=413)
    if first_half == "lost":
        instance.fail("leads.sync", drop=True, executed=True)
    instance.fail("leads.sync", "603", skip=int(first_half == "accepted"))
    text, _ = fails(MarketoSyncLeadsOperator, tmp_path, store, records=people(10), **DUPLICATES)
    assert "603" in text
    text, account = fails(MarketoSyncLeadsOperator, tmp_path, store, records=people(10), **DUPLICATES)
    assert "10 of 10 rows may or may not be in Marketo" in text
    assert {row["_marketo_message"] for row in table(account["rejects"])} == {
        "a part of the call may have run before the rest was refused: Access denied"
    }
    assert created(instance) == 5


def test_records_that_a_divided_call_created_before_it_was_divided_are_accepted(marketo, tmp_path):
    instance = marketo(time_scale=1)
    how = existing(instance, tmp_path, "companies", 0, 7)
    instance.fail("companies.sync", "604", executed=True, times=6)  # all sendings of the whole call
    result = run_import(
        MarketoSyncOperator, tmp_path, records=companies(10), action="createOnly", max_reject_ratio=1, **how
    )
    assert counts(result) == {"accepted": 8, "rejected": 2}
    assert [row["_marketo_row"] for row in table(result["rejects"])] == [1, 8]


def test_records_that_were_created_before_the_call_lost_its_turn_are_accepted(marketo, tmp_path, monkeypatch):
    instance = marketo(time_scale=1)
    existing(instance, tmp_path, "leads", 0)
    instance.fail("leads.sync", drop=True, executed=True)
    records = [{"email": f"new{number}@example.com"} for number in range(3)]
    load = MarketoSyncLeadsOperator(
        task_id="a_task", records=records, action="createOnly", max_reject_ratio=1, rejects_path=str(tmp_path)
    )
    governor, asked = load.hook.client.governor, []
    acquire = governor.acquire

    def crowded(operation, **how):
        if operation == "leads.sync":
            asked.append(operation)
            if len(asked) in (2, 3):  # when the call is sent again
                raise MarketoThrottledError("no turn came within a minute")
        return acquire(operation, **how)

    monkeypatch.setattr(governor, "acquire", crowded)
    assert counts(load.execute(task_context())) == {"accepted": 2, "rejected": 1}
    assert len(asked) == 4


def test_a_row_that_json_makes_larger_than_marketo_takes_is_rejected_alone(marketo, tmp_path):
    instance = marketo()
    records = [*people(1), {"email": "large@example.com", "comments": "ü" * 240_000}]  # six bytes each in JSON
    result = run_import(MarketoSyncLeadsOperator, tmp_path, records=records, max_reject_ratio=1)
    assert counts(result) == {"accepted": 1, "rejected": 1}
    (reject,) = table(result["rejects"])
    assert (reject["_marketo_code"], reject["_marketo_row"]) == ("too_large", 2)
    assert created(instance) == 1


def test_a_chunk_that_cannot_be_read_stops_the_import_though_another_is_on_its_way(marketo, tmp_path, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.imports.begin.CALLS_PER_CHUNK", 1)
    instance, store = marketo(), DyingStore(1, written=True)
    with pytest.raises(DeadError):
        run_import(MarketoSyncOperator, tmp_path, store, object_type="companies", records=companies(900))
    _, second, _ = sorted((tmp_path / "rejects/_marketo").rglob("chunk*"))
    second.write_bytes(b"")
    arguments = {"object_type": "companies", "records": companies(900), "pool_slots": 2}
    with pytest.raises(MarketoDataError, match=f"staged chunk {second.name} is not what was staged"):
        run_import(MarketoSyncOperator, tmp_path, store.survivor(), **arguments)
    assert instance.report().executed["companies.sync"] == 1
