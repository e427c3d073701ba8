"""Marketo's codes by name."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client import codes, errors, meanings


@pytest.mark.parametrize("code", ["702", "710", "718", "1004", "1013", "HTTP 404"])
def test_a_code_that_says_not_found_makes_an_error_that_says_so(code):
    assert meanings.is_not_found(code)
    if not codes.is_http(code):
        error = meanings.from_reply("programs.get_by_id", [{"code": code, "message": "text"}], None)
        assert isinstance(error, errors.MarketoNotFoundError)


@pytest.mark.parametrize("code", ["610", "603", "1003", None])
def test_no_other_code_says_not_found(code):
    assert not meanings.is_not_found(code)


@pytest.mark.parametrize(
    ("code", "message", "exceeds"),
    [
        ("1003", "Too many results match the filter", True),
        ("1003", "The list has 20000 leads, which exceeds the limit of 10000", True),
        ("1003", "More than 1000 leads match", True),
        ("1003", "Invalid value for 'creditLimit'", False),
        ("1006", "Field 'a' exceeds the limit", False),
    ],
)
def test_a_query_that_finds_too_many_records_is_told_from_a_wrong_one_by_its_message(code, message, exceeds):
    error = meanings.from_reply("leads.get_by_filter_type", [{"code": code, "message": message}], None)
    assert meanings.exceeds_limit(error) is exceeds


def test_an_address_that_marketo_does_not_know_points_at_the_host():
    error = meanings.from_reply(
        "programs.get_by_id", [{"code": "610", "message": "Requested resource not found"}], None
    )
    assert not isinstance(error, errors.MarketoNotFoundError)
    assert "Check the connection's host" in str(error)
