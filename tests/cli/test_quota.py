"""``airflow marketo quota``, against a simulated instance."""

from __future__ import annotations

import json

import pytest
import yaml
from airflow.models.variable import Variable

from airflow_provider_marketo.client import answer
from airflow_provider_marketo.simulator import ApiUser, Settings, Simulator

USERS = (ApiUser("ours", "a-secret", "ours@example.org"), ApiUser("theirs", "b-secret", "theirs@example.org"))


@pytest.fixture
def instance(connect):
    with Simulator(Settings(leads=10, activities=10, users=USERS)) as simulator:
        connect("marketo_default", simulator.url, login="ours", password="a-secret", daily_quota=1000, reserve=100)
        yield simulator


def total(instance) -> int:
    return sum(count for name, count in instance.report().calls.items() if not name.startswith("identity."))


def test_it_shows_calls_per_user_remaining_quota_and_this_hosts_share(airflow, instance):
    report = json.loads(airflow("quota", "-o", "json"))
    today = report["calls_per_user"][:2]
    assert [(row["user"], row["calls"]) for row in today] == [("ours@example.org", 1), ("all", 1)]
    assert len({row["day"] for row in report["calls_per_user"]}) == 7
    assert report["left"]["calls_used"] == total(instance)
    assert report["left"]["calls_left_for_extracts"] == 1000 - 100 - total(instance)
    assert report["left"]["export_mb_left"] == 500
    assert report["our_share"]["calls_in_20_seconds"] == "90 of 100"
    assert "because" in report["our_share"]["coordination"]


def test_it_shows_the_most_frequent_errors(airflow, instance):
    instance.fail("usage.get_weekly_usage", "611")
    report = json.loads(airflow("quota", "-o", "json"))
    assert report["errors_of_7_days"] == [{"code": "611", "errors": 1}]


@pytest.mark.parametrize("odd", [5, "x", [5], [None], [[]]])
@pytest.mark.parametrize("member", ["users", "errors"])
def test_an_odd_answer_ends_the_command_with_one_line(airflow, instance, monkeypatch, member, odd):
    parse = answer.parse_json

    def damaged(*arguments):
        body = parse(*arguments)
        for day in body.get("result") or ():
            if member in day:
                day[member] = odd
        return body

    monkeypatch.setattr(answer, "parse_json", damaged)
    with pytest.raises(SystemExit, match=r"airflow marketo quota: usage\.get_weekly_\w+: a record in Marketo's answer"):
        airflow("quota")


def test_a_refresh_writes_marketos_own_count_to_the_variable(airflow, instance):
    airflow("quota")
    airflow("quota", "--refresh")
    assert json.loads(Variable.get("marketo_quota_marketo_default"))["used"] == total(instance)


def test_without_a_refresh_a_recent_variable_is_not_written(airflow, instance):
    airflow("quota")
    before = Variable.get("marketo_quota_marketo_default")
    airflow("quota")
    assert Variable.get("marketo_quota_marketo_default") == before


def test_the_variable_names_no_user(airflow, instance):
    airflow("quota", "--refresh")
    assert "@" not in Variable.get("marketo_quota_marketo_default")


def test_the_output_is_a_table_or_yaml(airflow, instance):
    assert "calls left today for extracts, without the reserve | " in airflow("quota")
    assert yaml.safe_load(airflow("quota", "--output", "yaml"))["left"]["daily_quota"] == 1000


def test_an_error_ends_the_command_with_one_line(airflow, connect):
    with pytest.raises(SystemExit, match="airflow marketo quota: there is no connection nowhere"):
        airflow("quota", "--conn-id", "nowhere")
    connect("marketo_default", daily_quota=0)
    with pytest.raises(SystemExit, match="daily_quota is not a whole number from 1 to 1,000,000,000"):
        airflow("quota")


def test_the_table_tells_what_was_used_from_what_is_allowed(airflow, instance):
    table = airflow("quota")
    assert "calls made today, by all integrations" in table
    assert "90 calls; Marketo allows 100" in table
    assert "90 of 100" not in table
