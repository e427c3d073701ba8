"""Folder names."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.client.tabular.partitions import NO_VALUE, Partitioning, type_folders
from airflow_provider_marketo.client.tabular.schema import ActivityType
from tests.client.tabular.transforming import ACTIVITY_SCHEMA, schema


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        ("Web", "leadSource=Web/"),
        ("Trade Show", "leadSource=Trade Show/"),
        ("a/b=c", "leadSource=a%2Fb%3Dc/"),
        ("..", "leadSource=../"),
        ("\u00e9\n", "leadSource=%C3%A9%0A/"),
        ("", "leadSource=__HIVE_DEFAULT_PARTITION__/"),
        (None, "leadSource=__HIVE_DEFAULT_PARTITION__/"),
        ("__HIVE_DEFAULT_PARTITION__", "leadSource=%5F_HIVE_DEFAULT_PARTITION__/"),
        ("%5F_HIVE_DEFAULT_PARTITION__", "leadSource=%255F_HIVE_DEFAULT_PARTITION__/"),
    ],
)
def test_a_value_cannot_leave_its_folder(value, folder):
    assert Partitioning(("leadSource",)).folder([value]) == folder


def test_no_text_shares_the_folder_of_null():
    parts = Partitioning(("leadSource",))
    no_value = "__HIVE_DEFAULT_PARTITION__"
    texts = [no_value, no_value.lower(), f"%5F{no_value[1:]}", f" {no_value}", "null"]
    folders = {text: parts.folder([text]) for text in texts}
    assert len({*folders.values(), parts.folder([None])}) == len(texts) + 1
    assert {text: unquote(folder)[len("leadSource=") : -1] for text, folder in folders.items()} == {t: t for t in texts}


@given(st.text("aA\u00e9\u90e8\U0001f600", min_size=8, max_size=120))
def test_the_name_of_a_long_value_is_text_for_every_reader(text):
    assert unquote(Partitioning(("s",)).folder([text]), errors="strict")


@pytest.mark.parametrize("text", ["\u90e8" * 30, "x" * 10_000, "%" * 60, "\0\x1f\n" * 40])
def test_a_long_value_makes_a_short_name_of_its_own(text):
    parts = Partitioning(("leadSource",))
    folder = parts.folder([text])
    assert len(folder.encode()) < 200
    assert re.fullmatch(r"leadSource=([\w ]|%[0-9A-F]{2})+~+[0-9a-f]{16}/", folder)
    assert len({parts.folder([other]) for other in (text, text + "x", text[:-1], unquote(folder)[11:-1])}) == 4


WORDS = [
    "Web",
    "web",
    "WEB",
    "wEb",
    "%57eb",
    "\u00c9T\u00c9",
    "\u00e9t\u00e9",
    NO_VALUE,
    NO_VALUE.lower(),
    NO_VALUE.title(),
    "",
    None,
]
SPELLINGS = st.one_of(
    st.sampled_from(WORDS), st.text("aAbB%_ \u00e4\u00c4", max_size=6), st.text("xX", min_size=90, max_size=200)
)


@given(st.lists(SPELLINGS, unique_by=lambda value: value or None, min_size=2, max_size=20))
def test_on_a_disk_that_folds_case_values_that_differ_in_case_have_folders_of_their_own(values):
    by_case = Partitioning(("source",), folds_case=True)
    folders = [by_case.folder([value]) for value in values]
    assert len({folder.casefold() for folder in folders}) == len(values)
    for value, folder in zip(values, folders, strict=True):
        if value and "source" in by_case.told_by(folder):
            assert unquote(folder) == f"source={value}/"


def test_capitals_are_escaped_only_where_the_disk_folds_case():
    assert Partitioning(("source",)).folder(["Web"]) == "source=Web/"
    assert Partitioning(("source",), folds_case=True).folder(["Web"]) == "source=%57eb/"


def test_a_date_of_a_year_below_1000_has_four_digits():
    parts = Partitioning(("year", "date"), "createdAt")
    assert [parts.part(name, "0987-05-04T00:00:00Z") for name in parts.by] == ["0987", "0987-05-04"]


def test_parts_of_dates_are_utc():
    parts = Partitioning(("year", "month", "date", "hour"), "createdAt")
    assert [parts.part(name, "2025-12-31T23:30:00-01:00") for name in parts.by] == ["2026", "01", "2026-01-01", "00"]


def test_activity_types_go_by_name_and_by_id_where_names_meet_or_are_unknown():
    types = [ActivityType(number, name, {}) for number, name in [(3, "A-B"), (1, "Send Email"), (2, "A b"), (4, "!")]]
    parts = Partitioning(("activity_type",), types=type_folders({kind.id: kind for kind in types}))
    names = [parts.type_folder(text) for text in ("1", "2", "3", "4", "99", "../../etc", "")]
    assert names == ["send_email", "a_b", "a_b_3", "activity_type_4", "activity_type_99", "activity_type_etc",
                     "activity_type_unknown"]  # fmt: skip


NAMES = st.lists(
    st.one_of(
        st.sampled_from(["Visit", "VISIT", "Visit-", "会社", "部署", "Société", "Sociétê"]),
        st.text("ab A-#é会0", min_size=1, max_size=4),
        st.sampled_from(["Activity Type 2", "Visit 2", ""]),
    ),
    max_size=6,
)


@given(NAMES, NAMES)
@example([], ["Visit 2", "Visit-"])
def test_activity_types_have_folders_of_their_own_which_newer_types_do_not_move(names, newer):
    types = {number: ActivityType(number, name, {}) for number, name in enumerate([*names, *newer], 1)}
    before = type_folders({number: types[number] for number in range(1, len(names) + 1)})
    after = type_folders(types)
    assert len(set(after.values())) == len(types)
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("leadSource", "'leadSource' is not exported"),
        ("activity_type", "'activity_type' needs the field activityTypeId, which is not exported"),
        ("date", "'date' needs the field createdAt, which is not exported"),
    ],
)
def test_a_partition_by_a_column_that_is_not_exported_is_refused_with_the_parameter(by, message):
    with pytest.raises(MarketoInvalidRequestError, match=message) as caught:
        Partitioning.of([by], schema("id"), date="createdAt", types={})
    assert caught.value.parameter == "partition_by"


@pytest.mark.parametrize("name", ["year", "activity_type"])
def test_a_partition_that_hides_a_column_from_readers_is_refused(name):
    rows = schema("id", "activityTypeId:integer", "createdAt:datetime", name)
    with pytest.raises(MarketoInvalidRequestError, match=f"'{name}' is a column of these rows") as refused:
        Partitioning.of([name], rows, date="createdAt", types={})
    assert refused.value.parameter == "partition_by"


def test_a_partition_that_is_named_twice_is_one_level():
    assert Partitioning.of(["id", "id"], schema("id"), date=None, types={}).folder(["7"]) == "id=7/"


def test_the_date_of_rows_that_have_none_is_refused():
    with pytest.raises(MarketoInvalidRequestError, match="'date' is not exported"):
        Partitioning.of(["date"], schema("id"), date=None, types={})


def test_a_partition_by_an_exported_column_is_accepted():
    by = ["activity_type", "date", "leadId"]
    parts = Partitioning.of(by, ACTIVITY_SCHEMA, date="activityDate", types={})
    assert parts.columns == ("leadId",)
