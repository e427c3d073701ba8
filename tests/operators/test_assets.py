"""Marketo assets: a second run changes nothing, a retry continues, and a wrong argument costs no call."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError, MarketoTransientError
from airflow_provider_marketo.operators.assets import (
    MarketoAssetOperator,
    MarketoCloneProgramOperator,
    MarketoProgramTokensOperator,
)
from airflow_provider_marketo.simulator import Simulator
from tests.support import task_context

PROGRAM, TRIGGER, EMAIL = 1001, 2001, 3001
IN_PROGRAM = {"id": PROGRAM, "type": "Program"}


class Task:
    """A task of one DAG run, which may run several times."""

    def __init__(self, operator: type, marketo: Simulator, **arguments: Any) -> None:
        self._operator = operator
        self._arguments = arguments
        self.marketo = marketo
        self.context = task_context()

    def run(self, **arguments: Any) -> dict[str, Any]:
        return self._operator(task_id="a_task", **{**self._arguments, **arguments}).execute(self.context)

    def another_run(self) -> None:
        self.context = task_context()
        self.context["ti"].run_id = "another run"

    def executed(self, operation: str) -> int:
        return self.marketo.report().executed.get(operation, 0)

    def folder(self, name: str) -> dict[str, Any]:
        return folder(self.marketo, name)


def folder(marketo: Simulator, name: str) -> dict[str, Any]:
    folders = marketo.instance.store.assets.folders.values()
    return {"id": next(each.id for each in folders if each.name == name), "type": "Folder"}


@pytest.fixture
def asset(marketo, tmp_path) -> Task:
    return Task(MarketoAssetOperator, marketo(), ledger=str(tmp_path))


@pytest.fixture
def program(marketo, tmp_path) -> Task:
    instance = marketo()
    return Task(
        MarketoCloneProgramOperator,
        instance,
        ledger=str(tmp_path),
        template="Spring Webinar",
        name="Autumn Webinar",
        folder=folder(instance, "Campaigns"),
    )


@pytest.fixture
def tokens(marketo) -> Task:
    return Task(MarketoProgramTokensOperator, marketo(), program_id=PROGRAM)


# One asset


def test_get_finds_an_asset_by_its_id_or_its_name(asset):
    by_id = asset.run(asset_type="programs", action="get", asset_id=PROGRAM)
    by_name = asset.run(asset_type="programs", action="get", name="Spring Webinar")
    assert by_id["id"] == by_name["id"] == PROGRAM
    assert by_name["url"] == asset.context["ti"].xcoms["marketo_link"] == "https://app-sim.marketo.com/#PG1001A1"


def test_if_missing_decides_about_an_asset_that_does_not_exist(asset):
    gone = {"asset_type": "programs", "action": "get", "name": "Nothing"}
    with pytest.raises(AirflowFailException, match="'Nothing' does not exist"):
        asset.run(**gone)
    assert asset.run(**gone, if_missing="skip")["id"] is None


def test_a_list_is_made_once_per_run_and_if_exists_decides_about_a_taken_name(asset):
    wanted = {
        "asset_type": "static_lists",
        "action": "create",
        "name": "New",
        "folder": asset.folder("Lead Database"),
        "arguments": {"description": "first"},
    }
    first, again = asset.run(**wanted), asset.run(**wanted)
    assert first["id"] == again["id"]
    assert asset.executed("static_lists.create") == 1
    asset.another_run()
    with pytest.raises(AirflowFailException, match=r"'New' exists already \(id \d+\)\. Set if_exists"):
        asset.run(**wanted)
    assert asset.run(**wanted, if_exists="reuse")["changed"] is False
    assert asset.run(**{**wanted, "arguments": {"description": "second"}}, if_exists="update")["changed"]
    assert asset.run(asset_type="static_lists", action="get", name="New")["record"]["description"] == "second"


def test_a_snippet_is_found_by_name_although_marketo_has_no_such_query(asset):
    wanted = {"asset_type": "snippets", "name": "Footer", "folder": asset.folder("Snippets")}
    made = asset.run(**wanted, action="create")
    assert asset.run(**wanted, action="get")["id"] == made["id"]


def test_after_a_lost_reply_the_asset_is_found_by_its_name(asset):
    wanted = {"asset_type": "smart_campaigns", "action": "clone", "asset_id": TRIGGER, "name": "Copy"}
    wanted["folder"] = IN_PROGRAM
    asset.marketo.fail("smart_campaigns.clone", drop=True, executed=True)
    assert asset.run(**wanted)["changed"]
    assert asset.executed("smart_campaigns.clone") == 1
    assert asset.run(**wanted)["name"] == "Copy"
    assert asset.executed("smart_campaigns.clone") == 1


def test_the_next_try_sends_a_lost_request_again(asset):
    wanted = {"asset_type": "smart_campaigns", "action": "clone", "asset_id": TRIGGER, "name": "Copy"}
    wanted["folder"] = IN_PROGRAM
    asset.marketo.fail("smart_campaigns.clone", drop=True)
    with pytest.raises(MarketoTransientError, match="was lost, and Marketo shows no asset of this name yet"):
        asset.run(**wanted)
    assert asset.run(**wanted)["changed"]
    assert asset.executed("smart_campaigns.clone") == 1


def test_approving_unapproving_and_discarding_a_draft_twice_changes_nothing(asset):
    email = {"asset_type": "emails", "asset_id": EMAIL}
    for action, status in (("approve", "approved"), ("unapprove", "draft"), ("approve", "approved")):
        first, again = asset.run(**email, action=action), asset.run(**email, action=action)
        assert (first["changed"], again["changed"]) == (True, False)
        assert first["status"] == again["status"] == status
    asset.run(**email, action="update", arguments={"description": "new"})
    first, again = asset.run(**email, action="discard_draft"), asset.run(**email, action="discard_draft")
    assert (first["changed"], again["changed"]) == (True, False)


def test_marketos_reason_for_a_refusal_is_shown(asset):
    made = asset.run(asset_type="snippets", action="create", name="Empty", folder=asset.folder("Snippets"))
    with pytest.raises(AirflowFailException, match=r"content is missing .*Marketo code 709"):
        asset.run(asset_type="snippets", action="approve", asset_id=made["id"])


def test_a_campaign_is_activated_and_deactivated(asset):
    campaign = {"asset_type": "smart_campaigns", "asset_id": TRIGGER}
    assert asset.run(**campaign, action="activate")["changed"] is False
    assert asset.run(**campaign, action="deactivate")["changed"]
    assert asset.run(**campaign, action="activate")["changed"]


DELETED = {
    "emails": "Emails",
    "email_templates": "Email Templates",
    "emails_v2": "Emails",
    "folders": "Campaigns",
    "forms": "Landing Page Forms",
    "fragments_v2": "Snippets",
    "landing_page_templates": "Landing Page Templates",
    "landing_pages": "Landing Pages",
    "programs": "Campaigns",
    "smart_campaigns": "Campaigns",
    "smart_lists": "Lead Database",
    "snippets": "Snippets",
    "static_lists": "Lead Database",
}
"""Types that Marketo's API can delete, and where such an asset is."""


@pytest.mark.parametrize("asset_type", DELETED)
def test_an_asset_whose_deletion_got_no_answer_is_deleted(asset, asset_type):
    store = asset.marketo.instance.store.assets
    home = store.location(asset.folder(DELETED[asset_type]))
    if asset_type == "folders":
        made: Any = store.add_folder("Old", home, store.folders[home.id].type, 0)
    else:
        made = store.add(asset_type, "Old", home, {}, 0)
    asset.marketo.fail(f"{asset_type}.delete", drop=True, executed=True)
    assert asset.run(asset_type=asset_type, action="delete", asset_id=made.id)["changed"]
    assert asset.executed(f"{asset_type}.delete") == 1


@pytest.mark.parametrize("action", ["approve", "unapprove", "discard_draft", "deactivate", "activate"])
def test_a_change_whose_answer_was_lost_is_a_change_of_this_task(asset, action):
    if action.endswith("activate"):
        wanted: dict[str, Any] = {"asset_type": "smart_campaigns", "asset_id": TRIGGER}
        asset.run(**wanted, action="deactivate" if action == "activate" else "activate")
    else:
        wanted = {"asset_type": "emails", "asset_id": EMAIL}
        if action != "approve":
            asset.run(**wanted, action="approve")
        if action == "discard_draft":
            asset.run(**wanted, action="update", arguments={"description": "new"})
    operation = f"{wanted['asset_type']}.{'approve_draft' if action == 'approve' else action}"
    before = asset.executed(operation)
    asset.marketo.fail(operation, drop=True, executed=True)
    assert asset.run(**wanted, action=action)["changed"]
    assert asset.executed(operation) == before + 1


def email_program(asset: Task, **values: Any) -> Any:
    store = asset.marketo.instance.store.assets
    home = store.location(asset.folder("Campaigns"))
    return store.add("programs", "Mailing", home, {"type": "Email", "status": "unlocked", "startDate": "", **values}, 0)


def test_an_email_program_that_is_unapproved_already_is_left_alone(asset):
    program = email_program(asset)
    assert not asset.run(asset_type="programs", action="unapprove", asset_id=program.id)["changed"]


@pytest.mark.parametrize(
    "values",
    [{"status": "completed"}, {"type": "Default", "status": ""}, {"type": "Engagement", "status": "off"}],
    ids=["an e-mail program that has run", "a program", "an engagement program"],
)
@pytest.mark.parametrize("action", ["approve", "unapprove"])
def test_a_program_in_any_other_state_is_refused_with_marketos_reason(asset, action, values):
    program = email_program(asset, **values)
    with pytest.raises(AirflowFailException, match="Marketo code 709"):
        asset.run(asset_type="programs", action=action, asset_id=program.id)


@pytest.mark.parametrize("action", ["activate", "deactivate"])
def test_a_batch_campaign_is_neither_active_nor_inactive(asset, action):
    with pytest.raises(AirflowFailException, match="Marketo code 709"):
        asset.run(asset_type="smart_campaigns", action=action, asset_id=2002)


def test_what_is_in_use_is_not_taken_for_unapproved(asset):
    asset.run(asset_type="emails", action="approve", asset_id=EMAIL)
    asset.marketo.fail("emails.unapprove", "709")
    with pytest.raises(AirflowFailException, match="Marketo code 709"):
        asset.run(asset_type="emails", action="unapprove", asset_id=EMAIL)


def test_deleting_an_asset_that_does_not_exist_succeeds(asset):
    assert asset.run(asset_type="static_lists", action="delete", name="Newsletter")["changed"]
    assert asset.run(asset_type="static_lists", action="delete", name="Newsletter")["changed"] is False
    with pytest.raises(AirflowFailException):
        asset.run(asset_type="static_lists", action="delete", name="Newsletter", if_missing="fail")


def test_emails_of_the_new_designer_change_their_state_too(asset):
    store = asset.marketo.instance.store.assets
    home = store.location(asset.folder("Emails"))
    email = store.add("emails_v2", "New", home, {"headers": {"subject": "Hi"}}, 0)
    wanted = {"asset_type": "emails_v2", "asset_id": email.id, "action": "approve"}
    assert (asset.run(**wanted)["changed"], asset.run(**wanted)["changed"]) == (True, False)


def test_a_dry_run_reads_and_writes_nothing(asset, caplog):
    caplog.set_level("INFO")
    wanted = {"asset_type": "static_lists", "name": "New", "folder": asset.folder("Lead Database")}
    asset.run(**wanted, action="create", dry_run=True)
    asset.run(asset_type="emails", asset_id=EMAIL, action="approve", dry_run=True)
    asset.run(asset_type="static_lists", name="Newsletter", action="delete", dry_run=True)
    assert "Would call static_lists.create(name='New'" in caplog.text
    assert "Would call emails.approve_draft for 3001 (Invitation)" in caplog.text
    assert {name.partition(".")[2] for name in asset.marketo.report().calls} <= {
        "get_by_id",
        "get_by_name",
        "post_token",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"asset_type": "email", "action": "get", "asset_id": 1},
            "asset_type='email' is not one of .*Did you mean 'emails'",
        ),
        ({"asset_type": "forms", "action": "unapprove", "asset_id": 1}, "cannot unapprove forms. It can get, create"),
        ({"asset_type": "forms", "action": "get"}, "asset_id: action='get' needs asset_id or name"),
        ({"asset_type": "forms", "action": "create"}, "name: action='create' needs name"),
        ({"asset_type": "forms", "action": "create", "name": "x", "folder": 12}, '{"id": 12, "type": "Folder"}'),
        ({"asset_type": "forms", "action": "update", "asset_id": 1}, "action='update' needs arguments"),
        (
            {"asset_type": "forms", "action": "get", "asset_id": 1, "if_exists": "maybe"},
            "if_exists='maybe' is not one of 'fail', 'reuse', 'update'",
        ),
        ({"asset_type": "forms", "action": "get", "name": "One, two"}, "has a comma"),
        ({"asset_type": "emails_v2", "action": "get", "name": "x"}, "by their ids only.*MarketoApiOperator"),
        ({"asset_type": "forms", "action": "create", "name": "x"}, "folder is missing"),
    ],
)
def test_a_wrong_argument_is_refused_before_the_first_call(asset, arguments, message):
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=message):
        asset.run(**arguments)
    assert asset.marketo.report().total_calls == 0


def test_a_name_that_several_assets_have_needs_a_folder(asset):
    wanted = {"asset_type": "smart_campaigns", "action": "get", "name": "Weekly Send"}
    with pytest.raises(AirflowFailException, match=r"4 smart_campaigns have the name.*folder"):
        asset.run(**wanted)
    assert asset.run(**wanted, folder=IN_PROGRAM)["id"] == 2002


def test_a_wrong_host_does_not_count_as_a_missing_asset(asset):
    asset.marketo.fail("programs.get_by_id", "610")
    with pytest.raises(AirflowFailException, match="Marketo code 610"):
        asset.run(asset_type="programs", action="delete", asset_id=PROGRAM)
    assert asset.executed("programs.delete") == 0


# A program from a template

EVERYTHING = {
    "description": "made by a DAG",
    "tokens": {"{{my.Headline}}": "Autumn", "Seats": 30},
    "tags": {"Region": "EMEA"},
    "approve": ["emails"],
    "activate": True,
}


def test_a_program_is_cloned_filled_in_approved_and_activated(program):
    done = program.run(**EVERYTHING)
    assert done["created"]
    assert sorted(done["tokens_changed"]) == ["Headline", "Seats"]
    assert done["approved"] == {"emails": 1}
    assert done["activated"] == ["Send Invitation"]
    (email,) = done["contents"]["emails"]
    assert email["name"] == "Invitation"
    assert email["url"].endswith(f"#EM{email['id']}A1")
    assert {each["name"] for each in done["contents"]["smart_campaigns"]} == {"Send Invitation", "Weekly Send"}
    store = program.marketo.instance.store.assets
    copied = store.find("programs", done["program_id"])
    assert copied.shown["description"] == "made by a DAG"
    assert copied.shown["tags"] == [{"tagType": "Region", "tagValue": "EMEA"}]
    assert store.tokens["Program", copied.id]["Seats", "number"] == "30"
    assert program.context["ti"].xcoms["marketo_link"] == done["url"] == copied.url


def test_a_second_run_changes_nothing(program):
    program.run(**EVERYTHING)
    before = program.marketo.report().executed
    again = program.run(**EVERYTHING)
    assert (again["tokens_changed"], again["approved"], again["activated"]) == ([], {"emails": 0}, [])
    written = {name for name, count in program.marketo.report().executed.items() if count > before.get(name, 0)} - set(
        before
    )
    assert not any(".create" in name or ".clone" in name for name in written)
    assert program.executed("programs.clone") == 1


@pytest.mark.parametrize("broken", ["tokens.create", "programs.update_metadata", "emails.approve_draft"])
def test_a_retry_continues_where_the_first_try_failed(program, broken):
    program.marketo.fail(broken, "603")
    with pytest.raises(AirflowFailException, match="Marketo code 603"):
        program.run(**EVERYTHING)
    done = program.run(**EVERYTHING)
    assert done["created"]
    assert done["activated"] == ["Send Invitation"]
    assert program.executed("programs.clone") == 1


@pytest.mark.parametrize("lost", [{"drop": True, "executed": True}, {"code": "719", "executed": True}])
def test_a_clone_whose_reply_is_lost_is_found_by_its_name(program, lost):
    program.marketo.fail("programs.clone", **lost)
    assert program.run(**EVERYTHING)["created"]
    assert program.executed("programs.clone") == 1


def test_if_exists_decides_about_a_program_of_that_name(program):
    program.run()
    program.another_run()
    with pytest.raises(AirflowFailException, match="'Autumn Webinar' exists already"):
        program.run(**EVERYTHING)
    reused = program.run(**EVERYTHING, if_exists="reuse")
    assert (reused["created"], reused["tokens_changed"]) == (False, [])
    assert [each["name"] for each in reused["contents"]["emails"]] == ["Invitation"]
    updated = program.run(**EVERYTHING, if_exists="update")
    assert (updated["created"], len(updated["tokens_changed"])) == (False, 2)


def test_a_dry_run_of_a_clone_writes_nothing(program, caplog):
    caplog.set_level("INFO")
    program.run(**EVERYTHING, dry_run=True)
    assert "Would call programs.clone(id=1001, name='Autumn Webinar'" in caplog.text
    assert program.executed("programs.clone") == 0
    program.run()
    program.run(**EVERYTHING, dry_run=True, if_exists="update")
    assert "Would call emails.approve_draft for Invitation" in caplog.text
    assert "Would call smart_campaigns.activate for Send Invitation" in caplog.text
    assert {"tokens.create", "programs.update_metadata", "emails.approve_draft"}.isdisjoint(
        program.marketo.report().executed
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"template": "Nothing"}, "template: program 'Nothing' does not exist"),
        ({"folder": IN_PROGRAM}, "folder: folder is a program, and programs can be cloned only into folders"),
        ({"folder": 12}, "folder does not say whether it is a folder or a program"),
        ({"approve": ["files"]}, r"approve.*=\'files\' is not one of"),
        ({"activate": ["Nothing"]}, "activate: .*no smart campaign 'Nothing'. It has Send Invitation, Weekly Send"),
        ({"tokens": {"{{my.Score}}": {"type": "score", "value": 2**31}}}, "scores are whole numbers of 32 bits"),
        ({"name": "x" * 256}, "name has 256 characters"),
    ],
)
def test_a_wrong_program_is_refused(program, arguments, message):
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=message):
        program.run(**arguments)


# My Tokens


def test_tokens_are_written_where_they_differ(tokens):
    wanted = {"{{my.Headline}}": "New", "Date": date(2026, 5, 4), "Text": {"type": "rich text", "value": "<b>Hi</b>"}}
    assert tokens.run(tokens=wanted)["changed"] == ["Headline", "Text"]
    assert tokens.run(tokens=wanted)["changed"] == []
    assert tokens.run(tokens={"Headline": None, "Unknown": None})["changed"] == ["Headline"]
    assert tokens.marketo.instance.store.assets.tokens["Program", PROGRAM] == {
        ("Date", "date"): "2026-05-04",
        ("Text", "rich text"): "<b>Hi</b>",
    }


def test_a_token_may_get_another_type(tokens):
    assert tokens.run(tokens={"Headline": {"type": "rich text", "value": "Hello"}})["changed"] == ["Headline"]
    assert ("Headline", "text") not in tokens.marketo.instance.store.assets.tokens["Program", PROGRAM]


def test_a_folder_may_have_tokens(tokens):
    folder = tokens.folder("Campaigns")
    assert tokens.run(program_id=None, folder=folder, tokens={"A": "b"})["folder"] == folder


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"A": {"type": "colour", "value": "red"}}, "has the type 'colour'. The types are text, rich text"),
        ({"A": {"type": "score", "value": "many"}}, "32 bits"),
        ({"A": {"type": "date", "value": "4 May"}}, "Write it as 2026-05-04"),
        ({"A": {"type": "number", "value": "many"}}, "has the type number and the value 'many'"),
        ({"my.A": "x"}, r"Write \{\{my\.A\}\} or A"),
        ({"A" * 51: "x"}, "longer than 50 characters"),
    ],
)
def test_a_wrong_token_is_refused_before_anything_is_written(tokens, wanted, message):
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=message):
        tokens.run(tokens={"Headline": "New", **wanted})
    assert tokens.marketo.report().total_calls == 0


# What the log and the errors say


def test_the_log_says_what_was_made_and_where_it_is(program, tokens, tmp_path, caplog):
    caplog.set_level("INFO")
    done = program.run(**EVERYTHING)
    assert f"Cloned program: {done['program_id']} 'Autumn Webinar' https://app-sim.marketo.com/#" in caplog.text
    assert "Wrote tokens: 'Headline', 'Seats'" in caplog.text
    for asset_type, records in done["contents"].items():
        for record in records:
            said = f"The program has {asset_type}: {record['id']} {record['name']!r} {record['url']}"
            assert said in caplog.text
    tokens.run(tokens={"Headline": "a value of somebody's"})
    assert f"Wrote 1 of 1 token of program {PROGRAM} 'Spring Webinar' https://app-sim" in caplog.text
    assert "a value of somebody" not in caplog.text
    assert tokens.context["ti"].xcoms["marketo_link"].endswith(f"#PG{PROGRAM}A1")


def test_the_log_of_an_asset_names_it_with_its_address(asset, caplog):
    caplog.set_level("INFO")
    made = asset.run(asset_type="static_lists", action="create", name="New", folder=asset.folder("Lead Database"))
    asset.run(asset_type="static_lists", action="create", name="New", folder=asset.folder("Lead Database"))
    asset.run(asset_type="static_lists", action="delete", name="New")
    for done in ("Created", "Deleted"):
        assert f"{done} static_lists: {made['id']} 'New' {made['url']}" in caplog.text


@pytest.mark.parametrize(
    ("asset_type", "name", "near"),
    [
        ("programs", "spring webiner", "'Spring Webinar'"),
        ("smart_campaigns", "Weekly Sent", "'Weekly Send'"),
        ("emails", "Invitatoin", "'Invitation'"),
        ("static_lists", "News letter", "'Newsletter'"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(asset, asset_type, name, near):
    with pytest.raises(
        AirflowFailException, match=rf"name: {asset_type}: '{name}' does not exist.*Did you mean {near}"
    ):
        asset.run(asset_type=asset_type, action="get", name=name)


def test_a_misspelt_template_or_campaign_is_answered_with_the_nearest(program):
    with pytest.raises(
        AirflowFailException, match=r"^template: program 'Spring Webiner' .*Did you mean 'Spring Webinar'"
    ):
        program.run(template="Spring Webiner")
    with pytest.raises(
        AirflowFailException, match=r"no smart campaign 'Send Invitatoin'.*Did you mean 'Send Invitation'"
    ):
        program.run(activate=["Send Invitatoin"])


def test_a_list_of_names_that_fails_does_not_hide_the_error(asset):
    asset.marketo.fail("programs.get", "603")
    with pytest.raises(AirflowFailException, match=r"'spring webiner' does not exist"):
        asset.run(asset_type="programs", action="get", name="spring webiner")


def test_tokens_of_a_program_that_does_not_exist_are_refused(tokens):
    with pytest.raises(AirflowFailException, match=r"^program_id: program 99 does not exist"):
        tokens.run(program_id=99, tokens={"Headline": "x"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"activate": ["Send Invitatoin"]},
            "activate: the template 'Spring Webinar' has no smart campaign .*Did you mean",
        ),
        ({"activate": ["Nothing alike"]}, "activate: .*It has "),
        ({"tags": {"Regions": "EMEA"}}, "tags: the instance has no tag type 'Regions'. Did you mean 'Region'"),
        ({"tags": {"Region": "EMAE"}}, "tags: the tag type 'Region' has no value 'EMAE'. Did you mean 'EMEA'"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_wrong_name_is_refused_before_the_program_is_made(program, arguments, said, dry_run):
    with pytest.raises(AirflowFailException, match=said):
        program.run(**{"activate": None, "tags": None, **arguments}, dry_run=dry_run)
    assert program.executed("programs.clone") == 0


# Folders by name


def path_of(marketo: Simulator, name: str) -> str:
    store = marketo.instance.store.assets
    return store.path(next(each for each in store.folders.values() if each.name == name))


@pytest.mark.parametrize("given", ["name", "path", "path/", "mapping", "text of a mapping"])
def test_a_folder_may_be_given_by_its_name_or_path(program, given):
    path = path_of(program.marketo, "Campaigns")
    folders = {
        "name": "Campaigns",
        "path": path,
        "path/": f"{path}/",
        "mapping": {"name": path, "type": "folder"},
        "text of a mapping": '{"name": "Campaigns", "type": "Folder"}',
    }
    made = program.run(folder=folders[given])
    record = program.marketo.instance.store.assets.by_family["programs"][made["program_id"]]
    assert record.location.id == folder(program.marketo, "Campaigns")["id"]
    assert program.run(folder=folders[given])["program_id"] == made["program_id"]


def test_assets_and_tokens_take_folders_and_programs_by_name(asset, tokens):
    made = asset.run(asset_type="static_lists", action="create", name="New", folder="Lead Database")
    assert made["record"]["folder"]["id"] == asset.folder("Lead Database")["id"]
    in_program = {"name": "Spring Webinar", "type": "Program"}
    assert tokens.run(program_id=None, folder=in_program, tokens={"A": "b"})["folder"] == IN_PROGRAM
    assert tokens.run(program_id=None, folder="Campaigns", tokens={"A": "b"})["folder"] == tokens.folder("Campaigns")
    child = asset.run(asset_type="folders", action="create", name="Child", folder="Campaigns")
    assert child["record"]["parent"] == asset.folder("Campaigns")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Kampaigns", "folder: folder 'Kampaigns' does not exist.*'Campaigns'"),
        ("/Marketing Activities/Kampaigns", "does not exist.*'/Marketing Activities/Campaigns'"),
        ({"name": "Spring Webinr", "type": "Program"}, "folder: program 'Spring Webinr' does not.*'Spring Webinar'"),
        ("\x1b[2J\u202e" + "x" * 300, "does not exist"),
    ],
)
def test_a_misspelt_folder_is_refused_before_the_first_write(asset, given, said):
    with pytest.raises(AirflowFailException, match=said) as caught:
        asset.run(asset_type="static_lists", action="create", name="New", folder=given)
    assert str(caught.value).isprintable()
    assert asset.executed("static_lists.create") == 0


@pytest.mark.parametrize("given", ["12", {"name": "Campaigns"}, {"name": " ", "type": "Folder"}, '{"id": 12'])
def test_what_may_be_a_folder_or_a_program_is_refused(asset, given):
    with pytest.raises(MarketoInvalidRequestError, match="does not say whether it is a folder or a program"):
        asset.run(asset_type="static_lists", action="create", name="New", folder=given)


def test_a_name_that_several_folders_have_needs_the_path(asset):
    store = asset.marketo.instance.store.assets
    for parent in ("Campaigns", "Lead Database"):
        home = store.location(asset.folder(parent))
        store.add_folder("Twins", home, store.folders[home.id].type, 0)
    wanted = {"asset_type": "static_lists", "action": "create", "name": "New"}
    with pytest.raises(AirflowFailException, match=r"2 folders have the name 'Twins': /.* and /.*Give the path"):
        asset.run(**wanted, folder="Twins")
    path = f"{path_of(asset.marketo, 'Lead Database')}/Twins"
    assert asset.run(**wanted, folder=path)["changed"]
