"""The arguments of the operators that send rows: how they may be written, and what is refused when a DAG is parsed."""

from __future__ import annotations

import inspect
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.utils import htmlsafe_json_dumps

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
    MarketoEraseLeadsOperator: {"evidence": "/e", "lead_ids": [1]},
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
def test_what_is_not_a_lead_id_is_refused_and_an_address_is_not_shown(written):
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


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1).filter(lambda word: word != "None")
VALUES = st.lists(st.none() | st.integers() | st.text(), min_size=1)


@given(values=VALUES, spelling=st.sampled_from([list, tuple, json.dumps, repr, lambda given: repr(tuple(given))]))
def test_placeholders_are_a_list_or_what_a_template_makes_of_one(values, spelling):
    found = made(SqlToMarketoOperator, parameters=spelling(values)).argument("parameters")
    assert found == tuple(values)


@given(
    values=st.dictionaries(st.text(), st.integers() | st.text(), min_size=1),
    spelling=st.sampled_from([dict, repr, json.dumps]),
)
def test_placeholders_are_a_mapping_or_what_a_template_makes_of_one(values, spelling):
    assert made(SqlToMarketoOperator, parameters=spelling(values)).argument("parameters") == values


@pytest.mark.parametrize(("written", "found"), [("2026-01-31", ("2026-01-31",)), ("None", None), ("", None), (7, (7,))])
def test_other_text_is_the_value_of_one_placeholder(written, found):
    assert made(SqlToMarketoOperator, parameters=written).argument("parameters") == found


def test_a_set_has_no_order_for_placeholders():
    with pytest.raises(MarketoInvalidRequestError, match="parameters is a set, which cannot fill placeholders"):
        made(SqlToMarketoOperator, parameters={1, 2})


@pytest.mark.parametrize("written", ["[{'email': 'a@example.com'}]", {"email": "a@example.com"}, 7])
def test_records_are_a_list_of_mappings_and_no_text(written):
    with pytest.raises(MarketoInvalidRequestError, match=r"records is an? .*, not a list of records"):
        made(MarketoSyncLeadsOperator, records=written)


@pytest.mark.parametrize("kind", [kind for kind in OPERATORS if "source" in kind.argument_checks])
@given(
    names=st.lists(
        st.text(st.characters(categories=["L", "N"]), min_size=1).filter(lambda name: name != "None"), min_size=1
    )
)
def test_files_are_a_list_or_what_a_template_makes_of_one(kind, names):
    for spelling in (list, tuple, json.dumps, repr):
        assert made(kind, source=spelling(names)).argument("source") == tuple(names)
    for unordered in (set(names), repr(set(names))):
        assert set(made(kind, source=unordered).argument("source")) == set(names)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in OPERATORS for name in ("columns", "constants") if name in kind.argument_checks],
)
@given(pairs=st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
def test_columns_and_constants_are_mappings_or_what_a_template_makes_of_one(kind, name, pairs):
    for spelling in (dict, repr, json.dumps, lambda given: str(htmlsafe_json_dumps(given))):
        assert made(kind, **{name: spelling(pairs)}).argument(name) == pairs
    for nothing in (None, "None", " "):
        assert made(kind, **{name: nothing}).argument(name) is None


@pytest.mark.parametrize("kind", OPERATORS)
def test_an_unknown_argument_is_refused(kind):
    with pytest.raises(TypeError, match="has no argument 'rejects'"):
        made(kind, rejects="/r")
