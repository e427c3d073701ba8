"""The rows and formats of each stream, and the arguments that are refused."""

from __future__ import annotations

import json
from datetime import timedelta

import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.errors import MarketoDataError, MarketoInvalidRequestError
from airflow_provider_marketo.client.transport import Reply
from airflow_provider_marketo.operators.streams import (
    MarketoDeletedLeadsOperator,
    MarketoLeadChangesOperator,
    MarketoMergedLeadsOperator,
)
from airflow_provider_marketo.simulator.store import activity_types as types
from tests.streams.conftest import HOUR, START

JSONL = {"file_format": "jsonl", "start": START}


def happens(followed, type_id, lead_id, **facts):
    """An hour later something has happened to a lead."""
    followed.sim.instance.store.activities.add(int(START.timestamp()) + 60, lead_id, type_id, **facts)
    followed.clock.advance(3_600)


def test_a_deleted_lead_is_a_row_with_its_id(stream):
    followed = stream(activities=0)
    happens(followed, types.DELETE_LEAD, 1005, primary_id=1005, primary="Ada Lovelace")
    followed.run(operator=MarketoDeletedLeadsOperator, **JSONL)
    assert [(row["leadId"], row["activityTypeId"], row["primaryAttributeValueId"]) for row in followed.rows()] == [
        (1005, types.DELETE_LEAD, 1005)
    ]


def test_merged_leads_are_a_row_for_each_lead_that_no_longer_exists(stream):
    followed = stream(activities=0)
    happens(followed, types.MERGE_LEADS, 1005, primary_id=1005, attributes={"Merge IDs": "1006, 1007"})
    followed.run(operator=MarketoMergedLeadsOperator, **JSONL)
    assert sorted((row["winnerId"], row["loserId"]) for row in followed.rows()) == [(1005, 1006), (1005, 1007)]


def test_lead_changes_are_a_row_for_each_field(stream):
    followed = stream(activities=0)
    values = {"New Value": "Buyer", "Old Value": None, "Reason": "Form fill"}
    happens(followed, types.CHANGE_DATA, 1005, primary="Job Title", attributes=values)
    followed.run(operator=MarketoLeadChangesOperator, fields=["title", "city"], **JSONL)
    (row,) = (row for row in followed.rows() if row["activityTypeId"] == types.CHANGE_DATA)
    assert (row["leadId"], row["fieldName"], row["newValue"], row["oldValue"]) == (1005, "title", "Buyer", None)
    assert row["attributes"] == {"Reason": "Form fill"}


def test_scores_are_not_among_lead_changes_and_that_is_said(stream, caplog):
    followed = stream(activities=0)
    happens(followed, types.CHANGE_SCORE, 1005, primary="Lead Score", attributes={"New Value": 7})
    assert followed.run(operator=MarketoLeadChangesOperator, fields=["leadScore", "title"], **JSONL)["rows"] == 0
    assert "does not list changes of scores (['leadScore']): read activities of the type Change Score" in caplog.text


@pytest.mark.parametrize("operator", [MarketoDeletedLeadsOperator, MarketoMergedLeadsOperator])
def test_a_stream_without_news_publishes_no_file(stream, operator):
    followed = stream(activities=0)
    followed.clock.advance(3_600)
    assert followed.run(operator=operator, **JSONL)["rows"] == 0
    assert followed.files() == {}


def test_every_format_has_the_same_rows(stream, tmp_path):
    followed = stream()
    followed.clock.advance(7_200)
    found = {}
    for name in ("csv", "jsonl", "parquet"):
        output = tmp_path / name
        followed.run(f"as {name}", output_path=str(output), stream=name, start=START, file_format=name)
        (file,) = output.glob(f"*.{name}")
        found[name] = {
            "csv": lambda file=file: file.read_text("utf-8").count("00Z,") and sum(1 for _ in _records(file)),
            "jsonl": lambda file=file: len(file.read_text("utf-8").splitlines()),
            "parquet": lambda file=file: pyarrow.parquet.read_table(file).num_rows,
        }[name]()
    assert set(found.values()) == {len(followed.happened(START, START + 2 * HOUR))}


def _records(file):
    import csv

    with file.open(newline="", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def test_a_stream_has_typed_attributes_and_partitions_as_a_bulk_extract_has(stream):
    followed = stream()
    followed.clock.advance(7_200)
    followed.run(
        start=START, file_format="parquet", attributes="typed", partition_by=["date"], activity_types=["Send Email"]
    )
    (name,) = followed.files()
    assert "send_email" in name
    assert "date=2026-01-10" in name
    assert "campaign_run_id" in pyarrow.parquet.read_table(followed.output / name).column_names


def test_more_than_ten_activity_types_are_read_by_several_cursors(stream):
    followed = stream()
    followed.clock.advance(3_600)
    followed.run(pool_slots=3, **JSONL)
    assert followed.published() == sorted(followed.happened(START, START + HOUR))
    assert followed.sim.report().calls["activities.get_lead_activities"] == 2


def test_pages_without_a_record_are_followed(stream):
    followed = stream(feed_scan=2)
    followed.clock.advance(7_200)
    followed.run(activity_types=["Fill Out Form"], **JSONL)
    log = followed.sim.instance.store.activities
    forms = log.between(int(START.timestamp()), int(START.timestamp()) + 7_199, {types.FILL_OUT_FORM})
    assert followed.published() == [str(each.number) for each in forms]


def test_pages_without_a_record_have_an_end(stream):
    followed = stream(feed_scan=2)
    followed.clock.advance(7_200)
    with pytest.raises(MarketoDataError, match="Raise max_empty_pages"):
        followed.run(activity_types=["Attended Event"], max_empty_pages=3, **JSONL)
    assert followed.files() == {}


def test_a_page_that_holds_something_else_than_records_is_a_typed_error(stream, monkeypatch):
    followed = stream()
    followed.clock.advance(3_600)
    monkeypatch.setattr(Reply, "records", property(lambda reply: [None]))
    with pytest.raises(MarketoDataError, match="something that is not a record"):
        followed.run(operator=MarketoDeletedLeadsOperator, **JSONL)
    assert not followed.published()


def test_asset_ids_leave_only_the_activities_of_that_form(stream):
    followed = stream()
    followed.clock.advance(3_600 * 24)
    start = int(START.timestamp())
    fills = list(followed.sim.instance.store.activities.between(start, start + 86_399, {types.FILL_OUT_FORM}))
    form = fills[0].primary_id
    followed.run(activity_types=["Fill Out Form"], asset_ids=[form], **JSONL)
    assert followed.published() == [str(each.number) for each in fills if each.primary_id == form]


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ({"activity_types": ["Fill Out From"]}, "'Fill Out Form'"),
        ({"lead_ids": list(range(1, 32))}, "at most 30 leads.*list_id"),
        ({"lead_ids": "ada"}, "lead_ids is a str that is not an id"),
        ({"asset_ids": [1]}, "exactly one activity type"),
        ({"attributes": "map"}, "cannot be written as csv"),
        ({"file_format": "xlsx"}, "file_format='xlsx'"),
        ({"lookback": "soon"}, "lookback='soon'"),
        ({"stream": "forms "}, "stream='forms ' starts or ends with a space"),
        ({"start": "yesterday"}, "start='yesterday' is not a date"),
        ({"on_gap": "ignore"}, "on_gap='ignore'"),
    ],
)
def test_a_wrong_argument_of_a_stream_is_refused_by_name(stream, arguments, refused):
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match=refused):
        stream().run(**{"start": START} | arguments)


def test_only_activities_have_types_to_be_told_apart(stream):
    with pytest.raises(AirflowFailException, match="deleted_leads has no activity types"):
        stream().run(operator=MarketoDeletedLeadsOperator, attributes="typed", file_format="parquet", start=START)


def test_unknown_fields_are_refused_with_the_names_that_were_meant(stream):
    with pytest.raises(AirflowFailException, match="'leadStatus'"):
        stream().run(operator=MarketoLeadChangesOperator, fields=["leadstatus"], start=START)


def test_a_list_that_is_too_long_for_marketo(stream):
    followed = stream()
    too_long = {"message": "The list exceeds the limit of 10000", "times": None}  # two passes ask at the same time
    followed.sim.fail("activities.get_lead_activities", "1003", **too_long)
    followed.clock.advance(60)
    with pytest.raises(AirflowFailException, match=r"^list_id: .*fewer than 10,000 members"):
        followed.run(list_id=3001, **JSONL)


def test_deletions_that_marketo_has_forgotten_are_a_gap_that_fails_the_task(stream):
    followed = stream(now=START + timedelta(days=20))
    with pytest.raises(AirflowFailException, match=r"14 days; 2026-01-10T00:00:00Z to 2026-01-16T00:00:00Z is gone"):
        followed.run(operator=MarketoDeletedLeadsOperator, **JSONL)
    result = followed.run(operator=MarketoDeletedLeadsOperator, on_gap="skip", **JSONL)
    assert result["start"] == "2026-01-16T00:00:00Z"


def test_a_stream_that_starts_at_the_oldest_record_has_no_gap(stream):
    followed = stream(now=START + timedelta(days=14))
    found = followed.run(operator=MarketoDeletedLeadsOperator, **JSONL)
    assert (found["start"], found["end"]) == ("2026-01-10T00:00:00Z", "2026-01-24T00:00:00Z")


def test_a_gap_that_is_skipped_leaves_out_what_is_gone_and_nothing_else(stream):
    followed = stream(activities=0, now=START + timedelta(days=20))
    log = followed.sim.instance.store.activities
    for day in (4, 7, 19, 21):
        happened = int((START + timedelta(days=day)).timestamp())
        log.add(happened, 1000 + day, types.DELETE_LEAD, primary_id=1000 + day)
    how = {"operator": MarketoDeletedLeadsOperator, "on_gap": "skip", "lookback": timedelta(days=2), **JSONL}
    first = followed.run(**how, end=START + timedelta(days=10))
    assert (first["start"], first["end"]) == ("2026-01-16T00:00:00Z", "2026-01-20T00:00:00Z")
    assert [row["leadId"] for row in followed.rows()] == [1007]
    followed.clock.advance(2 * 86_400)
    followed.run("the next", **how, end=START + timedelta(days=22))
    assert sorted(row["leadId"] for row in followed.rows()) == [1007, 1019, 1021]


def test_a_gap_of_the_whole_run_publishes_nothing_and_the_next_run_goes_on(stream):
    followed = stream(activities=0, now=START + timedelta(days=20))
    followed.sim.instance.store.activities.add(
        int((START + timedelta(days=19)).timestamp()), 1019, types.DELETE_LEAD, primary_id=1019
    )
    how = {"operator": MarketoDeletedLeadsOperator, "on_gap": "skip", **JSONL}
    assert followed.run(**how, end=START + timedelta(days=3))["rows"] == 0
    assert followed.run("the next", **how, end=START + timedelta(days=20))["rows"] == 1


def test_how_long_activities_are_kept_depends_on_their_type(stream):
    followed = stream(now=START + timedelta(days=100))
    with pytest.raises(AirflowFailException, match=r"Marketo keeps these .* for at least 90 days"):
        followed.run(activity_types=["Visit Webpage"], **JSONL)
    assert followed.run("another", activity_types=["Fill Out Form"], **JSONL)["rows"]


def test_the_manifest_is_that_of_a_bulk_extract(stream):
    followed = stream()
    followed.clock.advance(3_600)
    result = followed.run(**JSONL)
    stored = json.loads((followed.output / result["manifest"].removeprefix(f"{followed.output}/")).read_text())
    assert stored == {name: value for name, value in result.items() if name not in ("file_count", "window_count")}
    assert (result["object_type"], result["start"], result["end"]) == (
        "activities",
        "2026-01-10T00:00:00Z",
        "2026-01-10T01:00:00Z",
    )
