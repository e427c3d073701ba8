"""A lead field that is hashed or left out shows no value in the rows of its changes, in any format."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_marketo.client.tabular.changed_values import HiddenChanges
from airflow_provider_marketo.operators.streams import MarketoActivitiesOperator, MarketoLeadChangesOperator
from tests.simulated import data_files, extract
from tests.support import StateStore, run_task, task_context

SECRET = "a long secret"
HASHED, DROPPED, SCORE = "city", "phone", "leadScore"
LABELS = {"City": HASHED, "Phone Number": DROPPED, "Lead Score": SCORE}
SPAN = {"start": "2026-03-01", "end": "2026-03-05"}
TODAY = dict.fromkeys(("leads_since", "start", "end"))
"""Settings of an instance whose data end today, because the feeds forget older data."""

HIDDEN = {"hash_fields": [HASHED, SCORE], "exclude_fields": [DROPPED]}
VALUES = {"New Value", "Old Value", "Change Value", "Relative Score"}
FORMS = [
    {"file_format": "csv"},
    {"file_format": "jsonl"},
    {"file_format": "parquet", "attributes": "json"},
    {"file_format": "parquet", "attributes": "map"},
    {"file_format": "parquet", "attributes": "typed"},
]


def digest(value: Any) -> str:
    return hmac.new(SECRET.encode(), str(value).encode(), hashlib.sha256).hexdigest()


def rows(folder) -> dict[str, dict[str, Any]]:
    """Return the written rows by id, with the attributes as a mapping of texts."""
    found = []
    for name in data_files(folder):
        if name.endswith(".csv"):
            with (folder / name).open(encoding="utf-8", newline="") as lines:
                found += list(csv.DictReader(lines))
        elif name.endswith(".jsonl"):
            found += [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]
        else:
            found += pq.read_table(folder / name, partitioning=None).to_pylist(maps_as_pydicts="strict")
    return {row["marketoGUID"]: {**row, "attributes": attributes(row)} for row in found}


def attributes(row: dict[str, Any]) -> dict[str, str | None]:
    held = row["attributes"]
    if isinstance(held, str):
        held = json.loads(held)
    if isinstance(held, list):
        held = {each["name"]: each["value"] for each in held}
    typed = {name: row[column] for name in VALUES if (column := name.lower().replace(" ", "_")) in row}
    return {name: None if value is None else str(value) for name, value in {**(held or {}), **typed}.items()}


def run(operator: Any) -> dict[str, Any]:
    result: dict[str, Any] = run_task(operator, task_context(StateStore()))
    return result


def recent() -> dict[str, str]:
    """Return four days that the feeds of an instance still have."""
    today = datetime.now(timezone.utc).date()
    return {"start": (today - timedelta(days=6)).isoformat(), "end": (today - timedelta(days=2)).isoformat()}


def read(operator: Any) -> None:
    """Run a stream over a given range, without a stored position."""
    operator.keeps_position = False
    run(operator)


def assert_hidden(plain: dict[str, dict[str, Any]], hidden: dict[str, dict[str, Any]]) -> None:
    assert list(plain) == list(hidden)
    met = set()
    for guid, before in plain.items():
        field = LABELS.get(before["primaryAttributeValue"]) if str(before["activityTypeId"]) in ("13", "22") else None
        expected = dict(before["attributes"])
        for name in VALUES & set(expected) if field else ():
            met.add(field)
            is_hashed = field == HASHED and expected[name] is not None
            expected[name] = digest(expected[name]) if is_hashed else None
        assert hidden[guid]["attributes"] == expected
        assert hidden[guid]["primaryAttributeValue"] == before["primaryAttributeValue"]
    assert met == {HASHED, DROPPED, SCORE}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form.values()))
def test_a_bulk_extract_hides_old_and_new_values(marketo, tmp_path, form):
    marketo({"hash_secret": SECRET}, activities=40_000)
    run(extract(tmp_path / "plain", **SPAN, **form))
    manifest = run(extract(tmp_path / "hidden", **SPAN, **form, **HIDDEN))
    assert_hidden(rows(tmp_path / "plain"), rows(tmp_path / "hidden"))
    assert manifest["type_errors"] == {}


@pytest.mark.parametrize("form", [FORMS[1], FORMS[4]], ids=["jsonl", "typed"])
def test_a_stream_of_activities_hides_them(marketo, tmp_path, form):
    marketo({"hash_secret": SECRET}, activities=40_000, **TODAY)
    span = recent()
    for name, more in (("plain", {}), ("hidden", HIDDEN)):
        folder = tmp_path / name
        read(MarketoActivitiesOperator(task_id="feed", output_path=str(folder), **span, **form, **more))
    assert_hidden(rows(tmp_path / "plain"), rows(tmp_path / "hidden"))


def test_a_stream_of_lead_changes_hides_them(marketo, tmp_path):
    marketo({"hash_secret": SECRET}, activities=40_000, **TODAY)
    common = {"fields": [HASHED, DROPPED, "title"], "file_format": "jsonl", **recent()}
    hidden = {"hash_fields": [HASHED], "exclude_fields": [DROPPED]}
    found = {}
    for name, more in (("plain", {}), ("hidden", hidden)):
        folder = tmp_path / name
        read(MarketoLeadChangesOperator(task_id="feed", output_path=str(folder), **common, **more))
        (file,) = data_files(folder)
        found[name] = [json.loads(line) for line in (folder / file).read_text("utf-8").splitlines()]
    assert {row["fieldName"] for row in found["plain"]} >= {HASHED, DROPPED, "title"}
    for before, after in zip(found["plain"], found["hidden"], strict=True):
        for name in ("oldValue", "newValue"):
            value = before[name]
            if before["fieldName"] == HASHED:
                value = digest(value) if value is not None else None
            assert after[name] == (None if before["fieldName"] == DROPPED else value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hash_fields": ["citty"]}, "citty.*is not exported"),
        ({"exclude_fields": ["citty"]}, "there is no 'citty'"),
        ({"hash_fields": ["city"], "fields": ["attributes"]}, "values of city cannot be found.*Add activityTypeId"),
    ],
)
def test_what_cannot_be_hidden_is_refused_before_a_job(marketo, tmp_path, arguments, message):
    instance = marketo({"hash_secret": SECRET})
    with pytest.raises(AirflowFailException, match=message):
        run(extract(tmp_path, **SPAN, **arguments))
    assert instance.jobs() == []


HIDES = HiddenChanges.of({"city": ("107", "City", "city")}, hashed=["city"], dropped=[])
NAMES = st.sampled_from(["New Value", "NewValue", "new value", "OLD VALUE", "Old_Value", "Change Value"])
VALUE = st.text(min_size=20) | st.integers(min_value=10**20) | st.lists(st.text(min_size=20), min_size=1)


@given(
    values=st.dictionaries(NAMES, VALUE, min_size=1),
    other=st.text(min_size=5),
    named=st.sampled_from([("107", None), (None, "City"), ("107", "Renamed"), (None, "CITY")]),
    is_list=st.booleans(),
)
def test_no_spelling_of_a_change_shows_its_values(values, other, named, is_list):
    held = {**values, "Reason": other}
    cell = json.dumps([{"name": name, "value": value} for name, value in held.items()] if is_list else held)
    row = {"activityTypeId": "13", "primaryAttributeValueId": named[0], "primaryAttributeValue": named[1]}
    written = json.loads(HIDES.hide({**row, "attributes": cell}, digest)["attributes"])
    found = {each["name"]: each["value"] for each in written} if is_list else written
    assert found.pop("Reason") == other
    assert set(found) == set(values)
    for name, value in values.items():
        assert found[name] == digest(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@pytest.mark.parametrize("cell", ['{"New Value": "Paris"', '"Paris"', '["Paris"]', "Paris"])
def test_a_cell_that_cannot_be_read_is_not_written_at_all(cell):
    row = {"activityTypeId": "13", "primaryAttributeValueId": "107", "primaryAttributeValue": "City"}
    assert HIDES.hide({**row, "attributes": cell}, digest) == {"attributes": None}


def test_an_activity_of_another_type_keeps_its_values():
    row = {"activityTypeId": "2", "primaryAttributeValueId": "107", "primaryAttributeValue": "City"}
    assert HIDES.hide({**row, "attributes": '{"New Value": "Paris"}'}, digest) == {}
