"""Where the link on a task's page leads, and when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_marketo.hooks.link import XCOM_KEY, push_link
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.assets import MarketoAssetOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoScheduleCampaignOperator, MarketoSendSampleOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from tests.simulated import marketo
from tests.support import StateStore, run_task, task_context

__all__ = ["marketo"]

UI = "https://app-sj01.marketo.com"
LEAD, LIST = f"{UI}/leadDatabase/loadLeadDetail?leadId=1001", f"{UI}/#ST1001A1"
MEMBERS = {"operation": "static_list_membership.add_to_list", "arguments": {"listId": 1001, "id": [1001, 1002]}}


def link_of(operator: Any) -> str | None:
    """Run a task and return the URL that it stores for its page."""
    context = task_context(StateStore())
    run_task(operator, context)
    assert [link.xcom_key for link in operator.operator_extra_links] == [XCOM_KEY]
    return context["ti"].xcoms.get(XCOM_KEY)


@pytest.mark.parametrize(
    ("operator", "arguments", "link"),
    [
        (MarketoGetLeadsOperator, {"filter_type": "id", "filter_values": [1001]}, LEAD),
        (MarketoGetLeadsOperator, {"filter_type": "id", "filter_values": [1001, 1002]}, None),
        (MarketoGetLeadsOperator, {"list_id": 1001}, LIST),
        (
            MarketoEraseLeadsOperator,
            {"filter_type": "id", "filter_values": [1001], "evidence": "<folder>", "dry_run": True},
            LEAD,
        ),
        (MarketoListMembersOperator, {"list_id": "1001", "lead_ids": [1002], "rejects_path": "<folder>"}, LIST),
        (
            MarketoBulkImportOperator,
            {"object_type": "leads", "list_id": 1001, "source": "<people>", "rejects_path": "<folder>"},
            LIST,
        ),
        (MarketoApiOperator, {"operation": "leads.get_by_id", "arguments": {"leadId": 1001}}, LEAD),
        (MarketoApiOperator, MEMBERS, LIST),
        (MarketoApiOperator, {"operation": "leads.describe"}, None),
        (MarketoApiOperator, {"operation": "programs.get_by_id", "arguments": {"id": 1001}}, "#PG1001A1"),
        (MarketoAssetOperator, {"asset_type": "static_lists", "action": "get", "asset_id": 1001}, "#ST1001A1"),
        (MarketoScheduleCampaignOperator, {"campaign_id": 2002, "ledger": "<folder>"}, "#SC2002A1"),
        (
            MarketoSendSampleOperator,
            {"email_id": 3001, "email_addresses": ["me@example.com"], "ledger": "<folder>"},
            "#EM3001A1",
        ),
    ],
)
def test_a_task_links_to_what_it_is_about(marketo, tmp_path, operator, arguments, link):
    marketo({"ui_url": UI})
    people = tmp_path / "people.csv"
    people.write_text("email\nnew@example.com\n")
    places = {"<folder>": str(tmp_path), "<people>": str(people)}
    given = {name: places.get(value, value) if isinstance(value, str) else value for name, value in arguments.items()}
    found = link_of(operator(task_id="a_task", **given))
    assert found == link if link is None or link.startswith(UI) else str(found).endswith(link)


def test_without_ui_url_leads_and_lists_have_no_link(marketo):
    marketo()
    assert link_of(MarketoGetLeadsOperator(task_id="a_task", list_id=1001)) is None


@pytest.mark.parametrize("address", ["http://app-sj01.marketo.com", "javascript:alert(1)"])
def test_only_https_urls_become_links(marketo, address):
    marketo({"ui_url": address})
    assert link_of(MarketoGetLeadsOperator(task_id="a_task", list_id=1001)) is None
    assert push_link(task_context(), [{"url": address}]) is None


def test_a_task_that_stored_no_url_has_no_link(monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.links.marketo.XCom.get_value", lambda **_: None)
    assert MarketoLink().get_link(None, ti_key=None) == ""
