"""Export jobs: filters, the queue, the file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from datetime import date
from typing import Any

import pytest

from airflow_provider_marketo.simulator import ApiUser, ManualClock, Settings, Simulator
from airflow_provider_marketo.simulator.settings import DEFAULT_USER
from tests.simulator.conftest import Make
from tests.simulator.support import JANUARY, Api, Export, codes

JANUARY_LEADS = {"createdAt": {"startAt": "2024-03-12T00:00:00Z", "endAt": "2024-04-11T23:59:59Z"}}
JANUARY_ACTIVITIES = {"createdAt": JANUARY}
LONG = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-02-01T00:00:01Z"}
ONE_GROUP = {"createdAt": JANUARY, "activityTypeIds": [24]}
TWO_GROUPS = {"createdAt": JANUARY, "activityTypeIds": [13, 24]}
ACTIVITY_FIELDS = ["marketoGUID", "leadId", "activityDate", "activityTypeId", "attributes"]


@pytest.fixture
def leads(api: Api) -> Export:
    return Export(api, "leads")


def rows(content: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))


def message(reply: dict[str, Any]) -> str:
    return str(reply["errors"][0]["message"])


def test_a_job_goes_from_created_to_completed_with_a_date_for_each_step(leads: Export, clock: ManualClock):
    export_id = leads.created(["id"], JANUARY_LEADS)
    created = leads.status(export_id)
    queued = leads.enqueue(export_id)["result"][0]
    clock.advance(60)
    completed = leads.status(export_id)

    assert (created["status"], queued["status"], completed["status"]) == ("Created", "Queued", "Completed")
    assert "fileSize" not in created | queued
    assert completed["startedAt"] == "2026-03-15T12:00:00Z"
    assert completed["finishedAt"] == "2026-03-15T12:00:30Z"
    assert completed["format"] == "CSV"


def test_the_file_has_the_announced_size_rows_and_checksum(leads: Export):
    export_id = leads.run(["id", "email", "comments"], JANUARY_LEADS)
    job, content = leads.status(export_id), leads.file(export_id).content

    assert job["fileSize"] == len(content)
    assert job["fileChecksum"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert job["numberOfRecords"] == len(rows(content)) > 0


def test_the_visible_state_changes_once_a_minute(leads: Export, clock: ManualClock):
    export_id = leads.created(["id"], JANUARY_LEADS)
    leads.enqueue(export_id)
    clock.advance(59)
    before, no_file = leads.status(export_id)["status"], leads.file(export_id).status_code
    clock.advance(1)

    assert (before, no_file) == ("Processing", 404)
    assert leads.status(export_id)["status"] == "Completed"


def test_polling_more_often_is_a_violation(leads: Export, clock: ManualClock):
    export_id = leads.created(["id"], JANUARY_LEADS)
    leads.enqueue(export_id)
    for _ in range(3):
        leads.status(export_id)
        clock.advance(20)
    clock.advance(60)
    leads.status(export_id)
    leads.status(export_id)

    noted = "bulk_export_leads.get_job_status called more often than states change"
    assert leads.api.simulator.report().violations == {noted: 2}


def test_two_jobs_run_ten_wait_and_all_kinds_share_the_queue(make: Make):
    api = make(job_seconds=600)
    leads, activities = Export(api, "leads"), Export(api, "activities")
    clock = api.simulator.clock
    jobs = [leads.created(["id"], JANUARY_LEADS) for _ in range(5)]
    others = [activities.created(ACTIVITY_FIELDS, JANUARY_ACTIVITIES) for _ in range(6)]
    for export_id in jobs:
        assert leads.enqueue(export_id)["success"]
    replies = [activities.enqueue(export_id) for export_id in others]
    clock.sleep(60)
    early = [leads.status(export_id)["status"] for export_id in jobs]
    clock.sleep(660)
    later = [leads.status(export_id)["status"] for export_id in jobs]

    assert [reply["success"] for reply in replies] == [True] * 5 + [False]
    assert codes(replies[5]) == ["1029"]
    assert message(replies[5]) == "Too many jobs in queue"
    assert early == ["Processing", "Processing", "Queued", "Queued", "Queued"]
    assert later == ["Completed", "Completed", "Processing", "Processing", "Queued"]
    assert activities.enqueue(others[5])["success"]


def test_a_job_is_enqueued_once(leads: Export):
    export_id = leads.created(["id"], JANUARY_LEADS)
    leads.enqueue(export_id)
    again = leads.enqueue(export_id)
    finished = leads.run(["id"], JANUARY_LEADS)

    assert (codes(again), message(again)) == (["1029"], "Job already queued")
    assert codes(leads.enqueue(finished)) == ["1003"]


def test_the_daily_volume_is_checked_at_create_and_enqueue_and_ends_at_midnight_in_chicago(make: Make):
    api = make(export_daily_bytes=1000)
    leads = Export(api, "leads")
    waiting = leads.created(["id"], JANUARY_LEADS)
    leads.run(["id", "email", "company", "comments", "address", "phone", "website"], {"staticListId": 1001})
    refused, also_refused = leads.create(["id"], JANUARY_LEADS), leads.enqueue(waiting)
    api.wait(17 * 3600)

    assert codes(refused) == codes(also_refused) == ["1029"]
    assert message(refused).startswith("Export daily quota")
    assert leads.enqueue(waiting)["success"]


def test_bytes_of_other_integrations_count_toward_the_daily_volume(leads: Export):
    leads.api.simulator.spend(export_bytes=500 << 20)

    assert message(leads.create(["id"], JANUARY_LEADS)) == "Export daily quota 500MB exceeded."


def test_a_cancelled_job_frees_its_place_and_has_no_file(leads: Export, clock: ManualClock):
    first, second, third = (leads.created(["id"], JANUARY_LEADS) for _ in range(3))
    for export_id in (first, second, third):
        leads.enqueue(export_id)
    cancelled = leads.cancel(first)["result"][0]
    clock.advance(60)

    assert cancelled["status"] == "Cancelled"
    assert leads.status(first)["status"] == "Cancelled"
    assert leads.status(third)["startedAt"] == "2026-03-15T12:00:00Z"
    assert leads.file(first).status_code == 404
    assert codes(leads.cancel(first)) == ["1003"]
    assert codes(leads.cancel(second)) == ["1003"]


def test_only_the_user_who_created_a_job_sees_it_and_only_under_its_kind(make: Make):
    one = make(users=(DEFAULT_USER, ApiUser("other", "secret", "other@example.org")))
    two = Api(one.simulator, user=1)
    export_id = Export(one, "leads").run(["id"], JANUARY_LEADS)
    strangers = [Export(two, "leads"), Export(one, "activities"), Export(one, "customobjects/car_c")]

    for export in strangers:
        assert codes(export.api.get(f"{export.path}/{export_id}/status.json")) == ["1013"]
        assert export.file(export_id).status_code == 404
        assert export.list() == []
    assert [job["exportId"] for job in Export(one, "leads").list()] == [export_id]


def test_the_list_shows_seven_days_in_pages_and_by_status(make: Make):
    api = make(export_list_page=2)
    leads = Export(api, "leads")
    old = leads.run(["id"], JANUARY_LEADS)
    api.wait(7 * 86_400)
    done = leads.run(["id"], JANUARY_LEADS)
    api.wait(0)
    created = [leads.created(["id"], JANUARY_LEADS) for _ in range(3)]
    cancelled = leads.created(["id"], JANUARY_LEADS)
    leads.cancel(cancelled)
    page = api.get(f"{leads.path}.json")

    assert (len(page["result"]), "moreResult" in page, "nextPageToken" in page) == (2, False, True)
    assert [job["exportId"] for job in leads.list()] == [done, *created, cancelled]
    assert [job["exportId"] for job in leads.list(status="completed,Canceled")] == [done, cancelled]
    assert leads.status(old)["status"] == "Completed"
    assert leads.file(old).status_code == 404


def test_a_job_is_forgotten_after_thirty_days(leads: Export):
    export_id = leads.run(["id"], JANUARY_LEADS)
    leads.api.wait(31 * 86_400)

    assert codes(leads.api.get(f"{leads.path}/{export_id}/status.json")) == ["1013"]


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [("bytes=0-9", 206, 0, 9), ("bytes=100-", 206, 100, None), ("bytes=50-100000000", 206, 50, None)],
)
def test_a_part_of_a_file_can_be_requested(leads: Export, asked: str, status: int, first: int, last: int | None):
    export_id = leads.run(["id", "email"], {"staticListId": 1001})
    whole, part = leads.file(export_id), leads.file(export_id, Range=asked)
    last = len(whole.content) - 1 if last is None else last

    assert (whole.status_code, part.status_code) == (200, status)
    assert whole.headers["Content-Type"] == "text/csv;charset=UTF-8"
    assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole.content)}"
    assert part.content == whole.content[first : last + 1]


def test_a_part_behind_the_end_is_http_416_and_a_missing_file_404_in_plain_text(leads: Export):
    export_id = leads.run(["id"], JANUARY_LEADS)
    missing = leads.file("00000000-0000-0000-0000-000000000000")

    assert leads.file(export_id, Range="bytes=100000000-").status_code == 416
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "text/plain;charset=UTF-8")


def test_missing_values_are_the_word_null_and_hard_values_are_quoted(leads: Export):
    text = 'semi;colon, "quotes"\r\nnew line \u2028 😀'
    leads.api.sync({"email": "hard@example.org", "comments": text, "title": "null"})
    (row,) = rows(
        leads.content(
            ["email", "comments", "title", "city"],
            {"createdAt": {"startAt": "2026-03-15T00:00:00Z", "endAt": "2026-03-16T00:00:00Z"}},
        )
    )

    assert row == {"email": "hard@example.org", "comments": text, "title": "null", "city": "null"}


@pytest.mark.parametrize(("name", "delimiter"), [("CSV", ","), ("TSV", "\t"), ("SSV", ";")])
def test_files_have_three_formats_and_titles_by_request(leads: Export, name: str, delimiter: str):
    content = leads.content(
        ["id", "email", "company"], JANUARY_LEADS, format=name, columnHeaderNames={"email": "Email Address"}
    )

    found = rows(content, delimiter)
    assert list(found[0]) == ["id", "Email Address", "company"]
    assert [row["id"] for row in found] == ["1001", "1002", "1003", "1004", "1005"]
    assert found[3]["company"] == leads.api.result("/rest/v1/lead/1004.json", fields="company")[0]["company"] or "null"


@pytest.mark.parametrize(
    ("kind", "fields", "job_filter", "code"),
    [
        ("leads", ["id", "shoeSize"], JANUARY_LEADS, "1003"),
        ("leads", ["id", "fullAddress"], JANUARY_LEADS, "1003"),
        ("leads", ["id"], {}, "1003"),
        ("leads", ["id"], {"createdAt": JANUARY, "staticListId": 1001}, "1003"),
        ("leads", ["id"], {"createdAt": LONG}, "1003"),
        ("leads", ["id"], {"createdAt": {"startAt": JANUARY["endAt"], "endAt": JANUARY["startAt"]}}, "1003"),
        ("leads", ["id"], {"createdAt": {"startAt": "2026-01-01T00:00:00.000Z", "endAt": JANUARY["endAt"]}}, "1003"),
        ("leads", ["id"], {"createdAt": {"startAt": JANUARY["startAt"]}}, "1003"),
        ("leads", ["id"], {"colour": "red"}, "1003"),
        ("leads", ["id"], {"staticListId": 7}, "1013"),
        ("activities", ACTIVITY_FIELDS, {"activityTypeIds": [1]}, "1002"),
        ("activities", ["email"], {"createdAt": JANUARY}, "1003"),
        ("activities", ACTIVITY_FIELDS, {"createdAt": JANUARY, "activityTypeIds": [37]}, "1003"),
        ("activities", ACTIVITY_FIELDS, {"createdAt": JANUARY, "primaryAttributeValueIds": [1]}, "1003"),
        ("activities", ACTIVITY_FIELDS, {**TWO_GROUPS, "primaryAttributeValues": ["x"]}, "1003"),
        ("activities", ACTIVITY_FIELDS, {**ONE_GROUP, "primaryAttributeValueIds": list(range(51))}, "1003"),
        ("program/members", ["leadId"], {"updatedAt": JANUARY}, "1003"),
        ("program/members", ["leadId"], {"programId": 1001, "programIds": [1001]}, "1003"),
        ("program/members", ["leadId"], {"programIds": list(range(1001, 1012))}, "1003"),
        ("program/members", ["leadId"], {"programId": 7}, "1013"),
        ("program/members", ["leadId"], {"programIds": []}, "1002"),
        ("activities", ACTIVITY_FIELDS, {"createdAt": JANUARY, "activityTypeIds": []}, "1002"),
        ("program/members", ["leadId"], {"programId": 1001, "statusNames": ["Bored"]}, "1003"),
        ("customobjects/car_c", ["vin", "colour"], {"updatedAt": JANUARY}, "1003"),
        ("customobjects/car_c", ["vin"], {"createdAt": JANUARY}, "1003"),
        ("customobjects/boat_c", ["vin"], {"updatedAt": JANUARY}, "1013"),
    ],
)  # fmt: skip
def test_an_export_job_that_cannot_run_is_refused_with_marketos_code(
    api: Api, kind: str, fields: list[str], job_filter: dict[str, Any], code: str
):
    assert codes(Export(api, kind).create(fields, job_filter)) == [code]


def test_the_refusal_names_the_unknown_fields(leads: Export):
    assert message(leads.create(["id", "shoeSize", "hatSize"], JANUARY_LEADS)) == "Invalid fields [shoeSize, hatSize]"


@pytest.mark.parametrize(
    ("settings", "job_filter"),
    [
        ({"updated_at_filter": False}, {"updatedAt": JANUARY}),
        ({"smart_list_filter": False}, {"smartListId": 5001}),
        ({"smart_list_filter": False}, {"smartListName": "All Leads"}),
    ],
)
def test_filters_that_a_subscription_may_lack(make: Make, settings: dict[str, Any], job_filter: dict[str, Any]):
    lacking, having = make(**settings), make()

    assert codes(Export(lacking, "leads").create(["id"], job_filter)) == ["1035"]
    assert Export(having, "leads").create(["id"], job_filter)["success"]


def test_leads_are_filtered_by_creation_update_or_list(api: Api):
    leads = Export(api, "leads")
    api.sync({"email": "lead1001@example.com", "loyaltyPoints": 77})
    today = {"startAt": "2026-03-15T12:00:00Z", "endAt": "2026-03-15T12:00:00Z"}

    (changed,) = rows(leads.content(["id", "loyaltyPoints", "updatedAt"], {"updatedAt": today}))
    on_list = rows(leads.content(["id"], {"staticListName": "Newsletter"}))
    everybody = rows(leads.content(["id"], {"smartListId": 5001}))

    # A custom field changes the date that the filter uses, and not the date that is shown.
    assert changed == {"id": "1001", "loyaltyPoints": "77", "updatedAt": "2024-03-12T00:00:00Z"}
    assert [int(row["id"]) for row in on_list] == list(range(1001, 1101, 5))
    assert len(everybody) == 100


def test_both_ends_of_a_date_filter_belong_to_it(api: Api):
    one_second = {"startAt": "2024-03-12T00:00:00Z", "endAt": "2024-03-12T00:00:00Z"}

    assert [row["id"] for row in rows(Export(api, "leads").content(["id"], {"createdAt": one_second}))] == ["1001"]


def test_activities_carry_their_attributes_as_json(api: Api):
    found = rows(Export(api, "activities").content(ACTIVITY_FIELDS, {"createdAt": JANUARY, "activityTypeIds": [1]}))

    assert {row["activityTypeId"] for row in found} == {"1"}
    assert set(json.loads(found[0]["attributes"])) >= {"Client IP Address", "User Agent"}


def test_attributes_can_come_as_a_list_as_well(make: Make):
    api = make(attributes_style="list")
    (first, *_) = rows(
        Export(api, "activities").content(ACTIVITY_FIELDS, {"createdAt": JANUARY, "activityTypeIds": [1]})
    )

    assert set(json.loads(first["attributes"])[0]) == {"name", "value"}


def test_activities_are_exported_with_the_usual_fields_if_none_are_named(api: Api):
    activities = Export(api, "activities")
    created = api.done(f"{activities.path}/create.json", {"filter": JANUARY_ACTIVITIES})[0]["exportId"]
    activities.enqueue(created)
    api.simulator.clock.sleep(60)
    header = activities.file(created).text.splitlines()[0]

    assert header == (
        "marketoGUID,leadId,activityDate,activityTypeId,campaignId,"
        "primaryAttributeValueId,primaryAttributeValue,attributes"
    )


def test_activities_can_be_narrowed_to_an_asset(api: Api):
    wanted = {"createdAt": JANUARY, "activityTypeIds": [24], "primaryAttributeValueIds": [1001]}
    found = rows(Export(api, "activities").content(["leadId", "primaryAttributeValue"], wanted))

    assert {row["primaryAttributeValue"] for row in found} == {"Newsletter"}
    assert {int(row["leadId"]) % 5 for row in found} == {1}


def test_program_members_mix_fields_of_member_and_lead_and_write_booleans_as_digits(api: Api):
    found = rows(
        Export(api, "program/members").content(
            ["leadId", "email", "unsubscribed", "statusName", "reachedSuccess"],
            {"programIds": [1001, 1002], "statusNames": ["Attended", "Member"]},
        )
    )

    assert list(found[0]) == ["programId", "leadId", "email", "unsubscribed", "statusName", "reachedSuccess"]
    assert {(row["programId"], row["statusName"], row["reachedSuccess"]) for row in found} == {
        ("1001", "Attended", "1"),
        ("1002", "Member", "0"),
    }
    assert {row["unsubscribed"] for row in found} == {"true", "false"}


def test_custom_objects_are_filtered_by_update_or_by_the_list_of_their_lead(api: Api):
    cars = Export(api, "customobjects/car_c")
    year = rows(
        cars.content(
            ["marketoGUID", "vin"], {"updatedAt": {"startAt": "2024-03-12T00:00:00Z", "endAt": "2024-04-11T00:00:00Z"}}
        )
    )
    on_list = rows(cars.content(["ownerId"], {"staticListId": 1001}))

    assert year[0]["vin"] == "SIM00000000000000"
    assert {int(row["ownerId"]) % 5 for row in on_list} == {1}


def test_a_job_without_rows_has_a_file_with_a_header_only(api: Api):
    leads = Export(api, "leads")
    export_id = leads.run(
        ["id", "email"], {"createdAt": {"startAt": "2001-01-01T00:00:00Z", "endAt": "2001-01-02T00:00:00Z"}}
    )

    assert leads.status(export_id)["numberOfRecords"] == 0
    assert leads.file(export_id).content == b"id,email\n"


def test_what_is_exported_is_fixed_when_the_job_starts(make: Make):
    api = make(job_seconds=600)
    leads = Export(api, "leads")
    export_id = leads.created(["email", "title"], {"staticListId": 1001})
    leads.enqueue(export_id)
    api.sync({"email": "lead1001@example.com", "title": "Boss"})
    api.simulator.clock.sleep(660)

    assert "Boss" not in leads.file(export_id).text


def test_tests_may_supply_the_rows(make: Make):
    odd: list[list[Any]] = [["1", None], ["2", 'a "quote"\n'], ["3", b'"null"'], ["4", "nul \0 and \r"]]
    api = make(
        export_rows=lambda kind, fields: odd if kind == "leads" else [],
        export_header=lambda kind, fields: list(reversed(fields)),
    )
    content = Export(api, "leads").content(["id", "comments"], JANUARY_LEADS)

    assert content == b'comments,id\n1,null\n2,"a ""quote""\n"\n3,"null"\n4,"nul \0 and \r"\n'


def test_a_job_whose_rows_cannot_be_made_fails_with_the_reason(make: Make):
    def broken(kind: str, fields: Any) -> Any:
        yield ["1"]
        raise ValueError("no more rows")

    leads = Export(make(export_rows=broken), "leads")
    export_id = leads.created(["id"], JANUARY_LEADS)
    leads.enqueue(export_id)
    leads.api.wait(120)

    assert leads.status(export_id)["status"] == "Failed"
    assert leads.status(export_id)["errorMsg"] == "Export job failed: no more rows"


def test_a_job_that_was_cancelled_while_it_ran_never_completes_nor_counts(make: Make):
    leads = Export(make(export_daily_bytes=1, job_seconds=600), "leads")
    export_id = leads.created(["id"], {"staticListId": 1001})
    leads.enqueue(export_id)
    leads.api.wait(60)
    running = leads.status(export_id)["status"]
    leads.cancel(export_id)
    leads.api.wait(3000)
    job = leads.status(export_id)

    assert (running, job["status"]) == ("Processing", "Cancelled")
    assert "finishedAt" not in job
    assert leads.create(["id"], JANUARY_LEADS)["success"]


def test_an_export_that_takes_long_to_write_does_not_keep_the_simulator_from_stopping():
    simulator = Simulator(Settings(leads=10, activities=50_000_000, start=date(2026, 3, 1))).start()
    activities = Export(Api(simulator), "activities")
    days = {"startAt": "2026-03-01T00:00:00Z", "endAt": "2026-03-12T00:00:00Z"}
    export_id = activities.created(ACTIVITY_FIELDS, {"createdAt": days})
    activities.enqueue(export_id)
    assert activities.status(export_id)["status"] in ("Queued", "Processing")
    started = time.monotonic()
    simulator.stop()

    assert time.monotonic() - started < 30  # the whole file takes minutes
