"""The Variable with seven days of calls: small, at most hourly, without an e-mail address."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.hooks.quota import QuotaReader
from airflow_provider_marketo.hooks.settings import ConnectionSettings
from airflow_provider_marketo.hooks.usage_history import UsageHistory, keep_history, pseudonym, variable_name
from airflow_provider_marketo.simulator import ApiUser, Settings, Simulator

USERS = (ApiUser("ours", "a-secret", "Ours@example.org"), ApiUser("theirs", "b-secret", "theirs@example.org"))
NOW = datetime.now(timezone.utc)


@pytest.fixture
def instance():
    with Simulator(Settings(leads=10, activities=10, users=USERS)) as simulator:
        yield simulator


@pytest.fixture
def hook(instance):
    settings = ConnectionSettings("marketo_default", instance.url, "ours", Secret("a-secret"), coordination="host")
    return MarketoHook("marketo_default", settings=settings)


@pytest.fixture
def variables():
    return {}


@pytest.fixture
def keep(hook, variables):
    def run(now: datetime = NOW) -> UsageHistory:
        keep_history(
            hook.client,
            hook.settings,
            read=variables.get,
            write=lambda name, text, description: variables.update({name: text}),
            now=now,
        )
        return UsageHistory.load(variables[variable_name("marketo_default")])

    return run


def call_as_theirs(instance) -> None:
    settings = ConnectionSettings("theirs", instance.url, "theirs", Secret("b-secret"), coordination="host")
    MarketoHook("theirs", settings=settings).call("leads.describe")


def test_the_history_tells_our_calls_from_others_and_holds_no_names(keep, hook, instance, variables):
    call_as_theirs(instance)
    hook.call("leads.describe")
    today = keep().days[0]
    assert today.ours == 2, "leads.describe, and the usage itself"
    assert today.others == {pseudonym("theirs@example.org", hook.settings): 1}
    assert today.total == 3
    assert len(keep().days) == 7
    assert [name for name in ("@", "example", "secret") if name in json.dumps(variables)] == []


def test_a_pseudonym_depends_on_the_connections_secret_and_not_on_the_spelling(hook, instance):
    other = ConnectionSettings("other", instance.url, "ours", Secret("another-secret"))
    assert pseudonym("A@example.org", hook.settings) == pseudonym("a@example.org", hook.settings)
    assert pseudonym("a@example.org", hook.settings) != pseudonym("a@example.org", other)


def test_it_is_written_at_most_once_an_hour(keep, instance, variables):
    keep()
    written, calls = dict(variables), sum(instance.report().calls.values())
    keep(NOW + timedelta(minutes=59))
    assert (variables, sum(instance.report().calls.values())) == (written, calls)


def test_after_an_hour_the_calls_of_dags_of_earlier_days_are_kept(keep, hook, variables):
    before = keep()
    known = before.to_dict()
    known["days"][1]["by_dag"] = {"yesterdays": 5}
    known["measured_at"] = (NOW - timedelta(hours=2)).isoformat()
    variables[variable_name("marketo_default")] = json.dumps(known)
    hook.client.governor.postpone(variable_name("marketo_default"), 0.0)
    after = keep()
    assert after.measured_at != known["measured_at"]
    assert after.days[1].by_dag == {"yesterdays": 5}


def test_a_damaged_or_later_variable_is_replaced(keep, variables):
    variables[variable_name("marketo_default")] = '{"version": 99}'
    assert keep().instance


def test_the_history_of_usage_stays_small_with_many_dags(hook, instance, variables, keep):
    for number in range(40):
        hook.client.governor.owner = f"a_dag_with_a_long_name_{number}"
        hook.client.governor.release(hook.client.governor.acquire("leads.describe"), None)
    found = keep()
    assert 0 < len(found.days[0].by_dag) <= 30
    assert len(variables[variable_name("marketo_default")]) < 4_000


def test_the_process_that_measures_the_quota_writes_the_history(hook, variables):
    reader = QuotaReader(
        hook.client, hook.settings, read=variables.get, write=lambda name, text, _: variables.update({name: text})
    )
    reader.keep_fresh()
    assert set(variables) == {"marketo_quota_marketo_default", "marketo_usage_marketo_default"}


def test_it_takes_no_calls_from_a_task_with_a_budget(hook, variables):
    hook.client.tally.max_calls = 10
    QuotaReader(
        hook.client, hook.settings, read=variables.get, write=lambda name, text, _: variables.update({name: text})
    ).keep_fresh()
    assert set(variables) == {"marketo_quota_marketo_default"}


def test_a_failure_leaves_the_quota_measured(hook, instance, variables, caplog):
    instance.fail("usage.get_weekly_usage", "1003", times=None)
    reader = QuotaReader(
        hook.client, hook.settings, read=variables.get, write=lambda name, text, _: variables.update({name: text})
    )
    assert reader.keep_fresh() is not None
    assert "a later call tries again" in caplog.text


@pytest.mark.parametrize("text", [None, "", "nul", "[]", "{}", "[" * 100_000], ids=lambda text: str(text)[:9])
def test_a_history_that_cannot_be_read_counts_as_missing(text):
    assert UsageHistory.load(text) is None
