"""Envelopes, encodings and the order in which a call is checked."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from tests.simulator.support import Api, codes

LEADS = "/rest/v1/leads.json"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_success_and_failure_come_with_http_200_in_an_envelope(api: Api):
    good = api.send("GET", "/rest/v1/leads/partitions.json")
    bad = api.send("GET", "/rest/v1/nothing.json")

    assert (good.status_code, bad.status_code) == (200, 200)
    assert good.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert set(good.json()) == {"requestId", "success", "result"}
    assert set(bad.json()) == {"requestId", "success", "errors"}
    assert re.fullmatch(r"[0-9a-f]+#[0-9a-f]+", good.json()["requestId"])


@pytest.mark.parametrize(
    ("method", "path", "sent", "code"),
    [
        ("GET", "/rest//v1/leads.json", {}, "610"),
        ("GET", "/rest/bulk/v1/leads/export.json", {}, "610"),
        ("DELETE", LEADS, {}, "605"),
        ("PUT", LEADS, {"json": {}}, "605"),
        ("POST", LEADS, {"data": '{"input": []}'}, "612"),
        ("POST", LEADS, {"data": '{"input": []}', "headers": {"Content-Type": "text/plain"}}, "612"),
        ("POST", LEADS, {"data": "{", "headers": {"Content-Type": "application/json"}}, "609"),
        ("POST", LEADS, {"data": '{"a": 1, "a": 2}', "headers": {"Content-Type": "application/json"}}, "609"),
        ("POST", LEADS, {"json": [1]}, "609"),
        ("POST", LEADS, {"json": {}}, "1002"),
        ("POST", LEADS, {"json": {"input": []}}, "1002"),
        ("POST", LEADS, {"json": {"input": {}}}, "1001"),
        ("POST", LEADS, {"json": {"input": [{}], "action": "replace"}}, "1003"),
        ("POST", LEADS, {"json": {"input": [{}], "colour": "red"}}, "1003"),
        ("POST", LEADS, {"json": {"input": [{}] * 301}}, "1003"),
        ("GET", LEADS, {"params": {"filterType": "email"}}, "1002"),
        ("GET", LEADS, {"params": {"filterType": "id", "filterValues": "1", "batchSize": "many"}}, "1001"),
        ("GET", LEADS, {"params": {"filterType": "id", "filterValues": "1", "batchSize": "301"}}, "1003"),
        ("GET", "/rest/v1/activities/pagingtoken.json", {"params": {"sinceDatetime": "2026-01-01"}}, "1003"),
        (
            "GET",
            "/rest/v1/activities/pagingtoken.json",
            {"params": {"sinceDatetime": "2026-01-01T00:00:00.5Z"}},
            "1003",
        ),
    ],
)
def test_a_malformed_request_gets_marketos_code(api: Api, method: str, path: str, sent: dict[str, Any], code: str):
    assert codes(api.send(method, path, **sent).json()) == [code]


def test_a_query_may_be_sent_as_a_form_post(api: Api):
    query = {"filterType": "id", "filterValues": "1001,1002", "fields": "email"}
    plain = api.result(LEADS, **query)
    posted = api.send("POST", f"{LEADS}?_method=GET", data=query).json()["result"]

    assert posted == plain
    assert [lead["id"] for lead in posted] == [1001, 1002]


def test_a_form_post_has_room_for_more_than_8_kb(api: Api):
    values = ",".join(f"lead{number}@example.com" for number in range(1001, 1301)) + "," * 6000
    reply = api.send("POST", f"{LEADS}?_method=GET", data={"filterType": "email", "filterValues": values})

    assert reply.json()["success"]
    assert len(reply.request.body or "") > 8192


def test_lists_may_be_repeated_or_separated_by_commas(api: Api):
    commas = api.result(LEADS, filterType="id", filterValues="1001,1002")
    repeated = api.result(LEADS, filterType="id", filterValues=["1001", "1002"])

    assert commas == repeated


def test_the_address_says_what_a_call_is_about_whatever_the_query_says(api: Api):
    assert api.result("/rest/v1/lead/1001.json", leadId="1002")[0]["id"] == 1001
    assert api.result("/rest/v1/lists/1001.json", listId="1002")[0]["id"] == 1001


def test_an_unknown_query_parameter_is_ignored_and_counted_as_a_violation(api: Api):
    assert api.get("/rest/v1/leads/partitions.json", colour="red")["success"]
    assert api.simulator.report().violations == {"unknown parameter colour of leads.get_partitions": 1}


def test_large_replies_are_compressed_on_request_but_small_ones_are_not(api: Api):
    large = api.send("GET", "/rest/v1/leads/describe2.json", headers={"Accept-Encoding": "gzip"})
    plain = api.send("GET", "/rest/v1/leads/describe2.json", headers={"Accept-Encoding": "identity"})
    small = api.send("GET", "/rest/v1/leads/partitions.json", headers={"Accept-Encoding": "gzip"})

    assert large.headers["Content-Encoding"] == "gzip"
    assert large.json()["result"] == plain.json()["result"]
    assert "Content-Encoding" not in {**small.headers, **plain.headers}


def test_every_operation_of_the_catalogue_is_answered():
    from airflow_provider_marketo.client.operations import all_operations
    from airflow_provider_marketo.simulator.routes import HANDLERS

    assert {operation.name for operation in all_operations() if operation.family != "identity"} == set(HANDLERS)


def test_a_body_in_chunks_is_refused(api: Api):
    reply = api.send("POST", LEADS, data=iter([b"{}"]), headers={"Content-Type": "application/json"})

    assert reply.status_code == 411


def test_one_connection_carries_many_calls(api: Api):
    host, port = api.url.removeprefix("http://").split(":")
    head = {"Host": host, "Authorization": str(api.session.headers["Authorization"])}
    lines = ["GET /rest/v1/leads/partitions.json HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    request = "\r\n".join(lines) + "\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(3):
            connection.sendall(request.encode())
            assert b"200 OK" in connection.recv(65536)


def test_the_report_counts_calls_and_refusals(api: Api):
    api.get("/rest/v1/leads/partitions.json")
    api.get("/rest/v1/nothing.json")
    api.sync({"email": "no address"}, {"email": "ada@example.org"})

    report = api.simulator.report()
    assert report.calls == {"identity.post_token": 1, "leads.get_partitions": 1, "?": 1, "leads.sync": 1}
    assert report.rejected == {"610": 1}
    assert report.skipped == {"1003": 1}
    assert report.peak_window == 3
    assert "3 API calls, at most 1 at once and 3 in a window" in str(report)


def test_the_method_and_the_credentials_may_be_sent_in_a_form(api: Api):
    form = {"_method": "GET", "filterType": "id", "filterValues": "1001"}
    credentials = {
        "grant_type": "client_credentials",
        "client_id": api.user.client_id,
        "client_secret": api.user.client_secret,
    }

    assert api.send("POST", LEADS, data=form).json()["result"][0]["id"] == 1001
    assert api.send("POST", "/identity/oauth/token", data=credentials).json()["token_type"] == "bearer"
