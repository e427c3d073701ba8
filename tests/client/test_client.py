"""The client, tested with replies that no server gives on demand."""

from __future__ import annotations

import logging
import re

import pytest
import requests
import requests_mock
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError

from airflow_provider_marketo.client import errors, operations
from airflow_provider_marketo.client.client import MarketoClient
from airflow_provider_marketo.client.governor.local import LocalGovernor
from tests.contract.samples import samples
from tests.support import ManualClock
from tools.services import free_port

HOST = "https://123-abc-456.mktorest.com"
IDENTITY = f"{HOST}/identity/oauth/token"
OK = {"success": True, "requestId": "a#1", "result": [{"id": 7}]}


def failure(code: str, message: str = "some text") -> dict:
    return {"success": False, "requestId": "a#2", "errors": [{"code": code, "message": message}]}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def marketo(requests_mock):
    tokens = iter(f"token-{n}" for n in range(100))
    requests_mock.post(IDENTITY, json=lambda *_: {"access_token": next(tokens), "expires_in": 3599})
    return requests_mock


@pytest.fixture
def client(clock) -> MarketoClient:
    return MarketoClient(
        "123-ABC-456", "an-id", "a-secret", clock=clock, governor=LocalGovernor(parallel=4, clock=clock)
    )


def calls(marketo, path: str) -> list:
    return [request for request in marketo.request_history if request.path == path]


def test_the_token_goes_into_the_header_and_nowhere_else(client, marketo):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=OK)
    assert client.call("leads.get_by_id", leadId=7).records == [{"id": 7}]
    (request,) = calls(marketo, "/rest/v1/lead/7.json")
    assert request.headers["Authorization"] == "Bearer token-0"
    assert "token" not in request.url


def test_an_answer_shows_no_records_in_logs(client, marketo):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json={"success": True, "result": [{"email": "ada@example.com"}]})
    assert "ada@example.com" not in repr(client.call("leads.get_by_id", leadId=7))


@pytest.mark.parametrize(
    "body", [{"success": True, "requestId": "a#1"}, {"success": True, "result": None}, {"success": True, "result": []}]
)
def test_the_result_of_an_empty_answer_is_an_empty_list(client, marketo, body):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=body)
    assert client.call("leads.get_by_id", leadId=7).result == []


@pytest.mark.parametrize(
    "body", [{"success": True, "result": [{"id": 7}]}, {"result": [{"id": 7}]}], ids=["success", "no success"]
)
def test_a_result_is_found_with_and_without_a_word_of_success(client, marketo, body):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=body)
    assert client.call("leads.get_by_id", leadId=7).result == [{"id": 7}]


def test_marketos_time_is_that_of_its_last_answer_with_a_date(client, marketo, clock):
    headers = [{"Date": "Thu, 15 Jan 2026 13:00:00 GMT"}, {"Date": "Thu, 15 Jan 2026 14:00:00 GMT"}, {}]
    marketo.get(f"{HOST}/rest/v1/lead/7.json", [{"json": OK, "headers": each} for each in headers])
    shown = []
    for _ in headers:
        client.call("leads.get_by_id", leadId=7)
        shown.append((client.marketo_time() - clock.now()).total_seconds() / 3600)
    assert shown == [1, 2, 2]


@pytest.mark.parametrize(("given", "seconds"), [({}, 10.0), ({"connect_timeout": 3.0}, 3.0)])
def test_a_connection_that_is_not_made_is_given_up_before_an_answer_would_be(clock, marketo, given, seconds):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=OK)
    governor = LocalGovernor(parallel=4, clock=clock)
    MarketoClient("123-ABC-456", "an-id", "a-secret", clock=clock, governor=governor, **given).call(
        "leads.get_by_id", leadId=7
    )
    assert [request.timeout[0] for request in marketo.request_history] == [seconds, seconds]


@pytest.mark.parametrize("name", ["identity.get_token", "identity.post_token", "identityUsingGET"])
def test_a_token_that_is_requested_by_name_says_whose_credentials_it_needs(client, marketo, name):
    with pytest.raises(errors.MarketoInvalidRequestError, match="requests and renews its own tokens"):
        client.call(name)
    assert not marketo.called


def test_credentials_that_identity_refuses_are_not_taken_for_the_clients_token(client, marketo):
    marketo.get(IDENTITY, status_code=401, json={"error": "unauthorized"})
    with pytest.raises(errors.MarketoAuthError, match="identity service refuses this client id and secret"):
        client.call("identity.get_token", client_id="an-id", client_secret="a-secret")


@pytest.mark.parametrize("code", ["601", "602"])
def test_a_refused_token_is_replaced_once_and_the_call_sent_again(client, marketo, code):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", [{"json": failure(code)}, {"json": OK}])
    client.call("leads.get_by_id", leadId=7)
    sent = [request.headers["Authorization"] for request in calls(marketo, "/rest/v1/lead/7.json")]
    assert sent == ["Bearer token-0", "Bearer token-1"]


def test_a_token_that_stays_refused_is_an_error(client, marketo):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=failure("601", "Access token invalid"))
    with pytest.raises(errors.MarketoAuthError, match="Access token invalid"):
        client.call("leads.get_by_id", leadId=7)
    assert len(calls(marketo, "/rest/v1/lead/7.json")) == 2


@pytest.mark.parametrize("given", ["a-partner", "", None])
def test_identity_learns_of_the_partner_if_there_is_one(clock, marketo, given):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=OK)
    governor = LocalGovernor(parallel=4, clock=clock)
    client = MarketoClient("123-ABC-456", "an-id", "a-secret", clock=clock, governor=governor, partner_id=given)
    client.call("leads.get_by_id", leadId=7)
    (asked,) = calls(marketo, "/identity/oauth/token")
    assert asked.qs.get("partner_id") == (["a-partner"] if given else None)


@pytest.mark.parametrize("status", [400, 401])
def test_wrong_credentials_say_where_to_look(client, requests_mock, status):
    requests_mock.post(IDENTITY, status_code=status, json={"error": "unauthorized"})
    with pytest.raises(
        errors.MarketoAuthError, match=r"identity service refuses this client id and secret.*LaunchPoint"
    ) as caught:
        client.call("leads.describe")
    assert "a-secret" not in str(caught.value)


def test_an_identity_that_answers_an_error_with_200_is_not_a_token(client, requests_mock):
    requests_mock.post(IDENTITY, json={"error": "invalid_request", "error_description": "a-secret is odd"})
    with pytest.raises(errors.MarketoAuthError, match="invalid_request") as caught:
        client.call("leads.describe")
    assert "a-secret" not in str(caught.value)


def test_an_identity_whose_answer_is_neither_a_token_nor_a_refusal_is_asked_again(client, requests_mock, clock):
    requests_mock.get(f"{HOST}/rest/v1/leads/describe.json", json=OK)
    for odd in ["<html>", "", "[]"], ["null", "{}", '{"access_token":null}']:
        answers = [{"text": text} for text in odd]
        requests_mock.post(IDENTITY, [*answers, {"json": {"access_token": "t", "expires_in": 3599}}])
        client.call("leads.describe")
        clock.sleep(3599)
    assert len(calls(requests_mock, "/identity/oauth/token")) == 8
    requests_mock.post(IDENTITY, json={})
    with pytest.raises(errors.MarketoTransientError, match=r"neither a token nor a reason.* identity_url") as caught:
        client.call("leads.describe")
    assert not caught.value.executed


@pytest.mark.parametrize("code", ["606", "615"])
def test_an_identity_that_is_throttled_is_asked_again(client, requests_mock, clock, code):
    requests_mock.post(IDENTITY, [{"json": failure(code)}, {"json": {"access_token": "t", "expires_in": 3599}}])
    requests_mock.get(f"{HOST}/rest/v1/leads/describe.json", json=OK)
    client.call("leads.describe")
    assert clock.monotonic() > 0


def test_a_missing_permission_is_named(client, marketo):
    marketo.get(f"{HOST}/rest/v1/leads/describe.json", json=failure("603", "Access denied"))
    with pytest.raises(errors.MarketoPermissionError, match=r"'Read-Only Lead'.* IP allowlist") as caught:
        client.call("leads.describe")
    assert (caught.value.code, caught.value.request_id) == ("603", "a#2")


def test_an_upsert_is_sent_again_only_when_the_first_can_no_longer_run(client, marketo, clock):
    marketo.post(f"{HOST}/rest/v1/leads.json", [{"exc": requests.exceptions.ConnectionError("reset")}, {"json": OK}])
    client.call("leads.sync", input=[{"email": "ada@example.com"}])
    assert clock.monotonic() >= 90
    assert len(calls(marketo, "/rest/v1/leads.json")) == 2


def test_a_detached_client_waits_for_nothing_that_this_one_holds(client, marketo):
    marketo.get(f"{HOST}/rest/v1/leads/describe.json", json=OK)

    def interrupted(_request, _context):
        client.detached().call("leads.describe")
        return OK

    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=interrupted)
    client.governor.parallel = 1
    client.call("leads.get_by_id", leadId=7)
    assert len(calls(marketo, "/rest/v1/leads/describe.json")) == 1


@pytest.mark.parametrize("code", ["606", "615"])
def test_rejections_by_the_rate_are_waited_out_whatever_the_operation(client, marketo, clock, code):
    url = f"{HOST}/rest/v1/campaigns/3/trigger.json"
    marketo.post(url, [{"json": failure(code)}, {"json": OK}])
    client.call("campaigns.request", campaignId=3, input={"leads": [{"id": 1}]})
    assert clock.monotonic() > 0
    assert len(calls(marketo, "/rest/v1/campaigns/3/trigger.json")) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"exc": requests.exceptions.ReadTimeout},
        {"exc": requests.exceptions.ConnectionError("reset")},
        {"status_code": 502, "text": "<html>Bad Gateway</html>"},
        {"json": failure("604")},
        {"json": failure("611")},
    ],
    ids=["timeout", "reset", "502", "604", "611"],
)
def test_a_campaign_is_never_requested_twice_when_the_first_request_may_have_run(client, marketo, broken):
    marketo.post(f"{HOST}/rest/v1/campaigns/3/trigger.json", **broken)
    with pytest.raises(errors.MarketoAmbiguousOutcomeError, match="may have run"):
        client.call("campaigns.request", campaignId=3, input={"leads": [{"id": 1}]})
    assert len(calls(marketo, "/rest/v1/campaigns/3/trigger.json")) == 1


def test_a_connection_that_was_never_established_may_be_tried_again_by_anyone(client, marketo):
    unreachable = requests.exceptions.ConnectionError(NewConnectionError(None, "no route"))
    marketo.post(f"{HOST}/rest/v1/campaigns/3/trigger.json", [{"exc": unreachable}, {"json": OK}])
    reply = client.call("campaigns.request", campaignId=3, input={"leads": [{"id": 1}]})
    assert reply.records == [{"id": 7}]
    assert len(calls(marketo, "/rest/v1/campaigns/3/trigger.json")) == 2


def test_no_layer_below_the_client_tries_a_host_again_that_refuses_connections(clock, monkeypatch):
    tried = []

    def refuse(*_, **__):
        tried.append(1)
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    client = MarketoClient(f"http://127.0.0.1:{free_port()}", "an-id", "a-secret", clock=clock)
    with pytest.raises(errors.MarketoConnectionError):
        client.call("leads.describe")
    assert len(tried) == 3 * 3  # the call is sent three times, and each time a token is requested three times


def test_a_host_that_cannot_be_reached_is_named_and_the_query_is_not(clock):
    address = f"127.0.0.1:{free_port()}"
    client = MarketoClient(f"http://{address}", "an-id", "a-secret", clock=clock)
    with pytest.raises(errors.MarketoConnectionError, match=f"cannot connect to {address} ") as caught:
        client.call("leads.get_by_filter_type", filterType="email", filterValues=["ann@example.com"])
    assert "example.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            NameResolutionError("999-zzz-999.mktorest.com", None, OSError("gone")),
            "Check the connection's host, such as",
        ),
        (ConnectTimeoutError("slow"), "firewall"),
        (NewConnectionError(None, "refused"), "Check the connection's host"),
    ],
)
def test_why_a_host_cannot_be_reached_comes_with_a_way_out(client, marketo, error, remedy):
    unreachable = requests.exceptions.ConnectionError(MaxRetryError(None, "/", error))
    marketo.get(f"{HOST}/rest/v1/leads/describe.json", exc=unreachable)
    with pytest.raises(errors.MarketoConnectionError, match=remedy):
        client.call("leads.describe")


def test_a_proxy_that_cannot_be_found_does_not_point_at_the_munchkin_id(client, marketo):
    cause = NameResolutionError("proxy.example.org", None, OSError("gone"))
    marketo.get(
        f"{HOST}/rest/v1/leads/describe.json", exc=requests.exceptions.ProxyError(MaxRetryError(None, "/", cause))
    )
    with pytest.raises(errors.MarketoConnectionError, match="Check the connection's proxy"):
        client.call("leads.describe")


def test_an_empty_answer_is_not_a_success(client, marketo, clock):
    marketo.post(f"{HOST}/rest/v1/campaigns/3/trigger.json", text="")
    with pytest.raises(errors.MarketoAmbiguousOutcomeError):
        client.call("campaigns.request", campaignId=3, input={"leads": [{"id": 1}]})


def test_an_answer_without_content_is_a_success_where_marketo_gives_no_envelope(client, marketo):
    marketo.post(f"{HOST}/userservice/management/v1/users/7/delete.json", status_code=204)
    assert client.call("user_management.delete_user", userid="7").result == []


def test_a_token_that_is_refused_in_plain_http_is_replaced_too(client, marketo):
    url = f"{HOST}/userservice/management/v1/users/allusers.json"
    marketo.get(url, [{"status_code": 401}, {"json": []}])
    client.call("user_management.get_users")
    sent = calls(marketo, "/userservice/management/v1/users/allusers.json")
    assert [request.headers["Authorization"] for request in sent] == ["Bearer token-0", "Bearer token-1"]


INGESTION = "https://mkto-ingestion-api.adobe.io/subscriptions/123-ABC-456/persons"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (429, "4290801", errors.MarketoQuotaExhaustedError),
        (403, "4030801", errors.MarketoPermissionError),
        (400, "4000802", errors.MarketoInvalidRequestError),
        (500, "5000801", errors.MarketoAmbiguousOutcomeError),
    ],
)
def test_data_ingestion_has_codes_and_texts_of_its_own(client, marketo, status, code, error):
    marketo.post(INGESTION, status_code=status, json={"error_code": code, "message": "what is wrong"})
    with pytest.raises(error, match=rf"what is wrong.*{code}"):
        client.call("data_ingestion.sync_persons", munchkinId="123-ABC-456", persons=[{"email": "ada@example.com"}])


def test_data_ingestion_takes_a_new_token_and_a_pause(client, marketo, clock):
    marketo.post(
        INGESTION,
        [
            {"status_code": 401, "json": {"error_code": "401013", "message": "OAuth token invalid"}},
            {"status_code": 429, "json": {"error_code": "429001", "message": "slow down"}},
            {"status_code": 202},
        ],
    )
    client.call("data_ingestion.sync_persons", munchkinId="123-ABC-456", persons=[{"email": "ada@example.com"}])
    sent = calls(marketo, "/subscriptions/123-abc-456/persons")
    assert [request.headers["X-Mkto-User-Token"] for request in sent] == ["token-0", "token-1", "token-1"]
    assert clock.monotonic() > 0


def test_a_server_error_in_json_may_have_run(client, marketo):
    url = re.compile(rf"{HOST}/rest/asset/v2/.*")
    marketo.get(url, [{"status_code": 500, "json": failure("whatever")}, {"json": OK}])
    assert client.call("emails_v2.get_by_id", id="7").records == [{"id": 7}]
    assert marketo.call_count == 3, "the token, the failure and the call that was sent again"


def test_a_page_of_html_with_200_is_not_a_reply(client, marketo):
    marketo.get(f"{HOST}/rest/v1/leads/describe.json", text="<html>", headers={"Content-Type": "text/html"})
    with pytest.raises(errors.MarketoTransientError, match="text/html"):
        client.call("leads.describe")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (413, "the request is larger than Marketo takes (HTTP 413 from Marketo). Send fewer records at once."),
        (414, "the URL is longer than Marketo takes (HTTP 414 from Marketo). Ask for fewer values at once."),
    ],
)
def test_a_request_that_is_too_large_for_marketos_gateway_is_not_sent_again(client, marketo, status, words):
    asked = marketo.post(f"{HOST}/rest/v1/leads.json", status_code=status, text="<html>nginx</html>")
    with pytest.raises(errors.MarketoInvalidRequestError) as caught:
        client.call("leads.sync", input=[{"email": "a@example.com"}])
    assert str(caught.value) == f"leads.sync: {words}"
    assert not caught.value.executed
    assert asked.call_count == 1


def test_a_redirect_is_not_followed(client, marketo):
    marketo.get(
        f"{HOST}/rest/v1/leads/describe.json", status_code=302, headers={"Location": "https://evil.example.com"}
    )
    with pytest.raises(errors.MarketoConnectionError, match="the host redirects instead of answering"):
        client.call("leads.describe")


def test_filter_values_stay_out_of_errors_and_logs(client, marketo, caplog):
    caplog.set_level(logging.DEBUG)
    marketo.get(f"{HOST}/rest/v1/leads.json", exc=requests.exceptions.ConnectionError("/leads?ada@example.com"))
    with pytest.raises(errors.MarketoError) as caught:
        client.call("leads.get_by_filter_type", filterType="email", filterValues=["ada@example.com"])
    assert "ada@" not in str(caught.value)
    assert caught.value.__context__ is None  # neither printed nor recorded
    assert "ada@" not in caplog.text


def test_urllib3_logs_addresses_without_their_queries(caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug(
        '%s://%s:%s "%s %s %s" %s %s',
        "https",
        "host",
        443,
        "POST",
        "/identity/oauth/token?client_secret=s",
        "1.1",
        200,
        9,
    )
    assert "client_secret" not in caplog.text
    assert "/identity/oauth/token?..." in caplog.text


@pytest.mark.parametrize("proxy", ["no address", "ftp://127.0.0.1:9", "//127.0.0.1", "http://user:hidden@"])
def test_a_proxy_that_is_not_a_url_is_refused_before_a_call(proxy):
    with pytest.raises(errors.MarketoInvalidRequestError, match="proxy is not a valid URL") as caught:
        MarketoClient("https://127.0.0.1:9", "an-id", "a-secret", proxy=proxy)
    assert caught.value.parameter == "proxy"
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "https://user:pass@proxy.example.com", "socks5h://[::1]:1080/"])
def test_calls_go_through_the_proxy(requests_mock, proxy):
    requests_mock.post(IDENTITY, json={"access_token": "a-token", "expires_in": 3599})
    requests_mock.get(f"{HOST}/rest/v1/lead/7.json", json=OK)
    MarketoClient("123-ABC-456", "an-id", "a-secret", proxy=proxy).call("leads.get_by_id", leadId=7)
    assert [request.proxies["https"] for request in requests_mock.request_history] == [proxy, proxy]


def test_certificates_that_are_not_there_are_named_before_a_call():
    with pytest.raises(errors.MarketoInvalidRequestError, match="ca_bundle is not a file on this host") as caught:
        MarketoClient("123-ABC-456", "an-id", "a-secret", ca_bundle="/nowhere/ca.pem")
    assert caught.value.parameter == "ca_bundle"


def test_pages_follow_the_position_token(client, marketo):
    url = re.compile(rf"{HOST}/rest/v1/lists.json.*")
    marketo.get(
        url,
        [
            {"json": {"success": True, "result": [{"id": 1}], "nextPageToken": "A="}},
            {"json": {"success": True, "result": [{"id": 2}], "nextPageToken": "B="}},
            {"json": {"success": True}},
        ],
    )
    assert [record["id"] for record in client.paginate("static_list_membership.get_lists")] == [1, 2]
    assert [request.qs.get("nextpagetoken") for request in calls(marketo, "/rest/v1/lists.json")] == [
        None,
        ["a="],
        ["b="],
    ]


@pytest.mark.parametrize("token", [{}, {"nextPageToken": "A="}])
def test_a_page_that_is_promised_and_cannot_be_had_is_an_error_and_not_the_end(client, marketo, token):
    page = {"success": True, "result": [{"id": 1}], "moreResult": True, "nextPageToken": "A="}
    last = {"success": True, "result": [{"id": 2}], "moreResult": True} | token
    marketo.get(re.compile(rf"{HOST}/rest/v1/lists.json.*"), [{"json": page}, {"json": last}])
    found = client.paginate("static_list_membership.get_lists")
    with pytest.raises(errors.MarketoDataError, match="says that more records follow"):
        list(found)


def test_activities_continue_through_empty_pages(client, marketo):
    marketo.get(
        f"{HOST}/rest/v1/activities.json",
        [
            {"json": {"success": True, "moreResult": True, "nextPageToken": "A"}},
            {"json": {"success": True, "moreResult": True, "nextPageToken": "B", "result": []}},
            {"json": {"success": True, "moreResult": False, "nextPageToken": "C", "result": [{"id": 1}]}},
        ],
    )
    found = client.paginate("activities.get_lead_activities", nextPageToken="0", activityTypeIds=[1])
    assert [record["id"] for record in found] == [1]


def test_assets_are_read_until_a_page_is_empty(client, marketo):
    marketo.get(
        re.compile(rf"{HOST}/rest/asset/v1/programs.json.*"),
        [
            {"json": {"success": True, "result": [{"id": 1}, {"id": 2}]}},
            {"json": {"success": True, "result": [{"id": 3}]}},
            {"json": {"success": True, "warnings": ["No assets found for the given search criteria."]}},
        ],
    )
    assert [record["id"] for record in client.paginate("programs.get")] == [1, 2, 3]


def test_an_unknown_parameter_costs_no_call(client, marketo):
    with pytest.raises(errors.MarketoInvalidRequestError, match="filterValues"):
        client.call("leads.get_by_filter_type", filterType="email", filterValue=["x"])
    assert marketo.request_history == []


@pytest.mark.parametrize(("takes", "wait"), [(1.0, 89.0), (40.0, 50.0), (95.0, 0.0)])
def test_an_upsert_whose_answer_was_lost_is_sent_again_when_marketo_has_ended_the_first(
    client, marketo, clock, takes, wait
):
    """Marketo works 90 seconds on an upsert; two of them at once would make two people of one new lead."""
    sent = []

    def answer(_, context):
        sent.append(clock.monotonic())
        if len(sent) > 1:
            return OK
        clock.advance(takes)
        raise requests.ReadTimeout

    marketo.post(f"{HOST}/rest/v1/leads.json", json=answer)
    client.call("leads.sync", input=[{"email": "ada@example.com"}])
    first, second = sent
    assert second - first >= 90.0
    assert wait <= second - first - takes <= wait + 5.0


def test_a_stopped_client_sends_nothing_more(client, marketo):
    marketo.get(f"{HOST}/rest/v1/lead/7.json", json=OK)
    client.stop()
    with pytest.raises(errors.MarketoStoppedError):
        client.call("leads.get_by_id", leadId=7)
    assert calls(marketo, "/rest/v1/lead/7.json") == []


def test_a_client_that_is_stopped_during_a_pause_does_not_send_again(client, marketo, clock, monkeypatch):
    sync = marketo.post(f"{HOST}/rest/v1/leads.json", json=failure("611"))
    monkeypatch.setattr(clock, "sleep", lambda seconds: client.stop())
    with pytest.raises(errors.MarketoStoppedError) as caught:
        client.call("leads.sync", input=[{"email": "a@example.com"}])
    assert sync.call_count == 1
    assert caught.value.executed  # the first sending may have run


def test_an_answer_says_whether_an_earlier_sending_may_have_run(client, marketo):
    marketo.post(f"{HOST}/rest/v1/leads.json", [{"json": failure("611")}, {"json": OK}])
    people = [{"email": "a@example.com"}]
    assert client.call("leads.sync", input=people).resent  # 611: it may have run
    marketo.post(f"{HOST}/rest/v1/leads.json", [{"json": failure("608")}, {"json": OK}])
    assert not client.call("leads.sync", input=people).resent  # 608: it certainly did not


def test_the_refusal_of_a_repeated_request_says_that_an_earlier_one_may_have_run(client, marketo):
    answers = [{"status_code": 502}, {"json": failure("709", "no draft to approve")}]
    marketo.post(f"{HOST}/rest/asset/v1/email/7/approveDraft.json", answers)
    with pytest.raises(errors.MarketoInvalidRequestError, match=r"no draft to approve.*first request may have run"):
        client.call("emails.approve_draft", id=7)
    marketo.post(f"{HOST}/rest/asset/v1/email/7/approveDraft.json", json=failure("709", "no draft to approve"))
    with pytest.raises(errors.MarketoInvalidRequestError, match=r"^((?!first request).)*$"):
        client.call("emails.approve_draft", id=7)


def test_an_error_says_whether_any_of_its_sendings_may_have_run(client, marketo):
    marketo.post(f"{HOST}/rest/v1/leads.json", [{"json": failure("611")}, {"json": failure("1003")}])
    with pytest.raises(errors.MarketoInvalidRequestError) as caught:
        client.call("leads.sync", input=[{"email": "a@example.com"}])
    assert caught.value.executed


DELETES = [operation for operation in operations.all_operations() if operation.deletes]


def lost_then(answer: dict, client: MarketoClient, marketo, operation: operations.Operation, **how):
    """Call an operation whose first answer is lost, and whose second sending gets the given answer."""
    address = re.compile(rf"{re.escape(operation.path.partition('{')[0])}")
    marketo.register_uri(requests_mock.ANY, address, [{"status_code": 502}, {"json": answer, **how}])
    return client.call(operation.name, **next(samples(operation)))


@pytest.mark.parametrize("code", ["702", "710", "718", "1004", "1013"])
@pytest.mark.parametrize("operation", DELETES, ids=lambda each: each.name)
def test_records_that_a_repeated_delete_does_not_find_count_as_deleted(client, marketo, operation, code):
    reply = lost_then(failure(code), client, marketo, operation)
    assert (reply.records, reply.resent) == ([], True)


@pytest.mark.parametrize("code", ["610", "709", "1003"])
@pytest.mark.parametrize("operation", DELETES, ids=lambda each: each.name)
def test_any_other_answer_to_a_repeated_delete_is_an_error(client, marketo, operation, code):
    with pytest.raises(errors.MarketoInvalidRequestError):
        lost_then(failure(code), client, marketo, operation)


def test_a_delete_that_finds_nothing_at_once_is_an_error(client, marketo):
    marketo.post(f"{HOST}/rest/asset/v1/staticList/7/delete.json", json=failure("702"))
    with pytest.raises(errors.MarketoNotFoundError):
        client.call("static_lists.delete", id=7)


def test_a_delete_that_marketo_refused_before_is_not_taken_for_done(client, marketo):
    answers = [{"json": failure("606")}, {"json": failure("702")}]  # after a 606 it certainly did not run
    marketo.post(f"{HOST}/rest/asset/v1/staticList/7/delete.json", answers)
    with pytest.raises(errors.MarketoNotFoundError):
        client.call("static_lists.delete", id=7)


def test_records_that_another_repeated_request_does_not_find_are_an_error(client, marketo):
    answers = [{"status_code": 502}, {"json": failure("702")}]
    marketo.post(f"{HOST}/rest/asset/v1/staticList/7.json", answers)
    with pytest.raises(errors.MarketoNotFoundError):
        client.call("static_lists.update_metadata", id=7, name="x")
