"""Every operator that writes has a dry run: it says which calls it would make, and only reads."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from airflow_provider_marketo import operators, transfers
from airflow_provider_marketo.client import operations as catalogue
from airflow_provider_marketo.operators.base import MarketoOperator
from tests.support import StateStore, run_task, task_context
from tests.transfers.test_sql_to_marketo import SQL, warehouse

__all__ = ["warehouse"]

TRIGGER, BATCH, EMAIL, PROGRAM, LIST, OUTSIDER = 2001, 2002, 3001, 1001, 1001, 1002
READS = {
    "MarketoActivitiesOperator",
    "MarketoBulkExtractOperator",
    "MarketoDeletedLeadsOperator",
    "MarketoGetLeadsOperator",
    "MarketoIncrementalLeadsOperator",
    "MarketoLeadChangesOperator",
    "MarketoListingOperator",
    "MarketoMergedLeadsOperator",
    "MarketoUserAuditsOperator",
}
PEOPLE = [{"email": f"new{number}@example.com", "lastName": "New"} for number in range(301)]


class DryRun(NamedTuple):
    """
    A dry run of an operator.

    :param arguments: the operator's arguments; ``<...>`` stands for a folder, a file or a folder's id.
    :param calls: the operations that the dry run says it would call.
    """

    arguments: dict[str, Any]
    calls: set[str]


CAMPAIGNS = {"id": "<Campaigns>", "type": "Folder"}
ATTENDED = {"leadId": 1001, "activityDate": "2026-11-20T10:00:00Z", "eventName": "Webinar"}
CASES: dict[str, list[DryRun]] = {
    "MarketoCustomActivitiesOperator": [
        DryRun(
            {"activity_type": "attendedEvent_c", "records": [ATTENDED] * 301, "rejects_path": "<folder>"},
            {"activities.add_custom_activities"},
        )
    ],
    "MarketoApiOperator": [
        DryRun(
            {"operation": "leads.merge", "arguments": {"leadId": 1001, "leadIds": [1002]}},
            {"leads.merge"},
        )
    ],
    "MarketoAssetOperator": [
        DryRun({"asset_type": "folders", "action": "create", "name": "New", "folder": CAMPAIGNS}, {"folders.create"}),
        DryRun(
            {"asset_type": "programs", "action": "clone", "asset_id": PROGRAM, "name": "New", "folder": CAMPAIGNS},
            {"programs.clone"},
        ),
        DryRun(
            {"asset_type": "programs", "action": "update", "asset_id": PROGRAM, "arguments": {"description": "New"}},
            {"programs.update_metadata"},
        ),
        *(
            DryRun({"asset_type": "emails", "action": action, "asset_id": EMAIL}, {f"emails.{operation}"})
            for action, operation in (
                ("approve", "approve_draft"),
                ("unapprove", "unapprove"),
                ("discard_draft", "discard_draft"),
                ("delete", "delete"),
            )
        ),
        *(
            DryRun({"asset_type": "smart_campaigns", "action": action, "asset_id": TRIGGER}, {operation})
            for action, operation in (
                ("activate", "smart_campaigns.activate"),
                ("deactivate", "smart_campaigns.deactivate"),
            )
        ),
    ],
    "MarketoCloneProgramOperator": [
        DryRun(
            {
                "template": PROGRAM,
                "name": name,
                "folder": CAMPAIGNS,
                "tokens": {"{{my.Headline}}": "New"},
                "tags": {"Region": "EMEA"},
                "approve": ["emails"],
                "activate": True,
                "if_exists": "update",
            },
            calls | {"tokens.create", "programs.update_metadata", "emails.approve_draft"},
        )
        for name, calls in (
            ("New", {"programs.clone", "smart_campaigns.activate"}),
            ("Spring Webinar", set[str]()),  # its campaign is active
        )
    ],
    "MarketoProgramTokensOperator": [
        DryRun({"program_id": PROGRAM, "tokens": {"{{my.Headline}}": "New"}}, {"tokens.create"})
    ],
    "MarketoTriggerCampaignOperator": [
        DryRun({"campaign_id": TRIGGER, "lead_ids": [1001], "ledger": "<folder>"}, {"campaigns.request"})
    ],
    "MarketoScheduleCampaignOperator": [DryRun({"campaign_id": BATCH, "ledger": "<folder>"}, {"campaigns.schedule"})],
    "MarketoSendSampleOperator": [
        DryRun({"email_id": EMAIL, "email_addresses": ["me@example.com"], "ledger": "<folder>"}, {"emails.send_sample"})
    ],
    "MarketoEraseLeadsOperator": [DryRun({"evidence": "<folder>", "lead_ids": [1001]}, {"leads.delete"})],
    "MarketoBulkImportOperator": [
        DryRun({"object_type": "leads", "rejects_path": "<folder>", "source": "<people>"}, {"bulk_import_leads.import"})
    ],
    "MarketoSyncOperator": [
        DryRun({"object_type": "leads", "rejects_path": "<folder>", "records": PEOPLE}, {"leads.sync"})
    ],
    "MarketoSyncLeadsOperator": [DryRun({"rejects_path": "<folder>", "records": PEOPLE}, {"leads.sync"})],
    "MarketoListMembersOperator": [
        DryRun(
            {"rejects_path": "<folder>", "list_id": LIST, "lead_ids": [OUTSIDER], "mode": mode, "max_removals": 1_000},
            calls,
        )
        for mode, calls in (
            ("add", {"static_list_membership.add_to_list"}),
            ("remove", {"static_list_membership.remove_from_list"}),
            ("mirror", {"static_list_membership.add_to_list", "static_list_membership.remove_from_list"}),
        )
    ],
    "MarketoProgramMembersOperator": [
        DryRun(
            {
                "rejects_path": "<folder>",
                "program_id": PROGRAM,
                "lead_ids": [1001],
                "program_member_status": "Attended",
            },
            {"program_members.sync_status"},
        )
    ],
    "SqlToMarketoOperator": [
        DryRun(
            {"rejects_path": "<folder>", "sql": SQL, "sql_conn_id": "warehouse", "transport": transport}, {operation}
        )
        for transport, operation in (
            ("sync", "leads.sync"),
            ("bulk", "bulk_import_leads.import"),
            ("ingestion", "data_ingestion.sync_persons"),
        )
    ],
}


def all_operators() -> Iterator[type[MarketoOperator]]:
    """Every operator that a user can import, found in the package's folders."""
    for package in (operators, transfers):
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    waiting: list[type[MarketoOperator]] = [MarketoOperator]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "Marketo" in kind.__name__ and not kind.__module__.endswith("base"):
            yield kind


def test_no_operator_is_forgotten():
    assert {kind.__name__ for kind in all_operators()} == READS | CASES.keys()


@pytest.mark.parametrize(
    ("name", "dry_run"),
    [
        pytest.param(name, dry_run, id=f"{name}-{number}")
        for name, dry_runs in CASES.items()
        for number, dry_run in enumerate(dry_runs)
    ],
)
def test_a_dry_run_says_what_it_would_call_and_only_reads(
    marketo: Callable[..., Any], warehouse, tmp_path, capsys, caplog, name: str, dry_run: DryRun
):
    caplog.set_level("INFO")
    instance = marketo()
    kind = next(each for each in all_operators() if each.__name__ == name)
    arguments = {key: _filled_in(value, instance, tmp_path) for key, value in dry_run.arguments.items()}
    run_task(kind(task_id="a_task", dry_run=True, **arguments), task_context(StateStore()))
    said = "\n".join(line for line in _lines(capsys, caplog) if "Would" in line or "Dry run" in line)
    assert {operation for operation in dry_run.calls if operation not in said} == set()
    called = instance.report().calls.keys() - {"identity.post_token"}
    assert {operation for operation in called if catalogue.get(operation).retry != "read"} == set()


def _lines(capsys: Any, caplog: Any) -> list[str]:
    return [*capsys.readouterr().out.splitlines(), *(record.getMessage() for record in caplog.records)]


def _filled_in(value: Any, instance: Any, folder: Any) -> Any:
    if value == "<folder>":
        return str(folder)
    if value == "<people>":
        path = folder / "people.csv"
        path.write_text("email,lastName\n" + "".join(f"{one['email']},{one['lastName']}\n" for one in PEOPLE))
        return str(path)
    if value == CAMPAIGNS:
        folders = instance.instance.store.assets.folders.values()
        return {**value, "id": next(each.id for each in folders if each.name == "Campaigns")}
    return value
