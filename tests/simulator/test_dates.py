"""Dates in requests: the same spellings are read on every version of Python and in every time zone."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.simulator.dates import asset_timestamp, iso, parse_day, parse_moment, parse_timestamp

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31 12:00:00",
        "2026-01-31T12:00",
        "2026-01-31T12:00:00.0Z",
        "2026-01-31T04:00:00-0800",
        "2026-01-31T13:00:00+01:00",
    ],
)
def test_a_moment_has_several_spellings_and_is_in_utc_without_an_offset(monkeypatch: pytest.MonkeyPatch, text: str):
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    try:
        assert parse_moment(text) == NOON
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_moment_without_a_time_is_midnight_and_one_with_a_fraction_keeps_it():
    assert parse_moment("2026-01-31") == NOON.replace(hour=0)
    assert parse_moment("2026-01-31T12:00:00.25Z") == NOON.replace(microsecond=250_000)


@pytest.mark.parametrize(
    "text",
    [
        "20260131T120000Z",
        "2026-W05-6",
        "2026-01-31T12Z",
        "2026-01-31T12:00:00,5Z",
        "2026-02-30T12:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "",
    ],
)
def test_other_spellings_and_moments_outside_the_calendar_are_refused(text: str):
    with pytest.raises(ValueError, match=r"is not a point in time|range|outside the years"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["20260131", "2026-W05-6", "2026-1-31", "2026-02-30", "2026-01-31T00:00:00Z"])
def test_a_day_has_one_spelling(text: str):
    with pytest.raises(ValueError, match=r"is not a day|range"):
        parse_day(text)


def test_dates_are_written_in_utc_with_four_digits_for_the_year():
    assert iso(NOON.replace(year=7)) == "0007-01-31T12:00:00Z"
    assert asset_timestamp(parse_timestamp(iso(NOON))) == "2026-01-31T12:00:00Z+0000"
