"""Many sensors cost few calls: equal conditions are looked up once, values are batched to Marketo's maxima."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoError, MarketoInvalidRequestError
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.conditions.activities import ActivityCondition, ActivityPoller
from airflow_provider_marketo.conditions.encryption import decrypt, encrypt
from airflow_provider_marketo.conditions.jobs import JobCondition, JobPoller
from airflow_provider_marketo.conditions.kinds import KINDS
from airflow_provider_marketo.conditions.leads import LeadCondition, LeadPoller
from airflow_provider_marketo.conditions.members import (
    ListMembershipCondition,
    ListMembershipPoller,
    ProgramMembersCondition,
    ProgramMembersPoller,
)
from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.settings import DEFAULT_USER
from airflow_provider_marketo.simulator.store import activity_types as types

NOW = datetime(2026, 1, 10, 12, tzinfo=timezone.utc)


@pytest.fixture
def sim():
    with Simulator(Settings(leads=1000, activities=0, limits=False), clock=ManualClock(NOW)) as sim:
        yield sim


@pytest.fixture
def client(sim):
    return MarketoClient(sim.url, sim.client_id, sim.client_secret)


def asked(sim) -> dict[str, int]:
    """Calls since the last time, by operation."""
    now = dict(sim.report().calls)
    before = asked.before
    asked.before = now
    spent = {name: count - before.get(name, 0) for name, count in now.items() if not name.startswith("identity")}
    return {name: count for name, count in spent.items() if count}


@pytest.fixture(autouse=True)
def nothing_asked_yet():
    asked.before = {}


def test_five_hundred_leads_are_two_calls(sim, client):
    conditions = [LeadCondition("email", (f"lead{1001 + n}@example.com",)) for n in range(500)]
    answers = LeadPoller(client).ask(conditions)
    assert asked(sim) == {"leads.get_by_filter_type": 2}
    existing = {f"lead{1001 + n}@example.com" for n in range(0, 500, 3) if n % 97 != 50}
    assert {condition.lookup_values[0] for condition in answers} == existing


def test_leads_by_different_fields_are_different_calls(sim, client):
    conditions = [LeadCondition("email", ("a@example.com",)), LeadCondition("id", ("1001",), "rating")]
    LeadPoller(client).ask(conditions)
    assert asked(sim) == {"leads.get_by_filter_type": 2}


@pytest.mark.parametrize("message", ["Too many results match the filter", "The filter exceeds the limit of 1000 leads"])
def test_values_that_find_more_leads_than_marketo_returns_are_asked_in_halves(sim, client, message):
    sim.fail("leads.get_by_filter_type", "1003", message=message, times=1)
    conditions = [LeadCondition("id", (str(1001 + n),)) for n in range(10)]
    assert len(LeadPoller(client).ask(conditions)) == 10
    assert asked(sim) == {"leads.get_by_filter_type": 3}


def test_a_value_that_too_many_leads_share_is_the_only_one_without_an_answer():
    with Simulator(Settings(leads=1_500, activities=0, limits=False)) as sim:
        poller = LeadPoller(MarketoClient(sim.url, sim.client_id, sim.client_secret))
        common, rare, none = (LeadCondition("leadPartitionId", (value,)) for value in ("1", "2", "3"))
        answers = poller.ask([common, rare, none])
    assert "more than 1,000 leads have one of the values" in str(answers[common])
    assert len(answers[rare]["lead_ids"]) == 375
    assert none not in answers


def test_cookies_are_looked_up_one_by_one(sim, client):
    client.call("leads.sync", input=[{"email": "two@example.com", "cookies": "id:1&token:a"}])
    asked(sim)
    known, unknown = (LeadCondition("cookies", (f"id:1&token:{which}",)) for which in "ab")
    assert set(LeadPoller(client).ask([known, unknown])) == {known}
    assert asked(sim) == {"leads.get_by_filter_type": 2}


def test_one_of_the_leads_that_share_a_value_is_enough(client):
    for rating in ("Cold", "Hot"):
        client.call("leads.sync", action="createDuplicate", input=[{"email": "two@example.com", "rating": rating}])
    condition = LeadCondition("email", ("two@example.com",), "rating", ("hot",))
    ((lead_id,),) = (answer["lead_ids"] for answer in LeadPoller(client).ask([condition]).values())
    assert client.call("leads.get_by_id", leadId=lead_id, fields=["rating"]).records[0]["rating"] == "Hot"


def test_a_sensor_can_wait_for_an_empty_field(client):
    client.call("leads.sync", input=[{"email": "two@example.com", "rating": None}])
    assert LeadPoller(client).ask([LeadCondition("email", ("two@example.com",), "rating", ("",))])


def test_one_list_is_one_call_for_three_hundred_leads(sim, client):
    conditions = [ListMembershipCondition(1001 + n % 2, (1001 + n,)) for n in range(600)]
    ListMembershipPoller(client).ask(conditions)
    assert asked(sim) == {"static_list_membership.member_of_list": 2}


def test_members_are_counted_no_further_than_needed(sim, client):
    few, many = (ProgramMembersCondition(1001, ("Registered", "Invited"), count) for count in (1, 100_000))
    poller = ProgramMembersPoller(client)
    assert few in poller.ask([few])
    assert asked(sim)["program_members.get"] == 1
    assert many not in poller.ask([many])


def test_all_exports_of_an_object_are_one_call(sim, client):
    window = {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}}
    ids = [
        client.call("bulk_export_leads.create_job", fields=["id"], filter=window).records[0]["exportId"]
        for _ in range(20)
    ]
    asked(sim)
    assert JobPoller(client).ask([JobCondition("leads", each) for each in ids]) == {}
    assert asked(sim) == {"bulk_export_leads.get_jobs": 1}


def test_ten_activity_types_are_one_call_and_equal_conditions_are_one(sim, client):
    names = ("Fill Out Form", "Send Email", "Visit Webpage", "Click Link", "Open Email")
    conditions = {ActivityCondition((name,), iso(NOW)) for name in names for _ in range(100)}
    poller = ActivityPoller(client)
    poller.ask(conditions)
    asked(sim)
    sim.instance.store.activities.add(int(NOW.timestamp()) + 5, 1001, types.SEND_EMAIL)
    sim.clock.advance(60)
    (answered,) = poller.ask(conditions)
    assert answered.activity_types == ("Send Email",)
    assert asked(sim) == {"activities.get_lead_activities": 1}


def test_thirty_leads_are_one_call(sim, client):
    conditions = [ActivityCondition(("Send Email",), iso(NOW), lead_ids=(1001 + n,)) for n in range(60)]
    poller = ActivityPoller(client)
    sim.instance.store.activities.add(int(NOW.timestamp()), 1005, types.SEND_EMAIL)
    assert [condition.lead_ids for condition in poller.ask(conditions)] == [(1005,)]
    asked(sim)
    poller.ask(conditions)
    assert asked(sim) == {"activities.get_lead_activities": 2}


def test_a_sensor_that_joins_later_finds_earlier_activities(sim, client):
    log, poller = sim.instance.store.activities, ActivityPoller(client)
    first = ActivityCondition(("Send Email",), iso(NOW))
    poller.ask([first])
    log.add(int(NOW.timestamp()) + 30, 1001, types.FILL_OUT_FORM)
    sim.clock.advance(3_600)
    poller.ask([first])
    later = ActivityCondition(("Fill Out Form",), iso(NOW))
    assert later in poller.ask([first, later])


def test_an_activity_that_marketo_shows_late_is_found(client, sim):
    log, poller = sim.instance.store.activities, ActivityPoller(client)
    condition = ActivityCondition(("Send Email",), iso(NOW))
    for _ in range(3):
        sim.clock.advance(60)
        assert poller.ask([condition]) == {}
    log.add(int(NOW.timestamp()) + 61, 1001, types.SEND_EMAIL)  # dated two minutes before the last poll
    assert condition in poller.ask([condition])


def test_another_poller_continues_where_this_one_stopped(sim, client):
    condition = ActivityCondition(("Send Email",), iso(NOW - timedelta(days=3)))
    poller = ActivityPoller(client)
    poller.ask([condition])
    assert poller.continued(condition).read_from == iso(NOW - timedelta(minutes=15))


@pytest.mark.parametrize(
    ("condition", "operation", "message", "said"),
    [
        (
            ActivityCondition(("2",), iso(NOW), list_id=1001),
            "activities.get_lead_activities",
            "The list has 20000 leads, which exceeds the limit of 10000",
            ("list_id", "take a smaller list"),
        ),
        (
            ProgramMembersCondition(1001, ("Registered",)),
            "program_members.get",
            "The program has 200000 members, which exceeds the limit of 100000",
            ("program_id", "MarketoBulkExtractOperator"),
        ),
    ],
    ids=["list", "program"],
)
def test_an_error_about_a_limit_names_the_argument_and_a_way_out(sim, client, condition, operation, message, said):
    sim.fail(operation, "1003", message=message, times=1)
    error = KINDS[condition.kind][1](client).ask([condition])[condition]
    parameter, remedy = said
    assert error.parameter == parameter
    assert remedy in str(error)


@pytest.mark.parametrize(
    ("kind", "days", "warned"),
    [("Visit Webpage", 91, True), ("Visit Webpage", 89, False), ("Fill Out Form", 91, False)],
)
def test_a_start_before_marketos_retention_is_a_warning(client, caplog, kind, days, warned):
    since = datetime.now(timezone.utc) - timedelta(days=days)
    ActivityPoller(client).check(ActivityCondition((kind,), iso(since)))
    assert ("Marketo keeps activities of type Visit Webpage for 90 days" in caplog.text) is warned


@pytest.mark.parametrize(("minutes", "said"), [(-5, "ahead of"), (5, "behind"), (0, None)])
def test_a_clock_that_differs_from_marketos_is_a_warning(caplog, minutes, said):
    clock = ManualClock(datetime.now(timezone.utc) + timedelta(minutes=minutes))
    with Simulator(Settings(leads=1, activities=0, limits=False), clock=clock) as sim:
        poller = ActivityPoller(MarketoClient(sim.url, sim.client_id, sim.client_secret))
        poller.check(ActivityCondition(("Fill Out Form",), iso(datetime.now(timezone.utc))))
    assert (f"{said} that of Marketo" in caplog.text) is (said is not None)


def test_an_api_user_who_may_not_read_assets_can_still_count_members():
    user = replace(DEFAULT_USER, denied=frozenset({"Read-Only Assets", "Read-Write Assets"}))
    with Simulator(Settings(leads=20, limits=False, users=(user,))) as sim:
        poller = ProgramMembersPoller(MarketoClient(sim.url, sim.client_id, sim.client_secret))
        condition = ProgramMembersCondition(1001, ("Registered", "Invited", "Attended", "No Show"), 2)
        poller.check(condition)
        assert poller.ask([condition])[condition] == {"program_id": 1001, "members": 5}


SINCE = iso(NOW - timedelta(days=90))


@pytest.mark.parametrize(
    ("poller", "bad", "good"),
    [
        (ListMembershipPoller, ListMembershipCondition(999, (1001,)), ListMembershipCondition(1001, (1001,))),
        (ProgramMembersPoller, ProgramMembersCondition(999, ("x",)), ProgramMembersCondition(1001, ("Registered",))),
        (ActivityPoller, ActivityCondition(("Sneeze",), SINCE), ActivityCondition(("New Lead",), SINCE)),
    ],
    ids=["list", "program", "activity"],
)
def test_an_error_of_one_condition_does_not_hide_the_answers_of_others(client, poller, bad, good):
    answers = poller(client).ask([bad, good])
    assert isinstance(answers[bad], MarketoInvalidRequestError)
    assert not isinstance(answers[good], MarketoError)


@pytest.mark.parametrize(
    "condition",
    [
        LeadCondition("email", ("ada@example.com",), "rating", ("hot",)),
        ActivityCondition(("2",), iso(NOW), asset_ids=(7,), count=3),
        JobCondition("custom_objects", batch_id=7, custom_object="car_c"),
    ],
    ids=lambda condition: condition.kind,
)
def test_a_condition_is_the_same_after_encryption(condition):
    secret = Secret("a secret")
    assert decrypt(condition.kind, encrypt(condition, secret), secret) == condition
    assert KINDS[condition.kind][0] is type(condition)
