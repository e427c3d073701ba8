"""Faults of Marketo and the network during a bulk extract, and the errors that the author reads."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import datetime, timedelta, timezone

import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.jobs import ExportJobs
from airflow_provider_marketo.client.governor import rules
from airflow_provider_marketo.simulator import ApiUser
from tests.simulated import END, START, data_files, extract, lines
from tests.support import StateStore, run_task, task_context

QUEUE_FULL = "Too many jobs (10) in queue"
VOLUME_SPENT = "Export daily quota 500MB exceeded."
REQUEST_ID = r"request id \w+#\w+"


@pytest.fixture
def context():
    return task_context(StateStore(), max_tries=3)


def complete(output, instance) -> bool:
    rows = lines(output)
    return len(rows) == len(set(rows)) == instance.activities(START, END)


@pytest.fixture
def soon(monkeypatch):
    """The quota day ends in a moment."""
    monkeypatch.setattr(rules, "next_probe", lambda now: now + timedelta(seconds=0.4))


def lets_time_pass(trigger) -> bool:
    """Return whether a task waits for a time, and not for its jobs."""
    return isinstance(trigger, DateTimeTrigger) or trigger.until is not None


# Refusals that no retry can heal.


def refusal(operator, context) -> str:
    with pytest.raises(AirflowFailException) as caught:
        run_task(operator, context)
    return str(caught.value)


def assert_marketos(text: str, *, parameter: str, code: str, message: str) -> None:
    """Check that an error names the author's parameter and Marketo's message, code and request id."""
    assert re.fullmatch(rf"(?=.*{parameter}).*{re.escape(message)}.*\(Marketo code {code}, {REQUEST_ID}\).*", text), (
        text
    )


def test_an_unknown_field_is_refused_with_the_one_that_was_probably_meant(marketo, tmp_path, context):
    instance = marketo()
    text = refusal(extract(tmp_path, object_type="leads", fields=["id", "fistName", "Email Address"]), context)
    assert text.startswith("fields: ")
    assert "'fistName' (did you mean 'firstName'?)" in text
    assert "'Email Address' (did you mean 'email'?)" in text
    assert instance.jobs() == []


def test_an_unknown_activity_type_is_refused_with_the_nearest_names(marketo, tmp_path, context):
    marketo()
    text = refusal(extract(tmp_path, activity_types=["Clik Email"]), context)
    assert "activity_types" in text
    assert "'Click Email'" in text


def test_an_unknown_custom_object_is_refused(marketo, tmp_path, context):
    marketo()
    text = refusal(extract(tmp_path, object_type="custom_objects", custom_object="nothing_c", fields=["x"]), context)
    assert_marketos(text, parameter="custom_object: ", code="1013", message="nothing_c")


def test_wrong_credentials_say_where_the_right_ones_are(marketo, tmp_path, context, monkeypatch):
    instance = marketo()
    wrong = {"conn_type": "marketo", "host": instance.url, "login": instance.client_id, "password": "wrong-one"}
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(wrong))
    text = refusal(extract(tmp_path), context)
    assert "LaunchPoint" in text
    assert "wrong-one" not in text


def test_a_missing_permission_is_named(marketo, tmp_path, context):
    user = ApiUser("an-id", "a-secret-of-its-own", "a@example.org", denied=frozenset({"Read-Only Activity"}))
    marketo(users=[user])
    text = refusal(extract(tmp_path), context)
    assert_marketos(text, parameter="", code="603", message="Access denied")
    assert "'Read-Only Activity'" in text
    assert "allowlist" in text


def test_a_filter_that_the_subscription_lacks_is_named_with_one_that_it_has(marketo, tmp_path, context):
    marketo(updated_at_filter=False)
    text = refusal(extract(tmp_path, object_type="leads", fields=["id"], date_field="updatedAt"), context)
    assert_marketos(text, parameter="date_field=", code="1035", message="Unsupported filter type")
    assert "date_field='createdAt'" in text


def test_what_marketo_refuses_is_told_in_its_words_with_the_parameter(marketo, tmp_path, context):
    marketo()
    text = refusal(
        extract(tmp_path, object_type="program_members", fields=["leadId"], filters={"programIds": [9]}), context
    )
    assert_marketos(text, parameter="filters: ", code="1013", message="Program 9 not found")


def of_a_list(tmp_path):
    return extract(tmp_path, object_type="leads", start=None, end=None, fields=["id"], filters={"staticListId": 1001})


@pytest.mark.parametrize(("code", "message"), [("1013", "Object not found"), ("1035", "Unsupported filter type")])
def test_a_job_that_marketo_does_not_take_into_its_queue_is_not_waited_for(marketo, tmp_path, context, code, message):
    instance = marketo()
    instance.fail("bulk_export_leads.enqueue_job", code, times=None)
    text = refusal(of_a_list(tmp_path), context)
    assert_marketos(text, parameter="filters: ", code=code, message=message)
    assert set(instance.statuses()) <= {"Created", "Cancelled"}


def test_a_list_that_is_deleted_before_its_job_is_queued_is_named(marketo, tmp_path, context, monkeypatch):
    instance, enqueue = marketo(), ExportJobs.enqueue

    def delete_first(jobs: ExportJobs, export_id: str) -> None:
        jobs._client.call("static_lists.delete", id=1001)
        enqueue(jobs, export_id)

    monkeypatch.setattr(ExportJobs, "enqueue", delete_first)
    text = refusal(of_a_list(tmp_path), context)
    assert_marketos(text, parameter="filters: ", code="1013", message="List '1001' not found")
    assert instance.jobs()
    assert set(instance.statuses()) <= {"Created", "Cancelled"}


def test_the_last_refusal_leaves_no_job_in_the_queue(marketo, tmp_path, context):
    instance = marketo(job_seconds=100_000)
    instance.fail("bulk_export_activities.enqueue_job", "603", skip=1)
    refusal(extract(tmp_path), context)
    assert instance.statuses() == {"Cancelled": 2}


# fields="all"


def test_all_fields_are_those_of_describe_but_for_what_marketo_refuses(marketo, tmp_path, context, caplog):
    instance = marketo()
    for name in ("company", "title"):
        instance.fail("bulk_export_leads.create_job", "1003", message=f"Invalid fields [{name}] in email export")
    manifest = run_task(extract(tmp_path, object_type="leads", fields="all"), context)
    header = (tmp_path / manifest["files"][0]["name"]).read_text().split("\n")[0].split(",")
    assert {"id", "email", "firstName", "createdAt"} <= set(header)
    assert manifest["dropped_fields"] == {
        "company": "not exportable",
        "title": "not exportable",
        "fullAddress": "computed when it is shown",
    }
    assert not set(manifest["dropped_fields"]) & set(header)
    assert caplog.text.count("Left out") == caplog.text.count("Left out 2 fields that Marketo does not export: ") == 1


def test_a_named_field_that_marketo_refuses_is_an_error(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_leads.create_job", "1003", message="Invalid fields [company]")
    text = refusal(extract(tmp_path, object_type="leads", fields=["id", "company"]), context)
    assert_marketos(text, parameter="fields: ", code="1003", message="Invalid fields [company]")


# Full queues and spent quotas


@pytest.mark.parametrize("action", ["create_job", "enqueue_job"])
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_full_queue_is_waited_for(marketo, tmp_path, context, action, deferrable):
    instance = marketo()
    instance.fail(f"bulk_export_activities.{action}", "1029", message=QUEUE_FULL, times=3)
    run_task(extract(tmp_path, deferrable=deferrable), context)
    assert complete(tmp_path, instance)
    assert instance.statuses() == {"Completed": 3}


def test_a_queue_that_others_have_filled_is_waited_for_without_a_worker(marketo, tmp_path, context):
    instance = marketo(export_queue=1, job_seconds=300)
    waits = []
    run_task(extract(tmp_path), context, on_deferral=waits.append)
    assert waits
    assert complete(tmp_path, instance)
    assert instance.report().rejected.keys() == {"1029"}


def test_the_wait_for_a_place_in_the_queue_has_an_end(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", "1029", message=QUEUE_FULL, times=None)
    with pytest.raises(errors.MarketoDeadlineError):
        run_task(extract(tmp_path, timeout=timedelta(seconds=0.3)), context)
    assert instance.statuses() == {"Cancelled": 1}


def test_a_job_that_is_queued_already_is_waited_for(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", "502", executed=True)
    run_task(extract(tmp_path), context)
    assert complete(tmp_path, instance)
    assert instance.calls("create_job") == 3


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("bulk_export_activities.create_job", "1029", VOLUME_SPENT),
        ("bulk_export_activities.enqueue_job", "1029", VOLUME_SPENT),
        ("bulk_export_activities.create_job", "607", None),
        ("bulk_export_activities.enqueue_job", "607", None),
        ("bulk_export_activities.get_jobs", "607", None),
        ("bulk_export_activities.get_file", "607", None),
    ],
)
@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("deferrable", [True, False])
def test_after_a_spent_quota_the_task_defers_until_the_reset_and_continues_where_it_was(
    marketo, tmp_path, context, soon, operation, code, message, skip, deferrable
):
    instance = marketo()
    instance.fail(operation, code, message=message, skip=skip)
    resets = []

    def note(trigger):
        if lets_time_pass(trigger):
            resets.append(data_files(tmp_path))

    run_task(lambda: extract(tmp_path, deferrable=deferrable), context, on_deferral=note)
    assert complete(tmp_path, instance)
    assert instance.statuses() == {"Completed": 3}
    assert instance.calls("get_file") <= 4, "windows that were fetched before are not fetched again"


def test_a_call_quota_that_is_spent_before_anything_is_known_is_waited_for_too(marketo, tmp_path, context, soon):
    instance = marketo()
    instance.fail("activities.get_types", "607")
    run_task(extract(tmp_path, activity_types=["Visit Webpage"]), context)
    assert instance.statuses() == {"Completed": 3}


def test_a_reset_that_this_hosts_clock_has_passed_is_waited_for_a_minute_at_a_time(
    marketo, tmp_path, context, monkeypatch
):
    monkeypatch.setattr(rules, "next_probe", lambda now: now - timedelta(seconds=5))
    marketo().fail("bulk_export_activities.create_job", "607")
    with pytest.raises(TaskDeferred) as deferred:
        extract(tmp_path).execute(context)
    left = deferred.value.trigger.moment - datetime.now(timezone.utc)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)


def test_the_wait_for_the_reset_does_not_count_as_waiting_for_marketo(marketo, tmp_path, context, monkeypatch):
    monkeypatch.setattr(rules, "next_probe", lambda now: now + timedelta(seconds=3))
    instance = marketo()
    instance.fail("bulk_export_activities.create_job", "1029", message=VOLUME_SPENT)

    waited_for = []

    def note(trigger):
        if isinstance(trigger, DateTimeTrigger):
            waited_for.append(trigger.moment.timestamp() - datetime.now(timezone.utc).timestamp())

    run_task(extract(tmp_path, timeout=timedelta(seconds=2)), context, on_deferral=note)
    assert max(waited_for) > 2, "the wait is longer than the timeout"
    assert complete(tmp_path, instance)


@pytest.mark.parametrize("code", ["607", "1029"])
def test_an_author_may_want_a_spent_quota_to_fail_the_task(marketo, tmp_path, context, code):
    instance = marketo()
    instance.fail("bulk_export_activities.create_job", code, message=VOLUME_SPENT)
    with pytest.raises(errors.MarketoQuotaExhaustedError, match=rf"{code}, {REQUEST_ID}.*midnight US Central"):
        run_task(extract(tmp_path, on_quota_exhausted="fail"), context)


def test_what_is_in_the_queue_is_fetched_before_the_task_waits_for_the_reset(marketo, tmp_path, context, soon):
    instance = marketo()
    instance.fail("bulk_export_activities.enqueue_job", "1029", message=VOLUME_SPENT, skip=1)
    seen = []
    run_task(
        extract(tmp_path),
        context,
        on_deferral=lambda trigger: seen.append((lets_time_pass(trigger), len(data_files(tmp_path)))),
    )
    assert (True, 1) in seen
    assert complete(tmp_path, instance)


def test_too_many_calls_at_once_are_waited_out(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_activities.*", "615", times=2)
    run_task(extract(tmp_path), context)
    assert complete(tmp_path, instance)


def test_a_task_that_gets_no_turn_gives_its_worker_away(marketo, tmp_path, context, monkeypatch):
    instance = marketo()
    enqueue, refusals = ExportJobs.enqueue, [1, 2]

    def crowded(self, export_id):
        if refusals:
            refusals.pop()
            raise errors.MarketoThrottledError("this call would wait longer than 60 seconds for its turn")
        enqueue(self, export_id)

    monkeypatch.setattr(ExportJobs, "enqueue", crowded)
    waits = []
    run_task(lambda: extract(tmp_path), context, on_deferral=lambda trigger: waits.append(lets_time_pass(trigger)))
    assert waits[:2] == [True, True]
    assert complete(tmp_path, instance)
    assert instance.calls("create_job") == 3


def test_a_task_that_is_ended_while_it_waits_for_time_to_pass_leaves_no_job_behind(
    marketo, tmp_path, context, monkeypatch
):
    instance = marketo({"poll_interval": 3600}, time_scale=1)
    enqueue = ExportJobs.enqueue

    def crowded(self, export_id):
        if instance.statuses().get("Processing"):
            raise errors.MarketoThrottledError("this call would wait longer than 60 seconds for its turn")
        enqueue(self, export_id)

    def end(trigger):
        assert lets_time_pass(trigger)
        assert instance.statuses() == {"Processing": 1, "Created": 1}
        asyncio.run(trigger.on_kill())
        raise InterruptedError

    monkeypatch.setattr(ExportJobs, "enqueue", crowded)
    with pytest.raises(InterruptedError):
        run_task(extract(tmp_path), context, on_deferral=end)
    assert instance.statuses() == {"Cancelled": 2}


def test_a_token_that_expires_under_way_is_replaced(marketo, tmp_path, context):
    instance = marketo()

    def expire(trigger):
        instance.expire_tokens()

    run_task(extract(tmp_path), context, on_deferral=expire)
    assert complete(tmp_path, instance)


# Files


def test_a_span_without_data_is_a_manifest_without_files(marketo, tmp_path, context):
    instance = marketo()
    manifest = run_task(extract(tmp_path, start="2025-03-01", end="2025-04-01"), context)
    assert (manifest["rows"], manifest["files"]) == (0, [])
    assert (tmp_path / manifest["manifest"].removeprefix(f"{tmp_path}/")).exists()
    assert data_files(tmp_path) == []
    assert instance.calls("get_file") == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"truncate": 100_000},
        {"drop": True},
        {"status": 502},
        {"status": 404},
        {"spoil": True},
        {"code": "615"},
        {"code": "611"},
    ],
    ids=lambda fault: "-".join(map(str, next(iter(fault.items())))),
)
def test_a_download_through_bad_weather_arrives_whole(marketo, tmp_path, context, fault, monkeypatch):
    monkeypatch.setattr("airflow_provider_marketo.client.bulk.fetch.MISSING_FILE_PAUSE", 0.0)
    instance = marketo()
    instance.fail("bulk_export_activities.get_file", **fault)
    run_task(extract(tmp_path), context)
    assert complete(tmp_path, instance)
    assert instance.statuses() == {"Completed": 3}


def test_a_server_that_ignores_ranges_makes_no_row_come_twice(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_activities.get_file", truncate=100_000)
    instance.fail("bulk_export_activities.get_file", ignore_range=True)
    run_task(extract(tmp_path), context)
    assert complete(tmp_path, instance)


def test_a_file_that_is_not_what_was_announced_publishes_nothing(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_activities.get_file", spoil=True, times=2)
    with pytest.raises(errors.MarketoDataError, match=r"SHA-256.*The file was not published"):
        run_task(extract(tmp_path, end="2026-01-15"), context)
    assert data_files(tmp_path) == []
    assert not list(tmp_path.rglob("manifests"))


def test_json_in_the_place_of_the_file_is_not_data(marketo, tmp_path, context):
    instance = marketo()
    instance.fail("bulk_export_activities.get_file", "603")
    text = refusal(extract(tmp_path, end="2026-01-15"), context)
    assert_marketos(text, parameter="", code="603", message="Access denied")
    assert data_files(tmp_path) == []


def test_what_the_output_holds_is_replaced_only_at_success(marketo, tmp_path, context):
    instance = marketo()
    run_task(extract(tmp_path, end="2026-01-15"), task_context(StateStore()))
    (name,) = data_files(tmp_path)
    (tmp_path / name).write_text("of an earlier run")
    instance.fail("bulk_export_activities.get_file", spoil=True, times=2)
    with pytest.raises(errors.MarketoDataError):
        run_task(extract(tmp_path, end="2026-01-15"), context)
    assert (tmp_path / name).read_text() == "of an earlier run"
    run_task(extract(tmp_path, end="2026-01-15"), context)
    assert len(lines(tmp_path)) == instance.activities(START, "2026-01-15")


STRANGE = {
    "NUL": "a\0b",
    "CR": "a\rb",
    "CRLF": "a\r\nb",
    "LF": "a\nb",
    "line separator": "a\u2028b",
    "emoji": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "quotes": 'a "quoted" b, and ""twice""',
    "comma": "a,b",
    "large": "x" * 300_000,
    "the word null": "null",
    "nothing": None,
    "empty": "",
}


def test_any_value_of_a_field_comes_out_as_it_went_in(marketo, tmp_path, context):
    values = list(STRANGE.values())

    def rows(kind, fields):
        leads = [{"id": str(n), "company": value} for n, value in enumerate(values, 1)]
        return [[lead.get(field, "2026-01-05T00:00:00Z") for field in fields] for lead in leads]

    instance = marketo(export_rows=rows)
    leads = {"object_type": "leads", "fields": ["id", "company", "createdAt"], "end": "2026-01-15"}
    run_task(extract(tmp_path / "csv", **leads), task_context(StateStore()))
    (job,) = instance.jobs()
    sent = (instance.instance.exports._folder / f"{job['exportId']}.csv").read_bytes()
    (name,) = data_files(tmp_path / "csv")
    assert (tmp_path / "csv" / name).read_bytes() == sent

    run_task(extract(tmp_path / "parquet", file_format="parquet", **leads), task_context(StateStore()))
    (name,) = data_files(tmp_path / "parquet")
    values[values.index("null")] = None  # Marketo writes both the same way
    assert pyarrow.parquet.read_table(tmp_path / "parquet" / name).column("company").to_pylist() == values


def test_a_changed_schema_stops_an_author_who_wants_that_before_any_job(marketo, tmp_path):
    instance = marketo()
    leads = {"object_type": "leads", "date_field": "createdAt", "end": "2026-01-20"}
    run_task(extract(tmp_path, **leads, fields=["id", "email", "createdAt"]), task_context(StateStore()))
    with_more = extract(
        tmp_path, **leads, fields=["id", "email", "firstName", "createdAt"], on_schema_change="fail", window="P1D"
    )
    text = refusal(with_more, task_context(StateStore()))
    assert re.match(r"the columns differ from those that the output holds already: firstName", text)
    assert instance.calls("create_job") == 1


def test_an_unchanged_schema_does_not_stop_the_task(marketo, tmp_path):
    marketo()
    leads = {"object_type": "leads", "date_field": "createdAt", "end": "2026-01-20", "fields": ["id", "createdAt"]}
    done = [run_task(extract(tmp_path, **leads, on_schema_change="fail"), task_context(StateStore())) for _ in "12"]
    assert done[0]["rows"] == done[1]["rows"] > 0


def test_a_field_to_hash_that_is_not_exported_is_refused_with_the_nearest_name(marketo, tmp_path):
    instance = marketo({"hash_secret": "salt"})
    leads = {"object_type": "leads", "date_field": "createdAt", "fields": ["id", "email", "createdAt"]}
    text = refusal(extract(tmp_path, **leads, hash_fields=["emial"]), task_context(StateStore()))
    assert re.match(r"hash_fields: .*'emial'.*'email'.* is not exported", text)
    assert instance.calls("create_job") == 0
