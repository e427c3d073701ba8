"""Wrong arguments are refused with the parameter's name and the remedy, before a call to Marketo."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

from airflow_provider_marketo.client.errors import MarketoInvalidRequestError
from airflow_provider_marketo.extract.task import extract_request
from airflow_provider_marketo.operators.bulk_extract import MarketoBulkExtractOperator
from tests.support import StateStore, run_task, task_context

JANUARY = datetime(2026, 1, 1, tzinfo=timezone.utc)
FEBRUARY = datetime(2026, 2, 1, tzinfo=timezone.utc)
NAIVE_JANUARY = JANUARY.replace(tzinfo=None)
INTERVAL = {"data_interval_start": JANUARY, "data_interval_end": FEBRUARY}


@pytest.fixture(autouse=True)
def _no_server(monkeypatch, requests_mock):
    """No Marketo answers, so any call fails with another error."""
    connection = {"conn_type": "marketo", "host": "http://127.0.0.1:9", "login": "an-id", "password": "a-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))


@pytest.fixture
def refused(tmp_path):
    """Return the error of a DAG file that cannot be parsed, or of a task that fails without another try."""

    def run(context=None, **arguments) -> str:
        given = {"object_type": "leads", "output_path": str(tmp_path / "out"), "fields": ["id"], "start": JANUARY}
        given |= {"end": FEBRUARY, "file_format": "csv"} | arguments
        with pytest.raises((AirflowFailException, MarketoInvalidRequestError)) as caught:
            run_task(MarketoBulkExtractOperator(task_id="extract", **given), context or task_context(StateStore()))
        assert not list(tmp_path.rglob("*.csv"))
        return str(caught.value)

    return run


@pytest.mark.parametrize(
    ("arguments", "parameter", "words"),
    [
        ({"object_type": "opportunities"}, "object_type", "'leads', 'activities', 'program_members', 'custom_objects'"),
        ({"start": FEBRUARY, "end": JANUARY}, "start", "is not before"),
        ({"start": JANUARY, "end": JANUARY}, "start", "is not before"),
        ({"start": "yesterday"}, "start", "ISO 8601"),
        ({"start": 7}, "start", "int"),
        ({"date_field": "activityDate"}, "date_field", "createdAt or updatedAt"),
        ({"file_format": "xml"}, "file_format", "'parquet', 'jsonl', 'csv'"),
        ({"fields": ()}, "fields", "is empty"),
        ({"window": timedelta(days=32)}, "window", "31 days"),
        ({"window": timedelta(minutes=59)}, "window", "shorter than 1 hour"),
        ({"window": "a month"}, "window", "'P7D'"),
        ({"window": 7}, "window", "timedelta(days=7) or 'P7D'"),
        ({"window": "7"}, "window", "timedelta(days=7) or 'P7D'"),
        ({"lookback": 6}, "lookback", "timedelta(days=6) or 'P6D'"),
        ({"lookback": timedelta(days=-1)}, "lookback", "negative"),
        ({"order": "random"}, "order", "'oldest_first', 'newest_first'"),
        ({"on_type_error": "ignore"}, "on_type_error", "'null', 'string', 'fail'"),
        ({"on_schema_change": "ignore"}, "on_schema_change", "'evolve', 'fail'"),
        ({"on_quota_exhausted": "ignore"}, "on_quota_exhausted", "'defer', 'fail'"),
        ({"filters": {"createdAt": "2026-01-01"}}, "filters", "start, end and date_field"),
        ({"filters": {"programId": 1}}, "filters", "staticListId"),
        ({"filters": {"staticListId": 1}, "date_field": "createdAt"}, "filters", "by dates or by one list"),
        ({"filters": {"staticListId": 1, "smartListId": 2}}, "filters", "one filter"),
        ({"filters": {"staticListId": 1}}, "filters", "start and end would change nothing"),
        ({"filters": "staticListId=1"}, "filters", "not a mapping"),
        ({"object_type": "program_members", "filters": {"programIds": []}}, "filters", "list of program ids"),
        ({"object_type": "program_members", "filters": {"programIds": "None"}}, "filters", "list of program ids"),
        ({"custom_object": "car_c"}, "custom_object", "object_type is 'leads'"),
        ({"object_type": "custom_objects"}, "custom_object", "car_c"),
        ({"object_type": "program_members"}, "filters", "programIds"),
        ({"object_type": "activities", "filters": {"activityTypeIds": []}, "fields": None}, "filters", "is empty"),
        (
            {"object_type": "activities", "filters": {"primaryAttributeValueIds": "[]"}, "fields": None},
            "filters",
            "is empty",
        ),
        ({"activity_types": ["Click Email"]}, "activity_types", "for activities only"),
        ({"attributes": "map"}, "attributes", "for activities only"),
        ({"object_type": "activities", "attributes": "dict"}, "attributes", "'map', 'json', 'typed'"),
        ({"object_type": "activities", "attributes": "typed"}, "attributes", "cannot be written as csv"),
        (
            {"object_type": "activities", "activity_types": ["x"], "filters": {"activityTypeIds": [1]}},
            "activity_types",
            "twice",
        ),
        ({"hash_fields": ["id"]}, "hash_fields", "cannot be hashed"),
        ({"output_path": "nowhere://bucket/prefix"}, "output_path", "nowhere"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_costs_no_call(refused, arguments, parameter, words):
    text = refused(**arguments)
    assert parameter in text
    assert words in text


def test_an_output_that_cannot_be_written_is_found_before_marketo_is_asked(refused, tmp_path):
    (tmp_path / "a file").write_text("in the way")
    text = refused(output_path=str(tmp_path / "a file" / "below"))
    assert "cannot use output_path=" in text


def test_a_run_without_a_data_interval_is_told_to_give_dates(refused):
    text = refused(start=None, end=None)
    assert "no data interval. Give start and end" in text
    assert "CronDataIntervalTimetable" in text


def test_a_run_whose_data_interval_is_a_moment_is_told_which_timetable_has_intervals(refused):
    moment = task_context(StateStore(), data_interval_start=FEBRUARY, data_interval_end=FEBRUARY)
    text = refused(moment, start=None, end=None)
    assert "data interval is empty" in text
    assert "CronDataIntervalTimetable" in text


def request_of(context=None, **arguments):
    given = {"object_type": "leads", "output_path": "/nowhere", "fields": ["id"]} | arguments
    operator = MarketoBulkExtractOperator(task_id="extract", **given)
    return extract_request(context or task_context(**INTERVAL), operator.checked_arguments())


def test_the_data_interval_is_the_default():
    request = request_of()
    assert (request.start, request.end) == (JANUARY, FEBRUARY)


def test_one_given_end_leaves_the_other_to_the_data_interval_even_if_that_is_a_moment():
    moment = task_context(data_interval_start=FEBRUARY, data_interval_end=FEBRUARY)
    request = request_of(moment, start=JANUARY)
    assert (request.start, request.end) == (JANUARY, FEBRUARY)


@pytest.mark.parametrize(("start", "window"), [("2000-01-01", "PT1H"), ("0001-01-01", "P30D"), ("0001-01-01", "PT1H")])
@pytest.mark.parametrize("end", ["2026-01-01", "9999-12-31"])
def test_a_span_of_more_windows_than_anybody_waits_for_is_refused(start, end, window):
    with pytest.raises(MarketoInvalidRequestError, match=r"more than 20,000 windows of .* an export job") as refused:
        request_of(start=start, end=end, window=window)
    assert refused.value.parameter == "window"


def test_windows_that_lie_in_the_future_do_not_count_and_do_not_change_names():
    request = request_of(start="2026-01-01", end="9999-12-31", window="PT1H")
    until = datetime(2026, 1, 1, 1, tzinfo=timezone.utc)
    (one,) = request.slices({}, until)
    assert one.filter["createdAt"] == {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-01T01:00:00Z"}
    assert one.name == request.slices({}, until + timedelta(hours=5))[0].name


def test_looking_back_ends_at_the_first_day_of_the_calendar():
    (one,) = request_of(start="0001-01-02", end="0001-01-03", lookback="P7D").slices({})
    assert one.filter["createdAt"]["startAt"] == "0001-01-01T00:00:00Z"


def test_a_list_takes_the_place_of_the_data_interval():
    request = request_of(filters={"staticListId": 7})
    assert request.date_filter is None
    assert [one.filter for one in request.slices({})] == [{"staticListId": 7}]


def test_members_of_programs_are_all_members_unless_dates_are_asked_for():
    members = {"object_type": "program_members", "filters": {"programIds": [1]}}
    assert request_of(**members).date_filter is None
    assert request_of(**members, date_field="updatedAt").date_filter == "updatedAt"
    assert request_of(**members, start=JANUARY).date_filter == "updatedAt"


@pytest.mark.parametrize(
    "given",
    ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", date(2026, 1, 1), NAIVE_JANUARY],
)
def test_dates_come_in_many_forms(given):
    assert request_of(start=given).start == JANUARY


@pytest.mark.parametrize("given", [timedelta(days=7), "P7D", "P1W", "PT168H"])
def test_lengths_of_time_may_be_iso_durations_as_templates_give_them(given):
    request = request_of(window=given, lookback=given)
    assert (request.window, request.lookback) == (timedelta(days=7), timedelta(days=7))


def test_no_window_ends_within_a_second_as_rows_have_no_finer_dates():
    request = request_of(window="PT8H52M48.5S", lookback=timedelta(seconds=1.5), end="2026-01-04")
    moments = {moment for one in request.slices({}) for moment in (one.window.start, one.window.end)}
    assert {moment.microsecond for moment in moments} == {0}


@pytest.mark.parametrize("given", [[1002, 1001], ["1001", "1002"], "[1001, 1002]"])
@pytest.mark.parametrize("written", [dict, str, json.dumps])
def test_programs_may_be_texts_as_templates_give_them(given, written):
    request = request_of(object_type="program_members", filters=written({"programIds": given}))
    assert request.slices({})[0].filter == {"programIds": [1001, 1002]}


def test_a_single_number_is_a_list_of_one_and_only_fields_know_all():
    request = request_of(object_type="activities", fields="all", activity_types=12)
    assert (request.fields, request.activity_types) == ("all", (12,))
    assert request_of(object_type="activities", fields=None, activity_types="all").activity_types == ("all",)


@pytest.mark.parametrize("given", ["['id', 'email']", '["id", "email"]', ["id", "email"], ("id", "email")])
def test_lists_may_be_texts_as_templates_give_them(given):
    assert request_of(fields=given).fields == ("id", "email")


def test_a_naive_date_is_taken_as_utc_and_logged(caplog):
    caplog.set_level("INFO")
    request_of(start=NAIVE_JANUARY, end=FEBRUARY)
    assert caplog.messages.count("start=2026-01-01 00:00:00 has no time zone and is taken as UTC") == 1


def test_a_request_survives_being_written_down():
    request = request_of(filters={"activityTypeIds": [1]}, object_type="activities", lookback="PT36H", fields=None)
    stored = json.loads(json.dumps(request.to_dict()))
    assert type(request).from_dict(stored).fingerprint() == request.fingerprint()
    assert type(request).from_dict(stored).slices({}) == request.slices({})


def test_another_request_has_another_fingerprint():
    assert request_of(fields=["id"]).fingerprint() != request_of(fields=["id", "email"]).fingerprint()
    assert request_of().fingerprint() == request_of().fingerprint()


def test_the_task_can_be_mapped_and_its_output_stays_its_xcom():
    with DAG("a_dag"):
        first = MarketoBulkExtractOperator.partial(task_id="first", fields=["id"]).expand(
            object_type=["leads", "activities"], output_path=["/a", "/b"]
        )
        second = MarketoBulkExtractOperator(task_id="second", object_type="leads", output_path="/c/{{ ds }}")
    assert first.output.operator is first
    assert second.output.operator is second
    assert second.output_path == "/c/{{ ds }}"


def test_templates_are_rendered_wherever_an_author_would_write_them():
    arguments = {
        "object_type": "{{ kind }}", "output_path": "/lake/{{ kind }}", "start": "{{ day }}", "end": "{{ day }}",
        "window": "{{ 'P3D' }}", "lookback": "{{ 'P1D' }}", "fields": ["{{ 'id' }}"],
        "filters": {"staticListId": "{{ 7 }}"},
        "attributes": "{{ 'map' }}", "order": "{{ 'newest_first' }}", "partition_by": ["{{ 'month' }}"],
    }  # fmt: skip
    operator = MarketoBulkExtractOperator(task_id="extract", **arguments)
    operator.render_template_fields({"kind": "activities", "day": "2026-01-01"})
    assert operator.object_type == "activities"
    assert operator.output_path == "/lake/activities"
    rendered = [getattr(operator, name) for name in operator.template_fields]
    assert "{{" not in json.dumps(rendered, default=str)
