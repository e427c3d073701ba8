"""Names that were probably meant."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client.suggest import did_you_mean, nearest, with_nearest

FIELDS = {"email": "email", "Email Address": "email", "leadScore": "leadScore", "Lead Score": "leadScore"}


@pytest.mark.parametrize("name", ["leadscore", "lead score", "LEAD_SCORE", "leadScor"])
def test_case_blanks_and_punctuation_make_no_difference(name):
    assert nearest(name, FIELDS, most=3) == ["leadScore"]


def test_the_best_match_comes_first_and_as_many_as_asked_for():
    known = ["lists.sync", "leads.sync", "leads.get"]
    assert nearest("leads.synk", known, most=2, likeness=0.5) == ["leads.sync", "leads.get"]
    assert nearest("folders", known) == []


def test_an_error_asks_only_if_a_name_is_near():
    assert with_nearest("emial", FIELDS) == "'emial' (did you mean 'email'?)"
    assert with_nearest("height", FIELDS) == "'height'"
    assert did_you_mean(["a", "b"]) == "Did you mean a or b?"
