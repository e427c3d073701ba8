"""Campaigns and samples are checked before they are sent, and sent at most once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.campaigns import (
    MarketoScheduleCampaignOperator,
    MarketoSendSampleOperator,
    MarketoTriggerCampaignOperator,
)
from airflow_provider_marketo.simulator.routes import HANDLERS
from tests.support import task_context

TRIGGER, BATCH, EMAIL = 2001, 2002, 3001
LEADS = list(range(1001, 1251))
TOMORROW = (datetime.now(timezone.utc) + timedelta(days=1)).replace(microsecond=0)


class Task:
    """A task of one DAG run, which may run several times."""

    def __init__(self, operator: type, marketo: Any, ledger: Any, **arguments: Any) -> None:
        self.operator = operator
        self.marketo = marketo
        self.context = task_context()
        self._arguments = {"ledger": str(ledger), **arguments}

    def run(self, **arguments: Any) -> dict[str, Any]:
        return self.operator(task_id="a_task", **{**self._arguments, **arguments}).execute(self.context)

    def clear(self) -> None:
        self.context["ti"].max_tries += 1

    @property
    def sendings(self) -> list[Any]:
        return self.marketo.instance.store.assets.sendings

    @property
    def campaign(self) -> dict[str, Any]:
        return self.marketo.instance.store.assets.find("smart_campaigns", TRIGGER).shown


@pytest.fixture
def trigger(marketo, tmp_path) -> Task:
    return Task(MarketoTriggerCampaignOperator, marketo(), tmp_path, campaign_id=TRIGGER, lead_ids=LEADS)


@pytest.fixture
def schedule(marketo, tmp_path) -> Task:
    return Task(
        MarketoScheduleCampaignOperator,
        marketo(time_scale=1.0),
        tmp_path,
        campaign_id=BATCH,
        run_at=TOMORROW.isoformat(),
    )


@pytest.fixture
def sample(marketo, tmp_path) -> Task:
    people = ["a@example.com", "b@example.com"]
    return Task(MarketoSendSampleOperator, marketo(), tmp_path, email_id=EMAIL, email_addresses=people)


# Trigger campaigns


def test_leads_are_sent_in_groups_of_a_hundred_each_once(trigger):
    assert trigger.run(lead_ids=[*LEADS, 1001, "1002"], tokens={"{{my.Headline}}": "Hi"}) == {
        "campaign_id": TRIGGER,
        "campaign": "Send Invitation",
        "leads": 250,
        "groups_sent": 3,
        "groups_sent_earlier": 0,
    }
    assert [len(sending.leads) for sending in trigger.sendings] == [100, 100, 50]
    assert trigger.sendings[0].tokens == (("{{my.Headline}}", "Hi"),)
    assert trigger.marketo.report().sent_twice == 0
    assert trigger.context["ti"].xcoms["marketo_link"].endswith("#SC2001A1")


@pytest.mark.parametrize("lead_ids", ["[1001, 1002]", "{1002, 1001}", (1001, 1002), {1001, 1002}, ["1001", 1002.0]])
def test_lead_ids_may_be_any_list_and_what_a_template_makes_of_it(trigger, lead_ids):
    assert trigger.run(lead_ids=lead_ids)["leads"] == 2


@pytest.mark.parametrize(
    ("lead_ids", "message"),
    [
        ("1001,1002", r"lead_ids='1001,1002' is not an id\. Give a list such as \[1001, 1002\]"),
        ("None", "lead_ids is required"),
        (None, "lead_ids is required, and nothing was given"),
    ],
)
def test_what_is_not_a_list_of_ids_is_refused_when_the_dag_is_parsed(lead_ids, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        MarketoTriggerCampaignOperator(task_id="a_task", campaign_id=TRIGGER, lead_ids=lead_ids)


def test_what_a_template_renders_to_is_checked_before_the_first_call(trigger):
    operator = MarketoTriggerCampaignOperator(
        task_id="a_task", campaign_id="{{ params.id }}", lead_ids="{{ params.ids }}"
    )
    operator.campaign_id, operator.lead_ids = "2001", "None"
    with pytest.raises(AirflowFailException, match="lead_ids is required, and nothing was given"):
        operator.execute(trigger.context)
    operator.campaign_id, operator.lead_ids = "2001", "1001,1002"
    with pytest.raises(AirflowFailException, match="lead_ids='1001,1002' is not an id"):
        operator.execute(trigger.context)
    assert trigger.marketo.report().total_calls == 0


def test_a_retry_sends_only_the_groups_that_were_not_sent(trigger):
    trigger.marketo.fail("campaigns.request", "603", skip=1)
    with pytest.raises(AirflowFailException):
        trigger.run()
    done = trigger.run(lead_ids=list(reversed(LEADS)))
    assert (done["groups_sent"], done["groups_sent_earlier"]) == (2, 1)
    assert trigger.marketo.report().sent_twice == 0


def test_mapped_tasks_with_the_same_leads_send_once_each(trigger):
    for index in (0, 1, 0, 1):
        trigger.context["ti"].map_index = index
        trigger.run()
    assert len(trigger.sendings) == 2 * 3


def test_a_cleared_task_sends_nothing_again_and_does_not_need_an_active_campaign(trigger):
    trigger.run()
    trigger.clear()
    trigger.campaign["isActive"] = False
    assert trigger.run()["groups_sent"] == 0
    trigger.campaign["isActive"] = True
    assert trigger.run(force=True)["groups_sent"] == 3
    assert trigger.marketo.report().sent_twice == 250


def test_a_lost_reply_stops_the_task_and_says_what_was_sent_and_how_to_check(trigger):
    trigger.marketo.fail("campaigns.request", drop=True, executed=True, skip=1)
    for _ in range(2):
        with pytest.raises(AirflowFailException) as caught:
            trigger.run()
        trigger.clear()
    assert "trigger campaign 2001 for 100 leads (ids 1101 to 1200)" in str(caught.value)
    assert "Campaign is Requested" in str(caught.value)
    assert len(trigger.sendings) == 2
    assert trigger.run(on_ambiguous="assume_sent")["groups_sent"] == 1
    assert trigger.marketo.report().sent_twice == 0


def test_a_dry_run_makes_the_checks_and_sends_nothing(trigger, caplog):
    caplog.set_level("INFO")
    assert trigger.run(dry_run=True)["groups_sent"] == 0
    assert "Would call campaigns.request: trigger campaign 2001 for 100 leads (ids 1001 to 1100)" in caplog.text
    assert trigger.marketo.report().calls["smart_campaigns.get_by_id"] == 1
    assert trigger.run()["groups_sent"] == 3


def test_an_empty_audience_is_not_an_error_and_costs_no_call(trigger):
    assert trigger.run(lead_ids=[])["leads"] == 0
    assert trigger.marketo.report().total_calls == 0


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        ({}, {"campaign_id": 99}, "campaign_id: smart campaign 99 does not exist"),
        ({}, {"campaign_id": BATCH}, "is a batch campaign. .*MarketoScheduleCampaignOperator"),
        ({"isActive": False}, {}, r"is not active.*smart_campaigns\.activate"),
        ({"isRequestable": False}, {}, "cannot be requested.*Campaign is Requested"),
        ({}, {"campaign_id": "seven"}, "campaign_id is a str that is not an id"),
        ({}, {"lead_ids": ["x"]}, "lead_ids.* is a str that is not an id"),
        ({}, {"max_audience": 249}, "max_audience: the audience has 250 leads, .* is 249. This try sent nothing"),
        ({}, {"tokens": {"Headline": "x"}}, r"tokens: 'Headline' is not .*Write \{\{my.Headline\}\}"),
        ({}, {"tokens": {f"{{{{my.T{n}}}}}": "x" for n in range(101)}}, "tokens has 101 entries, .* takes at most 100"),
        ({}, {"tokens": {"{{my.Nothing}}": "x"}}, "Invalid token"),
    ],
)  # fmt: skip
def test_a_refused_request_is_sent_after_it_was_corrected(trigger, state, arguments, message):
    before = dict(trigger.campaign)
    trigger.campaign.update(state)
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=message):
        trigger.run(**arguments)
    assert trigger.sendings == []
    trigger.campaign.update(before)
    assert trigger.run()["groups_sent"] == 3


# Batch campaigns


def test_a_run_is_scheduled_once(schedule):
    first, again = schedule.run(), schedule.run()
    assert (first["scheduled"], first["scheduled_earlier"]) == (True, False)
    assert (again["scheduled"], again["scheduled_earlier"]) == (False, True)
    (run,) = schedule.sendings
    assert datetime.fromtimestamp(run.run_at, timezone.utc) == TOMORROW


def test_a_retry_after_the_run_is_not_an_error(schedule, monkeypatch):
    schedule.run()
    monkeypatch.setattr("airflow_provider_marketo.at_most_once.campaigns.SOONEST", timedelta(days=30))
    assert schedule.run()["scheduled_earlier"]


def test_without_run_at_the_campaign_runs_as_soon_as_possible(schedule):
    assert schedule.run(run_at=None)["run_at"] is None
    (run,) = schedule.sendings
    assert 290 < run.run_at - run.at < 310


def test_a_time_may_have_any_offset(schedule):
    local = TOMORROW.astimezone(timezone(timedelta(hours=-7)))
    schedule.run(run_at=local.isoformat())
    schedule.run(run_at=TOMORROW.strftime("%Y-%m-%dT%H:%M:%SZ"))
    schedule.run(run_at=TOMORROW)
    assert len(schedule.sendings) == 1


def test_the_program_may_be_cloned_for_the_run(schedule):
    schedule.run(clone_to_program_name="A run of its own", tokens={"{{my.Headline}}": "Hi"})
    (run,) = schedule.sendings
    assert run.asset_id != BATCH
    assert run.tokens == (("{{my.Headline}}", "Hi"),)
    assert "A run of its own" in [each.name for each in schedule.marketo.instance.store.programs.all.values()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"run_at": "tomorrow"}, "run_at='tomorrow' is not a date. Give ISO 8601"),
        ({"run_at": "2027-05-04T08:00:00"}, "has no time zone. Write 2027-05-04T08:00:00Z"),
        ({"run_at": "2020-05-04T08:00:00Z"}, "is in the past"),
        ({"run_at": timedelta(minutes=4)}, "is less than five minutes ahead"),
        ({"run_at": timedelta(days=730, hours=12)}, "is more than two years ahead"),
        ({"campaign_id": TRIGGER}, "is a trigger campaign. .*MarketoTriggerCampaignOperator"),
        ({"tokens": {"my.Headline": "x"}}, "tokens: 'my.Headline' is not"),
    ],
)
def test_a_wrong_run_is_refused(schedule, arguments, message):
    if isinstance(ahead := arguments.get("run_at"), timedelta):
        arguments = {"run_at": datetime.now(timezone.utc) + ahead}
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=message):
        schedule.run(**arguments)
    assert schedule.sendings == []


@pytest.mark.parametrize("ahead", [timedelta(minutes=5, seconds=30), timedelta(days=729, hours=12)])
def test_a_run_may_be_five_minutes_to_two_years_ahead(schedule, ahead):
    planned = schedule.run(run_at=datetime.now(timezone.utc) + ahead, dry_run=True)
    assert (planned["scheduled"], planned["scheduled_earlier"]) == (False, False)
    assert schedule.sendings == []


def test_without_max_audience_a_thousand_leads_are_the_limit(trigger):
    thousand = list(range(1001, 2001))
    assert trigger.run(lead_ids=thousand, dry_run=True)["leads"] == 1_000
    with pytest.raises(AirflowFailException, match="the audience has 1001 leads, and max_audience is 1000"):
        trigger.run(lead_ids=[*thousand, 2001])
    assert trigger.run(lead_ids=[*thousand, 2001], max_audience=None, dry_run=True)["leads"] == 1_001


def test_a_single_lead_is_named_by_its_id_when_it_is_unknown_whether_it_was_sent(trigger):
    trigger.marketo.fail("campaigns.request", drop=True, executed=True)
    with pytest.raises(AirflowFailException, match=r"trigger campaign 2001 for 1 lead \(ids 1001 to 1001\)"):
        trigger.run(lead_ids=[1001])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_audience": len(LEADS)}, None),
        ({"tokens": {f"{{{{my.T{n}}}}}": "x" for n in range(100)}}, "Invalid token"),
    ],
    ids=["audience", "tokens"],
)
def test_as_many_as_are_allowed_reach_marketo(trigger, arguments, text):
    """Marketo then says that the program does not have such tokens."""
    if text is None:
        assert trigger.run(**arguments)["leads"] == len(LEADS)
    else:
        with pytest.raises(AirflowFailException, match=text):
            trigger.run(**arguments)


# Samples


def test_each_recipient_gets_one_sample(sample):
    sample.marketo.fail("emails.send_sample", "603", skip=1)
    with pytest.raises(AirflowFailException):
        sample.run()
    assert sample.run() == {"email_id": EMAIL, "email": "Invitation", "samples_sent": 1, "samples_sent_earlier": 1}
    assert [sending.tokens[0][1] for sending in sample.sendings] == ["a@example.com", "b@example.com"]
    assert sample.marketo.report().sent_twice == 0


@pytest.mark.parametrize("text_only", [True, False])
def test_a_sample_is_of_the_text_version_if_the_author_says_so(sample, monkeypatch, text_only):
    asked_for = set()
    answer = HANDLERS["emails.send_sample"]

    def answering(instance, request):
        asked_for.add(request["textOnly"])
        return answer(instance, request)

    monkeypatch.setitem(HANDLERS, "emails.send_sample", answering)
    sample.run(text_only=text_only)
    assert asked_for == {text_only}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"email_id": 99}, "email_id: e-mail 99 does not exist"),
        ({"email_addresses": []}, "email_addresses is empty"),
        ({"email_addresses": ["a@example.com", "b"]}, "1 of 2 entries of email_addresses is not an e-mail address"),
        ({"lead_id": 99}, "Lead '99' not found"),
    ],
)
def test_a_wrong_sample_is_refused(sample, arguments, message):
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=message):
        sample.run(**arguments)
    assert sample.sendings == []


def test_an_address_is_shown_nowhere(sample, tmp_path):
    sample.marketo.fail("emails.send_sample", drop=True, executed=True)
    with pytest.raises(AirflowFailException) as caught:
        sample.run()
    assert "example.com" not in str(caught.value)
    assert all(b"example.com" not in path.read_bytes() for path in tmp_path.glob("*.json"))
