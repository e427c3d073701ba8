"""Wrong arguments are refused before a call is spent; the error names the parameter and shows no value."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.operations import get, prepare

FILTER = {"filterType": "email", "filterValues": ["ada@example.org"]}


def refusal(name: str, /, **parameters) -> MarketoInvalidRequestError:
    with pytest.raises(MarketoInvalidRequestError) as caught:
        prepare(get(name), parameters)
    assert caught.value.operation == name
    return caught.value


@pytest.mark.parametrize(
    ("name", "parameters", "culprit", "fault"),
    [
        pytest.param("leads.sync", {"inputs": []}, "inputs", "Did you mean input", id="unknown"),
        pytest.param("leads.describe", {"zz": 1}, "zz", "knows no names here", id="unknown where none is taken"),
        pytest.param("leads.sync", {}, "input", "missing", id="missing"),
        pytest.param("leads.get_by_id", {}, "leadId", "missing", id="missing in the path"),
        pytest.param("leads.sync", {"input": "x"}, "input", "list", id="text for a list"),
        pytest.param("leads.sync", {"input": ["x"]}, "input[0]", "mapping", id="text for a record"),
        pytest.param("leads.get_by_id", {"leadId": "x"}, "leadId", "integer", id="text for an integer"),
        pytest.param("leads.get_by_id", {"leadId": True}, "leadId", "integer", id="boolean for an integer"),
        pytest.param("campaigns.get", {"isTriggerable": "yes"}, "isTriggerable", "true or false", id="no boolean"),
        pytest.param(
            "activities.get_paging_token", {"sinceDatetime": "yesterday"}, "sinceDatetime", "ISO 8601", id="no datetime"
        ),
        pytest.param(
            "activities.get_paging_token",
            {"sinceDatetime": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8)))},
            "sinceDatetime",
            "years 1 to 9999",
            id="datetime before the first year in UTC",
        ),
        pytest.param("leads.get_by_id", {"leadId": "9" * 5000}, "leadId", "integer", id="endless integer"),
        pytest.param("leads.sync", {"input": [{"score": Decimal("1e400")}]}, "input[0].score", "finite", id="endless"),
        pytest.param("leads.sync", {"input": [{"name": "\ud83d"}]}, "input[0].name", "surrogate", id="half an emoji"),
        pytest.param("programs.get_by_name", {"name": "\ud83d"}, "name", "surrogate", id="half an emoji in a query"),
        pytest.param("leads.sync", {"input": [{}], "action": "upsert"}, "action", "createOnly", id="not in the list"),
        pytest.param("leads.sync", {"input": [{}] * 301}, "input", "300", id="too many records"),
        pytest.param("leads.sync", {"input": []}, "input", "empty", id="no records"),
        pytest.param(
            "leads.get_by_filter_type", {**FILTER, "filterValues": []}, "filterValues", "empty", id="empty filter"
        ),
        pytest.param(
            "leads.get_by_filter_type", {**FILTER, "batchSize": 301}, "batchSize", "at most 300", id="page too large"
        ),
        pytest.param("emails.get", {"maxReturn": 201}, "maxReturn", "at most 200", id="asset page too large"),
        pytest.param("leads.merge", {"leadId": 1, "leadIds": list(range(26))}, "leadIds", "25", id="merge of too many"),
        pytest.param(
            "activities.get_lead_activities",
            {"nextPageToken": "t", "activityTypeIds": list(range(11))},
            "activityTypeIds",
            "10",
            id="too many activity types",
        ),
        pytest.param(
            "campaigns.request",
            {"campaignId": 1, "input": {"leads": [{"id": 1}] * 101}},
            "input.leads",
            "100",
            id="too many leads inside an object",
        ),
        pytest.param(
            "campaigns.request",
            {"campaignId": 1, "input": {"leads": [{"ID": 1}]}},
            "input.leads[0].ID",
            "Did you mean id",
            id="unknown inside a list",
        ),
        pytest.param(
            "folders.create",
            {"name": "x", "parent": {"id": 1, "type": "Folder"}, "description": "x" * 2001},
            "description",
            "2000",
            id="text too long",
        ),
        pytest.param("leads.delete", {}, "id", "input", id="neither of two"),
        pytest.param(
            "leads.delete", {"id": [1], "input": [{"id": 1}]}, "input", "cannot be used with id", id="both of two"
        ),
        pytest.param(
            "bulk_export_leads.create_job",
            {"fields": ["id"], "filter": {"staticListId": 1, "createdAt": {}}},
            "filter.staticListId",
            "cannot be used with createdAt",
            id="two filters",
        ),
        pytest.param(
            "bulk_export_leads.create_job",
            {"fields": ["id"], "filter": {"createdAt": {"startAt": "2024-01-01", "endAt": "2024-02-02"}}},
            "filter.createdAt.endAt",
            "31 days",
            id="window too long",
        ),
        pytest.param(
            "program_members.get",
            {"programId": 1, "filterType": "updatedAt", "startAt": "2024-01-02", "endAt": "2024-01-01"},
            "startAt",
            "after endAt",
            id="window that ends before it starts",
        ),
        pytest.param("emails.update_metadata", {"id": 1}, "autoCopyToText", "must be given", id="nothing to change"),
        pytest.param(
            "leads.get_by_filter_type",
            {**FILTER, "filterValues": ["Lovelace, Ada"]},
            "filterValues",
            "comma",
            id="comma in a list",
        ),
        pytest.param("custom_objects.describe", {"customObjectName": ".."}, "customObjectName", "a URL", id="dots"),
        pytest.param("custom_objects.describe", {"customObjectName": ""}, "customObjectName", "a URL", id="empty"),
        pytest.param("leads.sync", {"input": [{"score": float("nan")}]}, "input[0].score", "finite", id="NaN"),
        pytest.param("leads.sync", {"input": '[{"score": NaN}]'}, "input[0].score", "finite", id="NaN in text"),
        pytest.param(
            "data_ingestion.sync_persons",
            {"munchkinId": "123-ABC-456", "persons": [{}], "X-Correlation-Id": "a\r\nb"},
            "X-Correlation-Id",
            "printable",
            id="line break in a header",
        ),
        pytest.param("leads.sync", {"input": [{"x": b"y"}]}, "input[0].x", "bytes", id="bytes in a record"),
        pytest.param("bulk_import_leads.import", {"file": 7}, "file", "bytes", id="number for a file"),
        pytest.param("bulk_import_leads.import", {"file": b"x" * 10_485_760}, "file", "10485759", id="file of 10 MB"),
    ],
)
def test_a_wrong_call_is_refused(name, parameters, culprit, fault):
    error = refusal(name, **parameters)

    assert error.parameter == culprit
    assert fault in str(error)


def test_a_body_over_one_megabyte_is_refused_and_the_largest_member_named():
    error = refusal("leads.sync", input=[{"notes": "x" * 5_000}] * 300, lookupField="id")

    assert error.parameter == "input"
    assert "1048576" in str(error)


def test_a_list_for_a_body_over_one_megabyte_is_refused():
    roles = [{"accessRoleId": 10**9, "workspaceId": 0}] * 30_000

    assert refusal("user_management.add_roles", userid="x", input=roles).parameter == "input"


def test_a_form_over_one_megabyte_is_refused_and_the_largest_field_named():
    error = refusal("tokens.create", id=1, folderType="Folder", name="n", type="text", value="x" * 1_100_000)

    assert error.parameter == "value"


def test_an_address_over_8_kb_is_refused_where_marketo_takes_no_post_instead():
    assert refusal("emails.get_by_name", name="x" * 9_000).parameter == "name"
    assert refusal("custom_objects.describe", customObjectName="x" * 9_000).parameter == "path"
    assert refusal("static_list_membership.remove_from_list", listId=1, id=[10**40] * 300).parameter == "id"


def test_no_error_shows_a_value():
    error = refusal("leads.get_by_filter_type", filterType="email", filterValues="ada@example.org")

    assert "ada@example.org" not in str(error)


@pytest.mark.parametrize("name", ["a b", "new-type", "_hidden", "größe", "a/b"])
def test_an_api_name_that_marketo_would_refuse_is_not_sent(name):
    error = refusal(
        "activities.create_custom_type_attributes",
        apiName="seminar_c",
        attributes=[{"apiName": "good_1", "name": "Good"}, {"apiName": name, "name": "Bad"}],
    )
    assert error.parameter == "attributes[1].apiName"
    assert "letters, digits and underscores" in error.message
