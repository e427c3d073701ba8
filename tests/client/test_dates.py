"""Dates as they are written: one spelling, in UTC, with four digits for the year."""

from __future__ import annotations

import ast
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pendulum
import pytest

import airflow_provider_marketo
from airflow_provider_marketo.client.dates import (
    as_utc,
    compact,
    has_zone,
    iso,
    parse_date,
    stamp,
    without_zone,
    written,
)

PACIFIC = timezone(timedelta(hours=-8))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (datetime(2026, 1, 31, 15, 59, 59, 999_999, tzinfo=PACIFIC), "2026-01-31T23:59:59Z"),
        (datetime(2026, 1, 31, 23, 59, 59), "2026-01-31T23:59:59Z"),  # noqa: DTZ001
        (datetime(1, 1, 1, tzinfo=timezone.utc), "0001-01-01T00:00:00Z"),
    ],
)
def test_a_date_is_written_in_utc_with_whole_seconds_and_four_digits_for_the_year(when, expected):
    assert iso(when) == expected
    assert compact(when) == expected.replace("-", "").replace(":", "")
    assert without_zone(when) == expected.rstrip("Z")
    assert stamp(when) == expected.replace("Z", "+00:00")
    assert parse_date(iso(when)) == as_utc(when).replace(microsecond=0)


def test_a_part_of_a_date_is_written_in_the_zone_of_the_date():
    assert written(datetime(1, 2, 3, 20, tzinfo=PACIFIC), "%Y-%m-%d") == "0001-02-03"


@pytest.mark.parametrize("text", ["2026-01-31T00:00:00Z", "2026-01-31 00:00+02", "2026-01-31T00:00:00.000t+0000"])
def test_a_date_with_a_zone_is_told_from_one_without(text):
    assert has_zone(text)
    assert not has_zone(text[:10])
    assert not has_zone(text[:16])


def test_an_error_about_a_date_does_not_show_the_text():
    with pytest.raises(ValueError, match=r"^not a date$"):
        parse_date("ada@example.org")


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
def test_a_date_of_pendulum_becomes_one_of_python_so_that_lengths_can_be_divided(zone):
    given = pendulum.datetime(2026, 7, 1, 12, 30, 15, 250_000, tz=zone)
    converted = as_utc(given)
    assert converted == given
    assert type(converted) is datetime
    assert (converted - as_utc(given.subtract(hours=3))) / timedelta(hours=1) == 3


def test_only_the_modules_of_dates_know_how_dates_are_spelled():
    package = Path(airflow_provider_marketo.__file__).parent
    readers = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("fromisoformat", "strptime")
    }
    assert readers <= {"client/dates.py", "simulator/dates.py"}, "the simulator shares no code with the client"
