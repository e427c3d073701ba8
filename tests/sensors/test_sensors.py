"""Every sensor in every mode: it waits, returns what it found, and ends at its deadline."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import (
    MarketoConnectionError,
    MarketoInvalidRequestError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.secret import Secret
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.sensors.activities import MarketoActivitySensor
from airflow_provider_marketo.sensors.assets import MarketoAssetSensor
from airflow_provider_marketo.sensors.bulk_job import MarketoBulkJobSensor
from airflow_provider_marketo.sensors.campaigns import MarketoCampaignRunSensor
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.sensors.members import MarketoListMembershipSensor, MarketoProgramMemberSensor
from airflow_provider_marketo.simulator.settings import DEFAULT_USER, ApiUser
from airflow_provider_marketo.simulator.store import activity_types as types
from airflow_provider_marketo.triggers.condition import MarketoConditionTrigger
from tests.sensors.conftest import MODES, POKE, waits
from tests.support import run_task, task_context

PERSON = "ada@example.com"
UNKNOWN_LEAD = {"lookup_field": "email", "lookup_values": "unknown@example.com"}

DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)
RUN = SimpleNamespace(run_after=DAY + timedelta(hours=5), start_date=DAY + timedelta(days=3))

every_mode = pytest.mark.parametrize("mode", MODES)


@every_mode
def test_a_lead_comes_to_exist(marketo, mode):
    sim = marketo()
    found = waits(
        MarketoLeadSensor,
        mode,
        lambda: sim.call("leads.sync", input=[{"email": PERSON}]),
        lookup_values=[PERSON, "LEAD1001@example.com"],
    )
    assert found == {"lead_ids": [1001, 1301]}


@every_mode
def test_a_field_gets_a_value(marketo, mode):
    sim = marketo()
    found = waits(
        MarketoLeadSensor,
        mode,
        lambda: sim.call("leads.sync", action="updateOnly", lookupField="id", input=[{"id": 1005, "rating": "Hot"}]),
        lookup_field="id",
        lookup_values=1005,
        field="rating",
        field_values=["hot", "burning"],
    )
    assert found == {"lead_ids": [1005]}


@every_mode
def test_an_activity_happens(marketo, mode):
    sim = marketo()

    def fill_form():
        log = sim.instance.store.activities
        log.add(sim.instance.now, 1004, types.FILL_OUT_FORM, primary_id=8)
        log.add(sim.instance.now, 1005, types.FILL_OUT_FORM, primary_id=7)

    found = waits(MarketoActivitySensor, mode, fill_form, activity_types=["Fill Out Form"], asset_ids=7, start=since())
    assert (found["count"], found["lead_ids"]) == (1, [1005])


@every_mode
def test_activities_are_counted_over_several_polls(marketo, mode):
    sim = marketo()
    log = sim.instance.store.activities
    log.add(sim.instance.now, 1004, types.FILL_OUT_FORM)
    found = waits(
        MarketoActivitySensor,
        mode,
        lambda: log.add(sim.instance.now, 1005, types.FILL_OUT_FORM),
        activity_types="Fill Out Form",
        start=since(),
        count=2,
    )
    assert found["count"] == 2


@every_mode
@pytest.mark.parametrize(
    ("lead_ids", "count"), [({}, 75), ({"lead_ids": [1005, 1001]}, None)], ids=["anybody", "these leads"]
)
def test_a_scheduled_campaign_runs(marketo, mode, lead_ids, count):
    sim = marketo(time_scale=3_000.0)
    run = lambda: sim.call("campaigns.schedule", campaignId=2002)  # noqa: E731 - in five minutes, a tenth of a second
    found = waits(MarketoCampaignRunSensor, mode, run, campaign_id=2002, start=since(), **lead_ids)
    assert found.get("count") == count
    assert found["lead_ids"][:2] == [1001, 1005]


@every_mode
def test_a_triggered_campaign_leaves_traces(marketo, mode):
    sim = marketo()
    run = lambda: sim.call("campaigns.request", campaignId=2001, input={"leads": [{"id": 1005}]})  # noqa: E731
    found = waits(MarketoCampaignRunSensor, mode, run, campaign_id=2001, start=since(), activity_types="Send Email")
    assert (found["count"], found["lead_ids"]) == (1, [1005])


@every_mode
def test_leads_go_through_a_campaign(marketo, mode):
    sim = marketo()
    request = {"leads": [{"id": 1004}, {"id": 1005}]}
    found = waits(
        MarketoCampaignRunSensor,
        mode,
        lambda: sim.call("campaigns.request", campaignId=2001, input=request),
        campaign_id=2001,
        lead_ids=[1005, 1004],
        start=since(),
    )
    assert found == {"campaign_id": 2001, "lead_ids": [1004, 1005]}


@every_mode
@pytest.mark.parametrize("member", [True, False])
def test_leads_join_or_leave_a_list(marketo, mode, member):
    sim = marketo()
    lists = sim.instance.store.lists
    list_id = 1002 if member else 1001

    def move():
        (lists.add if member else lambda *pair: lists.remove(*pair[:2]))(list_id, 1001, sim.instance.now)

    found = waits(MarketoListMembershipSensor, mode, move, list_id=list_id, lead_ids=[1001], member=member)
    assert found == {"list_id": list_id, "lead_ids": [1001]}


@every_mode
def test_a_program_gets_enough_members(marketo, mode):
    sim = marketo(leads=0)
    ids = [
        item["id"] for item in sim.call("leads.sync", input=[{"email": f"{n}@example.com"} for n in range(3)]).records
    ]

    def register(*leads):
        sim.call(
            "program_members.sync_status",
            programId=1001,
            statusName="Registered",
            input=[{"leadId": lead} for lead in leads],
        )

    register(*ids[:2])
    found = waits(
        MarketoProgramMemberSensor, mode, lambda: register(ids[2]), program_id=1001, statuses="Registered", count=3
    )
    assert found == {"program_id": 1001, "members": 3}


@pytest.mark.parametrize("lookup", ["programs.get_by_id", "channels.get_by_name"])
def test_members_are_waited_for_without_the_right_to_look_up_their_status(marketo, lookup):
    sim = marketo()
    sim.fail(lookup, "603", times=9)
    found = waits(MarketoProgramMemberSensor, "poke", program_id=1001, statuses="Registered", count=1)
    assert found["program_id"] == 1001


def approve(sim):
    sim.call("emails.approve_draft", id=3001)


def edit(sim):
    """Change an approved e-mail: the change waits in a draft."""
    sim.call("emails.update_content", id=3001, subject={"type": "Text", "value": "New"})


def delete(sim):
    sim.call("emails.delete", id=3001)


@every_mode
@pytest.mark.parametrize("state", ["approved", "draft", "deleted"])
def test_a_marketo_asset_reaches_a_state(marketo, mode, state):
    sim = marketo()
    if state == "draft":
        approve(sim)
    happens = {"approved": approve, "draft": edit, "deleted": delete}[state]
    looked_for = {"asset_type": "emails", "asset_id": 3001, "state": state}
    found = waits(MarketoAssetSensor, mode, lambda: happens(sim), **looked_for)
    assert found == looked_for


def test_an_asset_that_never_existed_counts_as_deleted_with_a_warning(marketo, caplog):
    marketo()
    assert waits(MarketoAssetSensor, "poke", asset_type="emails", asset_id=99, state="deleted")
    assert "There is no email 99: it was deleted before, or it never existed" in caplog.text


@every_mode
def test_an_export_job_ends(marketo, mode):
    sim = marketo(time_scale=600.0)
    job = created(sim)
    found = waits(
        MarketoBulkJobSensor,
        mode,
        lambda: sim.call("bulk_export_leads.enqueue_job", exportId=job),
        object_type="leads",
        export_id=job,
    )
    assert (found["export_id"], found["status"]) == (job, "completed")
    assert found["records"] > 0


@every_mode
def test_an_import_job_ends(marketo, mode):
    sim = marketo(time_scale=600.0)
    file = "email\nada@example.com\nbob@example.com\n"
    job = sim.call("bulk_import_leads.import", format="csv", file=file, lookupField="email").records[0]["batchId"]
    found = waits(MarketoBulkJobSensor, mode, object_type="leads", batch_id=job)
    assert found == {"batch_id": job, "status": "complete", "processed": 2, "failed": 0, "warned": 0}


every_soft_fail = pytest.mark.parametrize(
    ("given", "end"),
    [
        ({}, AirflowFailException),
        ({"soft_fail": True}, AirflowSkipException),
        ({"never_fail": True}, AirflowSkipException),
    ],
    ids=["fails", "soft_fail", "never_fail"],
)


@every_mode
@every_soft_fail
def test_a_job_that_fails_ends_the_wait(marketo, mode, given, end):
    sim = marketo()
    job = created(sim)
    with pytest.raises(end) as ended:
        waits(
            MarketoBulkJobSensor,
            mode,
            lambda: sim.call("bulk_export_leads.cancel_job", exportId=job),
            object_type="leads",
            export_id=job,
            **given,
        )
    assert f"export {job} is cancelled" in str(ended.value.__cause__ if mode == "deferrable" and given else ended.value)


@every_mode
@every_soft_fail
def test_a_permanent_error_ends_the_wait_at_once(marketo, mode, given, end):
    marketo()
    with pytest.raises(end, match=r"^program_id: .*no program 999999"):
        waits(MarketoProgramMemberSensor, mode, program_id=999_999, statuses="Registered", **given)


IN_VAIN = (
    (MarketoLeadSensor, UNKNOWN_LEAD),
    (MarketoActivitySensor, {"activity_types": ["Fill Out Form"]}),
    (MarketoListMembershipSensor, {"list_id": 1002, "lead_ids": [1001]}),
    (MarketoProgramMemberSensor, {"program_id": 1001, "statuses": ["Registered"], "count": 100_000}),
    (MarketoAssetSensor, {"asset_type": "emails", "asset_id": 3001}),
    (MarketoCampaignRunSensor, {"campaign_id": 2002}),
    (MarketoCampaignRunSensor, {"campaign_id": 2001, "lead_ids": [1004]}),
    (MarketoBulkJobSensor, {"object_type": "leads"}),
)
"""Every sensor, with a condition that never comes true."""


@every_mode
@pytest.mark.parametrize(("soft_fail", "end"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
@pytest.mark.parametrize(("sensor", "arguments"), IN_VAIN, ids=lambda value: getattr(value, "__name__", "for"))
def test_the_deadline_ends_the_wait(marketo, mode, soft_fail, end, sensor, arguments):
    sim = marketo()
    job = {"export_id": created(sim)} if sensor is MarketoBulkJobSensor else {}
    with pytest.raises(end):
        waits(sensor, mode, timeout=0.06, soft_fail=soft_fail, **arguments, **job)


def test_a_sensor_without_a_deadline_gets_one(marketo):
    marketo()
    with pytest.raises(TaskDeferred) as deferred:
        MarketoLeadSensor(task_id="a_task", deferrable=True, **UNKNOWN_LEAD).execute(task_context())
    deadline = datetime.fromisoformat(deferred.value.trigger.deadline)
    assert timedelta(days=7, minutes=-1) < deadline - datetime.now(timezone.utc) <= timedelta(days=7)


@pytest.mark.parametrize(
    ("context", "begin"),
    [
        ({"data_interval_start": DAY, "data_interval_end": DAY + timedelta(days=1)}, DAY),
        ({"data_interval_start": DAY, "data_interval_end": DAY, "dag_run": RUN}, RUN.run_after),
        ({"dag_run": RUN}, RUN.run_after),
    ],
    ids=["data interval", "no length", "no interval"],
)
def test_the_default_start_is_that_of_the_run_which_a_clear_does_not_change(context, begin):
    for nothing in (None, "", "None"):  # the last is a template that found nothing
        sensor = MarketoActivitySensor(task_id="a_task", activity_types="Fill Out Form", start=nothing)
        assert sensor.condition(context).start == iso(begin)


def test_airflow_stores_nothing_about_a_person(marketo):
    sim = marketo()
    with pytest.raises(TaskDeferred) as deferred:
        MarketoLeadSensor(task_id="a_task", deferrable=True, **UNKNOWN_LEAD).execute(task_context())
    stored = json.dumps(deferred.value.trigger.serialize())
    assert "unknown" not in stored
    assert sim.client_secret not in stored


def test_a_wait_continues_with_credentials_that_changed_meanwhile(marketo, connection):
    sim = marketo(users=(DEFAULT_USER, ApiUser("another service", "another secret", "b@example.org")))

    def change():
        connection(login="another service", password="another secret")
        threading.Timer(POKE * 3, sim.instance.store.lists.add, (1002, 1001, sim.instance.now)).start()

    assert waits(MarketoListMembershipSensor, "deferrable", change, list_id=1002, lead_ids=1001)


def test_credentials_that_changed_to_wrong_ones_end_the_wait(marketo, connection):
    marketo()
    with pytest.raises(AirflowFailException, match="identity service refuses this client id and secret"):
        waits(MarketoLeadSensor, "deferrable", lambda: connection(password="another"), **UNKNOWN_LEAD)


def test_a_triggerer_with_another_secret_than_the_worker_is_an_error(marketo, monkeypatch):
    marketo()
    monkeypatch.setattr("airflow_provider_marketo.triggers.condition.settings_of", _with_another_secret)
    with pytest.raises(AirflowFailException, match="read the connection from different places"):
        waits(MarketoLeadSensor, "deferrable", **UNKNOWN_LEAD)


async def _with_another_secret(marketo_conn_id):
    return replace(MarketoHook(marketo_conn_id).settings, client_secret=Secret("another"))


@every_mode
def test_a_poll_that_fails_is_repeated(marketo, mode):
    sim = marketo()

    def join():
        sim.instance.store.lists.add(1002, 1001, sim.instance.now)
        sim.fail("static_list_membership.member_of_list", "611", times=1)

    assert waits(MarketoListMembershipSensor, mode, join, list_id=1002, lead_ids=1001)


@pytest.mark.usefixtures("without_resending")
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
@pytest.mark.parametrize(("soft_fail", "end"), [(False, MarketoTransientError), (True, AirflowSkipException)])
def test_ten_failed_polls_in_a_row_end_the_wait(marketo, mode, soft_fail, end):
    sim = marketo()
    fail = lambda: sim.fail("static_list_membership.member_of_list", "611", times=1_000)  # noqa: E731
    with pytest.raises(end):
        waits(
            MarketoListMembershipSensor,
            mode,
            fail,
            list_id=1002,
            lead_ids=1001,
            poke_interval=0.01,
            soft_fail=soft_fail,
        )


@pytest.mark.usefixtures("without_resending")
@every_mode
def test_an_unreachable_instance_fails_the_first_poll(marketo, connection, mode):
    marketo()
    connection(host="http://127.0.0.1:9")
    with pytest.raises(MarketoConnectionError, match="Check the connection's host"):
        waits(MarketoListMembershipSensor, mode, list_id=1002, lead_ids=1001)


@every_mode
@pytest.mark.parametrize(("soft_fail", "end"), [(False, AirflowNotFoundException), (True, AirflowSkipException)])
def test_an_unknown_connection_is_an_error(marketo, mode, soft_fail, end):
    with pytest.raises(end, match="conn_id `nothing` isn't defined"):
        waits(MarketoLeadSensor, mode, marketo_conn_id="nothing", soft_fail=soft_fail, **UNKNOWN_LEAD)


@pytest.mark.parametrize(("soft_fail", "end"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
def test_a_deadline_of_zero_is_one_poll_without_the_triggerer(marketo, soft_fail, end):
    marketo()
    with pytest.raises(end, match="Waited 0 seconds for a lead with the given email without success"):
        MarketoLeadSensor(task_id="a_task", deferrable=True, timeout=0, soft_fail=soft_fail, **UNKNOWN_LEAD).execute(
            task_context()
        )


def test_after_a_time_without_triggerer_the_task_polls_once_more(marketo):
    sim = marketo()

    def sleep_over(trigger):
        trigger.deadline = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
        sim.instance.store.lists.add(1002, 1001, sim.instance.now)

    sensor = MarketoListMembershipSensor(task_id="a_task", deferrable=True, list_id=1002, lead_ids=1001)
    assert run_task(sensor, task_context(), sleep_over) == {"list_id": 1002, "lead_ids": [1001]}


@pytest.mark.parametrize(
    ("sensor", "arguments", "refused"),
    [
        (MarketoLeadSensor, {"lookup_values": []}, "lookup_values is empty"),
        (MarketoLeadSensor, {"lookup_values": "None"}, "lookup_values is required"),
        (MarketoLeadSensor, {"lookup_values": [None]}, r"lookup_values\[0\] is a NoneType"),
        (MarketoLeadSensor, {"lookup_values": "x", "lookup_field": "id"}, "an id is a number"),
        (MarketoLeadSensor, {"lookup_values": "x", "lookup_field": "country"}, "lookup_field: .*1011"),
        (MarketoLeadSensor, {"lookup_values": "x", "field": "nothing"}, "field: .*1006"),
        (MarketoLeadSensor, {"lookup_values": ("a,b",)}, "contains a comma"),
        (MarketoLeadSensor, {"lookup_values": "x", "field_values": "y"}, "no field"),
        (MarketoActivitySensor, {"activity_types": ["Fill Out From"]}, "Did you mean 'Fill Out Form'"),
        (MarketoActivitySensor, {"activity_types": []}, "activity_types is empty"),
        (MarketoActivitySensor, {"activity_types": "2", "count": 0}, "count=0 is not a whole number"),
        (MarketoListMembershipSensor, {"list_id": 999, "lead_ids": 1}, "List '999' not found"),
        (MarketoListMembershipSensor, {"list_id": "Newsletter", "lead_ids": 1}, "list_id is a str that is not an id"),
        (MarketoListMembershipSensor, {"list_id": 1002, "lead_ids": [1001, 99]}, "lead_ids: .*there is no lead 99"),
        (MarketoProgramMemberSensor, {"program_id": 1001, "statuses": []}, "statuses is empty"),
        (MarketoProgramMemberSensor, {"program_id": 1001, "statuses": ["a,b"]}, "contains a comma"),
        (MarketoProgramMemberSensor, {"program_id": 1001, "statuses": "Came"}, "Its statuses are Invited, Registered"),
        (MarketoActivitySensor, {"activity_types": "2", "lead_ids": []}, "lead_ids is empty"),
        (MarketoCampaignRunSensor, {"campaign_id": 2001, "lead_ids": "[]"}, "lead_ids is empty"),
        (MarketoCampaignRunSensor, {"campaign_id": 99}, "campaign_id: .*no smart campaign 99"),
        (MarketoCampaignRunSensor, {"campaign_id": 99, "lead_ids": 1001}, "campaign_id: .*no smart campaign 99"),
        (MarketoAssetSensor, {"asset_type": "mail", "asset_id": 1}, "asset_type='mail' is not one of"),
        (MarketoAssetSensor, {"asset_type": "programs", "asset_id": 1001}, "have no drafts"),
        (MarketoAssetSensor, {"asset_type": "emails", "asset_id": 3001, "state": "live"}, "is not one of 'approved'"),
        (MarketoAssetSensor, {"asset_type": "emails", "asset_id": 99}, "no email 99"),
        (MarketoBulkJobSensor, {"object_type": "leads"}, "either an export_id or a batch_id"),
        (MarketoBulkJobSensor, {"object_type": "activities", "batch_id": 1}, "cannot be imported"),
        (MarketoBulkJobSensor, {"object_type": "leads", "export_id": "no-such-job"}, "knows no export no-such-job"),
    ],
)
def test_wrong_arguments_are_refused(marketo, sensor, arguments, refused):
    """They are refused when the DAG is parsed, or before the wait begins."""
    marketo()
    with pytest.raises((MarketoInvalidRequestError, AirflowFailException), match=refused):
        waits(sensor, "poke", **arguments)


def test_a_wrong_address_fails_instead_of_counting_as_deleted(marketo):
    """610 says that no operation has this address, and a wrong host also causes it."""
    sim = marketo()
    sim.fail("emails.get_by_id", "610", times=10)
    with pytest.raises(AirflowFailException, match=r"Marketo code 610.*Check the connection's host"):
        waits(MarketoAssetSensor, "poke", asset_type="emails", asset_id=3001, state="deleted")


def test_a_sensor_has_the_hook_of_its_connection_and_reads_it_again_after_a_wait(marketo, connection):
    sim = marketo()
    sensor = MarketoListMembershipSensor(task_id="a_task", list_id=1002, lead_ids=1001, deferrable=True)
    before = sensor.hook
    assert before is sensor.hook
    assert before.settings.host == sim.url

    def change(trigger):
        connection(extra=json.dumps({"ui_url": "https://app-sj01.marketo.com"}))
        sim.instance.store.lists.add(1002, 1001, sim.instance.now)
        trigger.poll_interval = POKE

    run_task(sensor, task_context(), change)
    assert sensor.hook.settings.ui_url == "https://app-sj01.marketo.com"


def test_a_mistake_that_the_dag_file_shows_is_an_import_error():
    with pytest.raises(MarketoInvalidRequestError, match="Did you mean 'leads'"):
        MarketoBulkJobSensor(task_id="a_task", object_type="lead", export_id="1")


def created(sim) -> str:
    """Create an export job without enqueueing it."""
    january = {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}}
    return sim.call("bulk_export_leads.create_job", fields=["id"], filter=january).records[0]["exportId"]


def since() -> datetime:
    return datetime.now(timezone.utc) - timedelta(minutes=1)


def test_the_trigger_serializes_its_arguments():
    arguments = {
        "marketo_conn_id": "marketo_default",
        "kind": "lead",
        "condition": "encrypted",
        "about": "a lead with the given email",
        "deadline": "2026-01-01T00:00:00+00:00",
        "poll_interval": 60.0,
    }
    path, stored = MarketoConditionTrigger(**arguments).serialize()
    assert stored == arguments
    assert path == "airflow_provider_marketo.triggers.condition.MarketoConditionTrigger"
