"""The content of e-mails: it comes from the template, and unknown parts are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.support import Api, codes

MARKUP = """<html><head>
<meta class="mktoString" id="greeting" mktoName="Greeting" default="Hello">
<meta class="mktoColor" id="colour" mktoName="Colour" default="#ffffff" mktoModuleScope="true">
</head><body>
<div class="mktoText" id="intro">Good <b>morning</b></div>
<table class="mktoContainer" id="all"><tr class="mktoModule" id="first"><td style="color: ${colour}">
<div class="mktoText" id="text">One</div><div class="mktoImg" id="logo"><img src="a.png" alt="A"></div>
</td></tr></table>${greeting}</body></html>"""


def form(api: Api, path: str, **fields: Any) -> dict[str, Any]:
    """Send a form, in which objects and lists are JSON."""
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return dict(api.send("POST", f"/rest/asset/v1/{path}.json", data=data).json())


def template_with(api: Api, markup: str) -> int:
    """Return the id of a new template that is approved."""
    parts = {
        "name": (None, "Mine"),
        "folder": (None, json.dumps({"id": 105, "type": "Folder"})),
        "content": ("a.html", markup, "text/html"),
    }
    reply = api.send("POST", "/rest/asset/v1/emailTemplates.json", files=parts).json()
    number = int(reply["result"][0]["id"])
    assert form(api, f"emailTemplate/{number}/approveDraft")["success"]
    return number


@pytest.fixture
def email(api: Api) -> int:
    """The id of an e-mail that was created from the template above."""
    folder = {"id": 104, "type": "Folder"}
    headers = {"subject": "Hi", "fromName": "Ada", "fromEmail": "ada@example.org", "replyEmail": "ada@example.org"}
    reply = form(api, "emails", name="Mine", folder=folder, template=template_with(api, MARKUP), **headers)
    return int(reply["result"][0]["id"])


def content(api: Api, email: int) -> dict[str, dict[str, Any]]:
    return {section["htmlId"]: section for section in api.result(f"/rest/asset/v1/email/{email}/content.json")}


def test_an_email_has_the_sections_and_modules_of_its_template(api: Api, email: int):
    found = content(api, email)

    assert list(found) == ["intro", "first", "text", "logo"]
    assert found["intro"] == {
        "htmlId": "intro",
        "contentType": "Text",
        "isLocked": False,
        "value": [{"type": "HTML", "value": "Good <b>morning</b>"}, {"type": "Text", "value": "Good morning"}],
    }
    assert found["first"] == {"htmlId": "first", "contentType": "Module", "isLocked": False, "index": 0}
    assert (found["text"]["parentHtmlId"], found["text"]["contentType"]) == ("first", "Text")
    assert found["logo"]["value"] == {"contentUrl": "a.png", "altText": "A"}


def test_the_sections_of_a_template_of_version_1_are_its_editable_elements(api: Api):
    template = template_with(
        api, '<p class="mktEditable big" id="a">x</p><p class="mktEditable">no id</p><p id="b">y</p>'
    )
    folder = {"id": 104, "type": "Folder"}
    headers = {"subject": "Hi", "fromName": "Ada", "fromEmail": "ada@example.org", "replyEmail": "ada@example.org"}
    made = form(api, "emails", name="Old", folder=folder, template=template, **headers)["result"][0]["id"]

    assert list(content(api, made)) == ["a"]


def test_a_section_is_changed_and_the_whole_email_shows_it(api: Api, email: int):
    path = f"email/{email}/content/intro"
    assert form(api, path, type="Text", value="<i>Bye</i>", textValue="So long")["result"] == [{"id": email}]
    (whole,) = api.result(f"/rest/asset/v1/email/{email}/fullContent.json")

    assert content(api, email)["intro"]["value"][1] == {"type": "Text", "value": "So long"}
    assert set(whole) == {"id", "status", "content"}
    assert '<div class="mktoText" id="intro"><i>Bye</i></div>' in whole["content"]
    assert "color: #ffffff" in whole["content"]
    assert "Hello</body>" in whole["content"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("content/outro", {"type": "Text", "value": "x"}),
        ("content/first", {"type": "Text", "value": "x"}),
        ("content/intro", {"type": "Snippet", "value": "99"}),
        ("content/second/add", {"name": "x", "index": "0"}),
        ("content/second/delete", {}),
        ("content/intro/delete", {}),
        ("content/second/duplicate", {"name": "x"}),
        ("content/second/rename", {"name": "x"}),
        ("variable/size", {"value": "1"}),
        ("variable/colour", {"value": "red", "moduleId": "second"}),
        ("dynamicContent/outro", {"segment": "EMEA", "type": "Text", "value": "x"}),
        ("dynamicContent/intro", {"segment": "Mars", "type": "Text", "value": "x"}),
    ],
)
def test_unknown_sections_modules_variables_and_segments_are_refused(
    api: Api, email: int, path: str, fields: dict[str, str]
):
    query = {name: value for name, value in fields.items() if name in ("name", "index")}
    reply = api.send("POST", f"/rest/asset/v1/email/{email}/{path}.json", params=query, data=fields).json()

    assert codes(reply) == ["702"]


def test_modules_are_added_from_the_template_and_duplicated_below_themselves(api: Api, email: int):
    api.done(f"/rest/asset/v1/email/{email}/content/first/add.json", name="last", index=99)
    api.done(f"/rest/asset/v1/email/{email}/content/first/duplicate.json", name="second")
    modules = {name: each["index"] for name, each in content(api, email).items() if each["contentType"] == "Module"}

    assert modules == {"first": 0, "second": 1, "last": 2}
    assert content(api, email)["text_second"]["parentHtmlId"] == "second"


def test_modules_are_rearranged_renamed_and_deleted(api: Api, email: int):
    api.done(f"/rest/asset/v1/email/{email}/content/first/duplicate.json", name="second")
    positions = [{"moduleId": "first", "index": 1}, {"moduleId": "second", "index": 0}]
    assert form(api, f"email/{email}/content/rearrange", positions=positions)["success"]
    api.done(f"/rest/asset/v1/email/{email}/content/second/rename.json", name="top")
    assert [name for name, each in content(api, email).items() if "index" in each] == ["top", "first"]
    assert form(api, f"email/{email}/content/first/delete")["success"]

    assert list(content(api, email)) == ["intro", "top", "text_second", "logo_second"]


@pytest.mark.parametrize(
    "positions",
    [
        [{"moduleId": "first"}],
        [{"index": 0}],
        [{"moduleId": "first", "index": "0"}],
        [],
        ["first"],
        [{"moduleId": "x", "index": 0}],
    ],
)
def test_positions_must_name_every_module_with_its_index(api: Api, email: int, positions: list[Any]):
    assert codes(form(api, f"email/{email}/content/rearrange", positions=positions))[0] in (
        "701",
        "709",
        "1001",
        "1002",
    )


def test_a_variable_belongs_to_the_whole_email_or_to_a_module(api: Api, email: int):
    assert codes(form(api, f"email/{email}/variable/colour", value="red")) == ["709"]
    changed = form(api, f"email/{email}/variable/colour", value="red", moduleId="first")["result"]
    form(api, f"email/{email}/variable/greeting", value="Bye")

    assert changed == [{"name": "colour", "value": "red", "moduleScope": True, "moduleId": "first"}]
    assert api.result(f"/rest/asset/v1/email/{email}/variables.json") == [
        {"name": "greeting", "value": "Bye", "moduleScope": False},
        *changed,
    ]


def test_variables_of_a_guided_landing_page_come_from_its_template(api: Api):
    folder = {"id": 106, "type": "Folder"}
    page = form(api, "landingPages", name="Mine", folder=folder, template=6002)["result"][0]["id"]
    changed = api.done(f"/rest/asset/v1/landingPage/{page}/variable/colour.json", value="red")

    assert changed == [{"id": "colour", "type": "color", "value": "red"}]
    assert {each["id"] for each in api.result(f"/rest/asset/v1/landingPage/{page}/variables.json")} == {
        "headline",
        "colour",
        "showFooter",
    }
    assert codes(api.post(f"/rest/asset/v1/landingPage/{page}/variable/size.json", value="1")) == ["702"]
