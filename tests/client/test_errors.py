"""Marketo's codes, by what a caller can do about them."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.client import codes, errors, meanings, stored_errors


def reply_error(code: str, message: str = "some text") -> errors.MarketoError:
    return meanings.from_reply("leads.sync", [{"code": code, "message": message}], "e42b#14272d07d78")


@pytest.mark.parametrize(
    ("code", "kind", "executed"),
    [
        ("601", errors.MarketoAuthError, False),
        ("602", errors.MarketoAuthError, False),
        ("603", errors.MarketoPermissionError, False),
        ("604", errors.MarketoTransientError, True),
        ("606", errors.MarketoThrottledError, False),
        ("607", errors.MarketoQuotaExhaustedError, False),
        ("608", errors.MarketoTransientError, False),
        ("610", errors.MarketoInvalidRequestError, False),
        ("611", errors.MarketoTransientError, True),
        ("614", errors.MarketoTransientError, False),
        ("615", errors.MarketoThrottledError, False),
        ("702", errors.MarketoNotFoundError, False),
        ("713", errors.MarketoTransientError, True),
        ("719", errors.MarketoTransientError, True),
        ("1003", errors.MarketoInvalidRequestError, False),
        ("1016", errors.MarketoQueueFullError, False),
        ("1019", errors.MarketoQueueFullError, False),
        ("1035", errors.MarketoFeatureUnavailableError, False),
        ("502", errors.MarketoTransientError, True),
        ("599", errors.MarketoTransientError, True),
        ("699", errors.MarketoInvalidRequestError, False),
        ("1099", errors.MarketoInvalidRequestError, False),
    ],
)
def test_a_code_says_what_to_do_and_whether_it_may_have_run(code, kind, executed):
    error = reply_error(code)
    assert type(error) is kind
    assert error.executed is executed


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Too many jobs (10) in queue", errors.MarketoQueueFullError),
        ("Export daily quota 500MB exceeded.", errors.MarketoQuotaExhaustedError),
        ("Job already queued", errors.MarketoAlreadyQueuedError),
        ("Export job is already queued", errors.MarketoAlreadyQueuedError),
    ],
)
def test_1029_is_told_apart_by_its_message(message, kind):
    assert type(reply_error("1029", message)) is kind


def test_the_export_quota_is_not_the_call_quota():
    assert reply_error("1029", "Export daily quota 500MB exceeded").quota == "export"
    assert reply_error("607").quota == "calls"


def test_of_several_errors_the_most_restrictive_decides_and_one_ambiguous_makes_all_ambiguous():
    error = meanings.from_reply(
        "leads.sync", [{"code": 611, "message": "system error"}, {"code": 603, "message": "denied"}], None
    )
    assert type(error) is errors.MarketoPermissionError
    assert error.executed
    assert "denied" in str(error)
    assert "system error" in str(error)


@pytest.mark.parametrize("given", [[], None, "no", [{}], [{"code": None}], [None, 1]])
def test_a_failure_without_a_code_leaves_open_whether_the_request_ran(given):
    error = meanings.from_reply("leads.sync", given, None)
    assert isinstance(error, errors.MarketoTransientError)
    assert error.executed


def test_a_failure_without_a_reason_says_so():
    assert "without a reason" in str(meanings.from_reply("leads.sync", [], None))


def test_the_text_names_operation_code_request_id_and_the_way_out():
    text = str(reply_error("603", "Access denied"))
    for part in ("leads.sync", "Access denied", "603", "e42b#14272d07d78", "role"):
        assert part in text


@pytest.mark.parametrize(
    ("operation", "code", "answer"),
    [
        ("identity.post_token", "HTTP 401", "(HTTP 401 from identity)"),
        ("data_ingestion.sync_persons", "HTTP 503", "(HTTP 503 from data ingestion)"),
        ("leads.sync", "HTTP 413", "(HTTP 413 from Marketo)"),
        ("leads.sync", "603", "(Marketo code 603)"),
    ],
)
def test_the_text_says_who_answered_and_what(operation, code, answer):
    assert answer in str(errors.MarketoError("refused", operation=operation, code=code))


def test_an_error_survives_the_trip_through_json():
    until = datetime(2026, 1, 16, 6, 5, tzinfo=timezone.utc)
    error = errors.MarketoQuotaExhaustedError("spent", until=until, quota="export", code="1029", request_id="a#b")
    again = stored_errors.from_dict(stored_errors.to_dict(error))
    assert type(again) is errors.MarketoQuotaExhaustedError
    assert (again.until, again.quota, str(again)) == (until, "export", str(error))


def test_an_invalid_request_keeps_its_parameter_through_json():
    again = stored_errors.from_dict(stored_errors.to_dict(errors.MarketoNotFoundError("gone", parameter="list_id")))
    assert type(again) is errors.MarketoNotFoundError
    assert again.parameter == "list_id"


_NUMBERS = (500, 502, *range(601, 617), *range(701, 705), *range(709, 715), 718, 719, *range(1001, 1023))
DOCUMENTED = [
    str(code) for code in (*_NUMBERS, 1027, 1028, 1029, 1035, 1036, 1037, 1042, 1048, 1049, *range(1076, 1081))
]
"""Every code that Adobe documents."""


NAMED = {
    name: code
    for name, code in vars(codes).items()
    if name.isupper() and isinstance(code, str) and code.isdecimal() and not name.startswith("INGESTION_")
}


def test_every_documented_code_has_a_name():
    assert set(DOCUMENTED) <= set(NAMED.values())


@pytest.mark.parametrize("name", sorted(NAMED.keys() - {"EXPORT_REFUSED"}))
def test_every_named_code_has_a_row_in_the_table_of_meanings(name):
    assert NAMED[name] in meanings.MEANINGS, f"{name} needs a row in client/meanings.py"


@pytest.mark.parametrize("code", sorted(NAMED.values()))
def test_every_named_code_comes_with_a_way_out(code):
    error = reply_error(code)
    assert error.remedy
    assert str(error).endswith(error.remedy)


@pytest.mark.parametrize("code", sorted(set(NAMED.values()) - {"500", "502", "601", "602", "603", "606", "607", "608"}))
def test_no_named_request_error_gets_the_way_out_of_an_unknown_code(code):
    assert reply_error(code).remedy != reply_error("1099").remedy


def test_an_unknown_code_points_at_the_operations_parameters():
    assert "`airflow marketo describe leads.sync`" in str(reply_error("1099"))


@pytest.mark.parametrize("code", ["601", "602"])
def test_a_token_that_the_instance_refuses_is_not_the_fault_of_the_login(code):
    assert "identity_url" in str(reply_error(code).remedy)


def test_the_remedies_speak_of_every_case_of_a_code():
    assert "not a member of the program" in str(reply_error("1037").remedy)
    assert "dynamic content" in str(reply_error("704").remedy)


@pytest.mark.parametrize(
    ("operation", "describe"),
    [
        ("leads.get_by_filter_type", "leads.describe2"),
        ("companies.get", "companies.describe"),
        ("custom_objects.get", "custom_objects.describe"),
        ("bulk_import_leads.import", "leads.describe2"),
    ],
)
def test_1011_says_which_operation_lists_the_searchable_fields(operation, describe):
    error = meanings.from_reply(operation, [{"code": "1011", "message": "not supported as filterType"}], None)
    assert f"{describe} lists them as searchableFields" in str(error)


@pytest.mark.parametrize(
    ("operation", "remedy"),
    [
        ("bulk_export_leads.create_job", "Select by createdAt"),
        ("programs.get", "The subscription does not have this feature"),
        ("campaigns.request", "The subscription does not have this feature"),
    ],
)
def test_1035_speaks_of_filters_to_exports_alone(operation, remedy):
    error = meanings.from_reply(operation, [{"code": "1035", "message": "Unsupported filter type"}], None)
    assert str(error.remedy).startswith(remedy)
