"""The simulator follows Adobe's documentation of assets, users and data ingestion, sentence by sentence."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import requests

from airflow_provider_marketo.simulator import ManualClock, Settings, Simulator
from tests.simulator.support import Api

ASSET = "/rest/asset/v1"
EDITABLE = b'<html><body><div class="mktEditable" id="main">Hello</div></body></html>'
EVENT, ENGAGEMENT, EMAIL_PROGRAM, DEFAULT = 1001, 1002, 1003, 1004
SEGMENTATION, NEWSLETTER, PLAIN = 1001, 4002, 4001
SENDER = {"subject": "S", "fromName": "N", "fromEmail": "a@example.com", "replyEmail": "a@example.com"}


@pytest.fixture(scope="module")
def api():
    with Simulator(Settings(leads=10, activities=0, limits=False), clock=ManualClock()) as simulator:
        yield Api(simulator)


def place(number: int, kind: str = "Folder") -> str:
    return json.dumps({"id": number, "type": kind})


def form(api: Api, path: str, files: Any = None, **data: Any) -> dict[str, Any]:
    return dict(api.send("POST", f"{ASSET}/{path}.json", data=data, files=files).json())


def made(api: Api, path: str, files: Any = None, **data: Any) -> dict[str, Any]:
    reply = form(api, path, files, **data)
    assert reply["success"], reply
    return dict(reply["result"][0])


def codes(reply: dict[str, Any]) -> list[str]:
    return [error["code"] for error in reply["errors"]]


def email(api: Api, name: str, template: int = NEWSLETTER, **more: Any) -> int:
    return int(made(api, "emails", name=name, template=template, folder=place(104), **SENDER, **more)["id"])


# Assets in use can neither be unapproved nor deleted


def test_a_template_of_a_draft_is_in_use(api):
    template = made(api, "emailTemplates", {"content": ("t", EDITABLE, "text/html")}, name="T", folder=place(105))["id"]
    made(api, f"emailTemplate/{template}/approveDraft")
    user = email(api, "Uses T", template)
    assert codes(form(api, f"emailTemplate/{template}/unapprove")) == ["709"]
    made(api, f"email/{user}/delete")
    made(api, f"emailTemplate/{template}/unapprove")
    unused = email(api, "Uses Plain", PLAIN)
    made(api, f"email/{unused}/delete")


def test_a_snippet_in_an_email_is_in_use(api):
    snippet = made(api, "snippets", name="Used", folder=place(109))["id"]
    made(api, f"snippet/{snippet}/content", type="HTML", content="<p>a</p>")
    made(api, f"email/{email(api, 'With snippet')}/content/main", type="Snippet", value=snippet)
    assert codes(form(api, f"snippet/{snippet}/delete")) == ["709"]
    made(api, f"snippet/{snippet}/approveDraft")
    assert codes(form(api, f"snippet/{snippet}/unapprove")) == ["709"]


def test_a_form_on_a_page_that_is_a_draft_is_in_use(api):
    number = made(api, "forms", name="On a page", folder=place(108))["id"]
    page = made(api, "landingPages", name="Has a form", folder=place(106), template=6001)["id"]
    made(api, f"landingPage/{page}/content", contentId=1, type="Form", value=number)
    assert codes(form(api, f"form/{number}/delete")) == ["709"]


# Folders


def test_folders_by_name_are_of_the_type_and_the_workspace_that_are_asked_for(api):
    name = {"name": "Emails"}
    assert len(api.result(f"{ASSET}/folder/byName.json", **name, type="Folder", workSpace="Default")) == 1
    assert "result" not in api.get(f"{ASSET}/folder/byName.json", **name, type="Program")
    for path in ("folder/byName", "folders"):
        for spelling in ("workSpace", "workspace"):
            assert codes(api.get(f"{ASSET}/{path}.json", **name, **{spelling: "Moon"})) == ["611"]


def test_a_folder_of_a_type_that_does_not_exist_is_1001(api):
    assert codes(api.get(f"{ASSET}/folder/101.json", type="Drawer")) == ["1001"]
    assert codes(form(api, "staticLists", name="L", folder=place(103, "Drawer"))) == ["1001"]


def test_an_unknown_static_list_is_702(api):
    assert codes(api.get(f"{ASSET}/staticList/999999.json")) == ["702"]


def test_archiving_a_folder_stops_the_campaigns_in_it():
    with Simulator(Settings(leads=10, activities=0, limits=False), clock=ManualClock()) as simulator:
        api = Api(simulator)
        folder = made(api, "folders", name="Old", parent=place(101))["id"]
        inner = made(api, "folders", name="Inner", parent=place(folder))["id"]
        campaign = made(api, "smartCampaign/2001/clone", name="Trigger", folder=place(inner))["id"]
        batch = made(api, "smartCampaign/2002/clone", name="Batch", folder=place(folder))["id"]
        made(api, f"smartCampaign/{campaign}/activate")
        api.done(f"/rest/v1/campaigns/{batch}/schedule.json", {"input": {}})
        assert len(simulator.instance.store.assets.sendings) == 1
        made(api, f"folder/{folder}", type="Folder", isArchive="true")
        for number in (campaign, batch):
            (found,) = api.result(f"{ASSET}/smartCampaign/{number}.json")
            assert (found["isActive"], found["status"]) == (False, "Inactive")
        assert simulator.instance.store.assets.sendings == []
        (other,) = api.result(f"{ASSET}/smartCampaign/2001.json")
        assert other["isActive"]


# Programs


@pytest.mark.parametrize(
    ("inside", "kind", "channel", "fits"),
    [
        (ENGAGEMENT, "Default", "Content", True),
        (ENGAGEMENT, "Email", "Email Send", True),
        (EVENT, "Email", "Email Send", True),
        (DEFAULT, "Email", "Email Send", True),
        (DEFAULT, "Event", "Webinar", False),
        (EVENT, "Default", "Content", False),
    ],
)
def test_an_engagement_program_holds_programs_and_any_other_program_holds_emails(api, inside, kind, channel, fits):
    given = {"name": f"{kind} in {inside}", "type": kind, "channel": channel, "folder": place(inside, "Program")}
    reply = form(api, "programs", **given)
    assert reply["success"] is fits
    assert fits or codes(reply) == ["711"]


@pytest.mark.parametrize("spelling", ["name", "Name"])
def test_a_channel_is_found_under_both_names_of_the_parameter(api, spelling):
    assert api.result(f"{ASSET}/channel/byName.json", **{spelling: "Webinar"})[0]["name"] == "Webinar"


# Forms


def test_fields_of_program_members_are_for_forms_in_programs(api):
    outside = made(api, "forms", name="Outside", folder=place(108))["id"]
    inside = made(api, "forms", name="Inside", folder=place(EVENT, "Program"))["id"]
    assert codes(form(api, f"form/{outside}/fields", fieldId="RegistrationCode")) == ["709"]
    made(api, f"form/{inside}/fields", fieldId="RegistrationCode")


def test_one_value_of_a_field_may_be_the_default_and_a_follow_up_has_three_kinds(api):
    number = made(api, "forms", name="Values", folder=place(108))["id"]
    values = [{"value": each, "label": each, "isDefault": True} for each in "ab"]
    assert codes(form(api, f"form/{number}/field/Email", values=json.dumps(values))) == ["709"]
    made(api, f"form/{number}/field/Email", values=json.dumps(values[:1]))
    rules = json.dumps([{"followupType": "moon", "followupValue": "x", "default": True}])
    assert codes(form(api, f"form/{number}/thankYouPage", thankyou=rules)) == ["709"]


def test_forms_that_are_approved_and_have_a_draft_can_be_listed(api):
    path, status = f"{ASSET}/forms.json", {"status": "approved with draft"}
    number = made(api, "forms", name="Both", folder=place(108))["id"]
    made(api, f"form/{number}/approveDraft")
    assert number not in [each["id"] for each in api.get(path, **status).get("result", ())]
    made(api, f"form/{number}", description="changed")
    assert number in [each["id"] for each in api.result(path, **status)]


# E-mails


def test_the_index_of_a_module_may_come_in_a_form(api):
    number = email(api, "Module by form")
    made(api, f"email/{number}/content/hero/add", index=99)
    modules = [each for each in api.result(f"{ASSET}/email/{number}/content.json") if each["contentType"] == "Module"]
    assert [each["htmlId"] for each in modules] == ["hero", "offer", "hero_1"]


def test_the_variants_of_a_dynamic_section_are_found_under_its_value(api):
    number = email(api, "Dynamic")
    made(api, f"email/{number}/content/main", type="DynamicContent", value=SEGMENTATION)
    (section,) = [
        each for each in api.result(f"{ASSET}/email/{number}/content.json") if each["contentType"] == "DynamicContent"
    ]
    assert base64.b64decode(section["value"]) == b"ES-main"
    for content_id in (section["value"], "main"):
        made(api, f"email/{number}/dynamicContent/{content_id}", segment="EMEA", type="HTML", value=content_id)
        (found,) = api.result(f"{ASSET}/email/{number}/dynamicContent/{section['value']}.json")
        assert (found["segmentation"], found["content"][0]["content"]) == (SEGMENTATION, content_id)


def test_the_text_of_an_email_has_no_markup(api):
    number = email(api, "Text", PLAIN)
    (found,) = api.result(f"{ASSET}/email/{number}/fullContent.json", type="Text")
    assert found["content"] == "Hello"


def test_an_email_template_needs_an_editable_section(api):
    files = {"content": ("t.html", b"<html><body>Hello</body></html>", "text/html")}
    assert codes(form(api, "emailTemplates", files, name="Nothing to edit", folder=place(105))) == ["709"]
    assert codes(form(api, f"emailTemplate/{PLAIN}/content", files)) == ["709"]


# Users


def test_roles_are_given_as_a_list_or_as_an_object_with_it(api):
    user = "/userservice/management/v1/users/airflow@example.org/roles"
    grant = [{"accessRoleId": 2, "workspaceId": 0}]
    for body in (grant, {"input": grant}):
        given = api.send("POST", f"{user}/create.json", json=body)
        assert (given.status_code, len(given.json())) == (200, 2)
        assert len(api.send("POST", f"{user}/delete.json", json=body).json()) == 1


# Data ingestion


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("companies", {"companies": [{"externalCompanyId": "a", "company": "b"}]}, 202),
        ("companies", {"action": "CreateOrUpdate", "input": [{"externalCompanyId": "a", "company": "b"}]}, 400),
        ("companies", {"action": "updateOnly", "dedupeBy": "IDFIELD", "input": [{"id": 1, "company": "b"}]}, 202),
        ("programmembers", {"programs": [{"programId": 1001, "statusName": "Invited", "input": [{"leadId": 1}]}]}, 202),
        ("programmembers/delete", {"programs": [{"programId": 1001, "input": [{"leadId": 1}]}]}, 202),
        ("lists", {"listId": 1001, "leads": [{"id": 1}]}, 202),
        ("lists/remove", {"listId": 1001, "input": [{"id": 1}]}, 202),
        ("lists", {"listId": 1001, "people": [{"id": 1}]}, 400),
    ],
)
def test_the_spellings_of_both_sources_are_accepted(api, path, body, status):
    reply = requests.post(
        f"{api.url}/subscriptions/123-ABC-456/{path}",
        json=body,
        headers={"X-Mkto-User-Token": api.token()["access_token"]},
        timeout=10,
    )
    assert reply.status_code == status, reply.text


# The new designer


def designer(api: Api, path: str, body: Any, app: str = "marketo") -> dict[str, Any]:
    headers = {"x-app-type": app} if app else {}
    return dict(api.send("POST", f"/rest/asset/v2/{path}", json=body, headers=headers).json())


def test_every_call_of_the_new_designer_names_the_application(api):
    body = {"name": "App", "appData": {"workspaceId": "1"}, "headers": {"subject": "S"}}
    assert codes(designer(api, "email", body, app="")) == ["1002"]
    assert codes(designer(api, "email", body, app="campaign")) == ["1003"]
    assert designer(api, "email", body)["success"]


def test_the_content_of_a_template_replaces_what_is_sent_and_the_template_is_in_use(api):
    place_of_it = {"appData": {"workspaceId": "1"}}
    data = [{"html": {"body": text}} for text in ("<p>of the template</p>", "<p>sent</p>")]
    template = designer(api, "emailtemplate", {"name": "T2", **place_of_it, "data": data[0]})["result"][0]["id"]
    body = {"name": "E2", **place_of_it, "headers": {"subject": "S"}, "data": data[1], "templateId": template}
    assert designer(api, "email", body)["result"][0]["data"] == data[0]
    assert codes(designer(api, f"emailtemplate/{template}/delete", None)) == ["709"]
    assert codes(designer(api, "email", {**body, "name": "E3", "templateId": "nowhere"})) == ["702"]
