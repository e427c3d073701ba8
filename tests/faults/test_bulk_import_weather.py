"""Bulk imports while others are in the queue, quotas end, answers are lost, and tasks are killed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_marketo.client.bulk.imports import ImportJobs, import_object
from airflow_provider_marketo.client.clock import SystemClock
from airflow_provider_marketo.client.errors import (
    MarketoDataError,
    MarketoDeadlineError,
    MarketoStoppedError,
    MarketoTransientError,
)
from airflow_provider_marketo.client.governor import IMPORT_QUEUE, rules
from airflow_provider_marketo.hooks.marketo import MarketoHook
from airflow_provider_marketo.operators.bulk_import import MarketoBulkImportOperator
from tests.operators.bulk_importing import LEADS, WEBINAR, jobs, refused, run, small_chunks, source
from tests.operators.importing import DeadError, DyingStore, counts, governed, staged, table, token_expires_at
from tests.support import StateStore, run_task, task_context

__all__ = ["governed", "small_chunks", "source"]


@pytest.fixture(autouse=True)
def patient(monkeypatch) -> list[float]:
    """The pauses before Marketo is asked again for a missing report. They take no time here."""
    pauses: list[float] = []

    class Noting(SystemClock):
        def sleep(self, seconds: float) -> None:
            pauses.append(seconds)

    monkeypatch.setattr("airflow_provider_marketo.client.bulk.imports.SystemClock", Noting)
    return pauses


# Queue and quota.


def test_a_full_queue_is_waited_for(marketo, tmp_path, source):
    instance = marketo()
    instance.instance.imports.of_others = 10
    waits = []

    def someone_finishes(trigger):
        waits.append(type(trigger).__name__)
        instance.instance.imports.of_others = 9

    operator = {
        "task_id": "a",
        "source": source(),
        "rejects_path": str(tmp_path),
        "deferrable": True,
        "poll_interval": 0.05,
    }
    result = run_task(
        lambda: MarketoBulkImportOperator(**LEADS, **operator),
        task_context(StateStore()),
        someone_finishes,
    )
    assert counts(result) == {"accepted": 200}
    assert waits[0] == "DateTimeTrigger"
    assert instance.report().rejected == {"1016": 1}


def test_no_more_than_ten_imports_are_queued(marketo, tmp_path, source, small_chunks, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MARKETO__IMPORTS_IN_FLIGHT", "50")
    instance = marketo()
    rows = [{"email": f"new{n}@example.com", "comments": "x" * 60} for n in range(250)]
    result = run(tmp_path, source(*rows))
    assert counts(result) == {"accepted": 250}
    assert result["chunks"] > 10
    assert instance.report().rejected == {}


def test_a_list_that_is_being_imported_to_is_waited_for(marketo, tmp_path, source, small_chunks):
    instance = marketo(time_scale=100)
    result = run(tmp_path, source(), list_id=1001)
    assert counts(result) == {"accepted": 200}
    assert instance.report().rejected["1019"] > 0


def test_a_spent_quota_lets_the_task_sleep_and_continue(marketo, tmp_path, source, small_chunks, monkeypatch):
    instance = marketo()
    instance.fail("bulk_import_leads.import", "607", skip=1)
    monkeypatch.setattr(rules, "next_probe", lambda now: now + timedelta(seconds=0.4))
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert instance.report().executed["bulk_import_leads.import"] == result["chunks"]


def test_a_chunk_that_is_too_large_for_marketo_is_split(marketo, tmp_path, source):
    instance = marketo(max_import_body=2_500)
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert result["chunks"] >= 4
    assert instance.report().rejected["HTTP 413"] > 0


def test_a_token_that_expires_halfway_is_renewed(marketo, tmp_path, source, small_chunks, monkeypatch):
    instance = marketo()
    token_expires_at(monkeypatch, "bulk_import_leads.import")
    assert counts(run(tmp_path, source())) == {"accepted": 200}
    assert instance.report().rejected == {"602": 1}


def test_an_import_that_never_ends_fails_at_the_deadline_and_stays_known(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.import", job="stuck")
    store = StateStore()
    with pytest.raises(
        MarketoDeadlineError,
        match=r"1 import did not finish within timeout: 3404\. .* does not send again what Marketo has taken",
    ):
        run(tmp_path, source(), store, timeout=timedelta(seconds=0.5))
    jobs(instance)[0].fate = None
    assert counts(run(tmp_path, source(), store)) == {"accepted": 200}
    assert len(jobs(instance)) == 1


def test_an_import_that_marketo_has_forgotten_is_unknown(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.get_status", "1013", times=None)
    _, account = refused(tmp_path, source())
    assert counts(account) == {"unknown": 200}
    assert "it forgets imports after seven days" in table(account["rejects"])[0]["_marketo_message"]


def test_a_killed_task_gives_its_places_in_the_queue_back(
    marketo, tmp_path, source, small_chunks, governed, monkeypatch
):
    marketo()
    held = []
    given = {"task_id": "a", "source": source(), "rejects_path": str(tmp_path), "deferrable": False}
    task = MarketoBulkImportOperator(**LEADS, **given, poll_interval=0.05)
    wait = task._wait

    def killed(*arguments):
        held.append(task.hook.client.governor.queued(IMPORT_QUEUE))
        task.on_kill()
        wait(*arguments)

    task._wait = killed
    with pytest.raises(MarketoStoppedError):
        task.execute(task_context(StateStore()))
    for thread in threading.enumerate():
        if thread.name == "marketo-give-back":
            thread.join()
    assert len(held[0]) == 4
    assert task.hook.client.governor.queued(IMPORT_QUEUE) == []


def test_imports_of_killed_tasks_that_have_ended_stop_no_other_import(
    marketo, tmp_path, source, small_chunks, governed
):
    instance = marketo()
    client = MarketoHook().client
    for _ in range(8):  # eight imports of tasks that were killed
        ImportJobs(client, import_object("leads")).start(b"email\nother@example.com\n")
    while not all(job.finished_at is not None and job.finished_at <= instance.clock.now() for job in jobs(instance)):
        time.sleep(0.01)
    assert len(client.governor.queued(IMPORT_QUEUE)) == 8
    assert counts(run(tmp_path, source(), timeout=timedelta(seconds=20))) == {"accepted": 200}


# Lost uploads.


def test_a_lost_upload_of_leads_is_sent_again_after_everything_else(marketo, tmp_path, source, small_chunks):
    instance = marketo()
    instance.fail("bulk_import_leads.import", drop=True, executed=True)
    result = run(tmp_path, source())
    assert counts(result) == {"accepted": 200}
    assert len(jobs(instance)) == result["chunks"] + 1
    again = jobs(instance)[-1]
    assert all(job.finished_at <= again.started_at for job in jobs(instance)[:-1])


@pytest.mark.parametrize("how", [{"list_id": 1001}, WEBINAR, {"on_lost_upload": "stop"}])
def test_a_lost_upload_that_may_fire_campaigns_is_not_sent_again(marketo, tmp_path, source, small_chunks, how):
    instance = marketo()
    operation = f"bulk_import_{how.get('object_type', 'leads')}.import"
    instance.fail(operation, drop=True, executed=True)
    store = StateStore()
    text, account = refused(tmp_path, source(), store, **how)
    lost = counts(account)["unknown"]
    assert counts(account) == {"accepted": 200 - lost, "unknown": lost}
    assert len(table(account["rejects"])) == lost
    assert "set on_lost_upload='resend' and clear the task" in text
    sent = len(jobs(instance))
    # The author has looked in Marketo, and wants only these rows sent again.
    result = run(tmp_path, "gone.csv", store, **{**how, "on_lost_upload": "resend"})
    assert result["accepted"] + result["warned"] == 200  # members that were members already
    assert len(jobs(instance)) == sent + 1
    assert result["rejects"] is None


@pytest.mark.parametrize("deferrable", [True, False])
def test_lost_uploads_are_repeated_with_a_pause_as_often_as_calls_are(
    marketo, tmp_path, source, monkeypatch, deferrable
):
    instance = marketo()
    instance.fail("bulk_import_leads.import", status=502, times=3)
    pauses = []
    wait = MarketoBulkImportOperator._wait

    def noted(*given):
        pauses.append(given)
        wait(*given)

    monkeypatch.setattr(MarketoBulkImportOperator, "_wait", noted)
    result = run(tmp_path, source(), on_lost_upload="resend", deferrable=deferrable)
    assert counts(result) == {"accepted": 200}
    assert len(pauses) >= 3
    assert len(jobs(instance)) == 1


def test_uploads_that_stay_lost_leave_the_chunk_to_the_next_try(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.import", status=502, times=8)
    store = StateStore()
    with pytest.raises(MarketoTransientError, match="the answers to 6 uploads of chunk"):
        run(tmp_path, source(), store)
    assert counts(run(tmp_path, source(), store)) == {"accepted": 200}


# Kills.


@pytest.mark.parametrize("written", [True, False], ids=["after the write", "before the write"])
@pytest.mark.parametrize("at", range(1, 16))
def test_a_killed_task_sends_the_rest_of_the_same_bytes(marketo, tmp_path, source, small_chunks, at, written):
    instance = marketo()
    store = DyingStore(at, written=written)
    path = source(count=60)
    died = False
    try:
        result = run(tmp_path, path, store)
    except DeadError:
        died = True
        source(count=61)  # a second query would find another row
        result = run(tmp_path, path, store.survivor())
    begun_anew = result["rows"] == 61
    assert counts(result) == {"accepted": result["rows"]}
    assert staged(tmp_path) == []
    uploads = [job.processed for job in jobs(instance)]
    if begun_anew:
        # Killed before anything was sent, or when everything was done and only the result was missing.
        assert sum(uploads) in (61, 60 + 61)
        assert died
    else:
        # One upload may be sent twice: the one that was under way.
        assert sum(uploads) - 60 in (0, *uploads)


def test_a_killed_task_stops_where_campaigns_may_fire(marketo, tmp_path, source):
    instance = marketo()
    store = DyingStore(4, written=False)  # Marketo has the upload, and its id was not written down
    with pytest.raises(DeadError):
        run(tmp_path, source(), store, list_id=1001)
    _, account = refused(tmp_path, source(), store.survivor(), list_id=1001)
    assert counts(account) == {"unknown": 200}
    assert len(jobs(instance)) == 1


def test_another_try_that_has_taken_over_stops_this_one(marketo, tmp_path, source):
    instance = marketo()
    store = StateStore()

    def takes_over(trigger):
        store.values["marketo_import"]["owner"] = "another"

    operator = {
        "task_id": "a",
        "source": source(),
        "rejects_path": str(tmp_path),
        "deferrable": True,
        "poll_interval": 0.05,
    }
    task = MarketoBulkImportOperator(**LEADS, **operator)
    bulk = task._wait

    def interrupted(*arguments):
        takes_over(None)
        task.deferrable = False
        bulk(*arguments)

    task._wait = interrupted
    with pytest.raises(MarketoStoppedError, match="another try of this task has taken over"):
        task.execute(task_context(store))
    assert len(jobs(instance)) == 1


def test_a_killed_task_sends_nothing_more(marketo, tmp_path, source, small_chunks, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MARKETO__IMPORTS_IN_FLIGHT", "1")
    instance = marketo()
    operator = {
        "task_id": "a",
        "source": source(),
        "rejects_path": str(tmp_path),
        "deferrable": False,
        "poll_interval": 0.1,
    }
    task = MarketoBulkImportOperator(**LEADS, **operator)
    wait = task._wait

    def killed(*arguments):
        task.on_kill()
        wait(*arguments)

    task._wait = killed
    with pytest.raises(MarketoStoppedError, match="the task was killed"):
        task.execute(task_context(StateStore()))
    assert len(jobs(instance)) == 1


def test_before_airflow_3_3_the_ledger_lies_beside_the_chunks(marketo, tmp_path, source, small_chunks, monkeypatch):
    instance = marketo()
    path = source()
    given = {"task_id": "a", "source": path, "rejects_path": str(tmp_path / "rejects"), "poll_interval": 0.05}
    task = MarketoBulkImportOperator(**LEADS, **given, deferrable=False)
    monkeypatch.setattr(task, "_wait", lambda *_: (_ for _ in ()).throw(DeadError()))
    with pytest.raises(DeadError):
        task.execute(task_context())
    Path(path).unlink()
    result = MarketoBulkImportOperator(**LEADS, **given, deferrable=False).execute(task_context())
    assert counts(result) == {"accepted": 200}
    assert len(jobs(instance)) == result["chunks"]


def test_staged_bytes_that_have_changed_are_never_sent(marketo, tmp_path, source, small_chunks):
    marketo()
    store = DyingStore(4, written=True)
    with pytest.raises(DeadError):
        run(tmp_path, source(), store, staging=str(tmp_path / "staging"))
    for chunk in (tmp_path / "staging").rglob("chunk-*.csv"):
        chunk.write_text("email\nsomebody@else.example\n")
    with pytest.raises(MarketoDataError, match="is not what was staged"):
        run(tmp_path, source(), store.survivor(), staging=str(tmp_path / "staging"))


def test_another_destination_starts_from_the_beginning(marketo, tmp_path, source):
    instance = marketo()
    store = DyingStore(2, written=True)
    with pytest.raises(DeadError):
        run(tmp_path, source(), store)
    result = run(tmp_path, source(count=3), store.survivor(), list_id=1001)
    assert counts(result) == {"accepted": 3}
    assert len(jobs(instance)) == 1


def test_a_task_that_was_corrected_before_anything_was_sent_reads_its_input_again(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.import", "1003", message="Invalid file")
    store = StateStore()
    text, _ = refused(tmp_path, source(), store)
    assert "Invalid file" in text
    result = run(tmp_path, source(count=7), store, columns={"email": "email"})
    assert (counts(result), len(jobs(instance))) == ({"accepted": 7}, 1)


# Answers that are not documented.


def test_an_import_that_is_complete_without_counters_has_no_row_that_is_surely_imported(marketo, tmp_path, source):
    instance = marketo()
    rows = [{"email": f"new{n}@example.com"} for n in range(4)] + [{"email": "no address"}]
    body = '{"success": true, "requestId": "a#1", "result": [{"batchId": 1, "status": "Complete"}]}'
    instance.fail("bulk_import_leads.get_status", status=200, body=body, times=None, skip=1)
    _, account = refused(tmp_path, source(*rows))
    assert counts(account) == {"unknown": 4, "rejected": 1}


ODD = [{"email": f"new{n}@example.com"} for n in range(40)] + [{"email": f"no address {n}"} for n in range(3)]


def test_a_report_that_marketo_does_not_have_yet_is_asked_for_again(marketo, tmp_path, source, patient):
    instance = marketo()
    instance.fail("bulk_import_leads.get_failures", status=404, times=3)
    result = run(tmp_path, source(*ODD), max_reject_ratio=1)
    assert counts(result) == {"accepted": 40, "rejected": 3}
    assert len(patient) == 3


def test_rows_without_a_report_are_listed_and_the_next_try_asks_again(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.get_failures", status=404, times=None)
    store = StateStore()
    text, account = refused(tmp_path, source(*ODD), store)
    assert "Clear the task: it asks Marketo for the reports again" in text
    assert counts(account) == {"accepted": 40, "unknown": 3}
    assert "which lacks 3 rows" in table(account["rejects"])[0]["_marketo_message"]
    _, account = refused(tmp_path, "gone.csv", store)  # the reports are still missing
    assert counts(account) == {"accepted": 40, "unknown": 3}
    instance.instance.faults.clear()
    result = run(tmp_path, "gone.csv", store, max_reject_ratio=1)
    assert counts(result) == {"accepted": 40, "rejected": 3}
    assert len(table(result["rejects"])) == 3
    assert len(jobs(instance)) == 1


def test_rows_that_marketo_never_tells_of_are_sent_once_more_if_the_author_wants_that(marketo, tmp_path, source):
    instance = marketo()
    instance.fail("bulk_import_leads.get_failures", status=404, times=8)
    store = StateStore()
    refused(tmp_path, source(*ODD), store)
    result = run(tmp_path, "gone.csv", store, on_lost_upload="resend", max_reject_ratio=1)
    assert counts(result) == {"accepted": 40, "rejected": 3}
    assert len(jobs(instance)) == 2


def test_an_import_that_marketo_does_not_know_yet_is_asked_for_again(marketo, tmp_path, source, patient):
    instance = marketo()
    instance.fail("bulk_import_leads.get_status", "1013", times=3)
    assert counts(run(tmp_path, source())) == {"accepted": 200}
    assert patient


def test_counters_that_come_late_are_asked_for_again(marketo, tmp_path, source):
    instance = marketo()
    body = '{"success": true, "requestId": "a#1", "result": [{"batchId": 1, "status": "Complete"}]}'
    instance.fail("bulk_import_leads.get_status", status=200, body=body, times=3)
    instance.instance.clock.sleep(1)
    result = run(tmp_path, source(*ODD), max_reject_ratio=1)
    assert counts(result) == {"accepted": 40, "rejected": 3}


def test_an_import_that_failed_without_counters_is_unknown(marketo, tmp_path, source):
    instance = marketo()
    body = '{"success": true, "requestId": "a#1", "result": [{"batchId": 1, "status": "Failed"}]}'
    instance.fail("bulk_import_leads.get_status", status=200, body=body, times=None)
    _, account = refused(tmp_path, source())
    assert counts(account) == {"unknown": 200}
