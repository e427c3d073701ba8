"""A person marks a task as failed, or clears it, while it writes: the call under way ends, and no other follows."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_marketo.client.errors import MarketoStoppedError
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.assets import (
    MarketoAssetOperator,
    MarketoCloneProgramOperator,
    MarketoProgramTokensOperator,
)
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoSendSampleOperator, MarketoTriggerCampaignOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator, MarketoProgramMembersOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from airflow_provider_marketo.simulator.routes import HANDLERS
from tests.operators.bulk_importing import small_chunks
from tests.operators.importing import governed
from tests.support import task_context

__all__ = ["governed", "small_chunks"]

LEADS = list(range(1001, 1701))
"""Enough for several calls of each kind."""

PEOPLE = [{"email": f"new{number}@example.com"} for number in range(700)]

WRITERS: dict[str, tuple[type[MarketoOperator], dict[str, Any]]] = {
    "campaigns.request": (MarketoTriggerCampaignOperator, {"campaign_id": 2001, "lead_ids": LEADS}),
    "leads.delete": (MarketoEraseLeadsOperator, {"lead_ids": LEADS, "confirm": True}),
    "static_list_membership.add_to_list": (MarketoListMembersOperator, {"list_id": 1001, "lead_ids": LEADS}),
    "static_list_membership.remove_from_list": (
        MarketoListMembersOperator,
        {"list_id": 1001, "lead_ids": LEADS, "mode": "remove"},
    ),
    "program_members.sync_status": (
        MarketoProgramMembersOperator,
        {"program_id": 1001, "lead_ids": LEADS, "program_member_status": "Attended"},
    ),
    "leads.sync": (MarketoSyncLeadsOperator, {"records": PEOPLE}),
    "bulk_import_leads.import": (MarketoBulkImportOperator, {"object_type": "leads"}),
    "emails.send_sample": (
        MarketoSendSampleOperator,
        {"email_id": 3001, "email_addresses": [f"new{number}@example.com" for number in range(3)]},
    ),
    "tokens.create": (
        MarketoProgramTokensOperator,
        {"program_id": 1001, "tokens": {"One": "1", "Two": "2", "Three": "3"}},
    ),
    "programs.clone": (
        MarketoCloneProgramOperator,
        {"template": "Spring Webinar", "name": "New", "folder": {"id": 111, "type": "Folder"}, "tokens": {"One": "1"}},
    ),
    "emails.get_by_id": (
        MarketoAssetOperator,
        {"asset_type": "emails", "asset_id": 3001, "action": "approve"},
    ),
    "leads.get_by_filter_type": (MarketoGetLeadsOperator, {"lookup_field": "id", "lookup_values": LEADS}),
    "snippets.get": (MarketoListingOperator, {"object_types": ["snippets", "static_lists"]}),
    "programs.get": (
        MarketoApiOperator,
        {"operation": "programs.get", "arguments": {"maxReturn": 1}, "all_pages": True},
    ),
}


@pytest.mark.usefixtures("governed", "small_chunks")
@pytest.mark.parametrize("operation", WRITERS)
def test_nothing_is_sent_after_the_call_during_which_a_person_stopped_the_task(
    operation, marketo, tmp_path, monkeypatch
):
    kind, arguments = WRITERS[operation]
    instance = marketo(leads=1_000)
    if kind is MarketoBulkImportOperator:
        (tmp_path / "people.csv").write_text("email\n" + "".join(f"{one['email']}\n" for one in PEOPLE))
        arguments = arguments | {"source": str(tmp_path / "people.csv")}
    folders = [name for name in ("rejects_path", "evidence", "ledger", "output_path") if name in kind.argument_checks]
    if kind is MarketoTriggerCampaignOperator:
        folders.remove("rejects_path")  # it needs rows
    arguments = arguments | {name: str(tmp_path / name) for name in folders}
    task: Any = kind(task_id="a_task", **arguments)
    answer = HANDLERS[operation]

    def stopped_here(*given: Any) -> Any:
        task.on_kill()
        calls.append(instance.instance.report().total_calls)
        return answer(*given)

    calls: list[int] = []
    monkeypatch.setitem(HANDLERS, operation, stopped_here)
    context = task_context()
    context["ti"].task = task
    with pytest.raises(MarketoStoppedError):
        task.execute(context)
    assert [instance.report().total_calls] == calls
    assert instance.report().calls[operation] == 1


@pytest.mark.usefixtures("governed")
def test_a_mirror_that_was_stopped_removes_no_further_member(marketo, tmp_path, monkeypatch):
    removal = "static_list_membership.remove_from_list"
    instance = marketo(leads=1_000)
    for lead_id in LEADS:
        instance.instance.store.lists.add(1001, lead_id, instance.instance.now)
    task = MarketoListMembersOperator(
        task_id="a_task",
        list_id=1001,
        mode="mirror",
        lead_ids=[1001],
        max_removals=10_000,
        rejects_path=str(tmp_path),
    )
    answer = HANDLERS[removal]

    def stopped_here(*given: Any) -> Any:
        task.on_kill()
        return answer(*given)

    monkeypatch.setitem(HANDLERS, removal, stopped_here)
    with pytest.raises(MarketoStoppedError):
        task.execute(task_context())
    assert instance.report().calls[removal] == 1


@pytest.mark.usefixtures("governed")
def test_the_ledger_knows_what_was_sent_and_a_clear_sends_the_rest(marketo, tmp_path, monkeypatch):
    request = "campaigns.request"
    instance = marketo(leads=1_000)

    def task() -> Any:
        return MarketoTriggerCampaignOperator(
            task_id="a_task", campaign_id=2001, lead_ids=LEADS, ledger=str(tmp_path / "ledger")
        )

    stopped, answer = task(), HANDLERS[request]

    def stopped_here(*given: Any) -> Any:
        stopped.on_kill()
        return answer(*given)

    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, request, stopped_here)
        with pytest.raises(MarketoStoppedError):
            stopped.execute(task_context())
    assert instance.report().executed[request] == 1
    done = task().execute(task_context(max_tries=1))
    assert (done["groups_sent"], done["groups_sent_earlier"]) == (6, 1)
    assert instance.report().executed[request] == 7


@pytest.mark.parametrize("waits", ["for its turn", "before it is sent again"])
@pytest.mark.usefixtures("governed")
def test_a_call_that_waits_when_the_task_is_stopped_is_not_sent(waits, marketo, tmp_path, monkeypatch):
    request = "campaigns.request"
    instance = marketo(leads=1_000)
    task = MarketoTriggerCampaignOperator(
        task_id="a_task", campaign_id=2001, lead_ids=LEADS, ledger=str(tmp_path / "ledger")
    )
    client = task.hook.client
    if waits == "for its turn":
        acquire = client.governor.acquire

        def waiting(operation: str, **how: Any) -> Any:
            if operation == request:
                task.on_kill()
            return acquire(operation, **how)

        monkeypatch.setattr(client.governor, "acquire", waiting)
    else:
        instance.fail(request, "608")
        monkeypatch.setattr(client._clock, "sleep", lambda seconds: task.on_kill())
    with pytest.raises(MarketoStoppedError):
        task.execute(task_context())
    assert instance.report().executed.get(request, 0) == 0
    assert list((tmp_path / "ledger").glob("marketo_once_*[!m].json")) == []  # nothing was sent, and the ledger knows
