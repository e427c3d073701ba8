"""How a checked call is written: path, query, form, JSON, multipart, and queries that become POSTs."""

from __future__ import annotations

import io
import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.operations import PreparedRequest, get, prepare


def prepared(name: str, /, **parameters) -> PreparedRequest:
    return prepare(get(name), parameters)


def since(value: object) -> str:
    return dict(prepared("activities.get_paging_token", sinceDatetime=value).query)["sinceDatetime"]


def test_a_list_in_a_query_of_the_lead_database_is_joined_by_commas():
    request = prepared("leads.get_by_filter_type", filterType="id", filterValues=[1, 2], fields=("email", "id"))

    assert dict(request.query) == {"filterType": "id", "filterValues": "1,2", "fields": "email,id"}


def test_ids_of_a_list_are_repeated():
    assert prepared("static_list_membership.add_to_list", listId=5, id=[1, 2]).query == (("id", "1"), ("id", "2"))


def test_status_in_the_new_designer_is_repeated():
    request = prepared("emails_v2.list", workspaceId="1", status=["draft", "approved"])

    assert [value for name, value in request.query if name == "status"] == ["draft", "approved"]


def test_a_folder_in_a_query_is_json_text():
    request = prepared("emails.get", folder={"id": 12, "type": "Program"})

    assert json.loads(dict(request.query)["folder"]) == {"id": 12, "type": "Program"}


def test_parameters_of_the_path_are_percent_encoded():
    request = prepared("user_management.get_user_by_id", userid="ada/x@example.org")

    assert request.path == "/userservice/management/v1/users/ada%2Fx%40example.org/user.json"


def test_merge_takes_the_winner_from_the_path_and_the_losers_from_the_query():
    request = prepared("leads.merge", leadId=1, leadIds=[2, 3])

    assert request.path == "/rest/v1/leads/1/merge.json"
    assert request.query == (("leadIds", "2,3"),)


def test_the_members_of_a_json_body_are_parameters():
    request = prepared("leads.sync", input=[{"email": "ada@example.org"}], action="updateOnly")

    assert request.json == {"input": [{"email": "ada@example.org"}], "action": "updateOnly"}
    assert (request.method, request.form, request.files) == ("POST", None, None)


def test_a_body_that_is_a_list_is_one_parameter():
    request = prepared("user_management.add_roles", userid="x", input=[{"accessRoleId": 1, "workspaceId": 0}])

    assert request.json == [{"accessRoleId": 1, "workspaceId": 0}]


def test_records_take_fields_of_any_name_and_keep_null():
    request = prepared("leads.sync", input=[{"myField__c": None, "unsubscribed": False}])

    assert request.json["input"] == [{"myField__c": None, "unsubscribed": False}]


def test_objects_in_a_form_are_json_text():
    request = prepared("programs.clone", id=7, name="Copy", folder={"id": 12, "type": "Folder"})

    assert dict(request.form) == {"name": "Copy", "folder": '{"id":12,"type":"Folder"}'}
    assert request.json is None


def test_a_file_is_a_part_and_the_rest_of_an_import_is_the_query():
    request = prepared("bulk_import_leads.import", file="email\n", lookupField="email")

    assert request.files == (("file", ("file.csv", b"email\n", "text/csv")),)
    assert dict(request.query) == {"format": "csv", "lookupField": "email"}


def test_a_file_may_bring_its_own_name_and_type():
    request = prepared(
        "files.create", name="logo.png", folder={"id": 1, "type": "Folder"}, file=("logo.png", b"\x89PNG", "image/png")
    )

    assert ("file", ("logo.png", b"\x89PNG", "image/png")) in request.files
    assert ("folder", (None, '{"id":1,"type":"Folder"}')) in request.files


def test_an_open_file_is_read_once_so_that_it_can_be_sent_again():
    request = prepared("bulk_import_leads.import", file=io.BytesIO(b"email\n"))

    assert request.files[0][1][1] == b"email\n"


def test_a_request_without_parameters_has_no_body():
    request = prepared("bulk_export_leads.enqueue_job", exportId="1-2")

    assert (request.json, request.form, request.files) == (None, None, None)


def test_headers_and_fixed_values_are_sent_without_being_asked_for():
    assert prepared("emails_v2.get_by_id", id="x").headers == {"x-app-type": "marketo"}
    assert prepared("companies.delete", input=[{}]).json["deleteBy"] == "dedupeFields"


def test_none_counts_as_not_given():
    assert prepared("leads.get_by_id", leadId=1, fields=None).query == ()
    assert dict(prepared("bulk_import_leads.import", file=b"x", format=None).query) == {"format": "csv"}


def test_a_long_query_of_the_lead_database_becomes_a_post():
    values = [f"somebody.with.a.long.name.{n}@example.org" for n in range(300)]

    request = prepared("leads.get_by_filter_type", filterType="email", filterValues=values)

    assert (request.method, request.query) == ("POST", (("_method", "GET"),))
    assert dict(request.form) == {"filterType": "email", "filterValues": ",".join(values)}


def test_a_query_that_fits_stays_a_get():
    request = prepared("leads.get_by_filter_type", filterType="id", filterValues=list(range(300)))

    assert (request.method, request.form) == ("GET", None)


@pytest.mark.parametrize("name", ["custom_objects.get", "opportunity_roles.get"])
def test_a_lookup_by_several_fields_becomes_a_post_with_json(name):
    path = {"customObjectName": "car_c"} if name == "custom_objects.get" else {}

    request = prepared(name, filterType="dedupeFields", fields=["role"], input=[{"leadId": 1, "role": "x"}], **path)

    assert (request.method, request.query) == ("POST", (("_method", "GET"),))
    assert request.json == {"filterType": "dedupeFields", "fields": ["role"], "input": [{"leadId": 1, "role": "x"}]}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(datetime(2024, 1, 31, 12, 0, 0), id="naive is UTC"),  # noqa: DTZ001
        pytest.param(datetime(2024, 1, 31, 12, 0, 0, 999, tzinfo=timezone.utc), id="without fraction"),
        pytest.param(datetime(2024, 1, 31, 6, 0, 0, tzinfo=timezone(timedelta(hours=-6))), id="other zone"),
        pytest.param("2024-01-31 12:00:00+00:00", id="as a template prints it"),
        pytest.param("2024-01-31T06:00:00-0600", id="as Marketo prints it"),
        pytest.param("2024-01-31T12:00:00Z+0000", id="as Marketo prints it for its assets"),
        pytest.param("2024-01-31T12:00:00.123Z", id="text with a fraction"),
        pytest.param("2024-01-31T12:00:00", id="naive text"),
    ],
)
def test_moments_are_sent_in_utc_without_fractions(value):
    assert since(value) == "2024-01-31T12:00:00Z"


def test_python_values_in_records_become_json():
    class Rating(Enum):
        HOT = "hot"

    record = {
        "at": datetime(2024, 1, 31, tzinfo=timezone.utc),
        "on": date(2024, 1, 31),
        "price": Decimal("12.5"),
        "count": Decimal("3"),
        "key": UUID(int=1),
        "rating": Rating.HOT,
        "tags": ("a", "b"),
    }

    [sent] = prepared("leads.sync", input=(record,)).json["input"]

    assert sent == {
        "at": "2024-01-31T00:00:00Z",
        "on": "2024-01-31",
        "price": 12.5,
        "count": 3,
        "key": "00000000-0000-0000-0000-000000000001",
        "rating": "hot",
        "tags": ["a", "b"],
    }


def test_values_that_a_template_has_turned_into_text_are_converted_back():
    request = prepared("campaigns.request", campaignId="12", input='{"leads": [{"id": "3"}]}')

    assert request.json == {"input": {"leads": [{"id": 3}]}}
    assert prepared("programs.get_by_name", name="x", includeTags="True").query == (
        ("includeTags", "true"),
        ("name", "x"),
    )


def test_a_prepared_request_shows_neither_path_nor_values():
    request = prepared("leads.get_by_filter_type", filterType="email", filterValues=["ada@example.org"])

    assert "ada@example.org" not in repr(request)


@pytest.mark.parametrize("written", ["csv", "CSV", "Csv"])
def test_a_word_of_a_closed_set_is_taken_in_any_case_and_sent_as_marketo_spells_it(written):
    upload = prepare(get("bulk_import_leads.import"), {"file": b"email\n", "format": written})
    export = prepare(
        get("bulk_export_leads.create_job"), {"fields": ["id"], "format": written, "filter": {"staticListId": 1}}
    )
    assert dict(upload.query)["format"] == "csv"
    assert export.json["format"] == "CSV"


def test_the_default_rule_of_a_form_is_taken_as_marketo_returns_it():
    rule = {"followupType": "none", "followupValue": None, "default": True}
    request = prepare(get("forms.update_thank_you_page"), {"id": 1, "thankyou": [rule]})
    assert json.loads(dict(request.form)["thankyou"]) == [rule]


CONDITION = {"operator": "is", "subjectField": "Country", "values": ["USA"]}


@pytest.mark.parametrize("default", [{}, {"default": False}, {"default": None}, {"default": "false"}])
@pytest.mark.parametrize("lacking", CONDITION)
def test_a_rule_of_a_form_that_is_not_the_default_needs_a_condition(lacking, default):
    rule = {"followupType": "none", "followupValue": None, **CONDITION, **default}
    assert prepare(get("forms.update_thank_you_page"), {"id": 1, "thankyou": [rule]}).form
    del rule[lacking]
    with pytest.raises(
        MarketoInvalidRequestError, match=rf"thankyou\[0\]\.{lacking} is missing: it may be left out only with default"
    ):
        prepare(get("forms.update_thank_you_page"), {"id": 1, "thankyou": [rule]})
