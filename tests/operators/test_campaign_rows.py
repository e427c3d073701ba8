"""A campaign for the people in rows: they are found, grouped by tokens, and each is sent at most once."""

from __future__ import annotations

import json
import sqlite3
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.campaigns import MarketoTriggerCampaignOperator
from tests.operators.importing import counts, governed, table
from tests.support import task_context

__all__ = ["governed"]

TRIGGER = 2001
SECRET = {"hash_secret": "a long random text that never changes"}


class Task:
    """A task of one DAG run, which may run several times."""

    def __init__(self, marketo, folder, run="a_run", **arguments):
        self.marketo, self.folder = marketo, folder
        self.context = task_context()
        self.context["ti"].run_id = run
        self.arguments = {
            "campaign_id": TRIGGER,
            "rejects_path": str(folder / "rejects"),
            "ledger": str(folder / "ledger"),
            "max_audience": None,
            **arguments,
        }

    def run(self, **arguments):
        operator = MarketoTriggerCampaignOperator(task_id="a_task", **{**self.arguments, **arguments})
        return operator.execute(self.context)

    def fails(self, **arguments):
        with pytest.raises(AirflowFailException) as caught:
            self.run(**arguments)
        return str(caught.value)

    def clear(self):
        self.context["ti"].max_tries += 1

    @property
    def sent(self):
        """Leads and tokens of each call that Marketo took."""
        return [(list(one.leads), dict(one.tokens)) for one in self.marketo.instance.store.assets.sendings]


def people(marketo, *lead_ids, **values):
    leads = marketo.instance.store.leads
    return [{"email": leads.get(lead_id)["email"], **values} for lead_id in lead_ids]


def reachable(marketo, count):
    """Ids of leads whose e-mail address no other lead has."""
    leads = marketo.instance.store.leads
    ids = (
        lead_id
        for lead_id in range(1001, 1500)
        if list(leads.find("email", [leads.get(lead_id)["email"]])) == [lead_id]
    )
    return list(islice(ids, count))


def test_people_are_found_by_a_field_and_share_calls_by_equal_tokens(marketo, tmp_path):
    instance = marketo()
    known = reachable(instance, 122)
    rows = [*people(instance, *known[:120], city="Rome"), *people(instance, *known[120:], city="Oslo")]
    rows += [{"email": "nobody@example.com", "city": "Rome"}, *people(instance, known[0], city="Rome")]
    task = Task(instance, tmp_path, records=rows, lookup_field="email", max_reject_ratio=0.1)
    result = task.run(tokens={"{{my.Headline}}": "city"})
    assert counts(result) == {"accepted": 122, "rejected": 1, "superseded": 1}
    assert (result["leads"], result["groups_sent"], result["groups_sent_earlier"]) == (122, 3, 0)
    assert (result["campaign_id"], result["campaign"]) == (TRIGGER, "Send Invitation")
    assert [(len(leads), tokens) for leads, tokens in task.sent] == [
        (100, {"{{my.Headline}}": "Rome"}),
        (20, {"{{my.Headline}}": "Rome"}),
        (2, {"{{my.Headline}}": "Oslo"}),
    ]
    (line,) = table(result["rejects"])
    assert (line["email"], line["_marketo_code"]) == ("nobody@example.com", "1004")
    assert instance.report().sent_twice == 0
    assert instance.report().violations == {}


@pytest.mark.parametrize("how", [{}, {"lookup_field": "id", "columns": {"leadId": "id"}}])
def test_one_unknown_lead_does_not_keep_the_others_of_its_call_from_being_sent(marketo, tmp_path, how):
    """Marketo refuses a call as a whole for one lead that it does not have."""
    given = [1001, "1002", " 1003 ", 1004.0, Decimal("1005"), 99_999_999, -5, "abc", "1,006", True, None]
    instance = marketo()
    task = Task(instance, tmp_path, records=[{"leadId": one} for one in given], max_reject_ratio=1.0)
    result = task.run(**how)
    assert counts(result) == {"accepted": 5, "rejected": 6}
    assert task.sent == [([1001, 1002, 1003, 1004, 1005], {})]
    rejects = {
        line["_marketo_row"]: (line["_marketo_code"], line["_marketo_message"]) for line in table(result["rejects"])
    }
    whole_number = ("invalid_value", "id is not a whole number, so it is not a lead's id")
    assert rejects == {
        6: ("1004", "no lead has this id"),
        **dict.fromkeys((7, 8, 9, 10), whole_number),
        11: ("1004", "id is empty, and the lead is looked up by it"),
    }
    assert instance.report().calls["leads.get_by_filter_type"] == 1


def test_ids_are_looked_up_300_a_call_and_stay_in_the_table_of_rejects(marketo, tmp_path):
    instance = marketo()
    rows = [{"person": lead_id} for lead_id in [*range(1001, 1401), 99_999_999]]
    task = Task(instance, tmp_path, records=rows, columns={"person": "leadId"}, max_reject_ratio=1.0)
    (line,) = table(task.run()["rejects"])
    assert line["person"] == 99_999_999
    assert instance.report().calls["leads.get_by_filter_type"] == 2


def test_a_query_names_people_tokens_and_what_every_row_gets(marketo, tmp_path, monkeypatch):
    instance = marketo()
    database = tmp_path / "rows.db"
    with sqlite3.connect(database) as connection:
        connection.execute("create table new (person integer, first text, other text)")
        connection.executemany("insert into new values (?, ?, 'x')", [(1001, "Ada"), (1002, None)])
    monkeypatch.setenv("AIRFLOW_CONN_ROWS", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    task = Task(instance, tmp_path, sql="select * from new", sql_conn_id="rows")
    task.run(
        columns={"person": "leadId", "first": "name"},
        constants={"greeting": "Hi"},
        tokens={"{{my.Headline}}": "name", "{{my.Date}}": "greeting"},
    )
    assert task.sent == [
        ([1001], {"{{my.Headline}}": "Ada", "{{my.Date}}": "Hi"}),
        ([1002], {"{{my.Headline}}": "", "{{my.Date}}": "Hi"}),
    ]


def test_columns_that_need_no_other_name_are_not_mapped(marketo, tmp_path):
    instance = marketo(SECRET)
    rows = [{"mail": row["email"], "city": "Rome", "order": 7} for row in people(instance, 1001, 1002)]
    task = Task(instance, tmp_path, records=rows, lookup_field="email", columns={"mail": "email"})
    task.run(tokens={"{{my.Headline}}": "city"}, once_by=["email", "order"])
    assert task.sent == [([1001, 1002], {"{{my.Headline}}": "Rome"})]


def test_a_retry_keeps_the_audience_and_sends_what_was_not_sent(marketo, tmp_path):
    instance = marketo()
    rows = [{"leadId": lead_id} for lead_id in range(1001, 1251)]
    task = Task(instance, tmp_path, records=rows)
    instance.fail("campaigns.request", "1003", skip=1)
    task.fails()
    assert len(task.sent) == 1
    result = task.run(records=[{"leadId": 1400}])  # the query has other rows by now
    assert counts(result) == {"accepted": 250}
    assert (result["groups_sent"], result["groups_sent_earlier"], result["calls"]) == (2, 1, 3)
    assert sorted(lead for leads, _ in task.sent for lead in leads) == list(range(1001, 1251))


def test_a_group_that_may_have_run_stops_the_task_until_a_person_has_decided(marketo, tmp_path):
    instance = marketo()
    task = Task(instance, tmp_path, records=[{"leadId": lead_id} for lead_id in range(1001, 1251)])
    instance.fail("campaigns.request", drop=True, executed=True, skip=1)
    assert "it is unknown whether trigger campaign 2001 for 100 leads" in task.fails()
    assert "it is unknown" in task.fails()
    assert len(task.sent) == 2
    task.clear()
    result = task.run(on_ambiguous="assume_sent")
    assert counts(result) == {"accepted": 250}
    assert len(task.sent) == 3
    assert instance.report().sent_twice == 0


def test_who_was_sent_is_not_sent_again_by_a_later_run_whose_rows_overlap(marketo, tmp_path):
    instance = marketo(SECRET)
    how = {"lookup_field": "email", "once_by": ["email", "order"]}
    first = Task(instance, tmp_path, "monday", records=people(instance, 1001, 1002, order=7), **how)
    assert first.run()["sent_before"] == 0
    later = [*people(instance, 1002, 1003, order=7), *people(instance, 1001, order=8)]
    later[0]["email"] = later[0]["email"].upper()
    second = Task(instance, tmp_path, "tuesday", records=later, **how)
    assert second.run(dry_run=True)["sent_before"] == 1
    result = second.run()
    assert counts(result) == {"accepted": 2, "superseded": 1}
    assert result["sent_before"] == 1
    assert [leads for leads, _ in second.sent] == [[1001, 1002], [1003, 1001]]
    kept = "".join(path.read_text() for path in (tmp_path / "rejects").rglob("*.json"))
    assert "@" not in kept


ROME = datetime(2026, 1, 2, 3, tzinfo=ZoneInfo("Europe/Rome"))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (ROME, ROME.astimezone(timezone.utc)),
        (ROME.astimezone(timezone.utc), ROME.astimezone(timezone.utc).replace(tzinfo=None)),
        (date(2026, 1, 2), "2026-01-02"),
        (7, "7"),
        (7, 7.0),
        ("Ada", " ADA "),
    ],
)
def test_equal_values_are_sent_once_however_the_query_spells_them(marketo, tmp_path, first, then):
    instance = marketo(SECRET)
    how = {"once_by": ["leadId", "what"]}
    Task(instance, tmp_path, "monday", records=[{"leadId": 1001, "what": first}], **how).run()
    later = Task(instance, tmp_path, "tuesday", records=[{"leadId": "1001", "what": then}], **how)
    assert later.run(once_by=["what", "leadId"])["sent_before"] == 1
    assert len(later.sent) == 1


def test_a_row_without_a_value_of_once_by_is_rejected(marketo, tmp_path):
    rows = [{"leadId": 1001, "order": None}, {"leadId": 1002, "order": ""}, {"leadId": 1003, "order": 7}]
    task = Task(marketo(SECRET), tmp_path, records=rows, once_by=["order"], max_reject_ratio=1.0)
    result = task.run()
    assert [leads for leads, _ in task.sent] == [[1003]]
    assert {line["_marketo_message"] for line in table(result["rejects"])} == {
        "order is empty, and once_by needs it to recognize what was sent before"
    }


@pytest.mark.parametrize("wrong", [{"campaign_id": 2002}, {"max_audience": 1}])
def test_a_run_that_is_refused_before_it_sends_does_not_count_as_having_sent(marketo, tmp_path, wrong):
    instance = marketo(SECRET)
    how = {"records": [{"leadId": 1001}, {"leadId": 1002}], "once_by": ["leadId"]}
    Task(instance, tmp_path, "monday", **how).fails(**wrong)
    assert not list((tmp_path / "rejects/_marketo_sent").rglob("*.json"))
    assert Task(instance, tmp_path, "tuesday", **how).run()["leads"] == 2


def test_what_was_sent_long_ago_is_sent_again(marketo, tmp_path, monkeypatch):
    instance = marketo(SECRET)
    how = {"records": [{"leadId": 1001}], "once_by": ["leadId"]}
    Task(instance, tmp_path, "monday", **how).run()
    (path,) = (tmp_path / "rejects/_marketo_sent").rglob("*.json")
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "at": "2026-01-01T00:00:00+00:00"}))
    assert Task(instance, tmp_path, "tuesday", **how).run()["leads"] == 0
    assert Task(instance, tmp_path, "friday", **how, once_for=timedelta(days=30)).run()["leads"] == 1


def test_a_later_try_has_the_people_of_the_first_whatever_other_runs_sent_meanwhile(marketo, tmp_path):
    instance = marketo(SECRET)
    how = {"records": [{"leadId": lead_id} for lead_id in range(1001, 1251)], "once_by": ["leadId"]}
    first = Task(instance, tmp_path, "monday", **how)
    instance.fail("campaigns.request", "1003", skip=1)
    first.fails()
    assert Task(instance, tmp_path, "tuesday", **how).run()["leads"] == 0
    first.run()
    assert sorted(lead for leads, _ in first.sent for lead in leads) == list(range(1001, 1251))


def test_a_damaged_record_of_who_was_sent_stops_before_anything_is_sent(marketo, tmp_path):
    instance = marketo(SECRET)
    how = {"records": [{"leadId": 1001}], "once_by": ["leadId"]}
    Task(instance, tmp_path, "monday", **how).run()
    (path,) = (tmp_path / "rejects/_marketo_sent").rglob("*.json")
    path.write_text("")
    task = Task(instance, tmp_path, "tuesday", **how)
    with pytest.raises(Exception, match="Restore the file"):
        task.run()
    assert len(task.sent) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_audience": 1}, "the audience has 2 leads, and max_audience is 1"),
        ({"tokens": {"{{my.Headline}}": "town"}}, "tokens: the input has no column 'town'"),
        ({"once_by": ["order"]}, "once_by: the input has no column 'order'"),
        ({"once_by": ["leadId"]}, "once_by: connection marketo_default has no hash_secret"),
        ({"tokens": {"Headline": "leadId"}}, r"Write \{\{my.Headline\}\}"),
        ({"lookup_field": "email"}, "the input has no column 'email'"),
        ({"campaign_id": 2002}, "is a batch campaign"),
    ],
)
def test_a_mistake_is_reported_before_anything_is_sent(marketo, tmp_path, arguments, message):
    task = Task(marketo(), tmp_path, records=[{"leadId": 1001}, {"leadId": 1002}])
    with pytest.raises(AirflowFailException, match=message):
        task.run(**arguments)
    assert task.sent == []


def test_a_field_that_is_not_searchable_is_refused_with_marketos_reason(marketo, tmp_path):
    task = Task(marketo(), tmp_path, records=[{"city": "Rome"}], lookup_field="city")
    assert "city" in task.fails()
    assert task.sent == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "lead_ids is required, and nothing was given"),
        ({"source": "people.csv", "max_audience": 5}, "rows need rejects_path"),
        ({"source": "people.csv", "rejects_path": "/r"}, "rows need max_audience"),
        ({"lead_ids": [1], "once_by": ["email"]}, "once_by cannot be used with lead_ids, only with rows"),
        ({"source": "p.csv", "rejects_path": "/r", "max_audience": 5, "once_for": 60}, "once_for says how long"),
        ({"source": "p.csv", "rejects_path": "/r", "max_audience": 0}, "max_audience=0"),
    ],
)
def test_rows_that_cannot_work_are_refused_when_the_dag_is_parsed(arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        MarketoTriggerCampaignOperator(task_id="a_task", campaign_id=TRIGGER, **arguments)


def test_a_dry_run_says_people_groups_and_calls(marketo, tmp_path):
    instance = marketo()
    rows = [{"leadId": lead_id, "city": "Rome" if lead_id % 2 else "Oslo"} for lead_id in range(1001, 1301)]
    task = Task(instance, tmp_path, records=rows, tokens={"{{my.Headline}}": "city"})
    result = task.run(dry_run=True)
    assert (result["leads"], result["groups"], result["calls"]) == (300, 4, 4)
    assert task.sent == []
    assert not (Path(tmp_path) / "ledger").exists() or not list((tmp_path / "ledger").rglob("*.json"))
