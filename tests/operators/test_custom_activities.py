"""Custom activities from rows: each accounted for, and no call that may have run is made again."""

from __future__ import annotations

import sqlite3

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from tests.operators.importing import DeadError, DyingStore, counts, fails, governed, run_import, staged, table
from tests.support import StateStore

__all__ = ["governed"]

TYPE = "attendedEvent_c"
AT = "2026-11-20T10:00:00Z"


def attended(*leads, **values):
    return [{"leadId": lead_id, "activityDate": AT, "eventName": "Webinar", **values} for lead_id in leads]


def run(folder, store=None, **arguments):
    return run_import(MarketoCustomActivitiesOperator, folder, store, activity_type=TYPE, **arguments)


def refused(folder, store=None, **arguments):
    return fails(MarketoCustomActivitiesOperator, folder, store, **{"activity_type": TYPE, **arguments})


def added(instance):
    """The activities of the type that Marketo has, as (lead, primary value, attributes)."""
    found = instance.instance.store.activities.between(0, 1 << 33, {100_001})
    return [(each.lead_id, each.primary, dict(each.attributes)) for each in found if each.primary == "Webinar"]


def test_each_row_becomes_an_activity_with_typed_attributes(marketo, tmp_path):
    instance = marketo()
    rows = attended(1001, 1002, durationMinutes="42", rating=4.5, wouldRecommend="yes")
    result = run(tmp_path, records=rows)
    assert counts(result) == {"accepted": 2}
    assert (result["calls"], result["rejects"], staged(tmp_path)) == (1, None, [])
    values = {"Duration Minutes": 42, "Rating": 4.5, "Would Recommend": True}
    assert added(instance) == [(1001, "Webinar", values), (1002, "Webinar", values)]
    assert instance.report().violations == {}


def test_two_equal_rows_are_two_activities(marketo, tmp_path):
    instance = marketo()
    assert counts(run(tmp_path, records=attended(1001, 1001))) == {"accepted": 2}
    assert len(added(instance)) == 2


@pytest.mark.parametrize("name", ["Attended Event", "100001"])
def test_the_type_may_be_given_by_its_name_or_id(marketo, tmp_path, name):
    marketo()
    result = run_import(MarketoCustomActivitiesOperator, tmp_path, activity_type=name, records=attended(1001))
    assert counts(result) == {"accepted": 1}


def test_the_primary_attribute_may_be_called_as_adobe_calls_it(marketo, tmp_path):
    instance = marketo()
    row = {"leadId": 1001, "activityDate": AT, "primaryAttributeValue": "Webinar"}
    assert counts(run(tmp_path, records=[row])) == {"accepted": 1}
    assert added(instance) == [(1001, "Webinar", {})]


def test_leads_are_found_by_a_field_and_each_row_without_one_lead_is_rejected(marketo, tmp_path):
    instance = marketo()
    store = instance.instance.store.leads
    first, second = store.get(1001)["email"], store.get(1002)["email"]
    emails = [first.upper(), f" {second} ", "nobody@example.com", "a,b@example.com", "\ud83d@example.com", "", None]
    rows = [{"email": email, "activityDate": AT, "eventName": "Webinar"} for email in emails]
    result = run(tmp_path, records=rows, lookup_field="email", max_reject_ratio=1)
    assert counts(result) == {"accepted": 2, "rejected": 5}
    assert [lead_id for lead_id, _, _ in added(instance)] == [1001, 1002]
    assert instance.report().calls["leads.get_by_filter_type"] == 1
    lines = table(result["rejects"])
    assert [line["email"] for line in lines] == [email and email.replace("\ud83d", "\ufffd") for email in emails[2:]]
    assert [line["_marketo_message"] for line in lines] == [
        "no lead has this email",
        "email has a comma, which Marketo reads as two values",
        "email contains half of a surrogate pair, which UTF-8 cannot encode",
        "email is empty, and the lead is looked up by it",
        "email is empty, and the lead is looked up by it",
    ]


def test_rows_from_a_query_are_mapped_by_columns(marketo, tmp_path, monkeypatch):
    instance = marketo()
    database = tmp_path / "rows.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table fills (person integer, at text, event text, noise text)")
        connection.execute("insert into fills values (1001, ?, 'Webinar', 'x')", [AT])
    monkeypatch.setenv("AIRFLOW_CONN_ROWS", f'{{"conn_type": "sqlite", "host": "{database}"}}')
    columns = {"person": "leadId", "at": "activityDate", "event": "eventName"}
    result = run(tmp_path, sql="select * from fills", sql_conn_id="rows", columns=columns)
    assert counts(result) == {"accepted": 1}
    assert added(instance) == [(1001, "Webinar", {})]


def test_records_that_marketo_skips_are_rejects_with_its_reason(marketo, tmp_path):
    marketo()
    result = run(tmp_path, records=attended(1001, "099999999"), max_reject_ratio=0.5)
    assert counts(result) == {"accepted": 1, "rejected": 1}
    (line,) = table(result["rejects"])
    assert (line["leadId"], line["_marketo_code"]) == ("099999999", "1004")


def test_values_that_do_not_fit_and_empty_ones_are_rejected_before_the_call(marketo, tmp_path):
    instance = marketo()
    rows = [
        *attended(1001, rating="much"),
        *attended(1001, durationMinutes=1.5),
        *attended(1001, wouldRecommend="perhaps"),
        *attended(1001, activityDate="yesterday"),
        *attended(1001, activityDate=None),
        *attended(1001, eventName=""),
    ]
    text, account = refused(tmp_path, records=rows)
    assert counts(account) == {"rejected": 6}
    assert "each with its reason" in text
    assert "activities.add_custom_activities" not in instance.report().calls
    messages = [line["_marketo_message"] for line in table(account["rejects"])]
    assert [message.split()[0] for message in messages[:4]] == [
        "rating",
        "durationMinutes",
        "wouldRecommend",
        "activityDate",
    ]
    assert messages[4:] == [
        "activityDate is empty, and Marketo takes no record without it",
        "primaryAttributeValue is empty, and Marketo takes no record without it",
    ]


def test_a_lost_answer_is_unknown_and_never_sent_again_by_itself(marketo, tmp_path):
    instance = marketo()
    instance.fail("activities.add_custom_activities", drop=True, executed=True)
    store = StateStore()
    rows = attended(*range(1001, 1451))
    _, account = refused(tmp_path, store, records=rows)
    assert counts(account) == {"accepted": 150, "unknown": 300}
    assert len(added(instance)) == 450
    _, account = refused(tmp_path, store, records=[])
    assert counts(account) == {"accepted": 150, "unknown": 300}
    assert len(added(instance)) == 450
    result = run(tmp_path, store, records=[], on_lost_upload="resend")
    assert counts(result) == {"accepted": 450}
    assert len(added(instance)) == 750


def test_calls_run_side_by_side_as_far_as_the_slots_go(marketo, tmp_path):
    instance = marketo(latency=0.1)
    result = run(tmp_path, records=attended(*range(1001, 1051)) * 30, pool_slots=3)
    assert counts(result) == {"accepted": 1_500}
    assert result["calls"] == instance.report().calls["activities.add_custom_activities"] == 5
    assert 2 <= instance.report().peak_concurrency <= 3
    assert len(added(instance)) == 1_500


def test_a_write_says_what_ended_and_what_begins(marketo, tmp_path):
    """One write stores the calls that have ended and those that begin, so writes are as few as calls."""
    marketo()
    store = CountingStore()
    result = run(tmp_path, store, records=attended(*range(1001, 1051)) * 60)
    assert result["calls"] == 10
    assert store.writes <= result["calls"] + 4  # the plan, the first call, the end, and forgetting it


class CountingStore(StateStore):
    writes = 0

    def set(self, *arguments, **more):
        self.writes += 1
        super().set(*arguments, **more)


def test_a_call_that_fails_stops_the_others_from_beginning_and_those_under_way_are_accounted_for(marketo, tmp_path):
    instance = marketo(latency=0.05)
    rows, store = attended(*range(1001, 1051)) * 30, StateStore()
    instance.fail("activities.add_custom_activities", "603", skip=1)
    with pytest.raises(AirflowFailException):
        run(tmp_path, store, records=rows, pool_slots=2)
    assert 300 <= len(added(instance)) <= 900
    assert counts(run(tmp_path, store, records=rows, pool_slots=2)) == {"accepted": 1_500}
    assert len(added(instance)) == 1_500


@pytest.mark.parametrize("pool_slots", [1, 2])
@pytest.mark.parametrize("write", range(1, 12))
def test_a_killed_task_sends_no_row_twice(marketo, tmp_path, write, pool_slots):
    instance = marketo()
    rows, store = attended(*range(1001, 1501)), DyingStore(write, written=True)
    try:
        run(tmp_path, store, records=rows, pool_slots=pool_slots)
        assert write > 3  # the task had fewer writes than this, so it was not killed
        return
    except DeadError:
        pass
    finished = run_or_account(tmp_path, store.survivor(), rows)
    assert finished["accepted"] + finished["unknown"] == 500
    leads = [lead_id for lead_id, _, _ in added(instance)]
    assert len(leads) == len(set(leads))
    assert len(leads) >= finished["accepted"]


def run_or_account(folder, store, rows):
    try:
        return run(folder, store, records=rows)
    except AirflowFailException:
        return refused(folder, store, records=rows)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"activity_type": "attended_event"}, "Did you mean attendedEvent_c?"),
        ({"records": [{"leadId": 1001, "eventName": "x"}]}, "activityDate"),
        ({"records": [{"leadId": 1001, "activityDate": AT, "eventName": "x", "ratng": 1}]}, "did you mean 'rating'"),
        ({"records": [{"email": "a@b.c", "activityDate": AT, "eventName": "x"}]}, "lookup_field='email'"),
        ({"records": attended(1001), "lookup_field": "email"}, "the input has no column 'email'"),
    ],
)
def test_a_mistake_is_reported_before_anything_is_sent(marketo, tmp_path, arguments, says):
    instance = marketo()
    text, account = refused(tmp_path, **{"records": attended(1001), **arguments})
    assert says in text
    assert account is None
    assert "activities.add_custom_activities" not in instance.report().calls


def test_a_type_that_is_only_a_draft_is_refused(marketo, tmp_path):
    marketo()
    primary = {"apiName": "what", "name": "What", "dataType": "string"}
    new = {"apiName": "newType", "name": "New", "triggerName": "New", "filterName": "New", "primaryAttribute": primary}
    MarketoHook().call("activities.create_custom_type", **new)
    text, _ = refused(tmp_path, activity_type="newType", records=attended(1001))
    assert "newType is draft" in text
    assert "activities.approve_custom_type" in text


def test_a_dry_run_counts_calls_and_adds_nothing(marketo, tmp_path):
    instance = marketo()
    result = run_import(
        MarketoCustomActivitiesOperator,
        tmp_path,
        activity_type=TYPE,
        records=attended(*range(1001, 1302)),
        dry_run=True,
    )
    assert (result["to_send"], result["calls"]) == (301, 2)
    assert added(instance) == []
