"""A misspelt name is refused with the name that was probably meant, wherever it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.argument_names import ELSEWHERE, OTHER_NAMES, argument_names
from airflow_provider_marketo.client.suggest import plain
from airflow_provider_marketo.operators.api import MarketoApiOperator
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from airflow_provider_marketo.operators.erase import MarketoEraseLeadsOperator
from airflow_provider_marketo.operators.leads import MarketoGetLeadsOperator
from airflow_provider_marketo.operators.listings import MarketoListingOperator
from airflow_provider_marketo.operators.members import MarketoListMembersOperator, MarketoProgramMembersOperator
from airflow_provider_marketo.operators.sync import MarketoSyncLeadsOperator
from airflow_provider_marketo.sensors.activities import MarketoActivitySensor
from airflow_provider_marketo.sensors.bulk_job import MarketoBulkJobSensor
from airflow_provider_marketo.sensors.leads import MarketoLeadSensor
from airflow_provider_marketo.sensors.members import MarketoListMembershipSensor, MarketoProgramMemberSensor
from airflow_provider_marketo.task_groups.warehouse import MarketoWarehouseTaskGroup
from airflow_provider_marketo.transfers.marketo_to_sql import MarketoToSqlOperator
from airflow_provider_marketo.triggers.activity import MarketoActivityTrigger
from tests.simulated import marketo
from tests.support import StateStore, task_context
from tools.arguments_page import public_classes

__all__ = ["marketo"]

SEARCHABLE = r"Marketo searches by id, email, .*"
LEAD = {"lookup_values": ["ada@example.com"]}
SPAN = {"start": "2026-01-01", "end": "2026-01-02", "output_path": "<folder>/out"}
REJECTS = {"rejects_path": "<folder>/rejects"}
IMPORT = {"source": "<people>", **REJECTS}


@pytest.fixture
def run(marketo, tmp_path) -> Callable[..., Any]:
    marketo()
    (tmp_path / "people.csv").write_text("email,fristName\nada@example.com,Ada\n")

    def run(task: type, arguments: dict[str, Any]) -> Any:
        given = {
            name: value.replace("<folder>", str(tmp_path)).replace("<people>", str(tmp_path / "people.csv"))
            if isinstance(value, str)
            else value
            for name, value in arguments.items()
        }
        context = task_context(StateStore())
        context["ti"].get_first_reschedule_date = lambda _: None
        return task(task_id="a_task", **given).execute(context)

    return run


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        (
            MarketoGetLeadsOperator,
            {**LEAD, "lookup_field": "emial"},
            f"^lookup_field: .*Did you mean 'email'. {SEARCHABLE}",
        ),
        (MarketoGetLeadsOperator, {**LEAD, "lookup_field": "firstName"}, f"^lookup_field: .*{SEARCHABLE}"),
        (
            MarketoGetLeadsOperator,
            {**LEAD, "lookup_field": "email", "fields": ["fristName"]},
            "^fields: .*Did you mean 'firstName'",
        ),
        (MarketoLeadSensor, {**LEAD, "lookup_field": "emial"}, f"^lookup_field: .*Did you mean 'email'. {SEARCHABLE}"),
        (MarketoLeadSensor, {**LEAD, "field": "leadStatu"}, "^field: .*Did you mean 'leadStatus'"),
        (MarketoProgramMemberSensor, {"program_id": 1001, "statuses": "Attend"}, "did you mean 'Attended'"),
        (MarketoActivitySensor, {"activity_types": "Fill Out From"}, "^activity_types: .*Did you mean 'Fill Out Form'"),
        (
            MarketoBulkJobSensor,
            {"object_type": "custom_objects", "custom_object": "car", "export_id": "x"},
            "^custom_object: .*Did you mean 'car_c'",
        ),
        (MarketoListMembershipSensor, {"list_id": 99_999, "lead_ids": 1001}, "^list_id: "),
        (
            MarketoBulkExtractOperator,
            {
                "object_type": "custom_objects",
                "custom_object": "car",
                "fields": "all",
                **SPAN,
                "date_field": "updatedAt",
            },
            "^custom_object: .*Did you mean 'car_c'",
        ),
        (MarketoBulkExtractOperator, {"object_type": "leads", "fields": ["emial"], **SPAN}, "did you mean 'email'"),
        (
            MarketoBulkImportOperator,
            {"object_type": "custom_objects", "custom_object": "vehicle", **IMPORT},
            "^custom_object: .*The custom object types are .*car_c",
        ),
        (MarketoBulkImportOperator, {"object_type": "leads", **IMPORT}, "did you mean 'firstName'"),
        (
            MarketoBulkImportOperator,
            {
                "object_type": "program_members",
                "program_id": 1001,
                "program_member_status": "Attend",
                "source": "<people>",
                "columns": {"email": "email"},
                "rejects_path": "<folder>/rejects",
            },
            "did you mean 'Attended'",
        ),
        (MarketoApiOperator, {"operation": "leads.get_by_filtertype"}, "Did you mean leads.get_by_filter_type"),
        (
            MarketoSyncLeadsOperator,
            {"records": [{"email": "ada@example.com"}], "partition_name": "Defaults", **REJECTS},
            "^partition_name: .*Did you mean 'Default'",
        ),
        (
            MarketoBulkImportOperator,
            {"object_type": "leads", **IMPORT, "columns": {"email": "email"}, "partition_name": "APAC"},
            "^partition_name: .*The lead partitions are Default, EMEA",
        ),
        (
            MarketoBulkExtractOperator,
            {"object_type": "leads", **SPAN, "partition_by": ["countryy"]},
            "^partition_by: 'countryy' .did you mean 'country'",
        ),
        (
            MarketoBulkExtractOperator,
            {"object_type": "leads", **SPAN, "date_field": "updateAt"},
            "^date_field: .*did you mean 'updatedAt'",
        ),
        (
            MarketoBulkExtractOperator,
            {"object_type": "leads", **SPAN, "filters": {"smartListNam": "x"}},
            "^filters: .*did you mean 'smartListName'",
        ),
        (
            MarketoListingOperator,
            {"object_types": ["programs"], "fields": {"program": ["id"]}, "output_path": "<folder>/out"},
            "^fields: 'program' .did you mean 'programs'",
        ),
        (
            MarketoListingOperator,
            {"object_types": ["opportunities"], "keys": {"opportunitys": ["x"]}, "output_path": "<folder>/out"},
            "^keys: 'opportunitys' .did you mean 'opportunities'",
        ),
        (
            MarketoBulkImportOperator,
            {"object_type": "leads", **IMPORT, "columns": {"emial": "email"}},
            "no column 'emial' \\(did you mean 'email'.*Its columns are email",
        ),
        (
            MarketoSyncLeadsOperator,
            {"records": [{"email": "ada@example.com"}], "lookup_field": "e-mail", **REJECTS},
            "the input has no 'e-mail' .did you mean 'email'",
        ),
        (
            MarketoProgramMembersOperator,
            {"program_id": 1001, "lead_ids": [1001], "program_member_status": "Atended", **REJECTS},
            "^program_member_status: .*did you mean 'Attended'",
        ),
        (
            MarketoListMembersOperator,
            {
                "list_id": 1001,
                "mode": "add",
                "source": "<people>",
                "columns": {"email": "emial"},
                "lookup_field": "emial",
                **REJECTS,
            },
            f"^lookup_field: .*Did you mean 'email'. {SEARCHABLE}",
        ),
        (
            MarketoEraseLeadsOperator,
            {"lookup_field": "emial", "records": [{"emial": "a"}], "evidence": "<folder>/e", "confirm": True},
            f"^lookup_field: .*Did you mean 'email'. {SEARCHABLE}",
        ),
        (
            MarketoEraseLeadsOperator,
            {
                "source": "<people>",
                "columns": {"emial": "email"},
                "lookup_field": "email",
                "evidence": "<folder>/e",
                "confirm": True,
            },
            "no column 'emial' \\(did you mean 'email'.*with the argument columns",
        ),
        (
            MarketoBulkExtractOperator,
            {"object_type": "leads", "filters": {"staticListName": "Newsleter"}, "output_path": "<folder>/out"},
            "^filters: .*Did you mean 'Newsletter",
        ),
        *(
            (MarketoApiOperator, {"operation": operation, "arguments": arguments, "ledger": "<folder>"}, said)
            for operation, arguments, said in (
                ("leads.sync", {"input": [{"email": "ada@example.com"}], "partitionName": "Defaults"}, "'Default'"),
                (
                    "leads.push",
                    {"input": [{"email": "a@example.com"}], "programName": "Spring Webinr"},
                    "Spring Webinar",
                ),
                ("custom_objects.describe", {"customObjectName": "car"}, "'car_c'"),
                ("leads.sync", {"input": [{"email": "a@example.com"}], "lookupField": "emial"}, "'email'"),
                ("leads.get_by_filter_type", {"filterType": "emial", "filterValues": ["a"]}, "'email'.*searchable"),
                (
                    "leads.get_by_filter_type",
                    {"filterType": "email", "filterValues": ["a"], "fields": ["fristName"]},
                    "'firstName'",
                ),
                (
                    "static_list_membership.get_leads_by_list_id",
                    {"listId": 1001, "fields": ["fristName"]},
                    "'firstName'",
                ),
                ("companies.get", {"filterType": "compny", "filterValues": ["a"]}, "'company'"),
                (
                    "custom_objects.get",
                    {"customObjectName": "car_c", "filterType": "vim", "filterValues": ["1"]},
                    "'vin'",
                ),
                (
                    "program_members.sync_status",
                    {"programId": 1001, "statusName": "Attend", "input": [{"leadId": 1001}]},
                    "'Attended'",
                ),
                (
                    "leads.change_program_status",
                    {"programId": 1001, "status": "Attend", "input": [{"id": 1001}]},
                    "'Attended'",
                ),
                ("programs.update_tag", {"id": 1001, "tagType": "Regions", "tagValue": "EMEA"}, "'Region'"),
                ("programs.update_tag", {"id": 1001, "tagType": "Region", "tagValue": "EMEAA"}, "'EMEA'"),
                (
                    "programs.update_metadata",
                    {"id": 1001, "tags": [{"tagType": "Region", "tagValue": "Amerikas"}]},
                    "'Americas'",
                ),
                (
                    "programs.create",
                    {
                        "name": "New",
                        "folder": {"id": 111, "type": "Folder"},
                        "type": "Event",
                        "channel": "Webinars",
                    },
                    "'Webinar'",
                ),
            )
        ),
    ],
)
def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(run, task, arguments, said):
    with pytest.raises(AirflowFailException, match=said):
        run(task, arguments)


@pytest.mark.parametrize(
    ("task", "arguments", "said"),
    [
        (
            MarketoGetLeadsOperator,
            {"lookup_fild": "email", "lookup_values": ["x"]},
            "no argument 'lookup_fild'. Did you",
        ),
        (
            MarketoGetLeadsOperator,
            {"lookup_field": "email", "lookup_value": ["x"]},
            r"'lookup_value'\. Did you mean 'lookup_values'",
        ),
        (MarketoLeadSensor, {**LEAD, "fieldd": "leadStatus"}, "MarketoLeadSensor has no argument 'fieldd'. .*'field'"),
        (MarketoLeadSensor, {**LEAD, "poke_intervall": 5}, r"'poke_intervall'\. Did you mean 'poke_interval'"),
        (MarketoSyncLeadsOperator, {"rows": [{"email": "ada@example.com"}], **REJECTS}, "no argument 'rows'"),
        (
            MarketoToSqlOperator,
            {"manifest": "m.json", "sql_con_id": "wh"},
            r"'sql_con_id'\. Did you mean 'sql_conn_id'",
        ),
    ],
)
def test_a_misspelt_argument_is_refused_when_the_dag_is_parsed_without_its_value(task, arguments, said):
    with pytest.raises(TypeError, match=said) as refused:
        task(task_id="a_task", **arguments)
    assert "ada@example.com" not in str(refused.value)


WHAT_ADOBE_AND_OTHERS_SAY = [
    (MarketoGetLeadsOperator, "filterType", "Did you mean 'lookup_field'?"),
    (MarketoGetLeadsOperator, "filter_values", "Did you mean 'lookup_values'?"),
    (MarketoGetLeadsOperator, "listId", "Did you mean 'list_id'?"),
    (MarketoGetLeadsOperator, "output", "Did you mean 'output_path'?"),
    (MarketoLeadSensor, "filter_type", "Did you mean 'lookup_field'?"),
    (MarketoProgramMemberSensor, "statusNames", "Did you mean 'statuses'?"),
    (MarketoActivitySensor, "primaryAttributeValueIds", "Did you mean 'asset_ids'?"),
    (MarketoBulkExtractOperator, "primaryAttributeValueIds", "Did you mean 'filters'?"),
    (MarketoBulkExtractOperator, "max_export_mb", "Did you mean 'daily_export_mb'?"),
    (MarketoBulkExtractOperator, "hash_salt", "The key of hash_fields is the connection's extra hash_secret."),
    (MarketoBulkExtractOperator, "munchkin_id", "It is a field of the connection that marketo_conn_id names."),
    (MarketoBulkImportOperator, "input", "Did you mean 'source'?"),
    (MarketoSyncLeadsOperator, "rows", "Did you mean 'records' or 'source'?"),
    (MarketoApiOperator, "parameters", "Did you mean 'arguments'?"),
    (MarketoToSqlOperator, "postgres_conn_id", "Did you mean 'sql_conn_id'?"),
    (MarketoActivityTrigger, "activityTypeIds", "Did you mean 'activity_types'?"),
    (MarketoWarehouseTaskGroup, "lateArrivals", "Did you mean 'lookback'?"),
]


def test_adobes_and_other_tools_names_of_arguments_lead_to_ours():
    said = {}
    for kind, name, _ in WHAT_ADOBE_AND_OTHERS_SAY:
        with pytest.raises(TypeError) as refused:
            kind(**{name: "ada@example.com"})
        said[kind, name] = str(refused.value)
    assert said == {
        (kind, name): f"{kind.__name__} has no argument {name!r}. {hint}"
        for kind, name, hint in WHAT_ADOBE_AND_OTHERS_SAY
    }


def test_the_table_of_other_names_leads_to_arguments_that_there_are():
    known = set().union(*map(argument_names, public_classes()))
    assert {name for names in OTHER_NAMES.values() for name in names} - known == set()
    assert len({plain(name) for name in (*OTHER_NAMES, *ELSEWHERE)}) == len(OTHER_NAMES) + len(ELSEWHERE)


def test_airflows_own_arguments_are_taken():
    task = MarketoGetLeadsOperator(
        task_id="a_task", **LEAD, lookup_field="email", retries=2, default_args={"owner": "a"}, params={"a": 1}
    )
    assert (task.retries, task.owner, dict(task.params)) == (2, "a", {"a": 1})
