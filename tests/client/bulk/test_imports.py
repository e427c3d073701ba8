"""Import jobs: what is sent, and what Marketo's answers mean."""

from __future__ import annotations

import pytest

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.imports import FAILURES, ImportJob, ImportJobs, import_object
from airflow_provider_marketo.client.client import MarketoClient
from tests.support import ManualClock

HOST = "http://127.0.0.1:1"


@pytest.fixture
def jobs(requests_mock):
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "a-token", "expires_in": 3599})
    client = MarketoClient(HOST, "an-id", "a-secret", clock=ManualClock())
    return lambda name="leads", custom_object=None: ImportJobs(
        client, import_object(name), custom_object, clock=ManualClock()
    )


def success(*result: dict) -> dict:
    return {"json": {"success": True, "requestId": "a#2", "result": list(result)}}


@pytest.mark.parametrize(
    ("name", "custom_object", "parameters", "path"),
    [
        ("leads", None, {"lookupField": "email", "listId": 5}, "/bulk/v1/leads.json"),
        (
            "program_members",
            None,
            {"programId": 7, "programMemberStatus": "Attended"},
            "/bulk/v1/program/7/members/import.json",
        ),
        ("custom_objects", "car_c", {}, "/bulk/v1/customobjects/car_c/import.json"),
    ],
)
def test_a_file_travels_as_one_part_and_the_rest_in_the_query(
    jobs, requests_mock, name, custom_object, parameters, path
):
    requests_mock.post(HOST + path, **success({"batchId": 9, "importId": "9", "status": "Queued"}))
    assert jobs(name, custom_object).start(b"email\na\n", **parameters) == ImportJob(9, "queued")
    request = requests_mock.last_request
    assert b'name="file"; filename="rows.csv"\r\nContent-Type: text/csv\r\n\r\nemail\na\n\r\n' in request.body
    asked = {key.lower(): value for key, value in request.qs.items()}
    assert asked["format"] == ["csv"]
    assert {key.lower() for key in parameters} - {"programid"} <= set(asked)


@pytest.mark.parametrize(
    ("name", "custom_object", "path", "counter"),
    [
        ("leads", None, "/bulk/v1/leads/batch/9.json", "numOfLeadsProcessed"),
        ("program_members", None, "/bulk/v1/program/members/import/9/status.json", "numOfLeadsProcessed"),
        ("custom_objects", "car_c", "/bulk/v1/customobjects/car_c/import/9/status.json", "numOfObjectsProcessed"),
    ],
)
def test_three_paths_and_two_names_for_one_counter(jobs, requests_mock, name, custom_object, path, counter):
    state = {"batchId": 9, "status": "Complete", counter: 5, "numOfRowsFailed": 2, "numOfRowsWithWarning": 1}
    requests_mock.get(HOST + path, **success({**state, "message": "done"}))
    job = jobs(name, custom_object).status(9)
    assert job == ImportJob(9, "complete", processed=5, failed=2, warned=1, message="done")
    assert job.ended


@pytest.mark.parametrize(
    ("status", "ended"),
    [("Queued", False), ("Importing", False), ("Complete", True), ("Completed", True), ("Failed", True)],
)
def test_an_import_has_ended_whatever_marketos_spelling_of_its_state(status, ended):
    assert ImportJob.from_record({"batchId": 1, "status": status}, "n").ended is ended


@pytest.mark.parametrize(
    ("counters", "counted"),
    [
        ({"n": 5, "numOfRowsFailed": 2}, True),
        ({"n": "5", "numOfRowsFailed": "0"}, True),
        ({"n": 0, "numOfRowsFailed": 0}, True),
        ({}, False),
        ({"n": 5}, False),
        ({"numOfRowsFailed": 2}, False),
        ({"n": None, "numOfRowsFailed": None}, False),
        ({"n": "many", "numOfRowsFailed": [2]}, False),
        ({"n": True, "numOfRowsFailed": -1}, False),
    ],
)
def test_rows_are_counted_only_by_counters_that_marketo_gives(counters, counted):
    job = ImportJob.from_record({"batchId": 1, "status": "Complete", **counters}, "n")
    assert job.ended
    assert job.counted is counted
    assert (job.processed is not None and job.failed is not None) is counted


def test_an_answer_without_a_batch_leaves_open_what_happened(jobs, requests_mock):
    requests_mock.post(f"{HOST}/bulk/v1/leads.json", **success())
    with pytest.raises(errors.MarketoAmbiguousOutcomeError, match="named no batch"):
        jobs().start(b"email\n")


def test_an_upload_is_never_sent_again_by_itself(jobs, requests_mock):
    upload = requests_mock.post(f"{HOST}/bulk/v1/leads.json", status_code=502)
    with pytest.raises(errors.MarketoAmbiguousOutcomeError):
        jobs().start(b"email\n")
    assert upload.call_count == 1


def test_a_full_queue_is_told_apart_from_a_refusal(jobs, requests_mock):
    error = {"code": "1016", "message": "Too many imports queued"}
    requests_mock.post(f"{HOST}/bulk/v1/leads.json", json={"success": False, "requestId": "a", "errors": [error]})
    with pytest.raises(errors.MarketoQueueFullError):
        jobs().start(b"email\n")


def test_a_report_that_breaks_off_is_asked_for_again(jobs, requests_mock):
    whole = b"email,Import Failure Reason\na,no\n"
    path = f"{HOST}/bulk/v1/leads/batch/9/failures.json"
    short = {"content": whole[:9], "headers": {"Content-Length": str(len(whole))}}
    requests_mock.get(path, [short, {"content": whole}])
    assert jobs().report(9, FAILURES) == whole


def test_a_report_that_is_not_there(jobs, requests_mock):
    requests_mock.get(f"{HOST}/bulk/v1/leads/batch/9/failures.json", status_code=404, text="File not found")
    with pytest.raises(errors.MarketoNotFoundError):
        jobs().report(9, FAILURES)


def test_an_object_without_bulk_import_is_refused_with_the_operator_for_it():
    with pytest.raises(errors.MarketoInvalidRequestError, match="'companies' cannot be imported") as caught:
        import_object("companies")
    assert "MarketoSyncOperator" in str(caught.value)
