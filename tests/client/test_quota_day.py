"""Midnight in Chicago, with and without daylight saving."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_marketo.client.quota_day import day_start, next_probe, next_reset


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("now", "start", "reset"),
    [
        ("2026-01-15T12:00", "2026-01-15T06:00", "2026-01-16T06:00"),
        ("2026-07-15T12:00", "2026-07-15T05:00", "2026-07-16T05:00"),
        ("2026-03-08T07:00", "2026-03-08T06:00", "2026-03-09T05:00"),  # the day that has 23 hours
        ("2026-11-01T05:30", "2026-11-01T05:00", "2026-11-02T06:00"),  # the day that has 25
    ],
)
def test_the_quota_day_is_chicagos(now, start, reset):
    assert day_start(utc(now)) == utc(start)
    assert next_reset(utc(now)) == utc(reset)


@pytest.mark.parametrize(
    ("refused", "ask_again"),
    [
        ("2026-07-15T18:00", "2026-07-16T05:05"),  # summer: five minutes past midnight in Chicago
        ("2026-07-16T05:05", "2026-07-16T06:05"),  # still refused: perhaps Marketo keeps standard time
        ("2026-07-16T06:05", "2026-07-16T06:20"),  # still refused: every quarter of an hour
        ("2026-01-15T18:00", "2026-01-16T06:05"),
        ("2026-01-16T06:05", "2026-01-16T06:20"),
        ("2026-01-16T06:01", "2026-01-16T06:05"),
        ("2026-01-16T10:00", "2026-01-17T06:05"),  # so late that the new day's quota is spent
    ],
)
def test_after_a_refusal_it_is_asked_again_when_it_may_have_changed(refused, ask_again):
    assert next_probe(utc(refused)) == utc(ask_again)
