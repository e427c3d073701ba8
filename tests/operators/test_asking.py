"""
If a request that must not run twice loses its reply, the task asks a person and continues with the answer.

``tests/airflow/test_asking.py`` does the same on a real Airflow.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_marketo import airflow_compat
from airflow_provider_marketo.at_most_once import asking
from airflow_provider_marketo.hooks.failure import MarketoTaskError
from airflow_provider_marketo.operators.activities import MarketoCustomActivitiesOperator
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import (
    MarketoScheduleCampaignOperator,
    MarketoSendSampleOperator,
    MarketoTriggerCampaignOperator,
)
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from tests.operators.importing import governed
from tests.support import StateStore, run_task, task_context

__all__ = ["governed"]

pytestmark = pytest.mark.usefixtures("governed")

Waits: tuple[type[BaseException], ...] = (TaskDeferred,)
with suppress(ImportError):  # before Airflow 3.3 a trigger waits
    Waits = (airflow_compat.TaskAwaitingInput, TaskDeferred)


def campaign(folder, **more):
    return MarketoTriggerCampaignOperator(
        task_id="a_task", campaign_id=2001, lead_ids=[1001, 1002], ledger=f"{folder}/ledger", **more
    )


def schedule(folder, **more):
    return MarketoScheduleCampaignOperator(task_id="a_task", campaign_id=2006, ledger=f"{folder}/ledger", **more)


def sample(folder, **more):
    return MarketoSendSampleOperator(
        task_id="a_task", email_id=3001, email_addresses=["a@example.com"], ledger=f"{folder}/ledger", **more
    )


def push_lead(folder, **more):
    arguments = {"programName": "Spring Webinar", "input": [{"email": "a@example.com"}]}
    return MarketoApiOperator(
        task_id="a_task", operation="leads.push", arguments=arguments, ledger=f"{folder}/ledger", **more
    )


def clone(folder, **more):
    arguments = {"id": 2001, "name": "A clone", "folder": {"id": 1001, "type": "Program"}}
    return MarketoApiOperator(
        task_id="a_task", operation="smart_campaigns.clone", arguments=arguments, ledger=f"{folder}/ledger", **more
    )


def duplicates(folder, **more):
    rows = [{"email": "a@example.com"}, {"email": "b@example.com"}]
    return MarketoSyncLeadsOperator(
        task_id="a_task", action="createDuplicate", records=rows, rejects_path=f"{folder}/rejects", **more
    )


def activities(folder, **more):
    rows = [{"leadId": lead, "activityDate": "2026-01-20T10:00:00Z", "eventName": "Webinar"} for lead in (1001, 1002)]
    return MarketoCustomActivitiesOperator(
        task_id="a_task", activity_type="attendedEvent_c", records=rows, rejects_path=f"{folder}/rejects", **more
    )


def list_members(folder, **more):
    (folder / "rows.csv").write_text("email\na@example.com\nb@example.com\n")
    return MarketoBulkImportOperator(
        task_id="a_task",
        object_type="leads",
        source=str(folder / "rows.csv"),
        list_id=1001,
        rejects_path=f"{folder}/rejects",
        **more,
    )


REQUESTS = {
    campaign: ("campaigns.request", "2 leads"),
    schedule: ("campaigns.schedule", "batch campaign 2006"),
    sample: ("emails.send_sample", "recipient 1 of 1"),
    push_lead: ("leads.push", "<1 entries>"),
    clone: ("smart_campaigns.clone", "A clone"),
    duplicates: ("leads.sync", "2 rows of leads by sync"),
    activities: ("activities.add_custom_activities", "2 rows of custom_activities by sync"),
    list_members: ("bulk_import_leads.import", "2 rows of leads by bulk"),
}
"""Each task, its operation that must not run twice, and a part of the question: what is sent, or how many records."""


@pytest.fixture
def asked(monkeypatch):
    """Run tasks as a scheduler does, and keep the texts of their questions as Airflow does: one for each task."""
    texts: dict = {}
    scheduled = SimpleNamespace(  # only for questions: with a supervisor, a ledger would ask Airflow for a Variable
        is_supervised=lambda: True,
        runs_in_process=lambda: False,
        create_question=lambda ti_id, options, subject, body: texts.setdefault(ti_id, body),
        wait_for_answer=airflow_compat.wait_for_answer,
    )
    monkeypatch.setattr(asking, "airflow_compat", scheduled)
    monkeypatch.setattr(asking, "keep_usage", lambda: None)
    return texts


class Run:
    def __init__(self, make, folder, **more):
        self.make = lambda: make(folder, **more)
        self.context = task_context(StateStore(), max_tries=3)
        self.context["ti"].id = uuid.uuid4()

    def until_it_asks(self):
        with pytest.raises(Waits) as caught:
            run_task(self.make, self.context)
        assert caught.value.method_name == "execute_answer"
        return caught.value.kwargs["key"]

    def answer(self, key, option):
        event = {"chosen_options": [option], "params_input": {}, "responded_by_user": {"id": "1", "name": "Ada"}}
        return run_task(_Answered(self.make(), key, event), self.context)


class _Answered:
    """An operator that Airflow resumes with an answer; further deferrals go to the operator itself."""

    def __init__(self, operator, key, event):
        self._operator, self._answer = operator, {"key": key, "event": event}

    def execute(self, context):
        return self._operator.execute_answer(context, **self._answer)

    def __getattr__(self, name):
        return getattr(self._operator, name)


def calls(instance, operation):
    return instance.report().calls.get(operation, 0)


@pytest.mark.parametrize("make", REQUESTS)
def test_what_ran_is_not_sent_again_and_the_task_continues(marketo, tmp_path, asked, make):
    instance = marketo()
    operation, what = REQUESTS[make]
    instance.fail(operation, drop=True, executed=True, times=1)
    run = Run(make, tmp_path)
    key = run.until_it_asks()
    (text,) = asked.values()
    for part in (what, operation, instance.url.partition("//")[2], "How to check", "a_dag.a_task"):
        assert part in text
    assert "@" not in text
    before = calls(instance, operation)
    result = run.answer(key, "Sent")
    assert calls(instance, operation) == before == 1
    assert result.get("unknown", 0) == 0
    assert result.get("accepted", 2) == 2


@pytest.mark.parametrize("make", REQUESTS)
def test_what_did_not_run_is_sent_once(marketo, tmp_path, asked, make):
    instance = marketo()
    operation, _ = REQUESTS[make]
    instance.fail(operation, drop=True, times=1)
    run = Run(make, tmp_path)
    result = run.answer(run.until_it_asks(), "Not sent")
    assert calls(instance, operation) == 2
    assert instance.report().sent_twice == 0
    assert result.get("accepted", 2) == 2


@pytest.mark.parametrize("make", [campaign, activities])
@pytest.mark.parametrize("why", ["on_unknown", "dags test"])
def test_without_a_person_the_task_fails_with_one_sentence(marketo, tmp_path, asked, monkeypatch, make, why):
    instance = marketo()
    instance.fail(REQUESTS[make][0], drop=True, executed=True, times=1)
    if why == "dags test":
        monkeypatch.setattr(asking.airflow_compat, "runs_in_process", lambda: True)
    run = Run(make, tmp_path, on_unknown="fail" if why == "on_unknown" else "ask")
    with pytest.raises(MarketoTaskError, match=r"unknown whether|may or may not"):
        run_task(run.make, run.context)
    assert asked == {}


def test_another_question_of_a_task_fails_since_airflow_would_show_the_first(marketo, tmp_path, asked, caplog):
    instance = marketo()
    instance.fail("campaigns.request", drop=True, executed=True, times=2)
    run = Run(campaign, tmp_path)
    run.make = lambda: MarketoTriggerCampaignOperator(
        task_id="a_task", campaign_id=2001, lead_ids=list(range(1001, 1201)), ledger=f"{tmp_path}/ledger"
    )
    key = run.until_it_asks()
    with pytest.raises(MarketoTaskError, match="unknown whether"):
        run.answer(key, "Sent")
    assert "an earlier try asked about another request" in caplog.text


def test_an_answer_that_comes_after_the_command_changes_nothing(marketo, tmp_path, asked, airflow_ledger):
    instance = marketo()
    instance.fail("campaigns.request", drop=True, executed=True, times=1)
    run = Run(campaign, tmp_path)
    key = run.until_it_asks()
    airflow_ledger(key, "--sent", "--ledger", f"{tmp_path}/ledger")
    run.answer(key, "Not sent")
    assert calls(instance, "campaigns.request") == 1


@pytest.mark.parametrize("event", [None, {"error": "The timeout has passed", "error_type": "timeout"}])
def test_an_end_without_an_answer_fails_and_sends_nothing(marketo, tmp_path, asked, event):
    instance = marketo()
    instance.fail("campaigns.request", drop=True, executed=True, times=1)
    run = Run(campaign, tmp_path)
    key = run.until_it_asks()
    with pytest.raises(MarketoTaskError, match="ended without an answer"):
        run.make().execute_answer(run.context, key, event)
    assert calls(instance, "campaigns.request") == 1


@pytest.fixture
def airflow_ledger():
    """Return a function that runs ``airflow marketo ledger settle``."""
    from airflow_provider_marketo.__main__ import main

    return lambda *arguments: main(["ledger", "settle", *arguments])
