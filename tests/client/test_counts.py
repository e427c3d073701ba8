"""Counts, lengths of time and articles agree with their nouns."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta

import pytest

from airflow_provider_marketo.client.counts import counted, duration, named_type


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_noun_agrees_with_its_number(number, text):
    assert counted(number, "row") == text


def test_a_noun_may_have_a_plural_of_its_own():
    assert counted(2, "entry", "entries") == "2 entries"
    assert counted(1, "entry", "entries") == "1 entry"


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(days=1, hours=6, minutes=5), "1 day 6 hours"),
        (90, "1 minute 30 seconds"),
        (59.6, "1 minute"),
        (86_401, "1 day 1 second"),
        (0, "0 seconds"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(length, said):
    assert duration(length) == said


@pytest.mark.parametrize(("value", "said"), [(7, "an int"), ([], "a list"), (OrderedDict(), "an OrderedDict")])
def test_a_type_has_its_article(value, said):
    assert named_type(value) == said
