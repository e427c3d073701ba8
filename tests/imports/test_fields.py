"""The header is compared with describe before a row is read."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.imports.fields import Description, Field, header
from airflow_provider_marketo.imports.request import ImportRequest
from airflow_provider_marketo.imports.targets import SYNC

FIELDS = {
    field.name: field
    for field in (
        Field("email", "email", 255, "Email Address"),
        Field("leadScore", "score", None, "Lead Score"),
        Field("city", "string", 255, "City"),
        Field("createdAt", "datetime", None, "Created At", writable=False),
    )
}


def columns(*names, mapping=None, constants=None, key=("email",)):
    request = ImportRequest("leads", SYNC, columns=mapping)
    found = header(names, Description(FIELDS), mapping=request.mapping(names), constants=constants or {}, key=key)
    return [(place, field.name) for place, field in found]


def test_the_key_comes_first_whatever_the_input_begins_with():
    assert columns("city", "email") == [(1, "email"), (0, "city")]


def test_a_mapping_chooses_and_renames():
    assert columns("MAIL", "TOWN", "X", mapping={"MAIL": "email", "TOWN": "city"}) == [(0, "email"), (1, "city")]


def test_constants_have_no_place_in_the_input():
    assert columns("email", constants={"city": "Bonn"}) == [(0, "email"), (None, "city")]


def test_our_own_columns_of_a_table_of_rejects_are_passed_over():
    assert columns("email", "_marketo_row", "_marketo_message") == [(0, "email")]


@pytest.mark.parametrize(
    ("given", "arguments", "message"),
    [
        (("email", "Lead Score"), {}, r"no field 'Lead Score' \(did you mean 'leadScore'\?\)"),
        (("email", "leadscore"), {}, r"'leadscore' \(did you mean 'leadScore'\?\)"),
        (("email", " city"), {}, r"' city' \(did you mean 'city'\?\)"),
        (("email", "xyz"), {}, r"no field 'xyz'"),
        (("email", "createdAt"), {}, "createdAt cannot be written"),
        (("city",), {}, "the input has no .email."),
        (("email",), {"mapping": {"email": "email", "town": "city"}}, "the input has no column 'town'"),
        (("a", "b"), {"mapping": {"a": "email", "b": "email"}}, "more than one column or constant fills email"),
        (("email", "city"), {"constants": {"city": "Bonn"}}, "more than one column or constant fills city"),
    ],
    ids=["display name", "case", "blank", "unknown", "read-only", "no key", "absent", "target twice", "both"],
)
def test_a_header_that_does_not_fit(given, arguments, message):
    with pytest.raises(MarketoInvalidRequestError, match=message):
        columns(*given, **arguments)


def test_a_field_that_is_the_key_may_be_read_only():
    assert columns("id", "city", key=("id",)) == [(0, "id"), (1, "city")]


def test_every_describe_is_understood():
    lead = {"displayName": "City", "dataType": "String", "length": 255, "rest": {"name": "city", "readOnly": True}}
    assert Field.from_record(lead) == Field("city", "string", 255, "City", writable=False)
    other = {"name": "vin", "displayName": "VIN", "dataType": "string", "updateable": True}
    assert Field.from_record(other) == Field("vin", "string", None, "VIN")
    assert Field.from_record({"displayName": "Legacy", "soap": {"name": "Legacy"}}) is None


def test_columns_that_differ_only_by_case_are_warned_of_once(caplog):
    fields = {name: Field(name) for name in ("email", "score", "Score", "city")}
    mapping = {name: name for name in ("email", "score", "Score")}
    order = header(list(mapping), Description(fields), mapping=mapping, constants={}, key=["email"])
    assert [field.name for _, field in order] == ["email", "score", "Score"]
    assert caplog.text.count("Score, score differ only by case") == 1
