"""Changed leads on any subscription: the extract chooses a way, logs it, and finds the same rows."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import date, datetime, timedelta, timezone

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.operators.incremental_leads import MarketoIncrementalLeadsOperator
from tests.operators.conftest import marketo
from tests.simulated import data_files
from tests.streams.conftest import variables
from tests.support import StateStore, run_task, task_context

__all__ = ["marketo", "variables"]


@pytest.fixture(autouse=True)
def _variables(variables):
    """Airflow's Variables, from which every extract reads what the subscription supports."""


def task_of(output, sim, *, days=2, **arguments):
    """A task for the leads of the last days, by the instance's clock."""
    end = sim.clock.now().replace(microsecond=0) + timedelta(seconds=1)
    given = {"fields": ["email", "rating"], "file_format": "jsonl", "deferrable": True, "poll_interval": 0.05}
    given |= {"start": end - timedelta(days=days), "end": end, "output_path": str(output)} | arguments
    return MarketoIncrementalLeadsOperator(task_id="a_task", **given)


def extract(output, sim, *, store=None, **arguments):
    """Run a task to its end."""
    return run_task(task_of(output, sim, **arguments), task_context(store or StateStore()))


def is_known(variables, sim, *, updated_at_exports, days_ago=1):
    """The subscription was asked some days ago."""
    asked = datetime.now(timezone.utc) - timedelta(days=days_ago)
    instance = sim.url.removeprefix("http://")
    facts = {"instance": instance, "updated_at_exports": updated_at_exports, "asked": f"{asked:%Y-%m-%dT%H:%M:%SZ}"}
    variables["marketo_features_marketo_default"] = json.dumps(facts)


def rows(output):
    return [json.loads(line) for name in data_files(output) for line in (output / name).read_text("utf-8").splitlines()]


def change(sim, field="rating", **values):
    """Leads change now, some of them through the API by another user."""
    from airflow_provider_marketo.client.client import MarketoClient

    client = MarketoClient(sim.url, sim.client_id, sim.client_secret)
    leads = [{"id": int(lead[1:]), field: value} for lead, value in values.items()]
    client.call("leads.sync", action="updateOnly", lookupField="id", input=leads)


@pytest.mark.parametrize("has_updated_at", [True, False], ids=["updatedAt exports", "no updatedAt exports"])
def test_both_ways_lead_to_the_same_rows(marketo, tmp_path, has_updated_at):
    sim = marketo(updated_at_filter=has_updated_at)
    change(sim, _1005="Blazing", _1006="Frozen")
    found = extract(tmp_path, sim)
    assert sorted((row["id"], row["rating"]) for row in rows(tmp_path)) == [(1005, "Blazing"), (1006, "Frozen")]
    assert (found["rows"], found["date_field"]) == (2, "updatedAt")
    assert bool(sim.calls("get_file")) is has_updated_at


@pytest.mark.parametrize("has_updated_at", [True, False], ids=["updatedAt exports", "no updatedAt exports"])
def test_a_score_counts_as_a_change_though_marketos_feed_of_changes_does_not_know_it(marketo, tmp_path, has_updated_at):
    sim = marketo(updated_at_filter=has_updated_at)
    change(sim, "leadScore", _1005=12_345)
    extract(tmp_path, sim, fields=["email", "leadScore"])
    assert [(row["id"], row["leadScore"]) for row in rows(tmp_path)] == [(1005, 12_345)]


@pytest.mark.parametrize("mode", ["updated_at", "change_feed", "snapshot"])
def test_hashed_fields_are_digests_with_the_connections_key_whatever_the_way(marketo, tmp_path, mode):
    sim = marketo({"hash_secret": "a long secret"})
    change(sim, L1001="Hot", L1003="Cold")
    plain, hashed = tmp_path / "plain", tmp_path / "hashed"
    how = {"mode": mode, "first_lead": "2026-02-15" if mode == "snapshot" else None}
    extract(plain, sim, **how)
    extract(hashed, sim, hash_fields=["email"], **how)
    emails = {row["id"]: row["email"] for row in rows(plain) if row["email"]}
    assert emails
    assert {row["id"]: row["email"] for row in rows(hashed) if row["email"]} == {
        number: hmac.new(b"a long secret", email.encode(), hashlib.sha256).hexdigest()
        for number, email in emails.items()
    }


def test_the_subscription_is_asked_once_and_nothing_is_exported_for_it(marketo, tmp_path, variables):
    sim = marketo(updated_at_filter=False)
    extract(tmp_path / "a", sim)
    extract(tmp_path / "b", sim)
    assert (sim.calls("create_job"), sim.calls("enqueue_job")) == (1, 0)
    assert json.loads(variables["marketo_features_marketo_default"])["updated_at_exports"] is False


def test_a_subscription_that_has_got_the_filter_is_noticed_within_a_month(marketo, tmp_path, variables):
    sim = marketo()
    is_known(variables, sim, updated_at_exports=False)
    extract(tmp_path, sim)
    assert not sim.calls("enqueue_job")
    is_known(variables, sim, updated_at_exports=False, days_ago=31)
    extract(tmp_path, sim)
    assert sim.calls("enqueue_job") == 1


def test_a_mode_that_the_subscription_lacks_is_named_with_those_that_it_has(marketo, tmp_path):
    sim = marketo(updated_at_filter=False)
    with pytest.raises(AirflowFailException, match=r"Use mode='auto', 'change_feed' or 'snapshot'") as caught:
        extract(tmp_path, sim, mode="updated_at")
    assert "date_field" not in str(caught.value)


def test_a_subscription_that_has_lost_the_filter_is_asked_again(marketo, tmp_path, variables):
    sim = marketo(updated_at_filter=False)
    is_known(variables, sim, updated_at_exports=True)
    change(sim, _1005="Blazing")
    assert extract(tmp_path, sim)["rows"] == 1
    assert json.loads(variables["marketo_features_marketo_default"])["updated_at_exports"] is False


@pytest.mark.parametrize(
    ("operation", "has_updated_at"), [("leads.describe", True), ("activities.get_lead_changes", False)]
)
def test_a_spent_quota_is_waited_for_and_the_mode_is_chosen_again(
    marketo, tmp_path, monkeypatch, variables, operation, has_updated_at
):
    sim = marketo(updated_at_filter=has_updated_at)
    monkeypatch.setattr("airflow_provider_marketo.hooks.marketo.governor_of", lambda *_: LocalGovernor(parallel=8))
    is_known(variables, sim, updated_at_exports=has_updated_at)
    change(sim, _1005="Blazing")
    sim.fail(operation, "607", times=1)
    context = task_context(StateStore())
    with pytest.raises(TaskDeferred) as deferred:
        task_of(tmp_path, sim).execute(context)
    assert isinstance(deferred.value.trigger, DateTimeTrigger)
    found = run_task(lambda: _Resumed(task_of(tmp_path, sim), deferred.value.method_name), context)
    assert (found["rows"], found["date_field"]) == (1, "updatedAt")


class _Resumed:
    """A new process after a deferral."""

    def __init__(self, task, method):
        self.execute = getattr(task, method)
        self.resume_execution = task.resume_execution


def test_a_span_that_the_feed_has_forgotten_is_a_snapshot(marketo, tmp_path):
    sim = marketo(updated_at_filter=False, leads_since=date(2026, 3, 1))
    created = datetime(2026, 3, 1, tzinfo=timezone.utc)
    found = extract(tmp_path, sim, days=100, first_lead=created)
    assert found["date_field"] == "createdAt"
    assert found["rows"] == 500


def test_the_feed_is_not_read_from_where_it_has_forgotten(marketo, tmp_path):
    with pytest.raises(AirflowFailException, match=r"^start: Marketo keeps .* 90 days; .* is gone.*mode='snapshot'"):
        extract(tmp_path, marketo(), days=100, mode="change_feed")


def test_without_the_right_to_read_activities_it_is_a_snapshot(marketo, tmp_path):
    sim = marketo(updated_at_filter=False)
    sim.fail("activities.get_paging_token", "603")
    with pytest.raises(AirflowFailException, match=r"^first_lead: .*before which no lead was created"):
        extract(tmp_path, sim)


def test_the_choice_and_its_cost_are_logged(marketo, tmp_path, caplog):
    caplog.set_level("INFO")
    sim = marketo()
    change(sim, _1005="Hot")
    extract(tmp_path, sim)
    extract(tmp_path, sim)
    choices = [line for line in caplog.messages if line.startswith("mode=")]
    assert "updated_at" in choices[0]
    assert "not known before the first run" in choices[0]
    assert choices[1].endswith("MB as jsonl")
    caplog.clear()
    for _ in range(2):
        extract(tmp_path / "all", sim, mode="snapshot", first_lead=datetime.now(timezone.utc) - timedelta(days=40))
    choices = [line for line in caplog.messages if line.startswith("mode=snapshot (as the task says): 2 export jobs")]
    assert choices[1].endswith("MB as jsonl")


@pytest.mark.parametrize("lookback", [timedelta(hours=1), pendulum.duration(hours=1)], ids=["timedelta", "pendulum"])
def test_the_second_run_of_a_schedule_knows_what_the_first_has_cost(marketo, tmp_path, lookback):
    """A schedule's dates are pendulum's, whose differences cannot be divided like Python's."""
    sim = marketo()
    now = sim.clock.now().replace(minute=0, second=0, microsecond=0)
    for hours_ago in (3, 2):
        span = {"data_interval_start": now - timedelta(hours=hours_ago + 1)}
        context = task_context(StateStore(), **span, data_interval_end=now - timedelta(hours=hours_ago))
        found = run_task(task_of(tmp_path, sim, start=None, end=None, lookback=lookback), context)
        assert found["end"] == iso(now - timedelta(hours=hours_ago))


def test_an_unknown_mode_is_refused_when_the_dag_is_parsed(marketo, tmp_path):
    with pytest.raises(MarketoInvalidRequestError, match="mode='fast' is not one of 'auto', 'updated_at'"):
        extract(tmp_path, marketo(), mode="fast")


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '{"instance": "x"}', '{"instance": "x", "asked": 5, "updated_at_exports": true}']
)
def test_a_damaged_memory_of_the_subscription_is_an_error_with_a_way_out(marketo, tmp_path, variables, text):
    sim = marketo()
    variables["marketo_features_marketo_default"] = text
    with pytest.raises(AirflowFailException, match=r"marketo_features_marketo_default is damaged.*Delete it"):
        extract(tmp_path, sim)
