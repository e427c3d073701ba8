"""The catalogue: names, and the facts that decide how an operation is sent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_marketo.client import operations
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError


def test_an_operation_is_found_by_its_name():
    operation = operations.get("leads.get_by_filter_type")

    assert (operation.method, operation.path) == ("GET", "/rest/v1/leads.json")


def test_an_operation_is_found_by_adobes_operation_id():
    assert operations.get("syncLeadUsingPOST") is operations.get("leads.sync")


def test_an_unknown_operation_is_refused_with_the_nearest_names():
    with pytest.raises(MarketoInvalidRequestError, match=r"'leads.synk'.* Did you mean leads.sync"):
        operations.get("leads.synk")


def test_an_unknown_family_is_answered_with_the_families_there_are():
    with pytest.raises(MarketoInvalidRequestError, match=r"family: activities, bulk_export_activities"):
        operations.get("zzz")


def test_all_operations_have_names_of_family_and_action():
    names = [operation.name for operation in operations.all_operations()]

    assert len(set(names)) == len(names) > 300
    assert {name.count(".") for name in names} == {1}
    assert {operation.family for operation in operations.all_operations()} == set(operations.families())


def test_every_parameter_of_a_path_is_required():
    for operation in operations.all_operations():
        in_path = {name for name, parameter in operation.parameters.items() if parameter.place == "path"}
        assert all(f"{{{name}}}" in operation.path for name in in_path), operation.name
        assert operation.path.count("{") == len(in_path), operation.name
        assert all(operation.parameters[name].required for name in in_path), operation.name


@pytest.mark.parametrize(
    ("name", "retry"),
    [
        ("leads.get_by_id", "read"),
        ("emails_v2.get_used_by", "read"),
        ("identity.post_token", "read"),
        ("leads.delete", "repeatable"),
        ("static_list_membership.add_to_list", "repeatable"),
        ("emails.approve_draft", "repeatable"),
        ("bulk_export_leads.create_job", "repeatable"),
        ("bulk_export_leads.enqueue_job", "repeatable"),
        ("tokens.create", "repeatable"),
        ("programs.clone", "reconcile"),
        ("emails_v2.create", "reconcile"),
        ("leads.merge", "reconcile"),
        ("campaigns.request", "once"),
        ("campaigns.schedule", "once"),
        ("emails.send_sample", "once"),
        ("leads.push", "once"),
        ("leads.submit_form", "once"),
        ("activities.add_custom_activities", "once"),
        ("bulk_import_leads.import", "once"),
    ],
)
def test_the_retry_class_says_what_a_second_sending_would_do(name, retry):
    assert operations.get(name).retry_class({}) == retry


@pytest.mark.parametrize(
    ("name", "parameters", "retry"),
    [
        ("leads.sync", {"action": "createOrUpdate"}, "upsert"),
        ("leads.sync", {"action": "updateOnly"}, "repeatable"),
        ("leads.sync", {"action": "createDuplicate"}, "once"),
        ("programs.update_metadata", {"name": "x"}, "repeatable"),
        ("programs.update_metadata", {"costs": [{"cost": 1}]}, "once"),
        ("programs.update_metadata", {"costs": [{"cost": 1}], "costsDestructiveUpdate": True}, "repeatable"),
        ("files.create", {"insertOnly": True}, "reconcile"),
        ("emails_v2.update_status", {"action": "approve"}, "repeatable"),
        ("emails_v2.update_status", {"action": "create_draft"}, "reconcile"),
    ],
)
def test_a_parameter_may_change_the_retry_class(name, parameters, retry):
    assert operations.get(name).retry_class(parameters) == retry


@pytest.mark.parametrize(
    ("name", "paging"),
    [
        ("leads.get_by_filter_type", "position"),
        ("activities.get_lead_activities", "date"),
        ("emails.get", "offset"),
        ("emails_v2.list", "page"),
        ("emails_v2.get_used_by", "page"),
        ("user_management.get_users", "page_offset"),
        ("leads.describe", "none"),
    ],
)
def test_the_paging_style_follows_the_area(name, paging):
    assert operations.get(name).paging == paging


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("leads.sync", 90),
        ("leads.merge", 180),
        ("activities.get_paging_token", 300),
        ("emails.get", 300),
        ("usage.get_daily_usage", 60),
    ],
)
def test_the_client_waits_longer_than_marketo_works(name, seconds):
    assert operations.get(name).timeout > seconds


@pytest.mark.parametrize(
    ("name", "reply", "area"),
    [
        ("leads.sync", "envelope", "instance"),
        ("bulk_export_leads.get_file", "file", "instance"),
        ("bulk_import_leads.get_failures", "file", "instance"),
        ("user_management.get_users", "bare", "instance"),
        ("data_ingestion.sync_persons", "accepted", "ingestion"),
    ],
)
def test_reply_and_host_follow_the_area(name, reply, area):
    operation = operations.get(name)

    assert (operation.reply, operation.area) == (reply, area)


def test_permissions_are_spelled_as_in_the_role_editor():
    assert operations.get("leads.get_by_id").permissions == ("Read-Only Lead", "Read-Write Lead")
    assert operations.get("emails_v2.update").permissions == (
        "Read-Write Assets and Access Design Studio and Edit Email",
    )
    assert operations.get("opportunities.sync").permissions == ("Read-Write Opportunity",)


def test_importing_the_module_does_not_read_the_catalogue():
    script = """
import sys
opened = []
sys.addaudithook(lambda event, given: event == "open" and opened.append(str(given[0])))

def reads():
    return sum(name.endswith("operations.json") for name in opened)

from airflow_provider_marketo.client import operations
print(reads())
for name in ("leads.sync", "leads.describe"):
    operations.get(name)
    print(reads())
"""

    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "1", "1"], "read once, when the first operation is wanted"
