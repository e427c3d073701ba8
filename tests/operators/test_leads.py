"""Leads by key: the first call of every Marketo tutorial."""

from __future__ import annotations

import csv
import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from pyarrow import parquet

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.simulator import ApiUser
from tests.simulated import data_files
from tests.support import task_context


def get_leads(**arguments):
    return MarketoGetLeadsOperator(task_id="leads", **arguments).execute(task_context())


def refusal(**arguments) -> str:
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError)) as caught:
        get_leads(**arguments)
    return str(caught.value)


@pytest.fixture
def emails(marketo):
    """The e-mail addresses of an instance's leads, by their ids."""
    instance = marketo(leads=700)
    leads = instance.instance.store.leads
    return {lead_id: leads.get(lead_id)["email"] for lead_id in list(range(1001, 1701))}


def calls(marketo_instance, operation: str) -> int:
    return marketo_instance.report().calls.get(operation, 0)


def test_a_lead_is_found_by_its_email(emails):
    found = get_leads(lookup_field="email", lookup_values=[emails[1001]])
    assert found["ids"] == [1001]
    assert found["count"] == 1


def test_any_number_of_values_is_sent_three_hundred_at_a_time(marketo):
    instance = marketo(leads=700)
    found = get_leads(lookup_field="id", lookup_values=list(range(1001, 1701)), fields=["id"])
    assert found["ids"] == list(range(1001, 1701))
    assert calls(instance, "leads.get_by_filter_type") == 3
    assert instance.report().violations == {}


def test_values_that_make_the_address_too_long_are_posted(marketo):
    instance = marketo(leads=300)
    values = [f"{'a-very-long-local-part-' * 3}{n}@example.com" for n in range(300)]
    assert get_leads(lookup_field="email", lookup_values=values)["count"] == 0
    assert "HTTP 414" not in instance.report().rejected
    assert instance.report().violations == {}


def test_a_list_is_read_to_its_last_page(marketo):
    instance = marketo(leads=2000)
    members = instance.instance.store.list_members("staticListId", 1001)
    found = get_leads(list_id="1001", fields=["id"])
    assert len(members) > 300
    assert sorted(found["ids"]) == sorted(members)
    assert calls(instance, "static_list_membership.get_leads_by_list_id") > 1


def test_all_members_of_a_program_are_found(marketo):
    instance = marketo(leads=2000)
    program = next(iter(instance.instance.store.programs.all))
    members = {member["leadId"] for member in instance.instance.store.programs.members(program)}
    found = get_leads(program_id=program)
    assert set(found["ids"]) == members
    assert found["count"] == len(members) > 0


def test_a_lead_that_several_values_find_comes_once(emails):
    assert get_leads(lookup_field="id", lookup_values="[1001, 1001, '1002']")["ids"] == [1001, 1002]


def test_nothing_to_look_for_is_nothing_found_and_no_call(marketo):
    instance = marketo()
    assert get_leads(lookup_field="email", lookup_values=[])["count"] == 0
    assert instance.report().total_calls == 0


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_rows_go_to_the_output_and_ids_come_back(emails, tmp_path, file_format):
    found = get_leads(
        lookup_field="id",
        lookup_values=[1001, 1002],
        fields=["email"],
        output_path=str(tmp_path),
        file_format=file_format,
    )
    (name,) = data_files(tmp_path)
    assert name == found["files"][0]["name"] == f"leads.{file_format}"
    assert "email" not in found
    assert emails[1001] not in json.dumps(found)
    rows = [{"id": 1001, "email": emails[1001]}, {"id": 1002, "email": emails[1002]}]
    path = tmp_path / name
    if file_format == "csv":
        with path.open(newline="") as file:
            assert [{**row, "id": int(row["id"])} for row in csv.DictReader(file)] == rows
    elif file_format == "jsonl":
        assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    else:
        assert parquet.read_table(path).to_pylist() == rows


def test_mapped_tasks_do_not_replace_the_rows_of_each_other(marketo, tmp_path):
    marketo()
    for index in (0, 1):
        context = task_context()
        context["ti"].map_index = index
        arguments = {"lookup_field": "id", "lookup_values": 1001 + index, "fields": ["id"]}
        operator = MarketoGetLeadsOperator(task_id="leads", output_path=str(tmp_path), file_format="csv", **arguments)
        assert operator.execute(context)["ids"] == [1001 + index]
    assert data_files(tmp_path) == ["leads_0.csv", "leads_1.csv"]


def test_an_output_appears_only_when_everything_was_read(marketo, tmp_path):
    instance = marketo(leads=700)
    instance.fail("leads.get_by_filter_type", "603", skip=1)
    refusal(lookup_field="id", lookup_values=list(range(1001, 1701)), output_path=str(tmp_path), file_format="csv")
    assert data_files(tmp_path) == []


def test_more_leads_than_marketo_finds_are_a_bulk_extract(marketo):
    marketo(leads=20_000)
    text = refusal(lookup_field="leadPartitionId", lookup_values=[1])
    assert text.startswith("lookup_values: ")
    assert "Marketo code 1003" in text
    assert "MarketoBulkExtractOperator(object_type='leads')" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lookup_field": "id", "lookup_values": "1001,1002"}, "contains a comma"),
        ({"lookup_field": "id"}, "lookup_field needs lookup_values"),
        ({}, "exactly one of lookup_field, list_id and program_id"),
        ({"lookup_field": "email", "lookup_values": ["a"], "list_id": 1}, "exactly one of"),
        ({"lookup_field": "company", "lookup_values": ["Acme, Inc."]}, "lookup_values: 1 of 1 value contains a comma"),
        (
            {"lookup_field": "email", "lookup_values": ["a@example.com"], "file_format": "xml", "output_path": "x"},
            "file_format",
        ),
        ({"list_id": "the big one"}, "list_id is a str that is not an id"),
        ({"program_id": "x"}, "program_id is a str that is not an id"),
    ],
)
def test_bad_input_costs_no_call(marketo, tmp_path, arguments, words):
    instance = marketo()
    if "output_path" in arguments:
        arguments |= {"output_path": str(tmp_path)}
    assert words in refusal(**arguments)
    assert instance.report().total_calls == 0


def test_a_field_that_cannot_be_searched_is_refused_by_name(marketo):
    marketo()
    text = refusal(lookup_field="shoeSize", lookup_values=["42"])
    assert text.startswith("lookup_field: ")
    assert "shoeSize" in text


def test_an_unknown_field_is_refused_by_name(marketo):
    marketo()
    text = refusal(lookup_field="id", lookup_values=[1001], fields=["shoeSize"])
    assert text.startswith("fields: ")
    assert "shoeSize" in text


def test_a_list_that_does_not_exist_is_refused_by_name(marketo):
    marketo()
    text = refusal(list_id=7)
    assert text.startswith("list_id: ")
    assert "Marketo code 1013" in text


def test_a_missing_permission_is_named(marketo):
    marketo(
        users=[ApiUser("an-id", "a-secret", "a@example.org", denied=frozenset({"Read-Only Lead", "Read-Write Lead"}))]
    )
    assert "'Read-Only Lead' or 'Read-Write Lead'" in refusal(lookup_field="id", lookup_values=[1001])
