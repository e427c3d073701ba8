"""Replies have exactly the members that Adobe's replies have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_marketo.simulator.problems import ApiError
from tests.simulator.examples import example
from tests.simulator.support import JANUARY, Api, Export
from tests.simulator.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def first(world: World, name: str) -> dict[str, Any]:
    """Make an operation's example call, and return the first record of the reply."""
    return dict(world.json(name, example(world, name))["result"][0])


@pytest.mark.parametrize(
    "name",
    [
        *("emails.approve_draft", "emails.unapprove", "emails.discard_draft", "email_templates.discard_draft"),
        *("forms.discard_draft", "landing_pages.approve_draft", "landing_pages.discard_draft"),
        *("landing_page_templates.discard_draft", "snippets.discard_draft", "programs.approve", "programs.unapprove"),
        *("smart_campaigns.activate", "smart_campaigns.deactivate", "smart_campaigns.delete", "static_lists.delete"),
    ],
)
def test_most_changes_of_state_answer_with_the_id_alone(world: World, name: str):
    assert set(first(world, name)) == {"id"}


@pytest.mark.parametrize(
    "name",
    [
        *("email_templates.approve_draft", "email_templates.unapprove_draft", "forms.approve_draft"),
        *("landing_page_templates.approve_draft", "landing_page_templates.unapprove", "landing_pages.unapprove"),
        *("snippets.approve_draft", "snippets.unapprove", "files.update_content"),
    ],
)
def test_other_changes_answer_with_the_record(world: World, name: str):
    assert {"id", "name", "createdAt", "updatedAt", "folder"} <= set(first(world, name))


def test_the_html_of_a_detached_email_is_not_a_member_of_its_record(world: World):
    number = world.json("emails.update_full_content", example(world, "emails.update_full_content"))["result"][0]["id"]

    assert "html" not in world.json("emails.get_by_id", {"id": number})["result"][0]


def test_a_file_has_a_public_address_and_no_workspace(world: World):
    record = first(world, "files.create")

    assert record["url"].endswith("/images/A%20New%20Name")
    assert "workspace" not in record


def test_a_channel_tells_the_type_of_each_status(world: World):
    record = first(world, "channels.get_by_name")

    assert record["progressionStatuses"][0]["type"] == "event.invited"
    assert "description" not in record


def test_every_campaign_tells_whether_it_is_active(world: World):
    assert {each["type"]: each["active"] for each in world.json("campaigns.get", {})["result"]} == {
        "trigger": True,
        "batch": False,
    }


def test_an_engagement_program_is_on_or_off(world: World):
    assert world.json("programs.get_by_name", {"name": "Welcome Nurture"})["result"][0]["status"] == "on"
    made = {"folder": {"id": 111, "type": "Folder"}, "channel": "Nurture", "type": "Engagement", "name": "New"}
    assert world.json("programs.create", made)["result"][0]["status"] == "off"


def test_an_activity_type_keeps_its_names(world: World):
    world.json("activities.create_custom_type", example(world, "activities.create_custom_type"))
    world.json("activities.update_custom_type", {"apiName": "booth_c", "filterName": "Was at Booth"})
    record = world.json("activities.describe_custom_type", {"apiName": "booth_c", "draft": True})["result"][0]

    assert (record["name"], record["triggerName"], record["filterName"]) == (
        "Visited Booth",
        "Visits Booth",
        "Was at Booth",
    )
    assert record["description"] == ""


def test_a_new_object_type_has_no_dates_and_no_key_until_it_is_approved(world: World):
    world.json("custom_object_schema.sync_type", {"apiName": "order_c", "displayName": "Order"})
    record = world.json("custom_object_schema.describe_type", {"apiName": "order_c"})["result"][0]

    assert (record["createdAt"], record["updatedAt"], record["idField"]) == (None, None, None)
    assert record["searchableFields"] == [[]]


def test_an_object_type_without_a_link_names_no_empty_search_field(world: World):
    world.json("custom_object_schema.approve_type", example(world, "custom_object_schema.approve_type"))
    record = world.json("custom_objects.describe", {"customObjectName": "order_c"})["result"][0]

    assert record["searchableFields"] == [["number"], ["marketoGUID"]]
    assert record["relationships"] == []


def test_the_new_designer_lists_one_workspace(world: World):
    listed = {name: world.json("emails_v2.list", {"workspaceId": name})["result"]["totalItems"] for name in ("1", "2")}

    assert listed == {"1": 2, "2": 0}


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"headers": {"Authorization": "Bearer none"}}, 401, 601),
        ({"headers": {"Authorization": ""}}, 403, 603),
        ({"path": "/userservice/management/v1/users/nobody/user.json"}, 404, 1013),
        ({"path": "/userservice/management/v1/nothing.json"}, 404, 610),
        ({"method": "POST"}, 405, 605),
        ({"params": {"pageSize": "many"}}, 400, 1001),
    ],
)
def test_user_management_fails_with_http_statuses_and_numbers(api: Api, how: dict[str, Any], status: int, code: int):
    method, path = how.pop("method", "GET"), how.pop("path", "/userservice/management/v1/users/allusers.json")
    reply = api.send(method, path, **how)

    assert reply.status_code == status
    assert set(reply.json()) == {"errors"}
    assert reply.json()["errors"][0]["code"] == code


def test_reports_of_an_unknown_batch_are_a_plain_404(api: Api):
    for which in ("failures", "warnings"):
        reply = api.send("GET", f"/bulk/v1/leads/batch/99/{which}.json")
        assert (reply.status_code, reply.headers["Content-Type"].partition(";")[0]) == (404, "text/plain")


@pytest.mark.parametrize(
    ("value", "found"),
    [("2024-03-12T00:00:00.123456Z", True), ("2024-03-12T00:00:00.5+01:00", True), ("yesterday", False)],
)
def test_marketo_assets_take_fractions_of_a_second_and_refuse_other_dates_with_704(api: Api, value: str, found: bool):
    reply = api.get("/rest/asset/v1/programs.json", earliestUpdatedAt=value)

    assert reply["success"] is found
    assert found or reply["errors"][0]["code"] == "704"


def test_the_history_names_the_form_that_exists(api: Api):
    filled = api.feed("/rest/v1/activities.json", "2026-01-01T00:00:00Z", activityTypeIds="2")

    assert {(each["primaryAttributeValueId"], each["primaryAttributeValue"]) for each in filled} == {
        (7001, "Newsletter Signup")
    }
    assert api.result("/rest/asset/v1/form/7001.json", status="approved")[0]["name"] == "Newsletter Signup"


def test_the_last_bytes_of_a_file_can_be_asked_for(api: Api):
    leads = Export(api, "leads")
    export_id = leads.run(["id"], {"createdAt": JANUARY})
    whole, tail = leads.file(export_id), leads.file(export_id, Range="bytes=-5")

    assert (tail.status_code, tail.content) == (206, whole.content[-5:])
    assert leads.file(export_id, Range="bytes=-0").status_code == 416


def test_a_tag_of_a_program_is_set_changed_and_removed(world: World):
    def tags() -> list[dict[str, str]]:
        return world.json("programs.get_by_id", {"id": 1001})["result"][0]["tags"]

    for value in ("EMEA", "APAC"):
        assert world.json("programs.update_tag", {"id": 1001, "tagType": "Region", "tagValue": value})["result"] == [
            {"id": 1001}
        ]
        assert tags() == [{"tagType": "Region", "tagValue": value}]
    world.send("programs.delete_tag", {"id": 1001, "tagType": "Region"})

    assert tags() == []
    with pytest.raises(ApiError, match="has no tag"):
        world.send("programs.delete_tag", {"id": 1001, "tagType": "Region"})
    with pytest.raises(ApiError, match="Invalid tag"):
        world.send("programs.update_tag", {"id": 1001, "tagType": "Region", "tagValue": "Atlantis"})
