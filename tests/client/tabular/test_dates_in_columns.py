"""Dates in all of Marketo's spellings give the same moment, read one by one or in columns."""

from __future__ import annotations

from datetime import datetime, timezone

import pyarrow as pa
import pytest

from airflow_provider_marketo.client.dates import parse_date_or_none
from airflow_provider_marketo.client.tabular.arrow import typed

MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
NEVER = [
    "", "null", "soon", "2024-02-30T00:00:00Z", "2024-01-02T24:00:00Z", "2024-1-2", "2024-01-02T03:04:05ZZ",
    "202401021",
    "2024-01-02T03:04:05+08:00:00", "2024-01-02T03:04:0567Z", "2024-01-02T03:04:05.1234567890Z", "2024-01-02Z",
    "2024-01-02T03:04:05 PST",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05Z", MOMENT),
        ("2024-01-02T03:04:05z", MOMENT),
        ("2024-01-01T19:04:05-08:00", MOMENT),
        ("2024-01-02T03:04:05+0000", MOMENT),
        ("2024-01-02T03:04:05Z+0000", MOMENT),
        ("2024-01-02T08:34:05+0530", MOMENT),
        ("2024-01-02T03:04:05", MOMENT),
        ("2024-01-02 03:04:05", MOMENT),
        ("2024-01-02T03:04:05.5Z", MOMENT.replace(microsecond=500_000)),
        ("2024-01-02T03:04:05.123Z", MOMENT.replace(microsecond=123_000)),
        ("2024-01-02T03:04:05.123456789Z", MOMENT.replace(microsecond=123_456)),
        ("2024-01-02T03:04:05.000t+0000", MOMENT),
        ("20240102T03:04:05.0t+0000", MOMENT),
        ("2024-01-01T19:04:05-08", MOMENT),
        ("2024-01-01T19:04:05.5-08", MOMENT.replace(microsecond=500_000)),
        ("20240102T030405Z", MOMENT),
        ("2024-01-02T03:04Z", MOMENT.replace(second=0)),
        ("2024-01-02T05:04+02:00", MOMENT.replace(second=0)),
        ("2024-01-02T03", MOMENT.replace(minute=0, second=0)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=timezone.utc)),
        ("2024-01-02", MOMENT.replace(hour=0, minute=0, second=0)),
        *((text, None) for text in NEVER),
    ],
)
@pytest.mark.parametrize("among", [[], ["2020-12-31T08:00:00.000t+0000", None]])
def test_a_moment_is_read_the_same_alone_and_in_a_column(text, expected, among):
    assert parse_date_or_none(text) == expected
    values, misfits = typed(pa.array([text, *among]), "datetime")
    assert values[0].as_py() == expected
    assert (misfits is not None and misfits[0].as_py()) == (expected is None and text != "")
