"""Imports: queue, validation by type, and reports with Marketo's quirks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.support import Api

LEADS = "/bulk/v1/leads.json"
CARS = "/bulk/v1/customobjects/car_c/import.json"
MEMBERS = "/bulk/v1/program/1001/members/import.json"
STATUS = {
    LEADS: "/bulk/v1/leads/batch/{}.json",
    CARS: "/bulk/v1/customobjects/car_c/import/{}/status.json",
    MEMBERS: "/bulk/v1/program/members/import/{}/status.json",
}
JOB = 60.0


def upload(api: Api, text: str | bytes, path: str = LEADS, **query: Any) -> dict[str, Any]:
    content = text.encode() if isinstance(text, str) else text
    files = {"file": ("rows.csv", content, "text/csv")}
    return dict(api.send("POST", path, params={"format": "csv", **query}, files=files).json())


def imported(api: Api, text: str, path: str = LEADS, **query: Any) -> dict[str, Any]:
    """Return the reply and the reports of a finished import."""
    (started,) = upload(api, text, path, **query)["result"]
    assert started["status"] == "Queued"
    api.wait(JOB)
    (ended,) = api.result(STATUS[path].format(started["batchId"]))
    return dict(ended)


def report(api: Api, batch: int, which: str, path: str = LEADS) -> Any:
    address = STATUS[path].format(batch).replace("/status.json", ".json").replace(".json", f"/{which}.json")
    return api.send("GET", address)


def test_an_import_passes_from_queued_to_complete(api):
    (started,) = upload(api, "email,firstName\na@example.org,Ada\n")["result"]
    assert started == {"batchId": 3404, "importId": "3404", "status": "Queued"}
    assert api.result(STATUS[LEADS].format(3404))[0]["status"] == "Importing"
    api.wait(JOB)
    (ended,) = api.result(STATUS[LEADS].format(3404))
    assert (ended["status"], ended["numOfLeadsProcessed"], ended["numOfRowsFailed"]) == ("Complete", 1, 0)
    (lead,) = api.result("/rest/v1/leads.json", filterType="email", filterValues="a@example.org", fields="firstName")
    assert lead["firstName"] == "Ada"


def test_a_value_of_the_wrong_type_is_a_warning_and_the_rest_of_the_row_is_loaded(api):
    ended = imported(api, "email,leadScore,city\na@example.org,many,Bonn\n")
    assert (ended["numOfLeadsProcessed"], ended["numOfRowsFailed"], ended["numOfRowsWithWarning"]) == (1, 0, 1)
    assert "Import Warning Reason" in report(api, ended["batchId"], "warnings").text
    assert report(api, ended["batchId"], "failures").status_code == 404


def test_failed_rows_are_reported_without_empty_columns_and_with_rewritten_values(api):
    ended = imported(api, "email,city,leadScore,country\nA@Example.org,,7,\n BAD@x ,, 1.0,\n")
    assert (ended["numOfLeadsProcessed"], ended["numOfRowsFailed"]) == (1, 1)
    answer = report(api, ended["batchId"], "failures")
    assert answer.headers["Content-Type"] == "text/csv;charset=UTF-8"
    header, row = answer.text.splitlines()
    assert header == "email,leadScore,Import Failure Reason"
    assert row.startswith("bad@x,1.0,")


def test_a_first_column_that_is_empty_loses_its_name_and_keeps_its_cells(api):
    ended = imported(api, "city,email\n,bad\n")
    header, row = report(api, ended["batchId"], "failures").text.splitlines()
    assert header.startswith("email,")
    assert row.startswith(",bad,")


def test_a_row_without_its_key_fails(api):
    ended = imported(api, "email,city\n,Bonn\n")
    assert report(api, ended["batchId"], "failures").text.splitlines()[1].endswith("missing.dedupe.fields")


@pytest.mark.parametrize(
    ("text", "path", "query", "code"),
    [
        ("email,nickname\n", LEADS, {}, "1006"),
        ("email, city\n", LEADS, {}, "1006"),
        ("\ufeffemail\n", LEADS, {}, "1006"),
        ("email\n", LEADS, {"lookupField": "city"}, "1011"),
        ("email\n", LEADS, {"listId": 77}, "1013"),
        ("email\n", LEADS, {"partitionName": "Mars"}, "1008"),
        ("email\n", MEMBERS, {"programMemberStatus": "Engaged"}, "1025"),
        ("email\n", MEMBERS, {}, "1002"),
        ("vin,wheels\n", CARS, {}, "1006"),
        ("", LEADS, {}, "1003"),
        (b"email\nzo\xeb@example.org\n", LEADS, {}, "1003"),
    ],
)
def test_files_and_parameters_that_are_refused_at_once(api, text, path, query, code):
    answer = upload(api, text, path, **query)
    assert [error["code"] for error in answer["errors"]] == [code]


def test_two_imports_run_and_ten_wait_and_the_eleventh_is_refused(api):
    for number in range(10):
        assert upload(api, f"email\na{number}@example.org\n")["success"]
    assert upload(api, "email\nb@example.org\n")["errors"][0]["code"] == "1016"
    states = [api.result(STATUS[LEADS].format(3404 + number))[0]["status"] for number in range(10)]
    assert states == ["Importing"] * 2 + ["Queued"] * 8
    api.wait(JOB)
    assert upload(api, "email\nb@example.org\n")["success"]


def test_a_list_takes_one_import_at_a_time(api):
    upload(api, "email\na@example.org\n", listId=1001)
    assert upload(api, "email\nb@example.org\n", listId=1001)["errors"][0]["code"] == "1019"
    assert upload(api, "email\nb@example.org\n", listId=1002)["success"]


def test_a_batch_is_known_for_seven_days_and_only_under_its_kind(api):
    ended = imported(api, "vin,ownerId,make\nV1,1001,Saab\n", CARS)
    assert (ended["objectApiName"], ended["numOfObjectsProcessed"]) == ("car_c", 1)
    assert api.get(STATUS[LEADS].format(ended["batchId"]))["errors"][0]["code"] == "1013"
    api.wait(8 * 86_400)
    assert api.get(STATUS[CARS].format(ended["batchId"]))["errors"][0]["code"] == "1013"


def test_members_never_go_back_to_an_earlier_status(api):
    ended = imported(api, "email\nnew@example.org\n", MEMBERS, programMemberStatus="Attended")
    assert ended["numOfLeadsProcessed"] == 1
    ended = imported(api, "email\nnew@example.org\n", MEMBERS, programMemberStatus="Registered")
    assert ended["numOfRowsWithWarning"] == 1
    assert "already in or past this status" in report(api, ended["batchId"], "warnings", MEMBERS).text


def test_an_empty_cell_and_the_word_null_empty_a_field(api):
    imported(api, "email,city,country\na@example.org,Bonn,DE\n")
    imported(api, "email,city,country\na@example.org,,null\n")
    (lead,) = api.result("/rest/v1/leads.json", filterType="email", filterValues="a@example.org", fields="city,country")
    assert (lead["city"], lead["country"]) == (None, None)


def test_a_file_that_is_too_large_is_refused_by_the_web_server(make):
    api = make(max_import_body=1_000)
    files = {"file": ("rows.csv", b"email\n" + b"a@example.org\n" * 100, "text/csv")}
    assert api.send("POST", LEADS, params={"format": "csv"}, files=files).status_code == 413


def test_files_with_semicolons_or_tabs_are_imported_by_their_format(api):
    assert imported(api, "email;city\na@example.org;Bonn\n", format="ssv")["numOfLeadsProcessed"] == 1
    assert imported(api, "email\tcity\nb@example.org\tBonn\n", format="tsv")["numOfLeadsProcessed"] == 1
