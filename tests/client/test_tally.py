"""What a client counts, and the budgets at which it stops."""

from __future__ import annotations

import re

import pytest

from airflow_provider_marketo.client.bulk.imports import UPLOAD_LAPSE, ImportJobs, import_object
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.errors import MarketoBudgetError, MarketoQueueFullError, MarketoQuotaExhaustedError
from airflow_provider_marketo.client.governor import EXPORT_QUEUE, IMPORT_QUEUE
from airflow_provider_marketo.client.governor.local import LocalGovernor
from airflow_provider_marketo.client.tally import Tally
from tests.support import ManualClock

HOST = "https://123-abc-456.mktorest.com"


@pytest.fixture
def marketo(requests_mock):
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "t", "expires_in": 3599})
    requests_mock.get(f"{HOST}/rest/v1/leads/describe.json", json={"success": True, "result": []})
    return requests_mock


def client(tally: Tally | None = None) -> MarketoClient:
    clock = ManualClock()
    governor = LocalGovernor(parallel=4, clock=clock)
    return MarketoClient("123-ABC-456", "an-id", "a-secret", clock=clock, governor=governor, tally=tally)


def failure(code: str) -> dict:
    return {"json": {"success": False, "errors": [{"code": code, "message": "no"}]}}


def test_calls_waits_and_rejections_are_counted_those_sent_again_included(marketo):
    done = {"json": {"success": True, "result": []}}
    marketo.get(f"{HOST}/rest/v1/leads/describe.json", [failure("606"), failure("615"), done])
    one = client()
    one.call("leads.describe")
    assert (one.tally.calls, dict(one.tally.rejected)) == (3, {"606": 1, "615": 1})
    assert one.tally.waited > 0
    assert one.tally.summary().endswith("1 rejected with 606, 1 with 615), 0 rows, 0.0 MB")


def test_rows_read_and_rows_written_are_counted(marketo):
    marketo.get(f"{HOST}/rest/v1/lists.json", json={"success": True, "result": [{"id": 1}, {"id": 2}]})
    marketo.post(f"{HOST}/rest/v1/leads.json", json={"success": True, "result": []})
    one = client()
    list(one.paginate("static_list_membership.get_lists"))
    one.call("leads.sync", input=[{"email": "a@example.com"}] * 3)
    assert one.tally.rows == 5


def test_bytes_of_files_are_counted_both_ways(marketo):
    marketo.get(f"{HOST}/bulk/v1/leads/export/an-id/file.json", content=b"id\n1\n")
    marketo.post(f"{HOST}/bulk/v1/leads.json", json={"success": True, "result": [{"batchId": 7, "status": "Queued"}]})
    one = client()
    with one.download("bulk_export_leads.get_file", exportId="an-id") as download:
        assert b"".join(download.blocks) == b"id\n1\n"
    ImportJobs(one, import_object("leads")).start(b"email\na@example.com\n")
    assert one.tally.bytes == 5 + 20


def test_a_call_beyond_the_limit_is_not_made(marketo):
    one = client(Tally(max_calls=1))
    one.call("leads.describe")
    with pytest.raises(MarketoBudgetError, match="the 1 call that this task may make is used up"):
        one.call("leads.describe")
    assert sum("describe" in request.path for request in marketo.request_history) == 1


def test_a_call_that_got_no_turn_was_not_made(marketo):
    one = client()
    one.governor.release(one.governor.acquire("leads.describe"), MarketoQuotaExhaustedError("607", code="607"))
    with pytest.raises(MarketoQuotaExhaustedError):
        one.call("leads.describe")
    assert one.tally.calls == 0


def test_an_import_holds_a_place_in_the_queue_until_it_has_ended(marketo):
    def says(status: str, **counts) -> dict:
        return {"json": {"success": True, "result": [{"batchId": 7, "status": status, **counts}]}}

    marketo.post(f"{HOST}/bulk/v1/leads.json", **says("Queued"))
    ended = says("Complete", numOfLeadsProcessed=5, numOfRowsFailed=1)
    marketo.get(f"{HOST}/bulk/v1/leads/batch/7.json", [says("Importing"), ended, ended])
    one = client()
    jobs = ImportJobs(one, import_object("leads"))
    for number in range(7):
        one.governor.enter_queue(IMPORT_QUEUE, f"another {number}")
    jobs.start(b"email\n")
    for _ in range(2):
        with pytest.raises(MarketoQueueFullError):
            jobs.start(b"email\n")
        jobs.status(7)
    jobs.start(b"email\n")
    jobs.status(7)
    assert one.tally.rows == 6


def full_of_others(one: MarketoClient, *places: str) -> ImportJobs:
    """Eight imports hold our places; processes that were killed have started them."""
    for place in places or [f"leads:{number}" for number in range(101, 109)]:
        one.governor.enter_queue(IMPORT_QUEUE, place)
    return ImportJobs(one, import_object("leads"))


def test_places_of_imports_that_have_ended_are_free_no_matter_which_process_started_them(marketo):
    ended = {"json": {"success": True, "result": [{"batchId": 1, "status": "Complete", "numOfLeadsProcessed": 5}]}}
    running = {"json": {"success": True, "result": [{"batchId": 1, "status": "Importing"}]}}
    marketo.post(f"{HOST}/bulk/v1/leads.json", json={"success": True, "result": [{"batchId": 7, "status": "Queued"}]})
    marketo.get(re.compile("/bulk/v1/leads/batch/10[1-6].json"), **running)
    marketo.get(f"{HOST}/bulk/v1/customobjects/car_c/import/107/status.json", **ended)
    marketo.get(f"{HOST}/bulk/v1/program/members/import/108/status.json", **failure("1013"))
    one = client()
    running_still = [f"leads:{number}" for number in range(101, 107)]
    full_of_others(one, *running_still, "custom_objects:car_c:107", "program_members:108").start(b"email\n")
    assert one.governor.queued(IMPORT_QUEUE) == [*running_still, "leads:7"]


def test_one_process_asks_for_imports_of_others_now_and_then(marketo):
    running = {"success": True, "result": [{"batchId": 1, "status": "Importing"}]}
    marketo.get(re.compile("/bulk/v1/leads/batch/"), json=running)
    one = client()
    jobs = full_of_others(one)
    for _ in range(3):
        with pytest.raises(MarketoQueueFullError):
            jobs.start(b"email\n")
    assert sum("/batch/" in request.path for request in marketo.request_history) == 8


def test_a_batch_can_be_written_down_before_it_holds_a_place(marketo):
    marketo.post(f"{HOST}/bulk/v1/leads.json", json={"success": True, "result": [{"batchId": 7, "status": "Queued"}]})
    one = client()
    jobs = ImportJobs(one, import_object("leads"))
    job = jobs.start(b"email\n", hold_place=False)  # a process that is killed here holds no place afterwards
    assert one.governor.queued(IMPORT_QUEUE) == []
    jobs.hold_place(job.batch_id)
    assert one.governor.queued(IMPORT_QUEUE) == ["leads:7"]


def test_the_place_of_an_upload_whose_process_was_killed_is_soon_free_by_itself():
    clock = ManualClock()
    governor = LocalGovernor(clock=clock)
    governor.enter_queue(IMPORT_QUEUE, "upload:1", UPLOAD_LAPSE)
    clock.advance(UPLOAD_LAPSE + 1)
    assert governor.queued(IMPORT_QUEUE) == []


def test_an_import_that_marketo_refuses_gives_its_place_back(marketo):
    marketo.post(f"{HOST}/bulk/v1/leads.json", **failure("1016"))
    one = client()
    for _ in range(9):
        with pytest.raises(MarketoQueueFullError, match=r"Marketo code 1016"):
            ImportJobs(one, import_object("leads")).start(b"email\n")


def test_the_two_queues_have_nothing_to_do_with_each_other():
    one = client()
    for number in range(8):
        one.governor.enter_queue(IMPORT_QUEUE, f"{number}")
    one.governor.enter_queue(EXPORT_QUEUE, "an-export")  # an export still finds a place
    with pytest.raises(MarketoQueueFullError, match="8 places that Airflow uses in Marketo's import queue"):
        one.governor.enter_queue(IMPORT_QUEUE, "one-too-many")
