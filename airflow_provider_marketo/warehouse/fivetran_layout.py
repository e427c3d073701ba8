"""
Fivetran's names and types: one row for each table, as the models of ``dbt_marketo`` read it.

A column is written as ``name:kind=field``. ``field`` is Marketo's name of the field; without it, the column is the
field that gets this name by Fivetran's rule. ``a|b`` is the first of two fields that has a value, and ``a@b:c`` is the
field ``a`` where the field ``b`` has the value ``c``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_marketo.client.tabular.schema import snake_case
from airflow_provider_marketo.warehouse import column_types as types
from airflow_provider_marketo.warehouse.names import TAKEN_BY_DATABASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SYNCED, DELETED = "_fivetran_synced", "_fivetran_deleted"
ACTIVITY = "activity_"
LEAD_DESCRIBE = "lead_describe"

_KINDS = {"text": types.TEXT, "int": types.INT, "bool": types.BOOL, "time": types.TIMESTAMP}
_BEFORE_A_DIGIT = re.compile(r"(?<=[a-z])(?=[0-9])")
_WORD = re.compile(r"(?P<name>\w+)(?::(?P<kind>\w+))?(?:=(?P<fields>\S+))?")


@dataclass(frozen=True)
class FieldPlace:
    """
    Where a column's value comes from.

    :param field: Marketo's name of the field.
    :param where: another field and the value that it must have; empty for any row.
    """

    field: str
    where: tuple[str, str] | tuple[()] = ()


@dataclass(frozen=True)
class FivetranColumn:
    """
    A column that the models of ``dbt_marketo`` read. It is there even if Marketo has no such field.

    :param name: Fivetran's name.
    :param kind: its type, a word of :mod:`.column_types`. Times are in UTC, without a zone.
    :param places: fields; the first with a value counts. Empty for the field that gets this name by rule.
    :param no_zero: whether 0 stands for no value.
    """

    name: str
    kind: str
    places: tuple[FieldPlace, ...] = ()
    no_zero: bool = False


@dataclass(frozen=True)
class FivetranTable:
    """
    One of Fivetran's tables.

    :param name: Fivetran's name.
    :param datasets: our datasets that may have its rows; the first that is loaded counts.
    :param columns: the columns that are always there, in order.
    :param passes_on: whether all other columns follow.
    :param deletes: whether the table has ``_fivetran_deleted``.
    :param where: a field and the value that its rows have; empty for all rows.
    :param also_read: columns that models read if they are there.
    :param is_required: whether the view exists, empty, before any of its rows are loaded.
    """

    name: str
    datasets: tuple[str, ...]
    columns: tuple[FivetranColumn, ...]
    passes_on: bool = True
    deletes: bool = True
    where: tuple[str, str] | tuple[()] = ()
    also_read: tuple[str, ...] = ()
    is_required: bool = False


def columns(text: str) -> tuple[FivetranColumn, ...]:
    """Return the columns that a text describes, one word each; see the top of this module. A ``!`` forbids zeros."""
    return tuple(map(_column, text.split()))


def fivetran_name(field: str) -> str:
    """Return the column that Fivetran makes of a field: ``inferredCountrybydomain2`` has a word for the digit."""
    return snake_case(_BEFORE_A_DIGIT.sub("_", field))


def fivetran_names(fields: Iterable[str], taken: Mapping[str, str]) -> dict[str, str]:
    """
    Return the column of each field. If two fields get one name, the later field gets ``_2``, and keeps it.

    :param fields: names of fields; an earlier field is never moved by a later one.
    :param taken: fields that have a column already.
    """
    found = dict(taken)
    used = {*taken.values(), *TAKEN_BY_DATABASES}
    for field in fields:
        if field in found:
            continue
        name = column = fivetran_name(field) or "column"
        count = 1
        while column in used:
            count += 1
            column = f"{name}_{count}"
        found[field] = column
        used.add(column)
    return found


def _column(word: str) -> FivetranColumn:
    match = _WORD.fullmatch(word.rstrip("!"))
    assert match is not None
    places = []
    for each in filter(None, (match["fields"] or "").split("|")):
        field, _, condition = each.partition("@")
        other, _, value = condition.partition(":")
        places.append(FieldPlace(field, (other, value) if condition else ()))
    return FivetranColumn(match["name"], _KINDS[match["kind"] or "text"], tuple(places), word.endswith("!"))


_ACTIVITY = (
    "id=marketoGUID lead_id:int=leadId activity_date:time=activityDate activity_type_id:int=activityTypeId"
    " campaign_id:int=campaignId primary_attribute_value=primaryAttributeValue"
    " primary_attribute_value_id:int=primaryAttributeValueId!"
)
_EMAIL = f"{_ACTIVITY} email_template_id:int=primaryAttributeValueId! campaign_run_id:int"
_READER = "device is_mobile_device:bool platform step_id:int choice_number:int test_variant:int user_agent"


def _activity(name: str, more: str, *, base: str = _EMAIL, dataset: str = "") -> FivetranTable:
    datasets = (dataset, f"{ACTIVITY}{name}") if dataset else (f"{ACTIVITY}{name}",)
    return FivetranTable(f"{ACTIVITY}{name}", datasets, columns(f"{base} {more}"), deletes=False, is_required=True)


_TABLES = (
    FivetranTable(
        "lead",
        ("leads",),
        columns(
            "id:int created_at:time=createdAt updated_at:time=updatedAt email first_name last_name phone main_phone"
            " mobile_phone company inferred_company address_lead address city state state_code country country_code"
            " postal_code billing_street billing_city billing_state billing_state_code billing_country"
            " billing_country_code billing_postal_code inferred_city inferred_state_region inferred_country"
            " inferred_postal_code inferred_phone_area_code anonymous_ip unsubscribed:bool email_invalid:bool"
            " do_not_call:bool"
        ),
        also_read=(
            "lead_status",
            "urgency",
            "priority",
            "relative_score",
            "relative_urgency",
            "demographic_score_marketing",
            "behavior_score_marketing",
        ),
        is_required=True,
    ),
    FivetranTable(
        LEAD_DESCRIBE,
        ("lead_fields",),
        columns(
            "id:int data_type=dataType display_name=displayName length:int restname=restName"
            " restread_only:bool=restReadOnly soapname=soapName soapread_only:bool=soapReadOnly"
        ),
        passes_on=False,
        deletes=False,
        is_required=True,
    ),
    _activity("send_email", "choice_number:int step_id:int action_result=actionResult"),
    _activity("email_delivered", "choice_number:int step_id:int test_variant:int"),
    _activity(
        "email_bounced",
        "category:int choice_number:int details email step_id:int subcategory:int test_variant:int",
    ),
    _activity("open_email", _READER),
    _activity("click_email", f"{_READER} link link_id"),
    _activity(
        "unsubscribe_email",
        "client_ip_address form_fields query_parameters referrer_url test_variant:int user_agent webform_id:int"
        " webpage_id:int",
    ),
    _activity(
        "change_data_value",
        "api_method_name modifying_user new_value old_value reason request_id source",
        base=_ACTIVITY,
    ),
    _activity("merge_leads", "master_updated:bool merge_ids merge_source merged_in_sales:bool", base=_ACTIVITY),
    _activity("delete_lead", "campaign", base=_ACTIVITY, dataset="deleted_leads"),
    FivetranTable(
        "campaign",
        ("smart_campaigns",),
        columns(
            "id:int name description active:bool=isActive type"
            " program_id:int=parentProgramId|folderId@folderType:Program workspace_name=workspace"
            " created_at:time=createdAt updated_at:time=updatedAt computed_url=url flow_id:int smart_list_id:int"
            " max_members:int folder_id:int=folderId folder_type=folderType is_communication_limit_enabled:bool"
            " is_requestable:bool is_system:bool qualification_rule_type qualification_rule_interval:int"
            " qualification_rule_unit recurrence_start_at:time recurrence_end_at:time recurrence_interval_type"
            " recurrence_interval:int recurrence_weekday_only:bool recurrence_day_of_month:int recurrence_day_of_week"
            " recurrence_week_of_month:int status"
        ),
        is_required=True,
    ),
    FivetranTable(
        "program",
        ("programs",),
        columns(
            "id:int name description channel type status url workspace created_at:time=createdAt"
            " updated_at:time=updatedAt start_date:time=startDate end_date:time=endDate sfdc_id=sfdcId"
            " sfdc_name=sfdcName"
        ),
        is_required=True,
    ),
    FivetranTable(
        "email_template_history",
        ("email_versions",),
        columns(
            "id:int updated_at:time=updatedAt created_at:time=createdAt operational:bool name description status url"
            " workspace subject from_name from_email reply_email folder_type=folderType folder_value:int=folderId"
            " folder_folder_name=folderName folder_id:int=folderId@folderType:Folder"
            " program_id:int=folderId@folderType:Program publish_to_msi:bool=publishToMSI text_only:bool web_view:bool"
            " template:int version:int"
        ),
        deletes=False,
        where=("status", "approved"),
        is_required=True,
    ),
    FivetranTable("activity_type", ("activity_types",), columns("id:int name description")),
    FivetranTable("api_usage", ("api_usage",), columns("date user_id=userId count:int"), deletes=False),
    FivetranTable("company", ("companies",), columns("id:int company")),
    FivetranTable("form", ("forms",), columns("id:int name description status")),
    FivetranTable(
        "list",
        ("static_lists",),
        columns(
            "id:int name description program_name=folderName@folderType:Program workspace_name=workspace"
            " created_at:time=createdAt updated_at:time=updatedAt"
        ),
    ),
    FivetranTable("list_membership", ("list_members",), columns("id:int=leadId list_id:int=listId")),
    FivetranTable("program_cost", ("program_costs",), columns("program_id:int=programId index:int=position")),
    FivetranTable("program_membership", ("program_members",), columns("id:int=leadId program_id:int=programId")),
    FivetranTable("program_tag", ("program_tags",), columns("program_id:int=programId tag_type=tagType")),
    FivetranTable("program_tag_type", ("tag_types",), columns("tag_type=tagType applicable_program_types")),
)

FIVETRAN_TABLES: Mapping[str, FivetranTable] = {table.name: table for table in _TABLES}
"""The tables by name. Every other activity type also has a table: see :func:`activity_table`."""


def fields_of_models(dataset: str, fields: Iterable[str]) -> frozenset[str]:
    """
    Return those fields of a dataset that the models of ``dbt_marketo`` read.

    :param dataset: name of the dataset.
    :param fields: all fields of the dataset.
    """
    tables = [table for table in _TABLES if dataset in table.datasets]
    placed = {place.field for table in tables for column in table.columns for place in column.places}
    by_rule = {column.name for table in tables for column in table.columns if not column.places}
    by_rule.update(name for table in tables for name in table.also_read)
    return frozenset(field for field in fields if field in placed or fivetran_name(field) in by_rule)


def activity_table(dataset: str) -> FivetranTable:
    """Return the table of an activity type that no model of ``dbt_marketo`` reads."""
    return FivetranTable(dataset, (dataset,), columns(_ACTIVITY), deletes=False)
