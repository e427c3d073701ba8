"""Export jobs as Marketo describes them, in all its spellings, and what Marketo refuses."""

from __future__ import annotations

import re

import pytest

from airflow_provider_marketo.client import errors
from airflow_provider_marketo.client.bulk.jobs import CANCELLED, COMPLETED, FAILED, ExportJob, ExportJobs
from airflow_provider_marketo.client.bulk.objects import export_object
from airflow_provider_marketo.client.client import MarketoClient
from tests.support import ManualClock

HOST = "https://123-abc-456.mktorest.com"
LEADS = f"{HOST}/bulk/v1/leads/export"


def failure(code: str, message: str = "some text") -> dict:
    return {"json": {"success": False, "requestId": "a#1", "errors": [{"code": code, "message": message}]}}


def success(*result: dict, **more: str) -> dict:
    return {"json": {"success": True, "requestId": "a#2", "result": list(result), **more}}


@pytest.fixture
def client(requests_mock) -> MarketoClient:
    requests_mock.post(f"{HOST}/identity/oauth/token", json={"access_token": "a-token", "expires_in": 3599})
    return MarketoClient("123-ABC-456", "an-id", "a-secret", clock=ManualClock())


@pytest.fixture
def jobs(client) -> ExportJobs:
    return ExportJobs(client, export_object("leads"))


def calls(requests_mock, ending: str) -> list:
    return [request for request in requests_mock.request_history if request.path.endswith(ending)]


@pytest.mark.parametrize(
    ("spelling", "status"),
    [("Cancelled", CANCELLED), ("Canceled", CANCELLED), ("Completed", COMPLETED), ("Complete", COMPLETED)],
)
def test_a_state_is_understood_in_each_of_marketos_spellings(spelling, status):
    assert ExportJob.from_record({"exportId": "a", "status": spelling}).status == status


def test_a_figure_that_marketo_leaves_out_is_unknown_not_zero():
    job = ExportJob.from_record({"exportId": "a", "status": "Completed", "numberOfRecords": 0})
    assert (job.records, job.size, job.checksum) == (0, None, None)


def test_a_checksum_is_compared_without_its_prefix():
    assert ExportJob.from_record({"exportId": "a", "fileChecksum": "sha256:ABC"}).checksum == "abc"


def test_an_answer_that_names_no_job_is_an_error(jobs, requests_mock):
    requests_mock.post(f"{LEADS}/create.json", **success({"exportId": "null", "status": "Failed"}))
    with pytest.raises(errors.MarketoDataError, match="named no job"):
        jobs.create(["id"], {"staticListId": 1})


def test_a_job_that_is_queued_already_is_queued(jobs, requests_mock):
    requests_mock.post(f"{LEADS}/job-1/enqueue.json", **failure("1029", "Job already queued"))
    jobs.enqueue("job-1")
    assert len(calls(requests_mock, "/job-1/enqueue.json")) == 1


@pytest.mark.parametrize("action", ["create", "enqueue"])
@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Too many jobs (10) in queue", errors.MarketoQueueFullError),
        ("Export daily quota 500MB exceeded.", errors.MarketoQuotaExhaustedError),
    ],
)
def test_1029_means_what_its_message_says(jobs, requests_mock, action, message, error):
    requests_mock.post(f"{LEADS}/create.json", **failure("1029", message))
    requests_mock.post(f"{LEADS}/job-1/enqueue.json", **failure("1029", message))
    with pytest.raises(error, match=r"Marketo code 1029, request id a#1") as caught:
        jobs.create(["id"], {"staticListId": 1}) if action == "create" else jobs.enqueue("job-1")
    if error is errors.MarketoQuotaExhaustedError:
        assert caught.value.quota == "export"
        assert caught.value.until is not None


@pytest.mark.parametrize("message", ["Job already completed", "Export job not found"])
def test_a_job_that_cannot_be_cancelled_any_more_needs_no_cancelling(jobs, requests_mock, message):
    requests_mock.post(f"{LEADS}/job-1/cancel.json", **failure("1003", message))
    requests_mock.post(re.compile("/enqueue.json$"), **success({"exportId": "any", "status": "Queued"}))
    for number in range(1, 9):
        jobs.enqueue(f"job-{number}")
    jobs.cancel("job-1")
    jobs.enqueue("job-9")  # it finds the place in the queue that job-1 held
    assert [request.path.split("/")[-2] for request in calls(requests_mock, "/enqueue.json")][-1] == "job-9"


def test_one_job_that_cannot_be_cancelled_does_not_keep_the_others(jobs, requests_mock, caplog):
    requests_mock.post(f"{LEADS}/job-1/cancel.json", **failure("607", "Daily quota reached"))
    requests_mock.post(f"{LEADS}/job-2/cancel.json", **success({"exportId": "job-2", "status": "Cancelled"}))
    jobs.cancel_all(["job-1", "job-2"])
    assert "Could not cancel export job-1" in caplog.text


def test_one_call_finds_any_number_of_jobs(jobs, requests_mock):
    requests_mock.get(
        f"{LEADS}.json",
        **success(*({"exportId": f"job-{n}", "status": "Completed"} for n in range(50)), nextPageToken="more"),
    )
    assert jobs.find({"job-7", "job-11"}).keys() == {"job-7", "job-11"}
    assert len(calls(requests_mock, "/export.json")) == 1


def test_a_job_that_the_list_does_not_show_is_asked_for_and_may_be_unknown(jobs, requests_mock):
    requests_mock.get(f"{LEADS}.json", **success())
    requests_mock.get(f"{LEADS}/job-1/status.json", **success({"exportId": "job-1", "status": "Failed"}))
    requests_mock.get(f"{LEADS}/job-2/status.json", **failure("1003", "Export job not found"))
    found = jobs.find(["job-1", "job-2"])
    assert {each: job.status for each, job in found.items()} == {"job-1": FAILED}


def test_a_feature_that_is_off_is_not_called_a_filter(client, requests_mock):
    requests_mock.post(
        f"{HOST}/bulk/v1/customobjects/car_c/export/create.json", **failure("1026", "Custom objects are not enabled")
    )
    with pytest.raises(errors.MarketoFeatureUnavailableError, match="does not have this feature") as caught:
        ExportJobs(client, export_object("custom_objects"), "car_c").create(["marketoGUID"], {"staticListId": 1})
    assert "filter" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "job_filter", "parameter", "way_out"),
    [
        ("leads", {"updatedAt": {}}, "date_field", "date_field='createdAt' or a static list"),
        ("leads", {"smartListName": "x"}, "filters", "date_field='createdAt' or a static list"),
        ("custom_objects", {"updatedAt": {}}, "date_field", "Use a static list"),
        ("program_members", {"programId": 1, "updatedAt": {}}, "date_field", "Use no dates"),
    ],
)
def test_a_filter_that_the_subscription_lacks_is_named_with_one_that_it_has(
    client, requests_mock, name, job_filter, parameter, way_out
):
    requests_mock.post(
        f"{HOST}/bulk/v1/" + {"leads": "leads", "custom_objects": "customobjects/car_c"}.get(name, "program/members")
        + "/export/create.json",
        **failure("1035", "Unsupported filter type for target subscription"),
    )  # fmt: skip
    dates = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-02T00:00:00Z"}
    job_filter = {each: dates if each == "updatedAt" else value for each, value in job_filter.items()}
    jobs = ExportJobs(client, export_object(name), "car_c" if name == "custom_objects" else None)
    with pytest.raises(errors.MarketoFeatureUnavailableError, match=way_out) as caught:
        jobs.create(["id"], job_filter)
    assert caught.value.parameter == parameter
    assert "1035" in str(caught.value)
    assert "a#1" in str(caught.value)
