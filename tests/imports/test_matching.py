"""Rows of Marketo's reports find the rows that were sent, even if Marketo has changed their text."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.imports.matching import match, plain

HEADER = ("email", "firstName", "leadScore", "city")
ROWS = [
    ["ada@example.org", "Ada", "7", ""],
    ["Bo@Example.org", "Bo", "", ""],
    ["cy@example.org", "Cy", "1", "Bonn"],
    ["dee@example.org", "Dee", "1", "Bonn"],
]


def found(report: str, header=HEADER, rows=ROWS, key=("email",), kind="failures"):
    return [(one.at, one.reason) for one in match(report.encode(), kind, header, key, rows)]


def test_the_key_finds_the_row():
    report = "email,firstName,leadScore,city,Import Failure Reason\ncy@example.org,Cy,1,Bonn,no\n"
    assert found(report) == [(2, "no")]


def test_columns_that_are_empty_in_every_row_are_left_out_by_marketo():
    assert found("email,firstName,Import Failure Reason\nBo@Example.org,Bo,no\n") == [(1, "no")]


def test_values_that_marketo_spells_differently_do_not_hide_the_row():
    assert found("email,leadScore,Import Failure Reason\nbo@example.org,,no\nADA@EXAMPLE.ORG ,7.0,why\n") == [
        (1, "no"),
        (0, "why"),
    ]


def test_warnings_have_a_reason_column_of_their_own():
    assert found("email,Import Warning Reason\nada@example.org,cut\n", kind="warnings") == [(0, "cut")]


def test_a_key_that_was_changed_is_made_up_for_by_the_rest_of_the_row():
    report = "email,firstName,leadScore,city,Import Failure Reason\n+@x,Dee,1,Bonn,bad address\n"
    assert found(report) == [(3, "bad address")]


@pytest.mark.parametrize(
    ("cells", "at"),
    [
        ("email,leadScore,city\n+@x,1,Bonn", None),  # two rows fit
        ("email,firstName,leadScore,city\n+@x,Eve,1,Bonn", None),  # two rows fit, and neither well
        ("email,firstName,leadScore,city\n+@x,Ada,7,Rome", None),  # one row fits in two cells of four
        ("email,firstName,leadScore,city\n+@x,Cy,2,Bonn", None),
        ("email,firstName\n+@x,Dee", 3),
        ("firstName\nDee", 3),
        ("country\nItaly", None),
    ],
)
def test_a_row_is_found_without_its_key_if_it_alone_fits_in_all_cells_but_one(cells, at):
    names, values = cells.split("\n")
    assert found(f"{names},Import Failure Reason\n{values},no\n") == [(at, "no")]


def test_rows_are_found_by_their_key_and_by_the_rest_in_one_report():
    report = "email,firstName,leadScore,city,Import Failure Reason\nada@example.org,Ada,7,,one\n+@x,Dee,1,Bonn,two\n"
    assert found(report) == [(0, "one"), (3, "two")]


def test_no_row_is_found_twice_by_the_rest_either():
    report = "email,firstName,leadScore,city,Import Failure Reason\n+@x,Dee,1,Bonn,one\n+@y,Dee,1,Bonn,two\n"
    assert found(report) == [(3, "one"), (None, "two")]
    report = (
        "email,firstName,leadScore,city,Import Failure Reason\n+@x,Dee,1,Bonn,one\ndee@example.org,Dee,1,Bonn,two\n"
    )
    assert found(report) == [(None, "one"), (3, "two")]


def test_a_first_column_that_has_lost_its_name_is_passed_over():
    assert found("firstName,city,Import Failure Reason\n,Cy,Bonn,no\n") == [(2, "no")]


def test_a_row_that_is_shorter_than_the_header_cannot_be_told():
    assert found("email,firstName,Import Failure Reason\nada@example.org,no\n") == [(None, "no")]


def test_no_row_is_found_twice():
    report = "email,Import Failure Reason\nada@example.org,one\nada@example.org,two\n"
    assert found(report) == [(0, "one"), (None, "two")]


def test_keys_that_differ_only_by_case_are_told_apart():
    rows = [["0011a", "x"], ["0011A", "y"]]
    assert found("code,Import Failure Reason\n0011A,no\n", ("code", "name"), rows, ("code",)) == [(1, "no")]
    assert found("code,Import Failure Reason\n 0011A,no\n", ("code", "name"), rows, ("code",)) == [(None, "no")]


def test_a_key_of_several_fields_matches_in_other_spellings_of_numbers_and_letters():
    rows = [["1001", "C-1", "5"], ["1001", "C-2", "6"]]
    report = "studentId,courseCode,Import Failure Reason\n1001.0,c-2,no\n"
    assert found(report, ("studentId", "courseCode", "grade"), rows, ("studentId", "courseCode")) == [(1, "no")]


def test_quoted_line_breaks_and_a_bom_are_read():
    report = '\ufeffemail,firstName,Import Failure Reason\nada@example.org,"A\nda","no\nway"\n'
    assert found(report) == [(0, "no\nway")]


def test_an_empty_report_finds_nothing():
    assert found("") == []


def test_values_are_compared_without_spaces_case_and_spellings_of_numbers():
    assert plain(" TRUE ") == plain("1") == plain("1.00") == plain("+1")
    assert plain("null") == plain(None) == plain("")
    assert plain("1e3") == "1000"
    assert plain("1-2") == "1-2"
    assert plain("1" * 38 + ".0") == "1" * 38 + ".0"  # too long for a number
    assert plain("-inf") == "-inf"
