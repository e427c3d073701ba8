"""The arguments of the operators that send rows: how they may be written, and what is refused when a DAG is parsed."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.base import MarketoOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator, MarketoProgramMembersOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator, MarketoSyncOperator
from airflow_provider_marketo.transfers.sql_to_marketo import SqlToMarketoOperator

OPERATORS: dict[type[MarketoOperator], dict[str, Any]] = {
    MarketoBulkImportOperator: {"object_type": "leads", "source": "x.csv", "rejects_path": "/r"},
    MarketoSyncOperator: {"object_type": "leads", "records": [], "rejects_path": "/r"},
    MarketoSyncLeadsOperator: {"records": [], "rejects_path": "/r"},
    MarketoListMembersOperator: {"list_id": 1001, "lead_ids": [1], "rejects_path": "/r"},
    MarketoProgramMembersOperator: {"program_id": 1001, "lead_ids": [1], "rejects_path": "/r"},
    SqlToMarketoOperator: {"sql": "SELECT 1", "sql_conn_id": "warehouse", "rejects_path": "/r"},
    MarketoEraseLeadsOperator: {"evidence": "/e", "filter_values": ["a@example.com"]},
}


def made(kind: type[MarketoOperator], **arguments: Any) -> Any:
    return kind(task_id="a_task", **{**OPERATORS[kind], **arguments})


def named(kind: type[MarketoOperator]) -> set[str]:
    return set(inspect.signature(kind).parameters) - {"self", "kwargs"}


@pytest.mark.parametrize("kind", OPERATORS)
def test_every_argument_is_checked_documented_and_stored_under_its_own_name(kind):
    operator = made(kind)
    assert named(kind) <= set(kind.argument_checks)
    assert {name for name in named(kind) if f":param {name}: " not in kind.__doc__} == set()
    assert {name for name in named(kind) - {"dry_run"} if name not in vars(operator)} == set()
    assert set(kind.template_fields) <= set(kind.argument_checks)


@pytest.mark.parametrize("written", [90, 90.0, "90", timedelta(seconds=90), "PT1M30S"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SqlToMarketoOperator, "latency"),
        (SqlToMarketoOperator, "timeout"),
        (MarketoBulkImportOperator, "poll_interval"),
        (MarketoEraseLeadsOperator, "verify_after"),
    ],
)
def test_a_length_of_time_is_seconds_a_timedelta_or_an_iso_duration(kind, name, written):
    assert made(kind, **{name: written}).argument(name) == timedelta(seconds=90)


@pytest.mark.parametrize(
    "written",
    [[1001, 1002], (1001, 1002), {1001, 1002}, ["1001", "1002"], "[1001, 1002]", "(1001, 1002)", "{1001, 1002}"],
)
def test_lead_ids_are_a_list_or_what_a_template_makes_of_one(written):
    assert made(MarketoListMembersOperator, lead_ids=written).argument("lead_ids") == (1001, 1002)


@pytest.mark.parametrize("written", ["1001,1002", "1001 1002", "me@example.com", 0, [1001, None], {"id": 1001}])
def test_what_is_no_lead_id_is_refused_and_an_address_is_not_shown(written):
    with pytest.raises(MarketoInvalidRequestError, match="lead_ids") as caught:
        made(MarketoListMembersOperator, lead_ids=written)
    assert "me@example.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (MarketoSyncOperator, {"object_type": "lead"}, "Did you mean 'leads'"),
        (MarketoSyncOperator, {"action": "upsert"}, "action='upsert' is not one of 'createOrUpdate'"),
        (MarketoSyncOperator, {"dedupe_by": "email"}, "dedupe_by='email' is not one of 'dedupeFields', 'idField'"),
        (MarketoSyncOperator, {"empty_fields": "null"}, "empty_fields='null' is not one of 'keep', 'clear'"),
        (MarketoBulkImportOperator, {"source": None}, "source is required"),
        (MarketoBulkImportOperator, {"source_format": "xlsx"}, "source_format='xlsx' is not one of 'csv'"),
        (MarketoBulkImportOperator, {"rejects_path": ""}, "rejects_path is required"),
        (MarketoListMembersOperator, {"mode": "mirrored"}, "Did you mean 'mirror'"),
        (MarketoListMembersOperator, {"list_id": None}, "list_id is required"),
        (SqlToMarketoOperator, {"transport": "ingest"}, "Did you mean 'ingestion'"),
        (SqlToMarketoOperator, {"dry_run": "perhaps"}, "dry_run='perhaps' is neither True nor False"),
        (MarketoEraseLeadsOperator, {"max_leads": -1}, "max_leads=-1 is not a whole number of 0 or more"),
    ],
)
def test_a_mistake_is_an_import_error_of_the_dag(kind, arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        made(kind, **arguments)


@pytest.mark.parametrize("kind", OPERATORS)
def test_an_unknown_argument_is_refused(kind):
    with pytest.raises(TypeError, match="rejects"):
        made(kind, rejects="/r")
