"""After a lost answer, a request may have run or not. No task runs it twice or reports a wrong result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import MarketoTransientError
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.assets import MarketoAssetOperator, MarketoProgramTokensOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.operators.sync import MarketoSyncOperator
from tests.operators.importing import Impatient, counts, fails, governed, run_import
from tests.operators.test_assets import DELETED, PROGRAM, Task
from tests.operators.test_sync import NEW_RECORDS
from tests.support import StateStore, run_task, task_context

__all__ = ["governed"]

pytestmark = pytest.mark.usefixtures("governed")

LOSSES: dict[str, dict[str, Any]] = {
    "reset": {"drop": True},
    "502": {"status": 502},
    "611": {"code": "611"},
    "no body": {"status": 200, "body": ""},
    "half a body": {"status": 200, "body": '{"success":true,"requ'},
    "an empty object": {"status": 200, "body": "{}"},
    "a gateway's object": {"status": 200, "body": '{"message":"upstream connect error"}'},
}

MADE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "folders": ("Campaigns", {}),
    "forms": ("Landing Page Forms", {}),
    "programs": ("Campaigns", {"type": "Default", "channel": "Content"}),
    "smart_campaigns": ("Campaigns", {}),
    "snippets": ("Snippets", {}),
    "static_lists": ("Lead Database", {}),
}
"""Types that Marketo's API can create, where such an asset is, and its required arguments."""

done_or_not = pytest.mark.parametrize("executed", [True, False], ids=["done", "not done"])


def until_success(run: Callable[[], Any], tries: int = 3) -> Any:
    """Run the tries of a task until one succeeds."""
    for _ in range(tries - 1):
        try:
            return run()
        except MarketoTransientError:
            continue
    return run()


@pytest.mark.parametrize("loss", ["502", "an empty object"])
@done_or_not
@pytest.mark.parametrize("asset_type", MADE)
def test_an_asset_is_made_once(marketo, tmp_path, asset_type, loss, executed):
    task = Task(MarketoAssetOperator, marketo(), ledger=str(tmp_path))
    where, arguments = MADE[asset_type]
    wanted = {"asset_type": asset_type, "action": "create", "name": "New", "arguments": arguments}
    wanted["folder"] = task.folder(where)
    task.marketo.fail(f"{asset_type}.create", executed=executed, **LOSSES[loss])
    assert until_success(lambda: task.run(**wanted))["changed"]
    assert task.executed(f"{asset_type}.create") == 1


@pytest.mark.parametrize("loss", ["half a body", "an empty object"])
@done_or_not
@pytest.mark.parametrize("asset_type", [each for each in DELETED if each != "folders"])
def test_an_asset_that_is_reported_as_deleted_is_deleted(marketo, tmp_path, asset_type, loss, executed):
    task = Task(MarketoAssetOperator, marketo(), ledger=str(tmp_path))
    store = task.marketo.instance.store.assets
    made = store.add(asset_type, "Old", store.location(task.folder(DELETED[asset_type])), {}, 0)
    task.marketo.fail(f"{asset_type}.delete", executed=executed, **LOSSES[loss])
    assert until_success(lambda: task.run(asset_type=asset_type, action="delete", asset_id=made.id))["changed"]
    assert task.executed(f"{asset_type}.delete") == 1


@pytest.mark.parametrize("loss", LOSSES)
@done_or_not
@pytest.mark.parametrize("operation", ["tokens.create", "tokens.delete_by_name"])
def test_tokens_have_their_values(marketo, operation, loss, executed):
    task = Task(MarketoProgramTokensOperator, marketo(), program_id=PROGRAM)
    task.run(tokens={"A": "1", "B": 3})
    wanted = {"A": "2", "B": None, "C": "new"}
    task.marketo.fail(operation, executed=executed, **LOSSES[loss])
    until_success(lambda: task.run(tokens=wanted))
    assert task.run(tokens=wanted, dry_run=True)["changed"] == []


@pytest.mark.parametrize("loss", ["an empty object", "a gateway's object"])
def test_what_does_not_say_that_it_is_marketos_is_no_page_without_rows(marketo, tmp_path, loss):
    marketo().fail("leads.get_by_filter_type", **LOSSES[loss])
    task = MarketoGetLeadsOperator(
        task_id="a_task", lookup_field="id", lookup_values=[1001, 1002], output_path=str(tmp_path)
    )
    manifest = run_task(task, task_context(StateStore()))
    assert sum(file["rows"] for file in manifest["files"]) == 2


@done_or_not
def test_members_that_a_success_does_not_mention_are_unknown_and_a_clear_sends_them(marketo, tmp_path, executed):
    instance, store = marketo(), StateStore()
    given = {"list_id": 1001, "lead_ids": list(instance.instance.store.lists.members(1002))[:2]}
    answer = '{"requestId":"1","success":true}'
    instance.fail("static_list_membership.add_to_list", executed=executed, status=200, body=answer)
    text, account = fails(MarketoListMembersOperator, tmp_path, store, **given)
    assert counts(account) == {"unknown": 2}
    assert "To send them once more, clear the task" in text
    assert counts(run_import(MarketoListMembersOperator, tmp_path, store, **given)) == {"accepted": 2}


@done_or_not
def test_a_call_by_name_that_was_sent_twice_says_so(marketo, executed):
    marketo().fail("leads.sync", executed=executed, **LOSSES["reset"])
    given = {"action": "createOnly", "lookupField": "email", "input": [{"email": "new@example.com"}]}
    result = MarketoApiOperator(task_id="a_task", operation="leads.sync", arguments=given).execute(task_context())
    assert result["count"] == 1
    assert "the first request may have created" in result["warnings"][0]


@pytest.mark.parametrize("then", ["603", "606", "610"])
@pytest.mark.parametrize("loss", ["reset", "an empty object"])
@pytest.mark.parametrize("object_type", ["leads", "companies", "custom_objects"])
def test_records_that_a_lost_call_created_are_accepted_although_the_next_call_is_refused(
    marketo, tmp_path, monkeypatch, object_type, loss, then
):
    monkeypatch.setattr("airflow_provider_marketo.imports.sync.SystemClock", Impatient)
    instance = marketo(time_scale=1)
    given = {
        "records": [NEW_RECORDS[object_type](number) for number in range(3)],
        "object_type": object_type,
        "action": "createOnly",
        "rejects_path": str(tmp_path / "rejects"),
        **({"custom_object": "car_c"} if object_type == "custom_objects" else {}),
    }
    store = StateStore()

    def run() -> Any:
        return run_task(lambda: MarketoSyncOperator(task_id="a_task", **given), task_context(store, max_tries=3))

    instance.fail(f"{object_type}.sync", executed=True, **LOSSES[loss])
    instance.fail(f"{object_type}.sync", then, times=25 if then == "606" else 1)  # longer than the client waits
    if then == "606":
        result = run()
    else:
        with pytest.raises(AirflowFailException, match=f"Marketo code {then}"):
            run()
        result = run()
    assert (counts(result), result["created"]) == ({"accepted": 3}, 3)
