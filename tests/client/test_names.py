"""Names that people choose, as parts of keys and paths."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_marketo.client.names import LONGEST, key_part

NAMES = st.text(max_size=40) | st.text(alphabet="aAeE\u00e9\u0301./%?#-_~ ", max_size=8) | st.text(min_size=100)


@pytest.mark.parametrize("name", ["forms", "a_dag.a_task", "new-leads", "_x", "2026"])
def test_a_plain_name_stays_as_it_is(name):
    assert key_part(name) == name


@pytest.mark.parametrize(
    "names",
    [
        ("forms?emea", "forms?apac", "forms", "forms#emea"),
        ("a/b", "a%2Fb", "a-b", "a b"),
        ("Forms", "forms", "FORMS"),
        ("forms", "forms ", " forms", "forms."),
        ("caf\u00e9", "cafe\u0301", "cafe"),
        ("x" * 500, "x" * 501),
        ("", ".", "..", "..."),
        ("会社", "部署"),
    ],
    ids=repr,
)
def test_different_names_have_different_parts(names):
    assert len({key_part(name) for name in names}) == len(names)


@given(NAMES, NAMES)
@example("forms?emea", key_part("forms?emea"))
def test_no_two_names_share_a_part_even_where_case_and_accents_do_not_count(one, other):
    def folded(name: str) -> str:
        plain = unicodedata.normalize("NFKD", key_part(name)).encode("ascii", "ignore").decode()
        return plain.casefold().rstrip(" .")

    assert (folded(one) == folded(other)) == (one == other)


@given(NAMES)
def test_a_part_is_short_and_means_nothing_to_urls_paths_and_patterns(name):
    part = key_part(name)
    assert re.fullmatch(r"[a-z0-9_.~-]+", part)
    assert part.strip(".")
    assert len(part) <= LONGEST
