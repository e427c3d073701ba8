"""Rejected values come back as they were given, whatever was sent."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from airflow_provider_marketo.imports.encoding import Column
from airflow_provider_marketo.imports.fields import Field
from airflow_provider_marketo.imports.given import encode_entry, restored
from airflow_provider_marketo.imports.plan import decode_rows, encode_header, encode_rows
from airflow_provider_marketo.imports.rejects import Line

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
NUMBERS = st.one_of(
    st.integers(-(1 << 53), 1 << 53),
    st.floats(-1e15, 1e15),
    st.sampled_from(["03", "007", " 5 ", "1e1", "-0", "+1.50", "", ".5"]),
)
WORDS = st.sampled_from([True, False, 1, 0, 1.0, "yes", "TRUE", "t", "0", ""])
MOMENTS = st.sampled_from(["2026-01-02", "2026-01-02T03:04:05-08:00", "2026-01-02 03:04:05", ""])
VALUES = {
    "string": st.one_of(TEXTS, st.booleans(), NUMBERS),
    "integer": st.one_of(st.integers(-99, 99), st.sampled_from(["03", " 5 ", "7.0", "", 2.0])),
    "float": NUMBERS,
    "boolean": WORDS,
    "date": st.sampled_from(["2026-01-02", " 2026-01-02 ", "2026-01-02T03:04:05Z", ""]),
    "datetime": MOMENTS,
}


@st.composite
def columns(draw):
    """A type of field and values for it: often all of one kind, as in most inputs."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    values = draw(st.lists(st.one_of(st.none(), VALUES[kind]), min_size=1, max_size=6))
    if draw(st.booleans()):
        values = [value for value in values if type(value) is type(values[0]) or value is None]
    return kind, values


def come_back(form, kind, values, *, key=False):
    """Stage values as a column of a chunk, and return what the tables show of all its rows."""
    sent, faults = Column(Field("x", kind), form == "csv", key).encode(values)
    assert not faults
    numbers = range(10, 10 + len(values))
    entry = encode_entry(form, 1, numbers, values, sent)
    ids = list(map(str, numbers))
    rows = decode_rows(form, encode_header(form, ["id", "x"]) + encode_rows(form, [ids, sent]))
    lines = [Line("rejected", "", "", number, row) for number, row in zip(numbers, rows, strict=True)]
    back = restored([*lines, Line("unknown", "", "", None, ["", "?"])], [entry] if entry else [])
    assert back[-1].values == ["", "?"]
    assert [line.values[0] for line in back[:-1]] == ids
    return [line.values[1] for line in back[:-1]], entry


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@drawn(columns())
def test_every_value_comes_back_with_its_type(form, column):
    back, _ = come_back(form, *column)
    assert [(type(value), value) for value in back] == [(type(value), value) for value in column[1]]


@pytest.mark.parametrize(
    ("form", "kind", "values"),
    [
        ("csv", "string", ["a", "", "b,c"]),
        ("csv", "integer", ["3", "14"]),
        ("jsonl", "integer", [3, None, 14]),
        ("jsonl", "string", ["a", None]),
        ("jsonl", "boolean", [True, None]),
        ("csv", "float", [Decimal("1.5")]),
    ],
)
def test_columns_that_are_sent_as_they_were_given_are_kept_once(form, kind, values):
    assert come_back(form, kind, values)[1] == b""


@pytest.mark.parametrize(
    ("form", "kind", "value"),
    [
        ("csv", "integer", 3),
        ("csv", "string", 3),
        ("csv", "boolean", True),
        ("csv", "boolean", 1),
        ("jsonl", "integer", "3"),
    ],
)
def test_a_column_of_one_kind_takes_a_rule_instead_of_its_values(form, kind, value):
    back, entry = come_back(form, kind, [value] * 1_000)
    assert back == [value] * 1_000
    assert "values" not in json.loads(entry)


def test_only_the_values_that_differ_are_kept():
    back, entry = come_back("csv", "email", ["a@x", " b@x ", "c@x"], key=True)
    assert back == ["a@x", " b@x ", "c@x"]
    assert json.loads(entry) == {"column": 1, "rows": [11], "values": [" b@x "]}
