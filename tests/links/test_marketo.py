"""Where the link on a task's page leads, and which tasks have no link."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException

from airflow_provider_marketo.hooks.link import XCOM_KEY, push_link
from airflow_provider_marketo.links.marketo import MarketoLink
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.assets import MarketoAssetOperator, MarketoProgramTokensOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.campaigns import MarketoScheduleCampaignOperator, MarketoSendSampleOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.sensors.members import MarketoListMembershipSensor
from airflow_provider_marketo.sensors.quota import MarketoQuotaSensor
from tests.simulated import marketo
from tests.support import StateStore, run_task, task_context

__all__ = ["marketo"]

UI = "https://app-sj01.marketo.com"
LEAD, LIST = f"{UI}/leadDatabase/loadLeadDetail?leadId=1001", f"{UI}/#ST1001A1"
MEMBERS = {"operation": "static_list_membership.add_to_list", "arguments": {"listId": 1001, "id": [1001, 1002]}}


def link_of(operator: Any) -> str:
    """Run a task and return the URL that Airflow stores for its page when the task ends."""
    context = task_context(StateStore())
    context["ti"].task = operator
    run_task(operator, context)
    (link,) = operator.operator_extra_links
    assert link.xcom_key == XCOM_KEY
    return link.get_link(operator, ti_key=None)


@pytest.mark.parametrize(
    ("operator", "arguments", "link"),
    [
        (MarketoGetLeadsOperator, {"lookup_field": "id", "lookup_values": [1001]}, LEAD),
        (MarketoGetLeadsOperator, {"lookup_field": "id", "lookup_values": [1001, 1002]}, UI),
        (MarketoGetLeadsOperator, {"program_id": 1001}, f"{UI}/#PG1001A1"),
        (
            MarketoBulkExtractOperator,
            {"object_type": "leads", "filters": {"staticListId": 1001}, "output_path": "<folder>"},
            LIST,
        ),
        (
            MarketoBulkExtractOperator,
            {"object_type": "leads", "start": "2026-01-01", "end": "2026-01-03", "output_path": "<folder>"},
            UI,
        ),
        (
            MarketoProgramTokensOperator,
            {"program_id": 1001, "tokens": {"Title": "Hello"}, "dry_run": True},
            "#PG1001A1",
        ),
        (MarketoListMembershipSensor, {"list_id": 1002, "lead_ids": [1001], "member": False}, f"{UI}/#ST1002A1"),
        (MarketoLeadSensor, {"lookup_field": "id", "lookup_values": 1001}, UI),
        (MarketoQuotaSensor, {"min_calls": 1}, UI),
        (MarketoGetLeadsOperator, {"list_id": 1001}, LIST),
        (
            MarketoEraseLeadsOperator,
            {"lead_ids": [1001], "evidence": "<folder>", "dry_run": True},
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
        (MarketoApiOperator, {"operation": "leads.describe"}, UI),
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
    assert found == link if link.startswith(UI) else found.endswith(link)


def test_without_ui_url_leads_and_lists_have_no_link(marketo):
    marketo()
    assert link_of(MarketoGetLeadsOperator(task_id="a_task", list_id=1001)) == ""


@pytest.mark.parametrize("address", ["http://app-sj01.marketo.com", "javascript:alert(1)"])
def test_only_https_urls_become_links(marketo, address):
    marketo({"ui_url": address})
    assert link_of(MarketoGetLeadsOperator(task_id="a_task", list_id=1001)) == ""
    assert push_link(task_context(), [{"url": address}]) is None


def test_a_task_that_never_called_marketo_has_no_link():
    """Airflow also asks for the link of failed tasks, and logs an error for each XCom that it does not find."""
    operator = MarketoGetLeadsOperator(task_id="a_task", list_id=1001)
    assert MarketoLink().get_link(operator, ti_key=None) == ""


@pytest.mark.parametrize("host", [None, ""], ids=["no connection", "a wrong one"])
def test_a_connection_that_fails_the_task_does_not_fail_the_link_as_well(monkeypatch, host):
    if host is not None:
        monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps({"conn_type": "marketo", "host": host}))
    operator = MarketoGetLeadsOperator(task_id="a_task", list_id=1001)
    with pytest.raises((AirflowNotFoundException, AirflowFailException), match=r"Create it in|Enter the instance URL"):
        operator.execute(task_context())
    assert MarketoLink().get_link(operator, ti_key=None) == ""


def test_a_link_is_kept_over_a_deferral():
    operator = MarketoEraseLeadsOperator(task_id="a_task", lead_ids=[1001], evidence="/tmp")
    ti = task_context()["ti"]
    ti.xcom_pull = lambda key, **_: {XCOM_KEY: LEAD}.get(key)
    operator.nothing = lambda context: None
    operator.resume_execution("nothing", {}, {"ti": ti})
    assert MarketoLink().get_link(operator, ti_key=None) == LEAD
