"""Values as Marketo takes them, by the type of the field."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_marketo.imports.encoding import Column, ValueFaultError, encode_constant
from airflow_provider_marketo.imports.fields import Field
from tests.properties import examples

NOON = datetime(2026, 1, 31, 12, 30)  # noqa: DTZ001 - a database may have no zones
TEN_EAST = timezone(timedelta(hours=10))


def encode(kind, *values, as_text=False, **field):
    return Column(Field("f", kind, **field), as_text).encode(values)


@pytest.mark.parametrize(
    ("kind", "value", "encoded"),
    [
        ("string", "null", "null"),
        ("string", "", ""),
        ("string", None, None),
        ("string", 7, "7"),
        ("string", 7.0, "7"),
        ("string", True, "true"),
        ("string", Decimal("1E+2"), "100"),
        ("string", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("string", {"a": "ü"}, '{"a":"ü"}'),
        ("string", ("a", 1), '["a",1]'),
        ("string", [NOON.replace(tzinfo=TEN_EAST)], '["2026-01-31T02:30:00Z"]'),
        ("datetime", datetime(1, 1, 1, tzinfo=timezone.utc), "0001-01-01T00:00:00Z"),
        ("date", date(987, 5, 4), "0987-05-04"),
        ("boolean", 1.0, True),
        ("boolean", Decimal("0.0"), False),
        ("integer", -(2**63), -(2**63)),
        ("integer", "7", 7),
        ("integer", 7.0, 7),
        ("integer", " 7 ", 7),
        ("score", "7.00", 7),
        ("float", "1.50", 1.5),
        ("float", 1.5, 1.5),
        ("currency", Decimal("1604.47"), 1604.47),
        ("currency", "", None),
        ("boolean", "Yes", True),
        ("boolean", 0, False),
        ("date", date(2026, 1, 31), "2026-01-31"),
        ("date", NOON, "2026-01-31"),
        ("date", "2026-01-31T12:30:00Z", "2026-01-31"),
        ("datetime", NOON, "2026-01-31T12:30:00Z"),
        ("datetime", NOON.replace(tzinfo=TEN_EAST), "2026-01-31T02:30:00Z"),
        ("datetime", "2026-01-31T12:30:00+10:00", "2026-01-31T02:30:00Z"),
        ("datetime", "2026-01-31 12:30:00.123", "2026-01-31T12:30:00Z"),
        ("datetime", date(2026, 1, 31), "2026-01-31T00:00:00Z"),
    ],
)
def test_a_value_is_written_as_its_field_wants_it(kind, value, encoded):
    values, faults = encode(kind, value)
    assert not faults
    assert values[0] == encoded
    assert type(values[0]) is type(encoded)


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        ("integer", "seven", "f is not a number"),
        ("integer", "7.5", "f is not a whole number"),
        ("integer", True, "f is a boolean and must be a number"),
        ("float", "1,5", "f is not a number; write a point, not a comma"),
        ("float", float("nan"), "f is not a finite number"),
        ("currency", Decimal("Infinity"), "f is not a finite number"),
        ("boolean", "perhaps", "f is neither true nor false"),
        ("date", "31.01.2026", "f is not a date like 2026-01-31"),
        ("date", "2026-02-30", "f is not a date like 2026-01-31"),
        ("date", "2026-01-31 or so", "f is not a date like 2026-01-31"),
        ("datetime", "2026-02-30T00:00:00Z", "f is not of type datetime"),
        ("datetime", "2026-01-31T24:00:00Z", "f is not of type datetime"),
        ("datetime", datetime(1, 1, 1, tzinfo=TEN_EAST), "f is not of type datetime"),
        ("integer", 2**63, "f is outside the range of whole numbers that Marketo stores"),
        ("integer", -(2**63) - 1, "f is outside the range of whole numbers that Marketo stores"),
        ("integer", "1e300", "f is outside the range of whole numbers that Marketo stores"),
        ("float", "1e999", "f is outside the range of numbers that Marketo stores"),
        ("string", [float("nan")], "f is not of type string"),
        ("string", {"a": "\ud83d"}, "f is not of type string"),
        ("datetime", "yesterday", "f is not of type datetime"),
        ("datetime", 7, "f is not a date and time"),
        ("string", b"\x00", "f holds bytes, which Marketo has no field for"),
        ("string", "a\0b", "f contains a NUL character"),
        ("string", "\ud83d", "f contains half of a surrogate pair, which UTF-8 cannot encode"),
        ("email", "zoë@example.org", "f is an e-mail address with a character that is not ASCII"),
    ],
)
def test_a_value_that_marketo_cannot_take_is_a_fault_of_its_row_alone(kind, value, fault):
    _, faults = encode(kind, None, value, None)
    assert faults == {1: fault}


def test_no_fault_shows_the_value():
    _, faults = encode("integer", "secret")
    assert "secret" not in faults[0]


def test_values_that_are_longer_than_the_field_are_counted_and_sent():
    column = Column(Field("f", "string", 3), as_text=True)
    values, faults = column.encode(["abc", "abcd", None, "äöüß"])
    assert (values, faults, column.long) == (["abc", "abcd", None, "äöüß"], {}, 2)


def test_a_text_area_is_measured_in_bytes():
    column = Column(Field("f", "text", 5), as_text=True)
    column.encode(["äöü", "abcde"])
    assert column.long == 1


def test_the_word_null_is_sent_and_counted():
    column = Column(Field("f"), as_text=True)
    assert column.encode(["null", "", None])[0] == ["null", "", None]
    assert column.null_words == 1


KINDS = st.sampled_from(["string", "integer", "float", "currency", "boolean", "date", "datetime", "email"])
ZONES = st.sampled_from([None, timezone.utc, TEN_EAST, timezone(timedelta(hours=-12))])
MOMENTS = st.sampled_from([NOON, NOON.replace(year=1, month=1, day=1), NOON.replace(year=9999, month=12, day=31)])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 7, 2**63, -(2**63), 10**400]),
    st.sampled_from([0.0, 1.0, 1.5, 1e300, float("nan"), float("-inf")]),
    st.sampled_from([Decimal("1"), Decimal("1.0"), Decimal("1.50"), Decimal("1E+400"), Decimal("NaN")]),
    st.builds(
        lambda moment, zone: moment.replace(tzinfo=zone),
        MOMENTS,
        ZONES,
    ),
    st.sampled_from([date(2026, 1, 31), date.min, date.max, time(12, 30), timedelta(hours=30)]),
    st.sampled_from(
        ["", "1", "1.0", "true", "2026-01-31", "2026-01-31T12:30:00", "2026-02-30T00:00:00Z", "\ud83d", "null"]
    ),
    st.sampled_from([b"a", ("a",), ["a"], {"a": 1.5}, {"a": b""}, UUID(int=1)]),
)


@settings(max_examples=examples(300))
@given(KINDS, st.lists(VALUES, min_size=1, max_size=4), st.booleans(), st.integers(1, 5))
def test_a_value_is_encoded_the_same_whatever_stands_beside_it(kind, values, as_text, times):
    alone = []
    naive = 0
    for value in values:
        column = Column(Field("f", kind), as_text=as_text)
        alone.append(column.encode([value]))
        naive += column.naive
    together = Column(Field("f", kind), as_text=as_text)
    encoded, faults = together.encode(values * times)
    assert list(encoded) == [one[0][0] for one in alone] * times
    assert faults == {
        at: alone[at % len(values)][1][0] for at in range(len(values) * times) if alone[at % len(values)][1]
    }
    assert together.naive == naive * times


def test_datetimes_without_a_zone_are_counted():
    column = Column(Field("f", "datetime"), as_text=True)
    column.encode([NOON, NOON.replace(tzinfo=timezone.utc), "2026-01-31T12:30:00", "2026-01-31T12:30:00Z"])
    assert column.naive == 2


def test_booleans_are_words_in_a_file_and_booleans_in_a_call():
    assert encode("boolean", True, 0, as_text=True)[0] == ["true", "false"]
    assert encode("boolean", True, 0, as_text=False)[0] == [True, False]


def test_blanks_around_a_key_are_not_part_of_it():
    assert Column(Field("email", "email"), as_text=True, key=True).encode([" a@example.org "])[0] == ["a@example.org"]


def test_a_field_with_given_values_takes_no_other():
    _, faults = encode("string", "Attended", "attended", None, allowed=("Invited", "Attended"))
    assert faults == {1: "f is not one of Invited, Attended"}


def test_a_constant_is_held_to_the_same():
    assert encode_constant(Column(Field("f", "boolean"), as_text=False), "yes") is True
    with pytest.raises(ValueFaultError, match="not a number"):
        encode_constant(Column(Field("f", "integer"), as_text=False), "x")
