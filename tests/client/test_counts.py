"""Counts and articles agree with their nouns."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from airflow_provider_marketo.client.counts import counted, named_type


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_noun_agrees_with_its_number(number, text):
    assert counted(number, "row") == text


def test_a_noun_may_have_a_plural_of_its_own():
    assert counted(2, "entry", "entries") == "2 entries"
    assert counted(1, "entry", "entries") == "1 entry"


@pytest.mark.parametrize(("value", "said"), [(7, "an int"), ([], "a list"), (OrderedDict(), "an OrderedDict")])
def test_a_type_has_its_article(value, said):
    assert named_type(value) == said
