"""Attributes of activities as columns: each has its own; unannounced attributes are kept apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.tabular.attributes import columns_of, spread
from airflow_provider_marketo.client.tabular.partitions import Partitioning
from airflow_provider_marketo.client.tabular.schema import ActivityType, folded
from airflow_provider_marketo.client.tabular.transform import Rules
from tests.client.tabular.transforming import ACTIVITIES, ACTIVITY_SCHEMA, NAME

COMPANY, DEPARTMENT, POSITION = "会社", "部署", "役職"
COMMON = [column.name for column in ACTIVITY_SCHEMA.columns]
DISPLAY_NAMES = st.one_of(
    st.sampled_from([COMPANY, DEPARTMENT, "Société", "Sociétê", "C#", "C++", "C", "Attributes", "Lead ID", "LEAD ID"]),
    st.text("ab A-_#éê会0", min_size=1, max_size=5),
    st.text(min_size=1, max_size=3),
)


def kind(*names: str) -> ActivityType:
    return ActivityType(1, "Visit", dict.fromkeys(names, "string"))


def column_names(*names: str) -> list[str]:
    return [column for column, _ in columns_of(kind(*names), COMMON).values()]


@pytest.mark.parametrize(
    ("name", "column"),
    [("Campaign Run ID", "campaign_run_id"), ("Query", "query"), ("Attributes", "attributes_attribute")],
)
def test_a_plain_name_becomes_snake_case(name, column):
    assert column_names(name) == [column]


def test_a_name_that_snake_case_would_lose_has_a_column_of_its_own():
    names = column_names(COMPANY, DEPARTMENT, "Société", "Sociétê", "Revenue $", "Revenue €", "Revenue")
    assert len(set(names)) == len(names)
    assert names[2].startswith("societe_")
    assert names[-1] == "revenue"
    assert all(name.isascii() and name.isidentifier() for name in names)


@given(st.lists(DISPLAY_NAMES, unique=True, max_size=8), st.lists(DISPLAY_NAMES, unique=True, max_size=4))
def test_columns_are_distinct_and_a_new_attribute_does_not_move_them(names, later):
    before = columns_of(kind(*names), COMMON)
    after = columns_of(kind(*names, *later), COMMON)
    columns = [column for column, _ in after.values()]
    assert len({*columns, *COMMON}) == len(columns) + len(COMMON)
    assert before.items() <= after.items()


@given(st.lists(DISPLAY_NAMES, unique_by=lambda name: (name.casefold(), folded(name)), max_size=6), st.randoms())
def test_columns_do_not_depend_on_the_order_in_which_attributes_are_announced(names, random):
    names = list({column: name for name, column in zip(names, column_names(*names), strict=True)}.values())
    alone = {name: column_names(name)[0] for name in names}
    kept = {name: column for name, column in alone.items() if list(alone.values()).count(column) == 1}
    shuffled = random.sample(list(kept), len(kept))
    assert dict(zip(shuffled, column_names(*shuffled), strict=True)) == kept


@given(st.lists(DISPLAY_NAMES, unique=True, max_size=5), st.dictionaries(DISPLAY_NAMES, st.text(max_size=3)))
def test_every_value_goes_to_the_column_of_its_name_or_is_left_over(names, mapping):
    texts, [rest] = spread([mapping], names)
    for name, value in mapping.items():
        if name in names:
            assert texts[name] == [value]
        else:
            owner = [column for column in names if folded(column) == folded(name)]
            assert (rest or {}).get(name) == value or (len(owner) == 1 and texts[owner[0]] == [value])
    placed = sum(text is not None for column in texts.values() for text in column)
    assert placed + len(rest or {}) == len(mapping)


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_an_attribute_that_was_not_announced_goes_to_the_rest_and_is_counted(output, file_format):
    types = {1: kind(COMPANY, DEPARTMENT, "Job-Title")}
    cell = f'"{{""{COMPANY}"":""Acme"",""{DEPARTMENT}"":""Sales"",""{POSITION}"":""Director"",""job title"":""CEO""}}"'
    data = ACTIVITIES + f"a,7,2026-01-01T00:00:00Z,1,{cell}\n".encode()
    outcome = output.run(Rules(ACTIVITY_SCHEMA, NAME, attributes="typed", activity_types=types), data, file_format)
    [row] = output.rows(outcome.files[0].name)
    company, department, title = column_names(COMPANY, DEPARTMENT, "Job-Title")
    assert (row[company], row[department], row[title]) == ("Acme", "Sales", "CEO")
    assert row["attributes"] == {POSITION: "Director"}
    assert outcome.unknown == {f"attribute activity_type_1.{POSITION}": 1}


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_an_attribute_with_the_name_of_a_partition_has_another_column(output, file_format):
    """Readers take ``date`` from the folder, and would not see the attribute's own value."""
    partitions = Partitioning(("date",), "activityDate", {1: "visit"})
    rules = Rules(ACTIVITY_SCHEMA, NAME, partitions=partitions, attributes="typed", activity_types={1: kind("Date")})
    data = ACTIVITIES + b'a,7,2026-01-01T00:00:00Z,1,"{""Date"":""2020-05-06""}"\n'
    outcome = output.run(rules, data, file_format)
    assert [file.name for file in outcome.files] == [f"visit/date=2026-01-01/rows.{file_format}"]
    [row] = output.rows(outcome.files[0].name)
    assert "date" not in row
    assert row["date_attribute"] == "2020-05-06"


@pytest.mark.parametrize("form", ["json", "map", "typed"])
@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_attributes_that_are_nested_too_deep_are_not_json_and_do_not_stop_a_file(output, file_format, form):
    deep = "[" * 50_000 + "]" * 50_000
    data = ACTIVITIES + f'a,7,2026-01-01T00:00:00Z,1,"{{""Query"":{deep}}}"\n'.encode()
    data += b'b,7,2026-01-01T00:00:00Z,1,"{""Query"":""x""}"\n'
    rules = Rules(ACTIVITY_SCHEMA, NAME, attributes=form, activity_types={1: kind("Query")})
    outcome = output.run(rules, data, file_format)
    assert outcome.rows == 2
    assert outcome.type_errors == ({} if form == "json" else {"attributes": 1})


RUN_IDS = [
    '{"Campaign Run ID":102938}',
    '{"Campaign Run ID":""102938""}',
    r'{"Campaign Run ID":"\"102938\""}',
    r'[{"name":"Campaign Run ID","value":"\"102938\""}]',
    r'{"Step ID":""}',
]


@pytest.mark.parametrize("form", ["json", "map", "typed"])
@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_a_run_id_that_marketo_quoted_twice_is_the_number_that_it_is_today(output, form, file_format):
    types = {1: ActivityType(1, "Visit", {"Campaign Run ID": "integer", "Step ID": "integer"})}
    cells = [cell.replace('"', '""') for cell in RUN_IDS]
    data = ACTIVITIES + b"".join(f'{n},7,2026-01-01T00:00:00Z,1,"{cell}"\n'.encode() for n, cell in enumerate(cells))
    rules = Rules(ACTIVITY_SCHEMA, NAME, attributes=form, activity_types=types)
    outcome = output.run(rules, data, file_format)
    rows = output.rows(outcome.files[0].name)
    if form == "typed":
        assert [row["campaign_run_id"] for row in rows] == [102938, 102938, 102938, 102938, None]
    else:
        found = [row["attributes"] for row in rows]
        found = [json.loads(value) if isinstance(value, str) else value for value in found]
        found = [{one["name"]: one["value"] for one in value} if isinstance(value, list) else value for value in found]
        run_id = 102938 if form == "json" else "102938"
        assert found == [{"Campaign Run ID": run_id}] * 4 + [{"Step ID": ""}]
    assert not outcome.type_errors
