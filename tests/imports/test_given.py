"""A table of rejects shows values as they were given, even if they were sent in another form."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from airflow_provider_marketo.imports.encoding import Column
from airflow_provider_marketo.imports.fields import Field
from airflow_provider_marketo.imports.given import encode_entry, restored
from airflow_provider_marketo.imports.plan import decode_rows, encode_header, encode_rows
from airflow_provider_marketo.imports.rejects import RejectRow

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
NUMBERS = st.one_of(
    st.integers(-(1 << 53), 1 << 53),
    st.floats(-1e15, 1e15),
    st.sampled_from(["03", "007", " 5 ", "1e1", "-0", "+1.50", "", ".5"]),
)
WORDS = st.sampled_from([True, False, 1, 0, 1.0, "yes", "TRUE", "t", "0", ""])
ZONES = st.one_of(st.none(), st.sampled_from([timezone.utc, timezone(timedelta(hours=-8))]))
TIMES = st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01"), timezones=ZONES)
DECIMALS = st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False)
MOMENTS = st.sampled_from(["2026-01-02", "2026-01-02T03:04:05-08:00", "2026-01-02 03:04:05", ""])
MEMBERS = st.one_of(st.none(), TEXTS, st.booleans(), st.integers(-99, 99), st.dates(), TIMES)
NESTED = st.recursive(
    st.one_of(st.lists(MEMBERS, max_size=3), st.dictionaries(TEXTS, MEMBERS, max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXTS, inner, max_size=2)),
    max_leaves=4,
)
VALUES = {
    "string": st.one_of(TEXTS, st.booleans(), NUMBERS, st.dates(), TIMES, DECIMALS, NESTED),
    "integer": st.one_of(st.integers(-99, 99), st.sampled_from(["03", " 5 ", "7.0", "", 2.0])),
    "float": st.one_of(NUMBERS, DECIMALS),
    "boolean": WORDS,
    "date": st.one_of(st.dates(), st.sampled_from(["2026-01-02", " 2026-01-02 ", "2026-01-02T03:04:05Z", ""])),
    "datetime": st.one_of(MOMENTS, TIMES, st.dates()),
}


@st.composite
def columns(draw):
    """A type of field and values for it: often all of one kind, as in most inputs."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    values = draw(st.lists(st.one_of(st.none(), VALUES[kind]), min_size=1, max_size=6))
    if draw(st.booleans()):
        values = [value for value in values if type(value) is type(values[0]) or value is None]
    return kind, values


def shown(value):
    """Return what a table shows of a value: the value itself, or its text if JSON has no such type."""
    if isinstance(value, list):
        return list(map(shown, value))
    if isinstance(value, dict):
        return {name: shown(member) for name, member in value.items()}
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Decimal) else value


def come_back(form, kind, values, *, key=False):
    """Stage values as a column of a chunk, and return what the tables show of all its rows."""
    sent, faults = Column(Field("x", kind), form == "csv", key).encode(values)
    assert not faults
    numbers = range(10, 10 + len(values))
    entry = encode_entry(form, 1, numbers, values, sent)
    ids = list(map(str, numbers))
    rows = decode_rows(form, encode_header(form, ["id", "x"]) + encode_rows(form, [ids, sent]))
    lines = [RejectRow("rejected", "", "", number, row) for number, row in zip(numbers, rows, strict=True)]
    back = restored([*lines, RejectRow("unknown", "", "", None, ["", "?"])], [entry] if entry else [])
    assert back[-1].values == ["", "?"]
    assert [line.values[0] for line in back[:-1]] == ids
    return [line.values[1] for line in back[:-1]], entry


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@drawn(columns())
def test_every_value_comes_back_with_its_type(form, column):
    back, _ = come_back(form, *column)
    # A decimal that JSON writes in the same way is shown as a number.
    back = [str(one) if isinstance(given, Decimal) else one for one, given in zip(back, column[1], strict=True)]
    wanted = list(map(shown, column[1]))
    assert [(type(value), value) for value in back] == [(type(value), value) for value in wanted]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("datetime", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-8))), "2026-01-02T03:04:05-08:00"),
        ("datetime", datetime.fromisoformat("2026-01-02T03:04:05.000678"), "2026-01-02T03:04:05.000678"),
        ("date", datetime.fromisoformat("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
        ("float", Decimal("1.50"), "1.50"),
        ("float", Decimal("12345678901234567.25"), "12345678901234567.25"),
    ],
)
def test_dates_keep_their_zone_and_decimals_their_digits(form, kind, value, text):
    assert come_back(form, kind, [value, None])[0] == [text, None]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("value", "back"),
    [
        (["a", "b, c"], ["a", "b, c"]),
        ([], []),
        ({"a": [1, None, {"b": "'"}]}, {"a": [1, None, {"b": "'"}]}),
        (("a", 1), ["a", 1]),
        ({"b", "a"}, ["a", "b"]),
        ([date(2026, 1, 2), Decimal("1.50"), Decimal(2), 1.5], ["2026-01-02", "1.50", "2", 1.5]),
        ({1: [datetime(2026, 1, 2, tzinfo=timezone.utc)]}, {"1": ["2026-01-02T00:00:00Z"]}),
    ],
)
def test_lists_and_objects_come_back_as_lists_and_objects(form, value, back):
    assert come_back(form, "string", [value, None, value, "text"])[0] == [back, None, back, "text"]
    assert come_back(form, "string", [value, None])[0] == [back, None]


@pytest.mark.parametrize(
    ("form", "kind", "values"),
    [
        ("csv", "string", ["a", "", "b,c"]),
        ("csv", "integer", ["3", "14"]),
        ("jsonl", "integer", [3, None, 14]),
        ("jsonl", "string", ["a", None]),
        ("jsonl", "boolean", [True, None]),
        ("csv", "float", [Decimal("1.5")]),
        ("jsonl", "float", [Decimal("1.5"), None]),
        ("csv", "date", [date(2026, 1, 2)]),
        ("csv", "datetime", [datetime(2026, 1, 2, tzinfo=timezone.utc)]),
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
