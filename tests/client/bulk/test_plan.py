"""A span of time is divided into jobs that Marketo accepts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_marketo.client.bulk.objects import OBJECTS, export_object
from airflow_provider_marketo.client.bulk.plan import slices, windows
from airflow_provider_marketo.client.dates import iso
from airflow_provider_marketo.client.errors import MarketoInvalidRequestError

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
MONTH = timedelta(days=30)


def plan(object_type, *, spans=(), filters=None, date_filter=None, order="oldest_first"):
    return slices(
        export_object(object_type),
        name=object_type,
        date_filter=date_filter,
        spans=list(spans),
        filters=filters or {},
        order=order,
    )


def test_seventy_days_are_three_windows_that_share_their_boundary_second():
    spans = list(windows(START, START + timedelta(days=70), MONTH))
    assert [(span.start, span.end) for span in spans] == [
        (START, START + MONTH),
        (START + MONTH, START + 2 * MONTH),
        (START + 2 * MONTH, START + timedelta(days=70)),
    ]
    jobs = plan("activities", spans=spans, date_filter="createdAt")
    assert [job.filter["createdAt"] for job in jobs][1] == {
        "startAt": "2026-01-31T00:00:00Z",
        "endAt": "2026-03-02T00:00:00Z",
    }


@pytest.mark.parametrize("days", [1, 30, 31, 45])
def test_the_last_window_may_end_with_the_calendar(days):
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    spans = list(windows(end - timedelta(days=days), end, MONTH))
    assert (spans[0].start, spans[-1].end) == (end - timedelta(days=days), end)


def test_names_depend_on_the_window_alone_so_that_a_rerun_replaces_the_same_files():
    spans = list(windows(START, START + MONTH, MONTH))
    (job,) = plan("activities", spans=spans, date_filter="createdAt")
    assert job.name == "activities_20260101T000000Z_20260131T000000Z"


def test_newest_first_changes_only_the_order():
    spans = list(windows(START, START + 2 * MONTH, MONTH))
    oldest = plan("leads", spans=spans, date_filter="createdAt")
    assert plan("leads", spans=spans, date_filter="createdAt", order="newest_first") == oldest[::-1]


def test_other_zones_are_written_in_utc():
    zone = timezone(timedelta(hours=-8))
    assert iso(datetime(2026, 1, 1, 16, tzinfo=zone)) == "2026-01-02T00:00:00Z"


@pytest.mark.parametrize("length", [timedelta(days=32), timedelta(0)])
def test_a_window_beyond_marketos_limit_is_refused(length):
    with pytest.raises(MarketoInvalidRequestError, match="is not between one second and 31 days") as caught:
        list(windows(START, START + MONTH, length))
    assert caught.value.parameter == "window"


@pytest.mark.parametrize("length", [timedelta(days=31), timedelta(seconds=1)])
def test_a_window_may_have_any_length_that_marketo_takes(length):
    (span, _) = windows(START, START + 2 * length, length)
    assert (span.start, span.end) == (START, START + length)


def test_a_slice_knows_how_long_its_window_is():
    spans = windows(START, START + timedelta(hours=1), MONTH)
    assert [job.seconds for job in plan("activities", spans=spans, date_filter="createdAt")] == [3600.0]
    assert [job.seconds for job in plan("leads", filters={"staticListId": 1001})] == [0.0]


def test_dates_and_a_list_are_two_filters():
    with pytest.raises(
        MarketoInvalidRequestError, match="one filter for leads, and staticListId, createdAt were given"
    ):
        plan("leads", spans=windows(START, START + MONTH, MONTH), date_filter="createdAt", filters={"staticListId": 1})


@pytest.mark.parametrize("end", [START, START - MONTH])
def test_a_span_that_ends_before_it_starts_is_refused(end):
    with pytest.raises(MarketoInvalidRequestError, match=r"^start=\S+ is not before end="):
        list(windows(START, end, MONTH))


def test_programs_go_ten_to_a_job():
    jobs = plan("program_members", filters={"programIds": range(1, 24)})
    assert [len(job.filter["programIds"]) for job in jobs] == [10, 10, 3]
    assert [job.name for job in jobs][-1] == "program_members_programs-21-23"


def test_a_list_takes_the_place_of_dates():
    (job,) = plan("leads", filters={"staticListId": 1001})
    assert job.filter == {"staticListId": 1001}
    assert job.window is None


@pytest.mark.parametrize(
    ("object_type", "filters", "message"),
    [
        ("leads", {"color": "red"}, "cannot be filtered by 'color'"),
        ("leads", {"createdAt": {}}, "start, end and date_field"),
        ("leads", {"staticListId": 1, "smartListId": 2}, "one filter"),
        ("program_members", {}, r"exactly one of programId and programIds.*Give filters=\{'programIds'"),
        ("program_members", {"programId": 1, "programIds": [2]}, "exactly one"),
        ("activities", {"primaryAttributeValueIds": [1], "primaryAttributeValues": ["a"]}, "cannot be used together"),
    ],
)
def test_filters_that_marketo_would_refuse_are_refused_before_a_call(object_type, filters, message):
    with pytest.raises(MarketoInvalidRequestError, match=message) as caught:
        plan(object_type, filters=filters)
    assert caught.value.parameter == "filters"


def test_an_unknown_object_type_is_told_the_known_ones():
    with pytest.raises(MarketoInvalidRequestError, match=", ".join(OBJECTS)):
        export_object("people")


def test_each_kind_of_object_has_its_key_and_its_operations():
    assert {name: export.key for name, export in OBJECTS.items()} == {
        "leads": ("id",),
        "activities": ("marketoGUID",),
        "program_members": ("leadId", "programId"),
        "custom_objects": ("marketoGUID",),
    }
    assert export_object("leads").operation("create_job") == "bulk_export_leads.create_job"
