"""What a run of a stream reads, what it asks Marketo for, and what it leaves behind."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.operators.streams import MarketoDeletedLeadsOperator
from airflow_provider_marketo.simulator.routes import HANDLERS
from tests.streams.conftest import HOUR, START

PAGES, TIMES = "activities.get_lead_activities", "activities.get_paging_token"
JSONL = {"file_format": "jsonl"}


@pytest.fixture
def asked(monkeypatch):
    """What Marketo was asked for: the tokens of pages, and the times for which tokens were wanted."""
    seen = {PAGES: [], TIMES: [], "activities.get_deleted_leads": []}

    def watched(operation, answer):
        def handler(instance, request):
            seen[operation].append(iso(request["sinceDatetime"]) if operation == TIMES else request["nextPageToken"])
            return answer(instance, request)

        return handler

    for operation in seen:
        monkeypatch.setitem(HANDLERS, operation, watched(operation, HANDLERS[operation]))
    return seen


def test_a_folder_that_cannot_be_written_is_found_before_the_first_call(stream, tmp_path):
    followed = stream()
    (tmp_path / "file").touch()
    with pytest.raises((AirflowFailException, MarketoInvalidRequestError), match="output_path"):
        followed.run(start=START, output_path=str(tmp_path / "file" / "out"), **JSONL)
    assert followed.sim.report().total_calls == 0


def test_a_run_begins_at_the_pages_that_the_run_before_has_stored(stream, asked):
    followed = stream()
    followed.hour(0, **JSONL)
    stored = list(followed.state.get("marketo_position_s")["pages"].values())
    before = len(asked[PAGES])
    followed.hour(1, **JSONL)
    assert sorted(asked[PAGES][before : before + len(stored)]) == sorted(stored)
    assert asked[TIMES] == ["2026-01-10T00:00:00Z", "2026-01-10T01:00:00Z"]


def test_an_overlap_is_read_from_its_time_and_not_from_the_stored_pages(stream, asked):
    followed = stream()
    for number in range(3):
        followed.hour(number, lookback=HOUR, **JSONL)
    assert asked[TIMES] == ["2026-01-10T00:00:00Z", "2026-01-10T00:00:00Z", "2026-01-10T01:00:00Z"]
    assert followed.published() == sorted(followed.happened(START, START + 3 * HOUR))


def test_a_run_whose_interval_ends_where_the_stream_stands_reads_and_publishes_nothing(stream, asked):
    followed = stream()
    followed.hour(0, **JSONL)
    pages, manifests = len(asked[PAGES]), sorted((followed.output / "_marketo/manifests").iterdir())
    found = followed.run("another run", interval=(START, START + HOUR), **JSONL)
    assert (found["rows"], found["start"], found["end"]) == (0, "2026-01-10T01:00:00Z", "2026-01-10T01:00:00Z")
    assert len(asked[PAGES]) == pages
    assert sorted((followed.output / "_marketo/manifests").iterdir()) == manifests


@pytest.mark.parametrize(("seconds", "refused"), [(-30, False), (30, False), (31, True)])
def test_clocks_may_differ_by_half_a_minute_before_a_start_counts_as_future(stream, seconds, refused):
    followed = stream()
    how = {"start": START + timedelta(seconds=seconds), **JSONL}
    if refused:
        with pytest.raises(AirflowFailException, match="lies in the future"):
            followed.run(**how)
    else:
        followed.run(**how)


def test_the_type_that_marketo_keeps_shortest_decides_what_a_stream_of_several_has_lost(stream):
    followed = stream(now=START + timedelta(days=100))
    with pytest.raises(AirflowFailException, match="for at least 90 days"):
        followed.run(start=START, activity_types=["Fill Out Form", "Visit Webpage"], **JSONL)


def test_after_a_gap_reading_begins_at_the_oldest_record_that_is_left(stream, asked):
    followed = stream(now=START + timedelta(days=20))
    followed.run(operator=MarketoDeletedLeadsOperator, start=START, on_gap="skip", **JSONL)
    assert asked[TIMES] == ["2026-01-10T00:00:00Z", "2026-01-16T00:00:00Z"]


def test_a_run_that_has_ended_leaves_its_range_and_no_records_of_slices(stream):
    followed = stream()
    followed.hour(0, **JSONL)
    left = [path.name for path in (followed.output / "_marketo/runs").rglob("*") if path.is_file()]
    assert left == ["range.json"]
