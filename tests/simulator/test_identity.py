"""Access tokens: who gets one, how long it lives, and where it must stand."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_marketo.simulator import ApiUser, ManualClock, Simulator
from airflow_provider_marketo.simulator.settings import DEFAULT_USER
from tests.simulator.conftest import Make
from tests.simulator.support import Api, codes

TYPES = "/rest/v1/activities/types.json"


def test_identity_returns_the_same_token_with_its_remaining_lifetime(api: Api, clock: ManualClock):
    first = api.token()
    clock.advance(3000)
    second = api.token()
    clock.advance(600)
    third = api.token()

    assert (first["expires_in"], first["token_type"], first["scope"]) == (3600, "bearer", api.user.user_id)
    assert (second["access_token"], second["expires_in"]) == (first["access_token"], 600)
    assert (third["access_token"] != first["access_token"], third["expires_in"]) == (True, 3600)


def test_the_first_use_of_an_expired_token_is_602_and_any_later_601(api: Api, clock: ManualClock):
    clock.advance(3600)

    assert [codes(api.get(TYPES)) for _ in range(3)] == [["602"], ["601"], ["601"]]


@pytest.mark.parametrize(("header", "code"), [("Bearer made-up", "601"), ("Basic abc", "603"), (None, "603")])
def test_an_unknown_token_is_601_and_a_missing_one_603(api: Api, header: str | None, code: str):
    del api.session.headers["Authorization"]
    if header is not None:
        api.session.headers["Authorization"] = header

    assert codes(api.get(TYPES)) == [code]


def test_revoked_tokens_are_601_although_identity_still_returns_them(api: Api, sim: Simulator):
    before = api.token()["access_token"]
    sim.revoke_tokens()

    assert codes(api.get(TYPES)) == ["601"]
    assert api.token()["access_token"] == before


def test_expired_tokens_are_replaced_by_identity(api: Api, sim: Simulator):
    before = api.token()["access_token"]
    sim.expire_tokens()

    assert codes(api.get(TYPES)) == ["602"]
    assert api.token()["access_token"] != before


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"client_secret": "guess"}])
def test_wrong_credentials_are_http_401(api: Api, wrong: dict[str, str]):
    query = {
        "grant_type": "client_credentials",
        "client_id": api.user.client_id,
        "client_secret": api.user.client_secret,
    }
    reply = requests.get(f"{api.url}/identity/oauth/token", params={**query, **wrong}, timeout=10)

    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


def test_a_token_in_the_query_is_refused_and_noted(api: Api):
    token = api.token()["access_token"]
    del api.session.headers["Authorization"]

    assert codes(api.get(TYPES, access_token=token)) == ["603"]
    assert api.simulator.report().violations == {"token in the query": 1}


def test_a_token_in_the_query_can_be_allowed_as_it_was_for_years(make: Make):
    api = make(accept_query_token=True)
    token = api.token()["access_token"]
    del api.session.headers["Authorization"]

    assert api.get(TYPES, access_token=token)["success"]
    assert api.simulator.report().violations == {"token in the query": 1}


def test_services_have_tokens_of_their_own(make: Make):
    other = ApiUser("other", "secret", "other@example.org")
    one = make(users=(DEFAULT_USER, other))
    two = Api(one.simulator, user=1)

    assert one.token()["access_token"] != two.token()["access_token"]
    assert two.token()["scope"] == "other@example.org"


def test_a_role_without_the_permission_is_603(make: Make):
    user = ApiUser("reader", "secret", "reader@example.org", frozenset({"Read-Write Lead"}))
    api = make(users=(user,))

    assert api.get("/rest/v1/leads/describe.json")["success"]
    assert codes(api.post("/rest/v1/leads.json", {"input": [{"email": "a@example.org"}]})) == ["603"]


def test_calls_to_identity_are_not_counted(api: Api, sim: Simulator):
    for _ in range(5):
        api.token()

    assert api.result("/rest/v1/stats/usage.json")[0]["total"] == 1
    assert sim.report().total_calls == 1
