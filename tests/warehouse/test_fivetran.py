"""Views with Fivetran's names: what the sources of ``dbt_marketo`` need, on every engine that has schemas."""

from __future__ import annotations

from contextlib import closing

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.output.manifest import Removal
from airflow_provider_marketo.warehouse.engines import connect

ACTIVITY = (
    "id:text lead_id:int activity_date:time activity_type_id:int campaign_id:int primary_attribute_value:text"
    " primary_attribute_value_id:int _fivetran_synced:time"
)
EMAIL = f"{ACTIVITY} email_template_id:int campaign_run_id:int"
READER = (
    "device:text is_mobile_device:bool platform:text step_id:int choice_number:int test_variant:int user_agent:text"
)
TEXTS_OF_A_LEAD = (
    "email first_name last_name phone main_phone mobile_phone company inferred_company address_lead address city state"
    " state_code country country_code postal_code billing_street billing_city billing_state billing_state_code"
    " billing_country billing_country_code billing_postal_code inferred_city inferred_state_region inferred_country"
    " inferred_postal_code inferred_phone_area_code anonymous_ip"
)
SOURCES = {
    "lead": "id:int created_at:time updated_at:time _fivetran_synced:time unsubscribed:bool email_invalid:bool"
    f" do_not_call:bool {' '.join(f'{name}:text' for name in TEXTS_OF_A_LEAD.split())}",
    "lead_describe": "id:int data_type:text display_name:text length:int restname:text restread_only:bool soapname:text"
    " soapread_only:bool _fivetran_synced:time",
    "activity_send_email": f"{EMAIL} action_result:text choice_number:int step_id:int",
    "activity_email_delivered": f"{EMAIL} choice_number:int step_id:int test_variant:int",
    "activity_email_bounced": f"{EMAIL} category:int choice_number:int details:text email:text step_id:int"
    " subcategory:int test_variant:int",
    "activity_open_email": f"{EMAIL} {READER}",
    "activity_click_email": f"{EMAIL} {READER} link:text link_id:text",
    "activity_unsubscribe_email": f"{EMAIL} client_ip_address:text form_fields:text query_parameters:text"
    " referrer_url:text test_variant:int user_agent:text webform_id:int webpage_id:int",
    "activity_change_data_value": f"{ACTIVITY} api_method_name:text modifying_user:text new_value:text old_value:text"
    " reason:text request_id:text source:text",
    "activity_merge_leads": f"{ACTIVITY} master_updated:bool merge_ids:text merge_source:text merged_in_sales:bool",
    "activity_delete_lead": f"{ACTIVITY} campaign:text",
    "campaign": "id:int name:text description:text active:bool type:text program_id:int workspace_name:text"
    " created_at:time updated_at:time computed_url:text flow_id:int smart_list_id:int max_members:int folder_id:int"
    " folder_type:text is_communication_limit_enabled:bool is_requestable:bool is_system:bool"
    " qualification_rule_type:text qualification_rule_interval:int qualification_rule_unit:text"
    " recurrence_start_at:time recurrence_end_at:time recurrence_interval_type:text recurrence_interval:int"
    " recurrence_weekday_only:bool recurrence_day_of_month:int recurrence_day_of_week:text"
    " recurrence_week_of_month:int status:text _fivetran_synced:time _fivetran_deleted:bool",
    "program": "id:int name:text description:text channel:text type:text status:text url:text workspace:text"
    " created_at:time updated_at:time start_date:time end_date:time sfdc_id:text sfdc_name:text _fivetran_synced:time"
    " _fivetran_deleted:bool",
    "email_template_history": "id:int updated_at:time created_at:time operational:bool name:text description:text"
    " status:text url:text workspace:text subject:text from_name:text from_email:text reply_email:text folder_type:text"
    " folder_value:int folder_folder_name:text folder_id:int program_id:int publish_to_msi:bool text_only:bool"
    " web_view:bool template:int version:int _fivetran_synced:time",
}
"""Every table and column that the models of ``dbt_marketo`` 1.4.1 read, with its type."""

TYPES = {
    "duckdb": {"text": "VARCHAR", "int": "BIGINT", "bool": "BOOLEAN", "time": "TIMESTAMP"},
    "postgres": {"text": "text", "int": "bigint", "bool": "boolean", "time": "timestamp without time zone"},
}
SENT = {"marketoGUID": "string", "leadId": "integer", "activityDate": "datetime", "primaryAttributeValueId": "integer"}
FIELDS = {"id": "integer", "restName": "string", "displayName": "string"}
VIEWS = "marketo_fivetran"

WITH_SCHEMAS = ["duckdb", pytest.param("postgres", marks=pytest.mark.services)]
pytestmark = [
    pytest.mark.parametrize("make_warehouse", WITH_SCHEMAS, indirect=True),
    pytest.mark.xdist_group("the schema of the views"),  # which has the same name on each worker
]


@pytest.fixture
def warehouse(make_warehouse):
    """A database with schemas, in which there are no views yet."""
    made = make_warehouse()
    if made.kind == "postgres":
        made.engine.execute(f"DROP SCHEMA IF EXISTS {VIEWS} CASCADE")
        made.engine.execute("DROP SCHEMA IF EXISTS dbt CASCADE")
    return made


def load(warehouse, manifest, **arguments):
    return warehouse.load(manifest, fivetran_schema=VIEWS, **arguments)


def view(warehouse, name: str, *columns: str):
    listed = ", ".join(columns) or "*"
    return warehouse.engine.query(f'SELECT {listed} FROM {VIEWS}."{name}" ORDER BY 1')


def declared(warehouse, name: str):
    with closing(connect("wh", VIEWS)) as engine:
        return engine.declared_columns(name)


def test_every_source_of_dbt_marketo_is_there_with_its_columns_and_types(warehouse, publish):
    load(warehouse, publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    types = TYPES[warehouse.kind]
    for table, columns in SOURCES.items():
        wanted = {name: types[kind] for name, _, kind in (each.partition(":") for each in columns.split())}
        found = declared(warehouse, table)
        assert {name: found.get(name) for name in wanted} == wanted, table
        assert len(view(warehouse, table)) == (table == "lead"), "only leads are loaded"


def test_values_stand_under_fivetrans_names(warehouse, publish):
    leads = publish(
        [(1, "a@x.example", "New", "2026-01-05T00:00:00Z"), (2, None, "Won", "2026-01-05T12:30:00Z")],
        columns={"id": "integer", "email": "string", "leadStatus2": "string", "createdAt": "datetime"},
        as_of="2026-01-08T00:00:00Z",
    )
    sends = publish(
        [("g1", 1, "2026-01-05T10:00:00Z", 3001, '""7""'), ("g2", 2, "2026-01-05T11:00:00Z", 0, None)],
        columns={**SENT, "campaign_run_id": "string"},
        key=("marketoGUID",),
        name="activity_send_email",
    )
    deleted = publish(
        [("d1", 2, "2026-01-09T00:00:00Z"), ("d2", 9, "2026-01-09T00:00:00Z")],
        columns={"marketoGUID": "string", "leadId": "integer", "activityDate": "datetime"},
        key=("marketoGUID",),
        name="deleted_leads",
        kind="deletes",
        removal=Removal("leads", {"id": "leadId"}, "activityDate"),
    )
    campaigns = publish(
        [(1, True, None, 77, "Program"), (2, False, 8, 99, "Folder"), (3, None, None, 99, "Folder")],
        columns={
            "id": "integer",
            "isActive": "boolean",
            "parentProgramId": "integer",
            "folderId": "integer",
            "folderType": "string",
        },
        name="smart_campaigns",
        kind="full",
    )
    versions = publish(
        [(5, "approved", "2026-01-01T00:00:00Z"), (5, "draft", "2026-01-02T00:00:00Z")],
        columns={"id": "integer", "status": "string", "updatedAt": "datetime"},
        key=("id", "status", "updatedAt"),
        name="email_versions",
    )
    for manifest in (leads, sends, deleted, campaigns, versions):
        load(warehouse, manifest)
    assert view(warehouse, "lead", "id", "lead_status_2", "_fivetran_deleted") == [(1, "New", False), (2, "Won", True)]
    hours = view(warehouse, "lead", "id", "CAST(created_at AS text)")
    assert hours[1][1].startswith("2026-01-05 12:30:00"), "in UTC, without a zone"
    found = view(warehouse, "activity_send_email", "id", "primary_attribute_value_id", "email_template_id")
    assert found == [("g1", 3001, 3001), ("g2", None, None)]
    assert view(warehouse, "activity_send_email", "id", "campaign_run_id") == [("g1", 7), ("g2", None)]
    assert view(warehouse, "activity_delete_lead", "id", "lead_id") == [("d1", 2), ("d2", 9)]
    assert view(warehouse, "campaign", "id", "program_id") == [(1, 77), (2, 8), (3, None)]
    assert view(warehouse, "campaign", "id", "active") == [(1, True), (2, False), (3, None)]
    assert view(warehouse, "email_template_history", "id", "status") == [(5, "approved")]


def test_what_the_models_read_has_a_column_before_other_fields(warehouse, publish):
    own = {f"own{number}": "string" for number in range(30)}
    read = ("email", "anonymousIP", "unsubscribed", "leadStatus", "createdAt")
    given = ("a@x.example", "10.0.0.1", True, "New", "2026-01-05T00:00:00Z")
    kinds = ("string", "string", "boolean", "string", "datetime")
    leads = publish([(1, *("v" * 30), *given)], columns={"id": "integer", **own, **dict(zip(read, kinds, strict=True))})
    with pytest.raises(MarketoInvalidRequestError, match=r"max_columns=4.*createdAt.*leadStatus.*Give 6 or more"):
        load(warehouse, leads, max_columns=4)
    load(warehouse, leads, max_columns=7)
    found = view(warehouse, "lead", "email", "anonymous_ip", "unsubscribed", "lead_status", "own_0")
    assert found == [("a@x.example", "10.0.0.1", True, "New", "v")]
    assert not {"own_1", "_overflow", "overflow"} & set(declared(warehouse, "lead"))


def test_restname_is_the_column_of_lead_whatever_is_loaded_first(warehouse, publish):
    fields = [(1, "leadStatus", "Lead Status"), (2, "Account_ID__c", "Account"), (3, "account_ID_c", "Other")]
    load(warehouse, publish(fields, columns=FIELDS, name="lead_fields", kind="full"))
    load(
        warehouse,
        publish(
            [(1, "New", "x", "y")],
            columns={"id": "integer", "leadStatus": "string", "account_ID_c": "string", "Account_ID__c": "string"},
        ),
    )
    names = [name for _, name in view(warehouse, "lead_describe", "id", "restname")]
    assert names == ["lead_status", "account_id_c_2", "account_id_c"]
    assert view(warehouse, "lead", *names) == [("New", "y", "x")]


def test_a_load_switches_the_views_on_for_all_that_is_loaded_and_leaves_them_alone_then(warehouse, publish):
    warehouse.load(publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    warehouse.load(publish([(7, "Webinar")], columns={"id": "integer", "name": "string"}, name="programs", kind="full"))
    own = publish(
        [("g", 1, "2026-01-05T00:00:00Z", 4, "b")],
        columns={**SENT, "what_2do": "string"},
        key=("marketoGUID",),
        name="activity_own",
    )
    load(warehouse, own)
    assert view(warehouse, "lead", "id", "email") == [(1, "a@x.example")]
    assert view(warehouse, "program", "id", "name") == [(7, "Webinar")]
    assert view(warehouse, "activity_own", "id", "lead_id", "what_2do") == [("g", 1, "b")]
    before = warehouse.rows("_marketo_views")
    load(warehouse, own)
    load(warehouse, publish([(2, "b@x.example", 5, "2026-01-05T00:00:00Z")]))
    assert warehouse.rows("_marketo_views") == before
    assert len(view(warehouse, "lead")) == 2


def test_a_new_field_comes_behind_the_columns_that_other_views_know(warehouse, publish):
    load(warehouse, publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    before = list(declared(warehouse, "lead"))
    staging_view(warehouse, "id, email, score")
    columns = {"id": "integer", "email": "string", "newOne": "currency", "updatedAt": "datetime"}
    load(warehouse, publish([(1, "b@x.example", "1.5", "2026-01-06T00:00:00Z")], columns=columns))
    assert list(declared(warehouse, "lead")) == [*before, "new_one"]
    assert warehouse.engine.query("SELECT id, email FROM dbt.stg_lead") == [(1, "b@x.example")]


def test_a_column_is_widened_under_a_view_of_dbt(warehouse, publish, caplog):
    load(warehouse, publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    staging_view(warehouse, "id, score")
    texts = {"id": "integer", "email": "string", "score": "string", "updatedAt": "datetime"}
    load(warehouse, publish([(2, None, "high", "2026-01-06T00:00:00Z")], columns=texts, as_of="2026-01-11T00:00:00Z"))
    if warehouse.kind == "postgres":
        assert warehouse.engine.query("SELECT id, score FROM dbt.stg_lead ORDER BY id") == [(1, 5), (2, None)]
        assert view(warehouse, "lead", "id", "score__text") == [(1, "5"), (2, "high")]
        assert "lead keeps the types of its columns" in caplog.text
    warehouse.engine.execute("DROP VIEW dbt.stg_lead")
    load(warehouse, publish([(3, None, "low", "2026-01-07T00:00:00Z")], columns=texts, as_of="2026-01-12T00:00:00Z"))
    assert view(warehouse, "lead", "id", "score") == [(1, "5"), (2, "high"), (3, "low")]
    staging_view(warehouse, "id, score")
    assert warehouse.engine.query("SELECT score FROM dbt.stg_lead ORDER BY id") == [("5",), ("high",), ("low",)]


def test_a_column_is_widened_in_its_place_if_only_our_view_uses_it(warehouse, publish):
    load(warehouse, publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    texts = {"id": "integer", "email": "string", "score": "string", "updatedAt": "datetime"}
    load(warehouse, publish([(2, None, "high", "2026-01-06T00:00:00Z")], columns=texts, as_of="2026-01-11T00:00:00Z"))
    assert warehouse.types("leads")["score"] == "text"
    assert view(warehouse, "lead", "id", "score") == [(1, "5"), (2, "high")]


def test_a_load_that_names_no_views_keeps_those_of_earlier_loads_current(warehouse, publish):
    load(warehouse, publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    texts = {"id": "integer", "email": "string", "score": "string", "newOne": "string", "updatedAt": "datetime"}
    wider = publish([(2, None, "high", "new", "2026-01-06T00:00:00Z")], columns=texts, as_of="2026-01-11T00:00:00Z")
    warehouse.load(wider)
    assert warehouse.types("leads")["score"] == "text", "our own view is no reason to keep the narrow type"
    assert view(warehouse, "lead", "id", "score", "new_one") == [(1, "5", None), (2, "high", "new")]


def test_views_whose_schema_was_dropped_stay_away_from_later_loads(warehouse, publish):
    load(warehouse, publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    warehouse.engine.execute(f"DROP SCHEMA {VIEWS} CASCADE")
    warehouse.load(publish([(2, "b@x.example", 5, "2026-01-05T00:00:00Z")]))
    assert declared(warehouse, "lead") == {}
    load(warehouse, publish([(3, "c@x.example", 5, "2026-01-05T00:00:00Z")]))
    assert len(view(warehouse, "lead")) == 3


def test_a_table_that_no_load_made_is_left_alone(warehouse, publish):
    warehouse.engine.execute(f"CREATE SCHEMA {VIEWS}")
    warehouse.engine.execute(f"CREATE TABLE {VIEWS}.lead (id bigint)")
    manifest = publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")])
    with pytest.raises(MarketoInvalidRequestError, match=rf"{VIEWS}\.lead exists, .*a schema of their own"):
        load(warehouse, manifest)
    assert list(declared(warehouse, "lead")) == ["id"]
    with pytest.raises(MarketoInvalidRequestError, match="a schema of their own"):
        warehouse.load(manifest, fivetran_schema=warehouse.schema)


def test_a_table_that_fails_does_not_stop_the_views_of_the_others(warehouse, publish):
    bad = publish([(None, "x")], columns={"id": "integer", "name": "string"}, name="programs")
    good = publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")])
    with pytest.raises(Exception, match="programs"):
        load(warehouse, bad)
    load(warehouse, good)
    assert len(view(warehouse, "lead")) == 1


def test_a_dry_run_makes_no_view_and_says_what_it_would_make(warehouse, publish, caplog):
    caplog.set_level("INFO")
    warehouse.load(publish([(1, "a@x.example", 5, "2026-01-05T00:00:00Z")]))
    load(warehouse, publish([(2, "b@x.example", 5, "2026-01-05T00:00:00Z")]), dry_run=True)
    assert "VIEW" in caplog.text
    assert declared(warehouse, "lead") == {}


def staging_view(warehouse, columns: str) -> None:
    """Make a view as dbt does for its staging models."""
    warehouse.engine.execute("CREATE SCHEMA IF NOT EXISTS dbt")
    warehouse.engine.execute(f"CREATE OR REPLACE VIEW dbt.stg_lead AS SELECT {columns} FROM {VIEWS}.lead")
