"""Faults on request."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import requests

from tests.simulator.support import JANUARY, Api, Export, codes

TYPES = "/rest/v1/activities/types.json"
LEADS = "/rest/v1/leads.json"


@pytest.fixture
def leads(api: Api) -> Export:
    return Export(api, "leads")


def test_a_fault_meets_the_requested_number_of_calls(api: Api):
    api.simulator.fail("activities.get_types", "611", times=2, skip=1, message="Out of order")
    replies = [api.get(TYPES) for _ in range(4)]

    assert [reply["success"] for reply in replies] == [True, False, False, True]
    assert replies[1]["errors"] == [{"code": "611", "message": "Out of order"}]
    assert api.simulator.report().faults == {"activities.get_types": 2}


def test_a_star_matches_any_operation_and_no_number_means_for_ever(api: Api):
    api.simulator.fail("*", "608", times=None)
    assert all(codes(api.get(path)) == ["608"] for path in (TYPES, "/rest/v1/lists.json") for _ in range(3))

    api.simulator.clear_faults()
    assert api.get(TYPES)["success"]


def test_identity_can_fail(api: Api):
    api.simulator.fail("identity.*", status=502)
    query = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x"}

    assert requests.post(f"{api.url}/identity/oauth/token", params=query, timeout=10).status_code == 502


def test_a_gateway_answers_with_a_page(api: Api):
    api.simulator.fail("activities.get_types", status=502)
    reply = api.send("GET", TYPES)

    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    assert "502 Bad Gateway" in reply.text


@pytest.mark.parametrize("how", [{"drop": True}, {"code": "604"}, {"status": 502}])
@pytest.mark.parametrize("executed", [False, True])
def test_a_write_may_fail_before_or_after_it_was_executed(api: Api, how: dict[str, Any], executed: bool):
    api.simulator.fail("leads.sync", **how, executed=executed)
    if "drop" in how:
        with pytest.raises(requests.ConnectionError):
            api.post(LEADS, {"input": [{"email": "new@example.org"}]})
    else:
        assert not api.send("POST", LEADS, json={"input": [{"email": "new@example.org"}]}).text.startswith("{}")

    assert len(api.result(LEADS, filterType="email", filterValues="new@example.org")) == executed


def test_a_reply_can_be_delayed(api: Api):
    api.simulator.fail("activities.get_types", delay=0.3)
    started = time.monotonic()

    assert api.get(TYPES)["success"]
    assert time.monotonic() - started >= 0.3


def test_a_download_may_break_off_and_be_resumed(leads: Export):
    export_id = leads.run(["id", "email"], {"staticListId": 1001})
    whole = leads.file(export_id).content
    leads.api.simulator.fail("bulk_export_leads.get_file", truncate=100)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        leads.file(export_id)

    assert leads.file(export_id, Range="bytes=100-").content == whole[100:]


def test_a_file_may_differ_from_its_checksum(leads: Export):
    export_id = leads.run(["id", "email"], {"staticListId": 1001})
    announced = leads.status(export_id)["fileChecksum"].removeprefix("sha256:")
    leads.api.simulator.fail("bulk_export_leads.get_file", spoil=True)
    spoilt, good = leads.file(export_id).content, leads.file(export_id).content

    assert hashlib.sha256(good).hexdigest() == announced
    assert hashlib.sha256(spoilt).hexdigest() != announced
    assert len(spoilt) == len(good)


def test_json_may_come_in_place_of_a_file(leads: Export):
    export_id = leads.run(["id"], {"staticListId": 1001})
    leads.api.simulator.fail("bulk_export_leads.get_file", "606")
    reply = leads.file(export_id)

    assert (reply.status_code, codes(reply.json())) == (200, ["606"])


@pytest.mark.parametrize(
    ("how", "status", "text"), [({"status": 404}, 404, "Not Found"), ({"status": 200, "body": ""}, 200, "")]
)
def test_a_file_may_be_missing_or_empty_although_its_job_is_completed(
    leads: Export, how: dict[str, Any], status: int, text: str
):
    export_id = leads.run(["id"], {"staticListId": 1001})
    leads.api.simulator.fail("bulk_export_leads.get_file", **how)
    reply = leads.file(export_id)

    assert (reply.status_code, reply.text) == (status, text)
    assert leads.status(export_id)["status"] == "Completed"


def test_a_request_for_a_part_may_be_answered_with_the_whole(leads: Export):
    export_id = leads.run(["id"], {"staticListId": 1001})
    leads.api.simulator.fail("bulk_export_leads.get_file", ignore_range=True)
    reply = leads.file(export_id, Range="bytes=10-")

    assert (reply.status_code, reply.content) == (200, leads.file(export_id).content)


def test_a_file_may_never_end(leads: Export):
    export_id = leads.run(["id"], {"staticListId": 1001})
    whole = leads.file(export_id).content
    leads.api.simulator.fail("bulk_export_leads.get_file", endless=True)
    with leads.open(export_id) as reply:
        assert "Content-Length" not in reply.headers
        assert reply.raw.read(3 * len(whole)) == 3 * whole


def test_a_file_may_come_byte_by_byte(leads: Export):
    export_id = leads.run(["id"], {"staticListId": 1001})
    whole = leads.file(export_id).content
    leads.api.simulator.fail("bulk_export_leads.get_file", drip=0.1)
    with leads.open(export_id) as reply:
        assert int(reply.headers["Content-Length"]) == len(whole)
        started = time.monotonic()
        assert reply.raw.read(2) == whole[:2]
        assert time.monotonic() - started >= 0.1


def test_a_token_may_expire_at_a_call(api: Api):
    api.simulator.fail("activities.get_types", expire=True)
    assert codes(api.get(TYPES)) == ["602"]
    assert codes(api.get(TYPES)) == ["602"]
    assert codes(api.get(TYPES)) == ["601"]


def test_an_export_job_may_vanish_from_the_queue(leads: Export):
    leads.api.simulator.fail("bulk_export_leads.enqueue_job", job="vanished")
    lost = leads.created(["id"], {"createdAt": JANUARY})
    leads.enqueue(lost)
    assert codes(leads.api.get(f"/bulk/v1/leads/export/{lost}/status.json")) == ["1013"]
    assert lost not in [job["exportId"] for job in leads.api.result("/bulk/v1/leads/export.json")]
    assert leads.run(["id"], {"createdAt": JANUARY})


@pytest.mark.parametrize("action", ["create_job", "enqueue_job"])
@pytest.mark.parametrize(("end", "status"), [("failed", "Failed"), ("cancelled", "Cancelled"), ("stuck", "Queued")])
def test_a_job_can_fail_be_cancelled_or_stay_in_the_queue(leads: Export, end: str, status: str, action: str):
    leads.api.simulator.fail(f"bulk_export_leads.{action}", job=end)
    doomed = leads.created(["id"], {"createdAt": JANUARY})
    leads.enqueue(doomed)
    leads.api.wait(120)
    job = leads.status(doomed)

    assert job["status"] == status
    assert ("errorMsg" in job) == (status == "Failed")
    assert leads.file(doomed).status_code == 404
    assert leads.run(["id"], {"createdAt": JANUARY})


def test_another_process_injects_faults_over_http(api: Api):
    def ask(action: str, **facts: Any) -> requests.Response:
        return requests.post(f"{api.url}/simulator/{action}", json=facts, timeout=10)

    assert ask("fault", operation="activities.get_types", code="713", times=5).json() == {"done": True}
    assert codes(api.get(TYPES)) == ["713"]
    assert ask("clear").json() == {"done": True}
    assert api.get(TYPES)["success"]
    assert ask("tokens", how="expire").status_code == 200
    assert codes(api.get(TYPES)) == ["602"]
    api.wait(0)
    assert ask("spend", calls=50_000).status_code == 200
    assert codes(api.get(TYPES)) == ["607"]
    report = requests.get(f"{api.url}/simulator/report", timeout=10).json()
    assert report["rejected"] == {"713": 1, "602": 1, "607": 1}
    assert report["total_calls"] == 4


def test_a_web_page_cannot_steer_the_simulator(api: Api):
    page = {"Origin": "https://example.org", "Content-Type": "text/plain"}
    reply = requests.post(
        f"{api.url}/simulator/fault", data='{"operation": "*", "code": "611"}', headers=page, timeout=10
    )

    assert reply.status_code == 403
    assert api.get("/rest/v1/leads/partitions.json")["success"]


@pytest.mark.parametrize(
    "facts",
    [
        {"operation": "leads.sync"},
        {"code": "611"},
        {"operation": "x", "colour": "red"},
        {"operation": "x", "job": "lost"},
    ],
)
def test_a_fault_that_does_nothing_is_refused(api: Api, facts: dict[str, Any]):
    assert requests.post(f"{api.url}/simulator/fault", json=facts, timeout=10).status_code == 400
    assert requests.post(f"{api.url}/simulator/nothing", json={}, timeout=10).status_code == 404
