"""Any operation by name: what a call returns, what goes to storage, which calls are refused, and what is sent once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import ObjectStoragePath

from airflow_provider_marketo.operators.api import MarketoApiOperator
from tests.support import task_context

FIRST_CAMPAIGN, FIRST_PROGRAM = 2001, 1001


def call(operation: str, context: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    return MarketoApiOperator(task_id="a_task", operation=operation, **arguments).execute(context or task_context())


def campaigns(marketo) -> list[str]:
    return [asset.name for asset in marketo.instance.store.assets.records("smart_campaigns")]


@pytest.fixture
def clone(marketo, tmp_path):
    """Clones a campaign; the ledger is a folder."""
    instance = marketo()
    context = task_context()

    def run(**arguments: Any) -> dict[str, Any]:
        parameters = {"id": FIRST_CAMPAIGN, "name": "Copy", "folder": {"id": FIRST_PROGRAM, "type": "Program"}}
        return call("smart_campaigns.clone", context, **{"arguments": parameters, "ledger": str(tmp_path), **arguments})

    run.marketo, run.context = instance, context
    return run


# What comes back


def test_a_query_returns_records_ids_and_warnings(marketo):
    marketo()
    found = call("programs.get_by_name", arguments={"name": "Spring Webinar"})
    assert (found["count"], found["ids"]) == (1, [FIRST_PROGRAM])
    assert found["result"][0]["channel"] == "Webinar"
    nothing = call("programs.get_by_name", arguments={"name": "Nothing"})
    assert (nothing["count"], nothing["result"]) == (0, [])
    assert nothing["warnings"] == ["No assets found for the given search criteria."]


def test_adobes_operation_id_is_a_name_too(marketo):
    marketo()
    assert call("getProgramByNameUsingGET", arguments={"name": "Nothing"})["operation"] == "programs.get_by_name"


def test_pages_are_followed_to_the_end_on_request(marketo):
    marketo(assets=45)
    first = call("snippets.get", arguments={"maxReturn": 20})
    every = call("snippets.get", arguments={"maxReturn": 20}, all_pages=True)
    assert (first["count"], every["count"]) == (20, 45)
    assert len(set(every["ids"])) == 45


def test_rows_that_are_people_stay_out_of_xcom(marketo):
    marketo()
    found = call("leads.get_by_filter_type", arguments={"filterType": "id", "filterValues": [1001, 1002]})
    assert (found["count"], found["ids"], found["result"]) == (2, [1001, 1002], None)
    assert "@example" not in json.dumps(found)


def test_storage_gets_complete_rows(marketo, tmp_path):
    marketo()
    parameters = {"filterType": "id", "filterValues": [1001, 1002], "fields": ["id", "email"]}
    found = call("leads.get_by_filter_type", arguments=parameters, output_path=str(tmp_path))
    (file,) = found["files"]
    rows = [json.loads(line) for line in ObjectStoragePath(file["path"]).read_text().splitlines()]
    assert [row["id"] for row in rows] == [1001, 1002]
    assert all("@example" in row["email"] for row in rows)
    assert file["rows"] == found["count"] == 2
    assert "@example" not in json.dumps(found)


def test_a_result_that_is_too_large_for_xcom_asks_for_storage(marketo, tmp_path):
    marketo(assets=400)
    with pytest.raises(AirflowFailException, match=r"larger than.*in output_path"):
        call("snippets.get", all_pages=True, arguments={"maxReturn": 200})
    assert call("snippets.get", all_pages=True, arguments={"maxReturn": 200}, output_path=str(tmp_path))["count"] == 400


def test_a_query_that_fails_leaves_no_file(marketo, tmp_path):
    instance = marketo(assets=45)
    instance.fail("snippets.get", "610", skip=1)
    with pytest.raises(AirflowFailException):
        call("snippets.get", arguments={"maxReturn": 20}, all_pages=True, output_path=str(tmp_path))
    assert list(tmp_path.glob("*.jsonl")) == []


def test_the_tasks_page_links_to_the_asset_of_the_call(marketo):
    marketo()
    context = task_context()
    call("programs.get_by_id", context, arguments={"id": FIRST_PROGRAM})
    assert context["ti"].xcoms["marketo_link"] == "https://app-sim.marketo.com/#PG1001A1"


def test_a_later_try_of_a_delete_finds_what_the_first_has_deleted(marketo):
    instance = marketo()
    call("static_lists.delete", arguments={"id": 1001})  # then its process dies
    assert call("static_lists.delete", task_context(try_number=2), arguments={"id": 1001})["count"] == 0
    assert instance.report().executed["static_lists.delete"] == 1


def test_the_first_try_of_a_delete_that_finds_nothing_fails(marketo):
    marketo()
    with pytest.raises(AirflowFailException, match="Marketo code 702"):
        call("static_lists.delete", arguments={"id": 99})


def test_a_wrong_host_is_not_taken_for_a_deleted_asset(marketo):
    marketo().fail("static_lists.delete", "610")
    with pytest.raises(AirflowFailException, match="Marketo code 610"):
        call("static_lists.delete", task_context(try_number=2), arguments={"id": 1001})


# Files


def files(marketo) -> dict[str, dict[str, Any]]:
    return {asset.name: asset.newest for asset in marketo.instance.store.assets.records("files")}


def images(marketo) -> dict[str, Any]:
    folder = next(each for each in marketo.instance.store.assets.folders.values() if each.name == "Images")
    return {"id": folder.id, "type": "Folder"}


@pytest.mark.parametrize(
    "naming", [lambda url: {"path": url}, lambda url: {"path": url.removeprefix("file://")}, ObjectStoragePath]
)
def test_a_file_is_read_from_any_storage(marketo, tmp_path, naming):
    instance = marketo()
    path = tmp_path / "logo.png"
    path.write_bytes(b"\x89PNG")
    url = f"file://{path}"
    call("files.create", arguments={"name": "logo.png", "folder": images(instance), "file": naming(url)})
    assert files(instance)["logo.png"] | {"description": ""} == {
        "mimeType": "image/png",
        "size": 4,
        "description": "",
    }


def test_other_text_is_the_content_itself(marketo):
    instance = marketo()
    template = next(iter(instance.instance.store.assets.records("email_templates")))
    html = '<p class="mktEditable" id="a">https://example.com</p>'
    call("email_templates.update_content", arguments={"id": template.id, "content": html})
    assert template.draft["content"] == html


def test_a_missing_file_costs_no_call(marketo, tmp_path):
    instance = marketo()
    file = {"path": f"file://{tmp_path}/missing.csv"}
    with pytest.raises(AirflowFailException, match=r"^file: .*missing\.csv cannot be read"):
        call("bulk_import_leads.import", arguments={"format": "csv", "file": file})
    assert instance.report().total_calls == 0


TEN_MEGABYTES, ONE_MEGABYTE = 10 * 1024 * 1024, 1024 * 1024
HOME = {"id": 1, "type": "Folder"}


@pytest.mark.parametrize("from_storage", [True, False])
@pytest.mark.parametrize(
    ("operation", "parameters", "part", "limit"),
    [
        ("bulk_import_leads.import", {"format": "csv"}, "file", TEN_MEGABYTES - 1),
        ("files.create", {"name": "logo.png", "folder": HOME}, "file", ONE_MEGABYTE),
        ("files.update_content", {"id": 1}, "file", ONE_MEGABYTE),
        ("email_templates.update_content", {"id": 1}, "content", ONE_MEGABYTE),
        ("landing_page_templates.update_content", {"id": 1}, "content", ONE_MEGABYTE),
    ],
)
def test_a_file_that_is_too_large_costs_no_call(marketo, tmp_path, operation, parameters, part, limit, from_storage):
    instance = marketo()
    large = tmp_path / "large.file"
    large.write_bytes(b"x" * (limit + 1))
    value = {"path": str(large)} if from_storage else large.read_bytes()
    with pytest.raises(AirflowFailException, match=rf"{part}: .* bytes, and Marketo takes at most {limit}"):
        call(operation, arguments={**parameters, part: value})
    assert instance.report().total_calls == 0


def test_a_file_of_the_largest_size_that_marketo_accepts_is_sent(marketo):
    instance = marketo()
    content = b"x" * (ONE_MEGABYTE - 2048)
    call("files.create", arguments={"name": "logo.png", "folder": images(instance), "file": ("l.png", content)})
    assert files(instance)["logo.png"]["size"] == len(content)


# Bad input


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("smart_campaign.clone", {}, r"operation: .*no operation 'smart_campaign.clone'.*smart_campaigns\.clone"),
        ("nonsense", {}, "A name begins with its family: activities, "),
        ("programs.get_by_id", {}, "id is missing"),
        ("programs.get_by_id", {"arguments": {"id": "seven"}}, "id must be an integer"),
        ("snippets.get", {"arguments": {"maxReturn": 500}}, "maxReturn must be at most 200"),
        ("snippets.get", {"arguments": {"maxRetrun": 5}}, "Did you mean maxReturn?"),
        ("snippets.get", {"arguments": {"status": "aproved"}}, "status must be one of approved, draft"),
        (
            "snippets.create",
            {"arguments": {"name": "x", "folder": 12}},
            "folder must be a mapping with id and type",
        ),
        ("snippets.create", {"arguments": {"name": "x", "folder": {"id": 12}}}, r"folder\.type is missing"),
        ("programs.get_by_id", {"arguments": {"id": 1}, "all_pages": True}, "all_pages: .*has no pages"),
        ("bulk_export_leads.get_file", {"arguments": {"exportId": "1"}}, "answers with a file.*in output_path"),
        ("identity.post_token", {}, "operation: .*must not end up in XCom"),
        ("campaigns.request", {"arguments": {"campaignId": 7, "input": {"leads": [{"id": 1}] * 101}}}, "101 entries"),
    ],
)
def test_a_wrong_call_is_refused_before_it_is_made(marketo, operation, arguments, message):
    instance = marketo()
    with pytest.raises(AirflowFailException, match=message):
        call(operation, **arguments)
    assert instance.report().total_calls == 0


def test_marketos_reason_is_shown(marketo):
    marketo()
    email = 3001
    assert call("emails.approve_draft", arguments={"id": email})["ids"] == [email]
    with pytest.raises(AirflowFailException, match=r"emails\.approve_draft: .*no draft to approve .*Marketo code 709"):
        call("emails.approve_draft", arguments={"id": email})


def test_a_dry_run_checks_the_call_and_sends_nothing(marketo, caplog):
    caplog.set_level("INFO")
    instance = marketo()
    found = call("leads.sync", arguments={"input": [{"email": "secret@example.com"}]}, dry_run=True)
    assert found["count"] == instance.report().total_calls == 0
    said = caplog.text
    assert "POST /rest/v1/leads.json" in said
    assert "secret@example.com" not in said
    with pytest.raises(AirflowFailException, match="input is missing"):
        call("leads.sync", dry_run=True)


# What must not run twice


def test_a_retry_and_a_clear_send_nothing_again_and_return_the_same(clone):
    first = clone()
    again = clone()
    assert (first["sent_earlier"], again["sent_earlier"]) == (False, True)
    assert first["ids"] == again["ids"]
    assert campaigns(clone.marketo).count("Copy") == 1


def test_a_lost_reply_stops_until_a_person_decides(clone):
    clone.marketo.fail("smart_campaigns.clone", drop=True, executed=True)
    for _ in range(3):
        with pytest.raises(AirflowFailException, match=r"get_by_name\..*airflow marketo ledger settle"):
            clone()
    clone.context["ti"].max_tries += 1  # cleared
    assert clone(on_ambiguous="assume_sent")["sent_earlier"]
    assert campaigns(clone.marketo).count("Copy") == 1


def test_a_definite_rejection_is_sent_again_at_once(clone):
    clone.marketo.fail("smart_campaigns.clone", "608")
    assert clone()["count"] == 1
    assert clone.marketo.report().executed["smart_campaigns.clone"] == 1


def test_operations_that_may_run_twice_need_no_ledger(marketo):
    instance = marketo()
    instance.fail("smart_campaigns.deactivate", drop=True)
    call("smart_campaigns.deactivate", arguments={"id": FIRST_CAMPAIGN})
    assert instance.report().calls["smart_campaigns.deactivate"] == 2


def test_arguments_may_decide_whether_an_operation_may_run_twice(marketo, tmp_path):
    instance = marketo()
    cost = {"id": FIRST_PROGRAM, "costs": [{"cost": 10, "startDate": "2026-01-01"}]}
    instance.fail("programs.update_metadata", drop=True, executed=True)
    with pytest.raises(AirflowFailException, match="period costs"):
        call("programs.update_metadata", arguments=cost, ledger=str(tmp_path))
    call("programs.update_metadata", arguments={"id": FIRST_PROGRAM, "description": "new"})
    assert len(instance.instance.store.assets.find("programs", FIRST_PROGRAM).shown["costs"]) == 1


def test_without_a_store_nothing_is_sent(marketo):
    """Outside of a task no Variable can be written."""
    instance = marketo()
    parameters = {"id": FIRST_CAMPAIGN, "name": "Copy", "folder": {"id": FIRST_PROGRAM, "type": "Program"}}
    with pytest.raises(Exception, match=r"cannot be written.*This try did not send the request"):
        call("smart_campaigns.clone", arguments=parameters)
    assert campaigns(instance).count("Copy") == 0


def test_the_output_of_the_operator_is_its_xcom():
    task = MarketoApiOperator(task_id="a_task", operation="programs.get", output_path="s3://bucket/prefix")
    assert task.output.operator is task
    assert task.output_path == "s3://bucket/prefix"
