"""Marketo assets in the simulator: folders, names, drafts, approvals, and a count of requests that were sent twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.support import Api, codes

FOLDER_OF = {
    "programs": "Campaigns",
    "emails": "Emails",
    "emailTemplates": "Email Templates",
    "forms": "Landing Page Forms",
    "landingPages": "Landing Pages",
    "landingPageTemplates": "Landing Page Templates",
    "snippets": "Snippets",
    "files": "Images",
    "staticLists": "Lead Database",
    "smartCampaigns": "Campaigns",
}
SENDER = {"subject": "Hi", "fromName": "M", "fromEmail": "m@example.com", "replyEmail": "m@example.com"}
HTML = {"content": ("t.html", b'<div class="mktEditable" id="main">Hi</div>', "text/html")}


def asset(path: str) -> str:
    return f"/rest/asset/v1/{path}.json"


def form(api: Api, path: str, files: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    data = {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in fields.items()}
    return dict(api.send("POST", asset(path), data=data, files=files).json())


def made(api: Api, path: str, files: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    reply = form(api, path, files, **fields)
    assert reply["success"], reply
    return dict(reply["result"][0])


def folder(api: Api, plural: str) -> dict[str, Any]:
    (found,) = api.result(asset("folder/byName"), name=FOLDER_OF[plural])
    return {"id": found["id"], "type": "Folder"}


def program(api: Api, name: str = "Spring Webinar") -> dict[str, Any]:
    return dict(api.result(asset("program/byName"), name=name)[0])


def snippet(api: Api, name: str = "Footer") -> int:
    return int(made(api, "snippets", name=name, folder=folder(api, "snippets"))["id"])


def with_content(api: Api, number: int) -> int:
    made(api, f"snippet/{number}/content", type="HTML", content="<p>Hi</p>")
    return number


def status(api: Api, number: int, version: str) -> str | None:
    reply = api.get(asset(f"snippet/{number}"), status=version)
    return reply["result"][0]["status"] if "result" in reply else None


# Drafts and approval


def test_a_draft_is_approved_changed_and_discarded(api):
    number = with_content(api, snippet(api))
    assert (status(api, number, "approved"), status(api, number, "draft")) == (None, "draft")
    made(api, f"snippet/{number}/approveDraft")
    assert (status(api, number, "approved"), status(api, number, "draft")) == ("approved", None)
    made(api, f"snippet/{number}/content", type="HTML", content="<p>New</p>")
    assert (status(api, number, "approved"), status(api, number, "draft")) == ("approved", "draft")
    assert api.result(asset(f"snippet/{number}/content"), status="approved")[0]["content"] == "<p>Hi</p>"
    made(api, f"snippet/{number}/discardDraft")
    assert (status(api, number, "approved"), status(api, number, "draft")) == ("approved", None)
    made(api, f"snippet/{number}/unapprove")
    assert (status(api, number, "approved"), status(api, number, "draft")) == (None, "draft")


@pytest.mark.parametrize("action", ["approveDraft", "discardDraft"])
def test_an_asset_without_a_draft_cannot_be_approved_or_discarded(api, action):
    number = with_content(api, snippet(api))
    made(api, f"snippet/{number}/approveDraft")
    assert codes(form(api, f"snippet/{number}/{action}")) == ["709"]


def test_an_incomplete_draft_cannot_be_approved(api):
    reply = form(api, f"snippet/{snippet(api)}/approveDraft")
    assert codes(reply) == ["709"]
    assert "content is missing" in reply["errors"][0]["message"]


def test_an_asset_that_is_approved_or_in_use_cannot_be_deleted(api):
    number = with_content(api, snippet(api))
    made(api, f"snippet/{number}/approveDraft")
    assert codes(form(api, f"snippet/{number}/delete")) == ["709"]
    made(api, f"snippet/{number}/unapprove")
    made(api, f"snippet/{number}/delete")
    assert "result" not in api.get(asset(f"snippet/{number}"))
    assert codes(form(api, f"snippet/{number}/delete")) == ["702"]


def test_an_email_needs_a_sender_and_an_approved_template(api):
    home = folder(api, "emailTemplates")
    template = made(api, "emailTemplates", HTML, name="New", folder=home)["id"]
    fields = {"name": "Hello", "folder": folder(api, "emails"), **SENDER, "template": template}
    assert codes(form(api, "emails", **fields)) == ["709"]
    made(api, f"emailTemplate/{template}/approveDraft")
    email = made(api, "emails", **fields)
    assert email["subject"] == {"type": "Text", "value": "Hi"}
    made(api, f"email/{email['id']}/approveDraft")
    assert codes(form(api, f"emailTemplate/{template}/unapprove")) == ["709"]
    assert [user["id"] for user in api.result(asset(f"emailTemplates/{template}/usedBy"))] == [email["id"]]


# Names and folders


def test_a_name_is_unique_outside_of_programs_and_in_each_program(api):
    snippet(api)
    assert codes(form(api, "snippets", name="Footer", folder=folder(api, "snippets"))) == ["709"]
    inside = {"id": program(api)["id"], "type": "Program"}
    made(api, "snippets", name="Footer", folder=inside)
    assert codes(form(api, "snippets", name="Footer", folder=inside)) == ["709"]


def test_the_name_of_a_program_is_unique(api):
    reply = form(
        api, "programs", name="Spring Webinar", folder=folder(api, "programs"), type="Default", channel="Content"
    )
    assert codes(reply) == ["709"]


def test_names_with_commas_cannot_be_found(api):
    made(api, "snippets", name="One, two", folder=folder(api, "snippets"))
    made(api, "staticLists", name="One, two", folder=folder(api, "staticLists"))
    assert "result" not in api.get(asset("staticList/byName"), name="One, two")


@pytest.mark.parametrize(
    ("home", "code"),
    [({"id": 99_999, "type": "Folder"}, "710"), ({"id": 99_999, "type": "Program"}, "710"), ("Emails", "711")],
)
def test_a_folder_has_to_exist_and_to_be_of_the_right_type(api, home, code):
    place = folder(api, "emails") if home == "Emails" else home
    assert codes(form(api, "snippets", name="Footer", folder=place)) == [code]


def test_the_same_number_is_one_folder_and_another_program(api):
    number = program(api)["id"]
    (as_program,) = api.result(asset(f"folder/{number}"), type="Program")
    assert as_program["name"] == "Spring Webinar"
    assert "result" not in api.get(asset(f"folder/{number}"), type="Folder")


def test_folders_are_created_listed_renamed_and_deleted_when_empty(api):
    parent = folder(api, "programs")
    new = made(api, "folders", name="2026", parent=parent)
    assert new["path"] == "/Marketing Activities/Campaigns/2026"
    assert codes(form(api, "folders", name="2026", parent=parent)) == ["709"]
    assert new["id"] in [each["id"] for each in api.result(asset("folders"), root=json.dumps(parent))]
    made(api, f"folder/{new['id']}", type="Folder", name="2027")
    home = {"id": new["id"], "type": "Folder"}
    made(api, "smartCampaigns", name="A campaign", folder=home)
    assert codes(form(api, f"folder/{new['id']}/delete", type="Folder")) == ["709"]
    assert api.result(asset(f"folder/{new['id']}/content"), type="Folder")[0]["type"] == "Smart campaign"


def test_marketos_own_folders_cannot_be_changed(api):
    number = folder(api, "emails")["id"]
    assert codes(form(api, f"folder/{number}", type="Folder", name="Mine")) == ["709"]


# Queries


def test_pages_end_with_an_empty_one_and_a_warning(make):
    api = make(assets=250)
    seen, offset = [], 0
    while result := api.get(asset("snippets"), maxReturn=200, offset=offset).get("result"):
        seen += [each["id"] for each in result]
        offset += len(result)
    assert len(seen) == len(set(seen)) == 250
    assert api.get(asset("snippets"), offset=250)["warnings"] == ["No assets found for the given search criteria."]


def test_dates_select_what_changed_and_must_be_in_order(api, clock):
    clock.advance(60)
    since = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    made(api, "staticLists", name="New", folder=folder(api, "staticLists"))
    later = "2026-12-31T00:00:00Z"
    found = api.result(asset("staticLists"), earliestUpdatedAt=since, latestUpdatedAt=later)
    assert [each["name"] for each in found] == ["New"]
    assert found[0]["createdAt"].endswith("Z+0000")
    assert codes(api.get(asset("staticLists"), earliestUpdatedAt=later, latestUpdatedAt=since)) == ["701"]


# Programs


def test_a_clone_has_the_contents_of_the_program_and_its_own_tokens(api):
    source = program(api)
    reply = made(api, f"program/{source['id']}/clone", name="Autumn Webinar", folder=folder(api, "programs"))
    content = api.result(asset(f"folder/{reply['id']}/content"), type="Program")
    assert sorted(each["type"] for each in content) == ["Email", "Smart campaign", "Smart campaign"]
    made(api, f"folder/{reply['id']}/tokens", folderType="Program", name="Headline", type="text", value="Autumn")
    texts = {
        number: api.result(asset(f"folder/{number}/tokens"), folderType="Program")[0]["tokens"][0]["value"]
        for number in (source["id"], reply["id"])
    }
    assert texts == {source["id"]: "Hello", reply["id"]: "Autumn"}
    assert codes(form(api, f"program/{source['id']}/clone", name="Autumn Webinar", folder=folder(api, "programs"))) == [
        "709"
    ]
    inside = {"id": source["id"], "type": "Program"}
    assert codes(form(api, f"program/{source['id']}/clone", name="Other", folder=inside)) == ["711"]
    members = f"/rest/v1/programs/{reply['id']}/members.json"
    assert api.result(members, filterType="reachedSuccess", filterValues="true") == []


def test_costs_are_added_unless_they_are_to_be_replaced(api):
    number = program(api)["id"]
    cost = [{"startDate": "2026-01-01", "cost": 10}]
    made(api, f"program/{number}", costs=cost)
    assert len(made(api, f"program/{number}", costs=cost)["costs"]) == 2
    assert len(made(api, f"program/{number}", costs=cost, costsDestructiveUpdate="true")["costs"]) == 1


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("date", "4 May", "704"),
        ("date", "20260504", "704"),
        ("date", "2026-W19-1", "704"),
        ("score", str(2**31), "701"),
        ("number", "many", "701"),
        ("colour", "red", "1003"),
    ],
)
def test_the_value_of_a_token_must_fit_its_type(api, kind, value, code):
    reply = form(api, f"folder/{program(api)['id']}/tokens", folderType="Program", name="New", type=kind, value=value)
    assert codes(reply) == [code]


# Campaigns


def campaign(api: Api, name: str) -> int:
    found = api.result("/rest/v1/campaigns.json", name=name, programName="Spring Webinar")
    return int(found[0]["id"])


def request(api: Api, number: int, leads: list[int], **more: Any) -> dict[str, Any]:
    content = {"leads": [{"id": lead} for lead in leads], **more}
    return api.post(f"/rest/v1/campaigns/{number}/trigger.json", {"input": content})


def test_the_report_counts_leads_that_go_through_a_campaign_twice(api, sim):
    number = campaign(api, "Send Invitation")
    assert request(api, number, [1001, 1002])["success"]
    assert sim.report().sent_twice == 0
    assert request(api, number, [1002])["success"]
    assert sim.report().sent_twice == 1
    assert "1 sent twice" in str(sim.report())


@pytest.mark.parametrize(
    ("name", "leads", "tokens", "code"),
    [
        ("Weekly Send", [1001], [], "1003"),
        ("Send Invitation", [99_999], [], "1004"),
        ("Send Invitation", [1001], [{"name": "{{my.Nothing}}", "value": "x"}], "1003"),
        ("Send Invitation", [1001], [{"name": "my.Headline", "value": "x"}], "1003"),
    ],
)
def test_a_campaign_is_requested_for_known_leads_with_known_tokens(api, name, leads, tokens, code):
    assert codes(request(api, campaign(api, name), leads, tokens=tokens)) == [code]


def test_an_inactive_campaign_is_not_requested(api):
    number = campaign(api, "Send Invitation")
    made(api, f"smartCampaign/{number}/deactivate")
    assert codes(request(api, number, [1001])) == ["1013"]
    made(api, f"smartCampaign/{number}/activate")
    assert codes(form(api, f"smartCampaign/{number}/activate")) == ["709"]


@pytest.mark.parametrize(
    ("run_at", "code"),
    [("2026-03-15T12:04:00Z", "1003"), ("2026-03-14T12:00:00Z", "1003"), ("2028-06-01T12:00:00Z", "1042")],
)
def test_a_run_is_scheduled_between_five_minutes_and_two_years_ahead(api, run_at, code):
    number = campaign(api, "Weekly Send")
    path = f"/rest/v1/campaigns/{number}/schedule.json"
    assert codes(api.post(path, {"input": {"runAt": run_at}})) == [code]
    assert api.post(path, {"input": {"runAt": "2026-03-15T12:05:00Z"}})["success"]


def test_programs_are_cloned_for_a_run_twenty_times_a_day(api):
    number = campaign(api, "Weekly Send")
    path = f"/rest/v1/campaigns/{number}/schedule.json"
    for n in range(20):
        assert api.post(path, {"input": {"cloneToProgramName": f"Copy {n}"}})["success"]
    assert codes(api.post(path, {"input": {"cloneToProgramName": "One more"}})) == ["1020"]


# The new designer


def test_the_new_designer_has_drafts_states_and_numbers_that_are_texts(api):
    base = "/rest/asset/v2/email"
    app = {"x-app-type": "marketo"}

    def send(method: str, path: str, **arguments: Any) -> dict[str, Any]:
        return dict(api.send(method, base + path, headers=app, **arguments).json())

    body = {"name": "New", "appData": {"workspaceId": "1"}, "headers": {"subject": "Hi"}}
    email = send("POST", "", json=body)["result"][0]
    assert isinstance(email["id"], str)
    assert codes(send("POST", "", json=body)) == ["709"]
    moved = send("POST", "/state/transition", json={"contentId": email["id"], "action": "approve"})["result"][0]
    assert moved["status"] == "approved"
    found = send("GET", "/filter", params={"workspaceId": "1", "status": "approved"})["result"]
    assert (found["totalItems"], [each["id"] for each in found["items"]]) == (1, [email["id"]])
    assert codes(send("POST", f"/{email['id']}/delete")) == ["709"]
    send("POST", "/state/transition", json={"contentId": email["id"], "action": "unapprove"})
    assert send("POST", f"/{email['id']}/delete")["success"]


def test_the_page_on_the_simulator_lists_the_ids_that_there_are(sim):
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
    table = page[page.index("## What is in it") : page.index("## E-mail content")]
    store = sim.instance.store
    known = {(asset.id, asset.name) for assets in store.assets.by_family.values() for asset in assets.values()}
    known |= {(folder.id, folder.name) for folder in store.assets.folders.values()}
    known |= set(store.smart_lists.items()) | {(kind.id, kind.api_name) for kind in store.activities.types.values()}
    known |= {(each["id"], each["name"]) for each in Api(sim).result(asset("segmentation/1001/segments"))}
    listed = {(int(number), name) for number, name in re.findall(r"(\d{3,6}) `([^`]+)`", table)}

    assert len(listed) > 20
    assert listed <= known


def test_a_thank_you_rule_needs_a_condition_unless_it_is_the_default(api: Api):
    number = made(api, "forms", name="Survey", folder=folder(api, "forms"))["id"]
    default = {"followupType": "none", "followupValue": None, "default": True}
    condition = {"operator": "is", "subjectField": "Country", "values": ["USA"]}
    rule = {"followupType": "url", "followupValue": "https://example.com", **condition}

    assert made(api, f"form/{number}/thankYouPage", thankyou=[rule, default])["thankYouList"] == [rule, default]
    for lacking in condition:
        short = {name: value for name, value in rule.items() if name != lacking}
        assert codes(form(api, f"form/{number}/thankYouPage", thankyou=[short, default])) == ["709"]
